"""PostgreSQL by ADBC, which takes binary ``COPY`` straight into Arrow columns.

What Arrow holds exactly comes as it is; every other type comes as PostgreSQL's own exact text (numeric, time, uuid,
interval as ISO 8601, …), arrays and composites as JSON. A time or date that Arrow cannot hold (infinity, before year 1,
after 9999) makes its column text, all of it, by a second read.
"""

import math
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, suppress
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, final

import adbc_driver_postgresql.dbapi
import psycopg
from psycopg import sql as quoting
from psycopg.conninfo import make_conninfo
from sqlalchemy.dialects.postgresql.psycopg import dialect as sqlalchemy_dialect
from sqlalchemy.engine import make_url

from medallion_assets.intent.source import Isolation, Parallel
from medallion_assets.lake.ports import Bounds
from medallion_assets.sources.database.session import Place, ReadAgain, failing, instant_of, level, naive
from medallion_assets.sources.database.statement import Relation, identifier, quoted
from medallion_assets.sources.database.watch import Watched

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PostgresSession"]

_NATIVE = {16, 17, 20, 21, 23, 25, 700, 701, 1042, 1043}
"""Types by oid: bool, bytea, int8, int2, int4, text, float4, float8, bpchar, varchar."""
_OID = 26
_DATE, _TIMESTAMP, _TIMESTAMPTZ = 1082, 1114, 1184
_TIMES = {_DATE, _TIMESTAMP, _TIMESTAMPTZ}
_NUMBERS = {20, 21, 23, 700, 701, 1700}
_JSON = {114, 3802}
_BATCH_BYTES = 4 << 20
_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_800
"""Seconds from 1970."""
_RECORD = 2249
_SETTINGS = {
    "client_encoding": "UTF8",  # whatever the database's own is; bytes that are none are an error of the server
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "1",
    "synchronize_seqscans": "off",  # this and the next: the same rows in the same order each time
    "max_parallel_workers_per_gather": "0",
    "idle_in_transaction_session_timeout": "0",  # who holds the snapshot is idle while others read
}
_SHARED: dict[Isolation, str] = {
    "repeatable_read": "REPEATABLE READ", "snapshot": "REPEATABLE READ", "serializable": "SERIALIZABLE",
}  # fmt: skip
"""Those whose snapshot several connections can have."""
_LEVELS: dict[Isolation, str] = {
    "read_uncommitted": "READ UNCOMMITTED", "read_committed": "READ COMMITTED", **_SHARED,
}  # fmt: skip
_LIVENESS = {"connect_timeout": "15", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}


