"""MySQL and MariaDB: PyMySQL connects and asks, the rows are taken from its socket as they come, a block at a time.

Integers and doubles become such columns, an unsigned bigint too; bytes stay bytes; everything else is the server's
exact text: decimal, date (``0000-00-00`` and all), time, json. A timestamp is an instant and ends in Z.
"""

import math
import socket
from collections.abc import Generator
from contextlib import ExitStack, closing, suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, final

import pyarrow as pa
import pymysql
from pymysql.constants import FIELD_TYPE, FLAG
from pymysql.converters import encoders, escape_item
from pymysql.err import raise_mysql_exception
from sqlalchemy.engine import make_url

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.source import Isolation
from medallion_assets.lake.ports import Bounds
from medallion_assets.sources.database.mysql_rows import columns, packets
from medallion_assets.sources.database.session import Place, instant_of, is_text, level, naive
from medallion_assets.sources.database.statement import Relation, identifier, quoted

if TYPE_CHECKING:
    import polars as pl

__all__ = ["MysqlSession"]

_INTEGERS = {FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.INT24, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR}
_NUMBERS = {*_INTEGERS, FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL, FIELD_TYPE.DOUBLE, FIELD_TYPE.FLOAT}
_CLOCKS = {FIELD_TYPE.DATE, FIELD_TYPE.DATETIME, FIELD_TYPE.NEWDATE}
_BINARY_CHARSET = 63
_BYTES = {
    FIELD_TYPE.BLOB, FIELD_TYPE.TINY_BLOB, FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB, FIELD_TYPE.STRING,
    FIELD_TYPE.VAR_STRING, FIELD_TYPE.VARCHAR,
}  # fmt: skip

_SNAPSHOT = "REPEATABLE READ"
_LEVELS: dict[Isolation, str] = {
    "read_uncommitted": "READ UNCOMMITTED", "read_committed": "READ COMMITTED", "repeatable_read": _SNAPSHOT,
    "snapshot": _SNAPSHOT, "serializable": "SERIALIZABLE",
}  # fmt: skip


