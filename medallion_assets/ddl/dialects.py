"""Four dialects of SQL: names, literals, types, and how each is told of a Delta table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import polars as pl
from typing_extensions import assert_never

from medallion_assets.ddl.places import Bucket, Container, Folder, Place
from medallion_assets.ddl.views import Spelling, select
from medallion_assets.errors import ConfigError

__all__ = ["DIALECTS", "Dialect", "Name", "Statement"]

Name = Literal["duckdb", "spark", "trino", "tsql"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; ``executable`` is False for a query with a parameter, that a program takes over as it is."""

    makes: str
    """Unquoted name of what it makes or asks: ``retail.orders_current``."""
    sql: str
    executable: bool = True


class Dialect(Spelling, Protocol):
    """What is different from engine to engine."""

    end: str
    """What stands behind a statement."""
    parameter: str
    """How a query names the moment that it asks for."""
    hint: str
    """What the reader has to bring, or to do."""

    def table(self, schema: str, name: str, columns: Mapping[str, pl.DataType], place: Place) -> Iterator[Statement]:
        """The schema and the table. Raises ConfigError CLI-016 for a place that the engine cannot read."""
        ...

    def view(self, name: str, query: str) -> str: ...
    def as_of(self, name: str, columns: Mapping[str, pl.DataType], clock: pl.DataType, query: str) -> tuple[str, bool]:
        """The text that answers for a moment, and whether it is a statement to execute once."""
        ...


