"""DuckDB: Arrow as it is, but for types that Arrow holds otherwise, which come as DuckDB's exact text."""

import re
from collections.abc import Generator
from contextlib import ExitStack, closing, suppress
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, final

import duckdb
from sqlalchemy.engine import make_url

from medallion_assets.errors import ExtractionError
from medallion_assets.lake.ports import Bounds
from medallion_assets.sources.database.session import Place, instant_of, level, naive
from medallion_assets.sources.database.statement import Relation, identifier, quoted

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

__all__ = ["DuckdbSession"]

_NATIVE = re.compile(r"(BOOLEAN|U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|VARCHAR|BLOB|DECIMAL\(\d+,\d+\))\Z")
_NESTED = re.compile(r".*(\]|\))\Z")
_NUMBER = re.compile(r"U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL")
_TIMES = {"TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "DATE"}


@final
class DuckdbSession:
    """One read of a file, which is opened read-only and reaches nothing beside it."""

    dialect = "duckdb"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._open = ExitStack()
        level(place, "DuckDB", {"snapshot": ""}, "snapshot")
        path = place.root / (make_url(place.url).database or "")
        if not path.is_file():
            raise ExtractionError(
                "SRC-120", f"There is no file {path.name}.", where=f"{place.where}  {place.shown}",
                fix="Write duckdb:///data/shop.duckdb for a file below the project.",
            )  # fmt: skip
        config: dict[str, str | bool | int | float | list[str]] = {
            "enable_external_access": "false",
            "preserve_insertion_order": "true",
        }
        self._main = self._open.enter_context(closing(duckdb.connect(str(path), read_only=True, config=config)))
        self._main.execute(f"SET TimeZone = {self.literal(place.zone)}")
        self._main.execute("BEGIN TRANSACTION READ ONLY")

    def literal(self, value: object) -> str:
        match value:
            case None:
                return "NULL"
            case bool():
                return str(value).upper()
            case int() | float() | Decimal():
                return str(value)
            case datetime():
                return f"'{value.isoformat(' ')}'::TIMESTAMPTZ"
        return "'" + str(value).replace("'", "''") + "'"

    def relation(self, table: str) -> str:
        return quoted(table)

    def limits(self, relation: Relation, bounds: Bounds) -> tuple[str, ...]:
        """Exact for instants and numbers; wall clocks get a day to spare."""
        kind = self._columns(relation, (bounds.column,))[bounds.column]
        column, found = f"q.{identifier(bounds.column)}", []
        for value, sign in ((bounds.lower, ">="), (bounds.upper, "<")):
            if value is None or ("T" in value) is (_NUMBER.match(kind) is not None):
                continue
            if "T" not in value:
                found.append(f"{column} {sign} {Decimal(value)}")
            elif kind == "TIMESTAMP WITH TIME ZONE":
                found.append(f"{column} {sign} {self.literal(instant_of(value))}")
            elif kind in _TIMES:
                clock = naive(instant_of(value), self._place.zone).isoformat(" ")
                spare = "- INTERVAL 1 DAY" if sign == ">=" else "+ INTERVAL 1 DAY"
                found.append(f"{column} {sign} '{clock}'::TIMESTAMP {spare}")
        both = " AND ".join(found)
        return (f"({both}) OR {column} IS NULL" if bounds.nulls else both,) if found else ()

    def batches(self, relation: Relation, select: tuple[str, ...]) -> "Generator[pl.DataFrame, None, None]":
        import polars as pl

        columns = self._columns(relation, select)
        wanted = ", ".join(_expression(name, kind) for name, kind in columns.items())
        reader: pa.RecordBatchReader = self._main.sql(relation.select(wanted)).to_arrow_reader(self._place.fetch_rows)
        empty = True
        for batch in reader:
            empty = False
            yield pl.DataFrame(batch)
        if empty:
            yield pl.DataFrame(reader.schema.empty_table())

    def cancel(self) -> None:
        with suppress(duckdb.Error):
            self._main.interrupt()

    def close(self) -> None:
        self._open.close()

    def _columns(self, relation: Relation, select: tuple[str, ...]) -> dict[str, str]:
        names = ", ".join(f"q.{identifier(name)}" for name in select) or "q.*"
        rows = self._main.execute(f"DESCRIBE {relation.select(names)}").fetchall()
        return {str(row[0]): str(row[1]) for row in rows}


def _expression(name: str, kind: str) -> str:
    column = f"q.{identifier(name)}"
    if _NATIVE.match(kind):
        return column
    how = f"to_json({column})::VARCHAR" if _NESTED.match(kind) and not kind.startswith("ENUM") else f"{column}::VARCHAR"
    return f"{how} AS {identifier(name)}"
