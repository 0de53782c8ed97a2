"""What a sample dataset is, and the files that its rows go to."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Protocol

import numpy as np
import polars as pl

from medallion_assets.samples.draw import Ints, World

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["Daily", "Expected", "Sample", "amount", "chunks"]

_CHUNK = 20_000


class Sample(Protocol):
    """A dataset: its intent, its source and what silver makes of it. ``write`` streams, whatever the number of rows."""

    name: str
    """``system.table``."""
    intent: str
    """YAML."""

    def write(self, world: World, folder: Path, expected: "Expected") -> int:
        """Make the source below ``folder`` and say what each silver table must hold. Returns the rows of the source."""
        ...


def chunks(count: int, size: int = _CHUNK) -> Iterator[Ints]:
    """0 to ``count - 1`` in runs of ``size``, which fit in memory."""
    for first in range(0, count, size):
        yield np.arange(first, min(first + size, count))


def amount(cents: str) -> pl.Expr:
    """Whole cents as text, ``12.05``."""
    return pl.format("{}.{}", pl.col(cents) // 100, (pl.col(cents) % 100).cast(pl.String).str.zfill(2))


@dataclass
class Daily:
    """Text files, one a day (``{day}`` in ``pattern`` is the date), each written a piece at a time."""

    world: World
    folder: Path
    pattern: str
    head: str = ""
    _open: dict[int, BinaryIO] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Daily":  # noqa: PYI034 - typing.Self is not in Python 3.10
        for day, date_ in enumerate(self.world.dates):
            path = self.folder / self.pattern.replace("{day}", date_.isoformat())
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open[day] = self._stack.enter_context(path.open("wb"))
            self._open[day].write(self.head.encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def add(self, day: int, text: str) -> None:
        """Write behind what the day has."""
        self._open[day].write(text.encode())

    def add_csv(self, rows: pl.DataFrame, days: Ints) -> int:
        """Each row to its day, in order. Returns how many."""
        for day in np.unique(days):
            self.add(int(day), rows.filter(pl.Series(days == day)).write_csv(include_header=False))
        return rows.height


@dataclass
class Expected:
    """``expected/<table>.parquet``: rows that silver must have, without its technical columns, in no order."""

    folder: Path
    rows: dict[str, int] = field(default_factory=dict)
    _writers: "dict[str, pq.ParquetWriter]" = field(default_factory=dict)

    def add(self, table: str, rows: pl.DataFrame) -> None:
        """Some more rows of a table, whose columns are the same every time."""
        import pyarrow.parquet as pq

        told = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        if table not in self._writers:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._writers[table] = pq.ParquetWriter(self.folder / f"{table}.parquet", told.schema)
        self._writers[table].write_table(told)
        self.rows[table] = self.rows.get(table, 0) + rows.height

    def close(self) -> Mapping[str, int]:
        """Rows by table."""
        for writer in self._writers.values():
            writer.close()
        return self.rows