class _Ansi:
    """Double quotes around names, single ones around literals."""

    parameter = "?"
    end = ";\n"

    def moment(self, columns: Mapping[str, pl.DataType], clock: pl.DataType) -> str:  # noqa: ARG002 - the protocol's
        return self.parameter

    def identifier(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def literal(self, text: str) -> str:
        return "'" + text.replace("'", "''") + "'"

    def holds(self, column: str, *, wanted: bool) -> str:
        return column if wanted else f"NOT {column}"

    def qualified(self, schema: str, name: str) -> str:
        return f"{self.identifier(schema)}.{self.identifier(name)}"

    def view(self, name: str, query: str) -> str:
        return f"CREATE OR REPLACE VIEW {name} AS\n{query}"

    def as_of(
        self, name: str, columns: Mapping[str, pl.DataType], clock: pl.DataType, query: str  # noqa: ARG002 - the protocol's
    ) -> tuple[str, bool]:  # fmt: skip
        return query, False


class DuckDb(_Ansi):
    """A view over ``delta_scan``; as of a moment a table macro."""

    parameter = "moment"
    hint = "DuckDB loads its extension `delta` by itself where it may download it; else `INSTALL delta` beforehand."

    def table(self, schema: str, name: str, columns: Mapping[str, pl.DataType], place: Place) -> Iterator[Statement]:
        yield Statement(schema, f"CREATE SCHEMA IF NOT EXISTS {self.identifier(schema)}")
        match place:
            case Folder():
                url = place.path
            case Bucket():
                url = f"s3://{place.bucket}/{place.key}"
                facts = [f"SCOPE {self.literal(f's3://{place.bucket}/')}", f"REGION {self.literal(place.region)}"]
                facts += [] if place.host is None else [f"ENDPOINT {self.literal(place.host)}"]
                facts += ["URL_STYLE 'path'"] if place.path_style else []
                facts += [] if place.tls else ["USE_SSL false"]
                yield self._secret("s3", place.store, facts)
            case Container():
                url = f"az://{place.container}/{place.key}"
                facts = [f"SCOPE {self.literal(f'az://{place.container}/')}"]
                yield self._secret("azure", place.store, [*facts, f"ACCOUNT_NAME {self.literal(place.account)}"])
            case _:
                assert_never(place)
        query = select(columns, f"delta_scan({self.literal(url)})", "", self)
        yield Statement(f"{schema}.{name}", self.view(self.qualified(schema, name), query))

    def _secret(self, kind: str, store: str, facts: Sequence[str]) -> Statement:
        said = ", ".join((f"TYPE {kind}", "PROVIDER credential_chain", *facts))
        return Statement(store, f"CREATE SECRET IF NOT EXISTS {self.identifier(store)} ({said})")

    def moment(self, columns: Mapping[str, pl.DataType], clock: pl.DataType) -> str:
        return f"CAST({self._parameter(columns)} AS {_duckdb_type(clock)})"

    def as_of(
        self, name: str, columns: Mapping[str, pl.DataType], clock: pl.DataType, query: str  # noqa: ARG002 - the protocol's
    ) -> tuple[str, bool]:  # fmt: skip
        return f"CREATE OR REPLACE MACRO {name}({self._parameter(columns)}) AS TABLE\n{query}", True

    def _parameter(self, columns: Mapping[str, pl.DataType]) -> str:
        """A macro's parameter stands for every column of its name, so no column may have it."""
        taken = {column.lower() for column in columns}
        names = (self.parameter, *(f"{self.parameter}_{number}" for number in range(len(taken))))
        return next(name for name in names if name not in taken)


class Spark(_Ansi):
    """An external table; as of a moment a query with a named parameter."""

    parameter = ":moment"
    hint = "The session needs Delta's extension and catalog, and credentials of its own for the store."

    def identifier(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def literal(self, text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def table(
        self, schema: str, name: str, columns: Mapping[str, pl.DataType], place: Place  # noqa: ARG002 - Delta says them
    ) -> Iterator[Statement]:  # fmt: skip
        yield Statement(schema, f"CREATE SCHEMA IF NOT EXISTS {self.identifier(schema)}")
        at = self.literal(_url(place, local="file://", s3="s3a"))
        made = f"CREATE TABLE IF NOT EXISTS {self.qualified(schema, name)}\nUSING DELTA LOCATION {at}"
        yield Statement(f"{schema}.{name}", made)


class Trino(_Ansi):
    """A registered table; as of a moment a query whose parameters are the moment, each time."""

    hint = (
        "Execute in the catalog of the Delta Lake connector, with delta.register-table-procedure.enabled; a table is"
        " registered once. A local folder needs fs.native-local.enabled and local.location=/ on every node."
    )

    def table(
        self, schema: str, name: str, columns: Mapping[str, pl.DataType], place: Place  # noqa: ARG002 - Delta says them
    ) -> Iterator[Statement]:  # fmt: skip
        yield Statement(schema, f"CREATE SCHEMA IF NOT EXISTS {self.identifier(schema)}")
        said = {"schema_name": schema, "table_name": name, "table_location": _url(place, local="local://", s3="s3")}
        given = ", ".join(f"{key} => {self.literal(value)}" for key, value in said.items())
        yield Statement(f"{schema}.{name}", f"CALL system.register_table({given})")


class TSql(_Ansi):
    """An external table of SQL Server 2022 or later (PolyBase); as of a moment a table-valued function."""

    parameter = "@moment"
    end = ";\nGO\n"
    hint = (
        "For SQL Server 2022 or later with PolyBase. The database scoped credential that the data source names is yours"
        " to make. Text is cut at 4,000 characters and bytes at 8,000: more does not fit an external table."
    )

    def identifier(self, name: str) -> str:
        return "[" + name.replace("]", "]]") + "]"

    def literal(self, text: str) -> str:
        return "N'" + text.replace("'", "''") + "'"

    def holds(self, column: str, *, wanted: bool) -> str:
        return f"{column} = {int(wanted)}"

    def table(self, schema: str, name: str, columns: Mapping[str, pl.DataType], place: Place) -> Iterator[Statement]:
        match place:
            case Folder():
                raise ConfigError(
                    "CLI-016", "SQL Server reads no folder of this machine.", where=f"{schema}.{name}  tsql",
                    fix="put the table into a store of type s3 or azure, or ask for another dialect.",
                )  # fmt: skip
            case Bucket():
                server = place.host or f"s3.{place.region}.amazonaws.com"
                source, at = f"s3://{server}/", f"/{place.bucket}/{place.key}"
            case Container():
                source, at = f"adls://{place.container}@{place.account}.dfs.{place.suffix}", f"/{place.key}"
            case _:
                assert_never(place)
        make = self.literal(f"CREATE SCHEMA {self.identifier(schema)}")
        yield Statement(schema, f"IF SCHEMA_ID({self.literal(schema)}) IS NULL EXEC({make})")
        yield self._unless("external_file_formats", "delta", "FILE FORMAT [delta] WITH (FORMAT_TYPE = DELTA)")
        reached = f"LOCATION = {self.literal(source)}, CREDENTIAL = {self.identifier(place.store)}"
        made = f"DATA SOURCE {self.identifier(place.store)} WITH ({reached})"
        yield self._unless("external_data_sources", place.store, made)
        typed = ",\n".join(f"  {self.identifier(column)} {_tsql_type(dtype)}" for column, dtype in columns.items())
        where = f"LOCATION = {self.literal(at)}, DATA_SOURCE = {self.identifier(place.store)}, FILE_FORMAT = [delta]"
        table = self.qualified(schema, name)
        # What is known of it goes, no row: columns may have come since.
        gone = f"IF OBJECT_ID({self.literal(table)}) IS NOT NULL DROP EXTERNAL TABLE {table}"
        yield Statement(f"{schema}.{name}", gone)
        yield Statement(f"{schema}.{name}", f"CREATE EXTERNAL TABLE {table} (\n{typed}\n) WITH ({where})")

    def _unless(self, catalog: str, name: str, what: str) -> Statement:
        there = f"IF NOT EXISTS (SELECT 1 FROM sys.{catalog} WHERE name = {self.literal(name)})"  # noqa: S608 - quoted
        return Statement(name, f"{there}\nCREATE EXTERNAL {what}")

    def view(self, name: str, query: str) -> str:
        return f"CREATE OR ALTER VIEW {name} AS\n{query}"

    def as_of(
        self, name: str, columns: Mapping[str, pl.DataType], clock: pl.DataType, query: str  # noqa: ARG002 - the protocol's
    ) -> tuple[str, bool]:  # fmt: skip
        made = f"CREATE OR ALTER FUNCTION {name} (@moment {_tsql_type(clock)})\nRETURNS TABLE AS RETURN\n{query}"
        return made, True


DIALECTS: Mapping[Name, type[Dialect]] = {"duckdb": DuckDb, "spark": Spark, "trino": Trino, "tsql": TSql}


def _url(place: Place, *, local: str, s3: str) -> str:
    match place:
        case Folder():
            return f"{local}{place.path}"
        case Bucket():
            return f"{s3}://{place.bucket}/{place.key}"
        case Container():
            return f"abfss://{place.container}@{place.account}.dfs.{place.suffix}/{place.key}"
    assert_never(place)


_DUCKDB: Mapping[type[pl.DataType], str] = {
    pl.String: "VARCHAR", pl.Boolean: "BOOLEAN", pl.Binary: "BLOB", pl.Date: "DATE", pl.Int8: "TINYINT",
    pl.Int16: "SMALLINT", pl.Int32: "INTEGER", pl.Int64: "BIGINT", pl.Float32: "REAL", pl.Float64: "DOUBLE",
}  # fmt: skip
_TSQL: Mapping[type[pl.DataType], str] = {
    pl.String: "nvarchar(4000)", pl.Boolean: "bit", pl.Binary: "varbinary(8000)", pl.Date: "date", pl.Int8: "smallint",
    pl.Int16: "smallint", pl.Int32: "int", pl.Int64: "bigint", pl.Float32: "real", pl.Float64: "float",
    pl.Datetime: "datetime2(7)",
}  # fmt: skip


def _duckdb_type(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Decimal):
        return f"DECIMAL({dtype.precision}, {dtype.scale})"
    if isinstance(dtype, pl.Datetime):
        return "TIMESTAMP" if dtype.time_zone is None else "TIMESTAMP WITH TIME ZONE"
    return _DUCKDB[type(dtype)]


def _tsql_type(dtype: pl.DataType) -> str:
    return f"decimal({dtype.precision}, {dtype.scale})" if isinstance(dtype, pl.Decimal) else _TSQL[type(dtype)]
