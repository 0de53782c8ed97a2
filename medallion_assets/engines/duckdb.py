"""Silver models on DuckDB: for what does not fit in memory, which it keeps and sorts on disk."""

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from medallion_assets.engines.carried import needs_package, plain, refuse, stored, unsigned
from medallion_assets.errors import StorageError

if TYPE_CHECKING:
    from types import ModuleType

    import duckdb
    import pyarrow as pa

__all__ = ["DuckDBEngine"]

_PIECE = 131_072
"""Rows of a batch."""


class DuckDBEngine:
    """Evaluates narwhals lazy frames that wrap DuckDB relations, in a database of its own in a folder of its own.

    ``memory``: bytes that DuckDB may hold; ``scratch``: where the folder is made, on a disk with room for what does not
    fit. Raises ConfigError SLV-017 when DuckDB is not installed.
    """

    def __init__(self, memory: int, scratch: Path, threads: int | None = None) -> None:
        try:
            import duckdb
        except ImportError as missing:
            raise needs_package(missing, "duckdb") from missing
        self._duckdb: ModuleType = duckdb
        scratch.mkdir(parents=True, exist_ok=True)
        self._folder = Path(mkdtemp(prefix="duckdb-", dir=scratch))
        self._numbers = count(1)
        self._tables: dict[int, duckdb.DuckDBPyRelation] = {}
        """Those that hold a frame, by identity."""
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory}B",
            "temp_directory": str(self._folder / "spilled"),
            # Frames have no order but the one that they are sorted by at the end.
            "preserve_insertion_order": False,
            # Nothing comes over the network.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # Text of more than 2 GiB in one piece.
            "arrow_large_buffer_size": True,
            **({} if threads is None else {"threads": threads}),
        }
        self._main = self._timed(duckdb.connect(str(self._folder / "frames.duckdb"), config=config))

    @property
    def name(self) -> str:
        return "duckdb"

    def frame(self, rows: pl.DataFrame) -> nw.LazyFrame[Any]:
        """Raises StorageError SLV-016."""
        self._refuse(rows.schema)
        table = self._table()
        with self._told():
            self._main.from_arrow(rows.to_arrow()).create(table)
        return self._of(table)

    def scan(self, files: Sequence[Path]) -> nw.LazyFrame[Any]:
        """Raises StorageError SLV-016."""
        self._refuse(stored(files[0]))
        with self._told():
            # A path is taken for a pattern.
            rows = self._main.read_parquet([glob.escape(str(file)) for file in files], hive_partitioning=False)
        return nw.from_native(rows)

    def held(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        relation, table = self._relation(frame), self._table()
        if id(relation) in self._tables:
            return frame
        with self._told():
            relation.create(table)
        return self._of(table)

    def evaluate(self, frame: nw.LazyFrame[Any]) -> pl.DataFrame:
        with self._told():
            return _polars(self._relation(frame).to_arrow_table())

    def batches(self, frame: nw.LazyFrame[Any]) -> Iterator[pl.DataFrame]:
        """On a connection of its own: other frames may be evaluated meanwhile."""
        query = self._relation(frame).sql_query()
        with self._told(), self._timed(self._main.cursor()) as beside:
            reader: pa.RecordBatchReader = beside.sql(query).to_arrow_reader(_PIECE)
            empty = True
            for batch in reader:
                empty = False
                yield _polars(batch)
            if empty:
                yield _polars(reader.schema.empty_table())

    def close(self) -> None:
        self._main.close()
        rmtree(self._folder, ignore_errors=True)

    def _timed(self, connection: "duckdb.DuckDBPyConnection") -> "duckdb.DuckDBPyConnection":
        # Instants are given out in the zone of the connection, and the name is part of their type.
        connection.execute("SET TimeZone = 'UTC'")
        return connection

    def _table(self) -> str:
        return f"frame{next(self._numbers)}"

    def _of(self, table: str) -> nw.LazyFrame[Any]:
        held = self._main.table(table)
        self._tables[id(held)] = held
        return nw.from_native(held)

    def _relation(self, frame: nw.LazyFrame[Any]) -> "duckdb.DuckDBPyRelation":
        native: duckdb.DuckDBPyRelation = nw.to_native(frame)
        return native

    def _refuse(self, schema: pl.Schema) -> None:
        refuse(schema, "DuckDB", _carried, "")
        seen: dict[str, str] = {}
        for name in schema:
            other = seen.setdefault(name.casefold(), name)
            if other != name:
                raise StorageError(
                    "SLV-016", f"DuckDB takes columns {other!r} and {name!r} for one.",
                    fix="rename one of them in `columns`, or set `engine: polars`.",
                )  # fmt: skip

    @contextmanager
    def _told(self) -> Iterator[None]:
        """DuckDB's errors as ours."""
        try:
            yield
        # The last is what Arrow says of an error in a stream.
        except (self._duckdb.OutOfMemoryException, self._duckdb.IOException, OSError) as error:
            raise StorageError(
                "SLV-018", f"DuckDB broke off: {str(error)[:500]}", where=str(self._folder.parent),
                fix="give `engines.memory` in platform.yaml more, or the scratch folder a larger disk.",
            ) from error  # fmt: skip


def _carried(dtype: pl.DataType) -> bool:
    return plain(dtype) or unsigned(dtype)


def _polars(rows: "pa.Table | pa.RecordBatch") -> pl.DataFrame:
    return pl.DataFrame(rows)
