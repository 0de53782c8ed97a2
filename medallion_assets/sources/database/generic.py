"""Any other database that SQLAlchemy has a dialect for (SQL Server, Oracle, …): every value as its exact text."""

import json
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, suppress
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, final, get_args

import sqlalchemy

from medallion_assets.errors import ConfigError
from medallion_assets.intent.source import Isolation
from medallion_assets.lake.ports import Bounds
from medallion_assets.sources.database.session import Place, level, naive
from medallion_assets.sources.database.statement import Relation

if TYPE_CHECKING:
    import polars as pl

__all__ = ["GenericSession"]

_SQLGLOT = {"mssql": "tsql"}


@final
class GenericSession:
    """One transaction, one statement, rows in batches from the server."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._open = ExitStack()
        try:
            self._engine = sqlalchemy.create_engine(place.url, poolclass=sqlalchemy.pool.NullPool)
        except sqlalchemy.exc.NoSuchModuleError as error:
            raise ConfigError(
                "SRC-126", str(error), where=f"{place.where}  {place.shown}",
                fix="Correct the scheme of the url, or install the SQLAlchemy dialect of that database.",
            ) from None  # fmt: skip
        self._main = self._open.enter_context(closing(self._engine.connect()))
        if place.isolation is not None:
            dialect = self._engine.dialect
            spelled = level(place, dialect.name, self._levels(), place.isolation)
            self._main.execution_options(isolation_level=spelled)

    def _levels(self) -> dict[Isolation, str]:
        raw: Any = self._main.connection.dbapi_connection
        try:
            spelled = self._engine.dialect.get_isolation_level_values(raw)
        except NotImplementedError:
            spelled = []
        by_name = {text.lower().replace(" ", "_"): text for text in spelled}
        return {name: by_name[name] for name in get_args(Isolation) if name in by_name}

    @property
    def dialect(self) -> str:
        return _SQLGLOT.get(self._engine.dialect.name, self._engine.dialect.name)

    def literal(self, value: object) -> str:
        if isinstance(value, datetime):
            return f"'{naive(value, self._place.zone).isoformat(' ')}'"
        match value:
            case None:
                return "NULL"
            case bool():
                return str(int(value))
            case int() | float() | Decimal():
                return str(value)
        return "'" + str(value).replace("'", "''") + "'"

    def relation(self, table: str) -> str:
        quote = self._engine.dialect.identifier_preparer.quote
        return ".".join(quote(part) for part in table.split("."))

    def limits(self, relation: Relation, bounds: Bounds) -> tuple[str, ...]:  # noqa: ARG002 - the port's signature
        """None: the spelling of literals is each database's own. Name :window_start in a query instead."""
        return ()

    def batches(self, relation: Relation, select: tuple[str, ...]) -> "Generator[pl.DataFrame, None, None]":
        import polars as pl

        quote = self._engine.dialect.identifier_preparer.quote
        wanted = ", ".join(f"q.{quote(name)}" for name in select) or "q.*"
        options = {"stream_results": True, "yield_per": self._place.fetch_rows}
        result = self._main.execution_options(**options).exec_driver_sql(relation.select(wanted))
        names = list(result.keys())
        yield pl.DataFrame(schema=dict.fromkeys(names, pl.String))
        for rows in result.partitions(self._place.fetch_rows):
            columns = zip(*rows, strict=True)
            yield pl.DataFrame([pl.Series(name, [_text(v) for v in values], pl.String)
                                for name, values in zip(names, columns, strict=True)])  # fmt: skip

    def cancel(self) -> None:
        with suppress(Exception):
            self._main.invalidate()

    def close(self) -> None:
        self._open.close()
        self._engine.dispose()


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    writer = next((write for kind, write in _WRITERS if isinstance(value, kind)), str)
    return writer(value)


def _number(value: Any) -> str:
    return f"{value:f}" if isinstance(value, Decimal) and value.is_finite() else str(value)


_WRITERS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (bool, lambda value: str(value).lower()),
    ((float, Decimal), _number),
    ((datetime, date, time), lambda value: value.isoformat()),
    ((bytes, bytearray, memoryview), lambda value: "0x" + bytes(value).hex()),
    ((dict, list), lambda value: json.dumps(value, ensure_ascii=False)),
)
