"""The python source: a function of the project yields batches of rows.

    def accounts(window: Window, soql: str) -> Iterator[pl.DataFrame]: ...

It is called with the window to read and the intent's ``args`` by name, and gives or yields Polars frames, Arrow tables
or batches, pandas frames, or mappings (one row each, or lists of them). Frames keep their types; a mapping becomes
text the way a JSON object does: 10.50 as a Decimal stays ``10.50``, a nested value is its JSON.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, final

import msgspec

from medallion_assets.errors import ConfigError, ExtractionError, MedallionError
from medallion_assets.intent.source import Python
from medallion_assets.lake.manifest import CursorValue, SourceFacts
from medallion_assets.lake.ports import Batch, Request
from medallion_assets.sources.files.json_rows import Element, Rows
from medallion_assets.sources.filled import Filled
from medallion_assets.sources.functions import NoFunction, function_named, importable, said

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PythonReading", "PythonSource", "Window"]

_ROWS = 10_000
"""Mappings that become one batch."""


@dataclass(frozen=True, slots=True)
class Window:
    """What a function is asked for: ``start <= t < end``, and of those the rows between the cursor's bounds."""

    partition: str
    """Key of the partition: ``2026-11-20``."""
    start: datetime
    """UTC, as ``end`` is."""
    end: datetime
    column: str | None = None
    """The load's cursor column; None for a load without one."""
    lower: CursorValue | None = None
    """Rows at or above this value of the column are wanted: a number or an instant in ISO 8601. None: all."""
    upper: CursorValue | None = None
    """Rows below this. None: to the end. Giving more than was asked for is slow and not wrong."""


@dataclass(frozen=True)
class PythonSource:
    """A function ``package.module:name``, found from the project's root or among what is installed."""

    spec: Python
    root: Path
    timezone: str
    resolve: Callable[[str], str]
    where: str

    def read(self, request: Request) -> "PythonReading":
        """Raises ConfigError SRC-114 when there is no such function."""
        function = self._function()
        bounds = request.bounds
        fill = Filled(request.partition, self.timezone, self.resolve, bounds)
        arguments = {name: fill.json(value) for name, value in self.spec.args.items()}
        own = request.partition.window
        window = Window(
            request.partition.key,
            own.start,
            own.end,
            bounds.column if bounds else None,
            bounds.lower if bounds else None,
            bounds.upper if bounds else None,
        )
        return PythonReading(self, lambda: function(window, **arguments))

    def _function(self) -> Callable[..., object]:
        try:
            return function_named(self.spec.function, self.root)
        except NoFunction as error:
            raise self._unusable(str(error)) from None

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError(
            "SRC-114", why, where=f"{self.where}  source.function {self.spec.function}",
            fix="Name a function of an installed package, or of a module below the project's folder.",
        )  # fmt: skip


@final
class PythonReading:
    """One call. ``facts`` is complete after the last batch."""

    cursor: None = None

    def __init__(self, source: PythonSource, call: Callable[[], object]) -> None:
        self._source, self._call = source, call
        self._given: Iterator[object] | None = None
        self._rows = Rows(source.spec.function, source.where, "json")
        self._count = 0

    def __enter__(self) -> "PythonReading":
        return self

    def __exit__(self, *exc: object) -> None:
        close = getattr(self._given, "close", None)
        if close is not None:
            close()

    def __iter__(self) -> Iterator[Batch]:
        with importable(self._source.root):
            self._given = self._items()
            for batch in self._batches(self._given):
                self._count += batch.rows.height
                yield batch

    @property
    def facts(self) -> SourceFacts:
        return SourceFacts(facts={"function": self._source.spec.function, "rows": str(self._count)})

    def _items(self) -> Iterator[object]:
        """What the function gives, one frame or one row at a time; its errors as ours."""
        try:
            given = self._call()
            yield from _each(given) if _is_stream(given) else iter((given,))
        except (MedallionError, GeneratorExit):
            raise
        except Exception as error:
            raise ExtractionError(
                "SRC-115", f"The function failed: {said(error)}", where=f"{self._where}{_line(error)}",
                fix="Mend the function, and run again: nothing of this read was kept.",
            ) from error  # fmt: skip

    def _batches(self, items: Iterator[object]) -> Iterator[Batch]:
        rows: list[Element] = []
        for ordinal, item in enumerate(items, 1):
            if isinstance(item, Mapping):
                rows.append(Element(self._row(item, ordinal), ordinal))
                if len(rows) == _ROWS:
                    yield self._rows.batch(rows)
                    rows = []
            else:
                if rows:
                    yield self._rows.batch(rows)
                    rows = []
                yield Batch(self._frame(item, ordinal))
        if rows:
            yield self._rows.batch(rows)

    def _row(self, row: Mapping[object, object], ordinal: int) -> bytes:
        try:
            return msgspec.json.encode(row)
        except Exception as error:
            raise self._no_rows(f"Row {ordinal:,} cannot be written as JSON: {said(error)}") from error

    def _frame(self, item: object, ordinal: int) -> "pl.DataFrame":
        import polars as pl

        try:
            found = item.collect() if isinstance(item, pl.LazyFrame) else item
            frame = found if isinstance(found, pl.DataFrame) else _arrow(found)
        except Exception as error:
            raise self._no_rows(f"Item {ordinal:,} cannot be read as a frame: {said(error)}") from error
        if frame is None:
            raise self._no_rows(f"Item {ordinal:,} is {_article(item)}, which holds no rows.")
        return frame

    def _no_rows(self, what: str) -> ExtractionError:
        return ExtractionError(
            "SRC-116", what, where=self._where,
            fix="Give Polars, pandas or Arrow tables, or mappings of names to values.",
        )  # fmt: skip

    @property
    def _where(self) -> str:
        return f"{self._source.where}  source.function {self._source.spec.function}"


def _is_stream(given: object) -> bool:
    """Whether it is many things to read one after the other, and not one thing."""
    one = isinstance(given, Mapping | str | bytes) or hasattr(given, "__arrow_c_stream__") or _is_lazy(given)
    return not one and isinstance(given, Iterable) and not hasattr(given, "columns")


def _is_lazy(given: object) -> bool:
    import polars as pl

    return isinstance(given, pl.LazyFrame)


def _each(given: object) -> Iterator[object]:
    """Items in order; a list among them is its own items."""
    for item in given:  # type: ignore[attr-defined] # an Iterable, says the caller
        if isinstance(item, list | tuple):
            yield from item
        else:
            yield item


def _arrow(item: Any) -> "pl.DataFrame | None":
    """By the Arrow interface of Arrow, pandas, DuckDB and others; None for what has none."""
    import polars as pl

    return pl.DataFrame(item) if hasattr(item, "__arrow_c_stream__") or hasattr(item, "__arrow_c_array__") else None


def _line(error: BaseException) -> str:
    """Where in the user's own code, the innermost."""
    frames = [frame for frame in extract_tb(error.__traceback__) if frame.filename != __file__]
    return f"  {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _article(item: object) -> str:
    return "nothing" if item is None else f"of type {type(item).__name__}"