@final
class MysqlSession:
    """One consistent snapshot (InnoDB) unless another isolation is asked for, read by one statement."""

    dialect = "mysql"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._open = ExitStack()
        url = make_url(place.url)
        query = {name: str(value) for name, value in url.query.items()}
        unknown = sorted(set(query) - {"charset", "ssl_ca"})
        if unknown:
            raise ConfigError(
                "SRC-126", f"The connection's url has `{unknown[0]}`.", where=f"{place.where}  {place.shown}",
                fix="Keep `ssl_ca` (the file of the certificate authority), or nothing.",
            )  # fmt: skip
        self._main = self._open.enter_context(
            closing(
                pymysql.connect(
                    host=url.host or "localhost",
                    port=url.port or 3306,
                    user=url.username,
                    password=url.password or "",
                    database=url.database,
                    charset="utf8mb4",
                    conv={},
                    connect_timeout=15,
                    autocommit=True,
                    read_timeout=int(place.timeout_s) + 1,
                    ssl_ca=query.get("ssl_ca"),
                    sql_mode="",
                )
            )
        )
        isolation = level(place, "MySQL", _LEVELS, "snapshot")
        snapshot = "WITH CONSISTENT SNAPSHOT, " if isolation == _SNAPSHOT else ""
        for text in (
            "SET time_zone = '+00:00'",
            f"SET SESSION TRANSACTION ISOLATION LEVEL {isolation}",
            f"START TRANSACTION {snapshot}READ ONLY",
        ):
            self._run(text)

    def literal(self, value: object) -> str:
        if isinstance(value, datetime):
            return f"'{naive(value, self._place.zone).isoformat(' ')}'"
        if isinstance(value, float) and not math.isfinite(value):
            return "NULL"
        return str(escape_item(value, "utf8mb4", encoders))

    def relation(self, table: str) -> str:
        return quoted(table, "`")

    def limits(self, relation: Relation, bounds: Bounds) -> tuple[str, ...]:
        """Exact for timestamps and numbers; wall clocks get a day to spare."""
        (field,) = self._fields(relation, (bounds.column,))
        column, found = f"q.{identifier(bounds.column, '`')}", []
        for value, sign in ((bounds.lower, ">="), (bounds.upper, "<")):
            if value is None or ("T" in value) is (field.type_code in _NUMBERS):
                continue
            if field.type_code in _NUMBERS:
                found.append(f"{column} {sign} {Decimal(value)}")
            elif field.type_code in _CLOCKS:
                spare = timedelta(days=-1 if sign == ">=" else 1)
                clock = naive(instant_of(value), self._place.zone) + spare
                found.append(f"{column} {sign} '{clock.isoformat(' ')}'")
            elif field.type_code == FIELD_TYPE.TIMESTAMP:
                found.append(f"{column} {sign} '{naive(instant_of(value), 'UTC').isoformat(' ')}'")
        both = " AND ".join(found)
        return (f"({both}) OR {column} IS NULL" if bounds.nulls else both,) if found else ()

    def batches(self, relation: Relation, select: tuple[str, ...]) -> "Generator[pl.DataFrame, None, None]":
        fields = self._fields(relation, select)
        wanted = ", ".join(_expression(field) for field in fields)
        main: Any = self._main
        main.query(relation.select(wanted), unbuffered=True)
        described = main._result.fields
        main._result.unbuffered_active = False  # the rows that follow are ours
        yield self._frame(described, [pa.nulls(0, pa.binary_view())] * len(described))
        for block in packets(main._rfile.read1, raise_mysql_exception):
            yield self._frame(described, columns(block, len(described)))

    def cancel(self) -> None:
        with suppress(Exception):
            self._main._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Without a word, which makes the server give up a statement that was not read to its end."""
        self._main._force_close()

    def _frame(self, described: Any, values: list[Any]) -> "pl.DataFrame":
        import polars as pl

        return pl.DataFrame([self._series(field, column) for field, column in zip(described, values, strict=True)])

    def _series(self, field: Any, values: Any) -> "pl.Series":
        import polars as pl

        name, kind = field.name, field.type_code
        if kind == FIELD_TYPE.BIT:
            return pl.Series(
                name, [None if v is None else int.from_bytes(v, "big") for v in values.to_pylist()], pl.UInt64
            )
        if kind == FIELD_TYPE.GEOMETRY or (field.charsetnr == _BINARY_CHARSET and kind in _BYTES):
            return pl.Series(name, values, pl.Binary)
        text = pl.Series(name, self._text(name, values), pl.String)
        if kind == FIELD_TYPE.TIMESTAMP:
            text = text + "Z"
        if kind not in _INTEGERS | {FIELD_TYPE.DOUBLE}:
            return text
        unsigned = field.flags & FLAG.UNSIGNED and kind != FIELD_TYPE.YEAR
        number: pl.Series = text.cast(
            pl.Float64() if kind == FIELD_TYPE.DOUBLE else pl.UInt64() if unsigned else pl.Int64()
        )
        return number

    def _text(self, name: str, values: Any) -> Any:
        """Bytes as text; Polars believes that text is UTF-8."""
        text = values.view(pa.string_view())
        if not is_text(text):
            raise ExtractionError(
                "SRC-122", f"{name}: text that is not UTF-8.", where=f"{self._place.where}  {self._place.shown}",
                fix=f"Read its bytes in source.query: CAST({name} AS BINARY).",
            )  # fmt: skip
        return text

    def _run(self, sql: str) -> None:
        with closing(self._main.cursor()) as cursor:
            cursor.execute(sql)

    def _fields(self, relation: Relation, select: tuple[str, ...]) -> list[Any]:
        names = ", ".join(f"q.{identifier(name, '`')}" for name in select) or "q.*"
        with closing(self._main.cursor()) as cursor:
            cursor.execute(relation.select(names, "FALSE"))
            found = list(cursor._result.fields)
            cursor.fetchall()
        return found


def _expression(field: Any) -> str:
    """A float is written with six digits unless it is a double."""
    name = identifier(field.name, "`")
    return f"CAST(q.{name} AS DOUBLE) AS {name}" if field.type_code == FIELD_TYPE.FLOAT else f"q.{name}"