@final
class PostgresSession:
    """A snapshot held by one connection, read by it or, in ranges of a column, by several."""

    dialect = "postgres"

    def __init__(self, place: Place, as_text: set[str], parallel: Parallel | None) -> None:
        self._place, self._as_text, self._parallel = place, as_text, parallel
        self._open = ExitStack()
        many = parallel is not None
        isolation = level(
            place, "PostgreSQL with source.parallel" if many else "PostgreSQL", _SHARED if many else _LEVELS, "snapshot"
        )
        self._begin = f"BEGIN ISOLATION LEVEL {isolation} READ ONLY"
        # Waits for a snapshot by which it neither is aborted nor aborts others. One that is taken over cannot wait.
        deferrable = " DEFERRABLE" if isolation == "SERIALIZABLE" else ""
        self._begin_reading = self._begin if many else self._begin + deferrable
        self._statements: list[Any] = []
        dialect: Any = sqlalchemy_dialect
        _, options = dialect().create_connect_args(make_url(place.url))
        self._dsn = make_conninfo(**{**_LIVENESS, **options})
        settings = {"TimeZone": place.zone, **_SETTINGS}
        self._settings = [f"SET {name} = {self.literal(value)}" for name, value in settings.items()]
        self._main = self._open.enter_context(closing(psycopg.connect(self._dsn, autocommit=True)))
        for setting in self._settings:
            self._main.execute(setting)
        self._main.execute(self._begin + deferrable)
        self._snapshot: str | None = None
        if parallel is not None:
            row = self._main.execute("SELECT pg_export_snapshot()").fetchone()
            self._snapshot = str(row[0]) if row else None

    def literal(self, value: object) -> str:
        if isinstance(value, datetime):
            return f"'{value.isoformat()}'::timestamptz"
        if isinstance(value, float) and not math.isfinite(value):
            return f"'{value}'::float8"
        return quoting.Literal(value).as_string()

    def relation(self, table: str) -> str:
        return quoted(table)

    def limits(self, relation: Relation, bounds: Bounds) -> tuple[str, ...]:
        """By the column's type: exact for instants and numbers, with a day to spare for wall clocks and dates."""
        kind = dict(self._columns(relation, (bounds.column,))).get(bounds.column)
        if kind not in _TIMES | _NUMBERS:
            return ()
        column, found = f"q.{identifier(bounds.column)}", []
        for bound, sign in ((bounds.lower, ">="), (bounds.upper, "<")):
            literal = None if bound is None else _bound(bound, kind, sign, self._place.zone)
            if literal is not None:
                found.append(f"{column} {sign} {literal}")
        if not found:
            return ()
        both = " AND ".join(found)
        return (f"({both}) OR {column} IS NULL" if bounds.nulls else both,)

    def batches(self, relation: Relation, select: tuple[str, ...]) -> "Generator[pl.DataFrame, None, None]":
        columns = self._columns(relation, select)
        wanted = ", ".join(self._expression(name, kind) for name, kind in columns)
        if self._parallel is None:
            return self._read(relation.select(wanted), columns)
        return self._side_by_side(relation, wanted, columns, self._parallel)

    def cancel(self) -> None:
        for statement in self._statements:
            with suppress(Exception):
                statement.adbc_cancel()
        with suppress(Exception):
            self._main.cancel_safe(timeout=5)

    def close(self) -> None:
        self._open.close()

    def _columns(self, relation: Relation, select: tuple[str, ...]) -> list[tuple[str, int]]:
        names = ", ".join(f"q.{identifier(name)}" for name in select) or "q.*"
        cursor = self._main.execute(relation.select(names, "FALSE"))
        return [(column.name, column.type_code) for column in cursor.description or ()]

    def _expression(self, name: str, kind: int) -> str:
        column = f"q.{identifier(name)}"
        alias = identifier(name)
        if kind == _OID:
            return f"{column}::int8 AS {alias}"
        if kind in _NATIVE or (kind in _TIMES and name not in self._as_text):
            return column
        arrays, records = self._nested
        if kind in arrays:
            return f"array_to_json({column})::text AS {alias}"
        if kind in records:
            return f"row_to_json({column})::text AS {alias}"
        return f"{column}::text AS {alias}"

    @cached_property
    def _nested(self) -> tuple[set[int], set[int]]:
        """Types by oid: arrays, composites."""
        found = self._main.execute(
            "SELECT oid, typcategory = 'A' FROM pg_type WHERE typcategory = 'A' OR typtype = 'c'"
        ).fetchall()
        arrays = {int(oid) for oid, is_array in found if is_array}
        return arrays, {_RECORD, *(int(oid) for oid, _ in found)} - arrays

    # ------------------------------------------------------------------------------------------ reading

    def _read(self, sql: str, columns: list[tuple[str, int]]) -> "Generator[pl.DataFrame, None, None]":
        import polars as pl

        with ExitStack() as open_:
            connection = open_.enter_context(closing(adbc_driver_postgresql.dbapi.connect(self._dsn, autocommit=True)))
            cursor = open_.enter_context(closing(connection.cursor()))
            share = [] if self._snapshot is None else [f"SET TRANSACTION SNAPSHOT '{self._snapshot}'"]
            for text in (*self._settings, self._begin_reading, *share):
                cursor.execute(text)
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)})
            self._statements.append(cursor)
            cursor.execute(sql)
            reader = open_.enter_context(closing(cursor.fetch_record_batch()))
            names = [name for name, _ in columns]
            yield pl.DataFrame(schema=self._plain(pl.from_arrow(reader.schema.empty_table()), names).schema)
            for batch in reader:
                rows = self._plain(pl.from_arrow(batch), names)
                self._refuse_unheld(rows)
                yield rows

    def _plain(self, rows: Any, names: list[str]) -> "pl.DataFrame":
        frame: pl.DataFrame = rows
        frame.columns = names
        return frame

    def _refuse_unheld(self, rows: "pl.DataFrame") -> None:
        """Raises ReadAgain for a time or date that is not between the years 1 and 9999."""
        import polars as pl

        times = {name: 1_000_000 for name, dtype in rows.schema.items() if isinstance(dtype, pl.Datetime)}
        dates = {name: 1 / 86_400 for name, dtype in rows.schema.items() if isinstance(dtype, pl.Date)}
        unheld = {
            name
            for name, per_second in {**times, **dates}.items()
            if not rows[name].to_physical().is_between(_YEAR_1 * per_second, _YEAR_10000 * per_second - 1).all()
        }
        if unheld:
            # A second time it is all of them, so that a load is begun again twice at the most.
            self._as_text |= {*times, *dates} if self._as_text else unheld
            raise ReadAgain(unheld, f"{self._place.where}  {self._place.shown}")

    # ------------------------------------------------------------------------------------------ ranges side by side

    def _side_by_side(
        self, relation: Relation, wanted: str, columns: list[tuple[str, int]], parallel: Parallel
    ) -> "Generator[pl.DataFrame, None, None]":
        """A batch of each range in turn, so that the order is the same each time. Rows without a value come last."""
        ranges = self._ranges(relation, parallel)
        with ExitStack() as open_:
            waiting: list[Iterator[pl.DataFrame]] = []
            for limit in ranges:
                read = self._guarded(relation.select(wanted, limit), columns)
                watched = Watched(read, self._place.timeout_s, self.cancel, self._place.where)
                open_.callback(watched.close)
                waiting.append(iter(watched))
            while waiting:
                for rows in list(waiting):
                    batch = next(rows, None)
                    if batch is None:
                        waiting.remove(rows)
                    else:
                        yield batch

    def _guarded(self, sql: str, columns: list[tuple[str, int]]) -> "Generator[pl.DataFrame, None, None]":
        with failing(self._place):
            yield from self._read(sql, columns)

    def _ranges(self, relation: Relation, parallel: Parallel) -> list[str]:
        column = f"q.{identifier(parallel.column)}"
        parts = ", ".join(
            f"(min({column}) + (max({column}) - min({column})) / {parallel.count} * {n})::text"
            for n in range(1, parallel.count)
        )
        found = self._main.execute(relation.select(parts or "NULL")).fetchone() or ()
        edges = [self.literal(str(edge)) for edge in found if edge is not None]
        if not edges:
            return [""]
        first = f"{column} < {edges[0]} OR {column} IS NULL"
        middle = [f"{column} >= {a} AND {column} < {b}" for a, b in pairwise(edges)]
        return [first, *middle, f"{column} >= {edges[-1]}"]


def _bound(value: str, kind: int, sign: str, zone: str) -> str | None:
    """A literal for a bound of the cursor; None when the kinds do not fit, which the cursor says better."""
    if ("T" in value) is (kind in _NUMBERS):
        return None
    if kind in _NUMBERS:
        return str(Decimal(value))
    instant = instant_of(value)
    if kind == _TIMESTAMPTZ:
        return f"'{instant.isoformat()}'::timestamptz"
    spare = timedelta(days=-1 if sign == ">=" else 1)
    clock = naive(instant, zone) + spare
    return f"'{clock.isoformat()}'::{'date' if kind == _DATE else 'timestamp'}"
