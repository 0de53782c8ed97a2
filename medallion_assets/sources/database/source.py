"""The database source: one statement, one snapshot, one pass."""

import logging
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, final

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.platform import DatabaseConnection
from medallion_assets.intent.request import Retry
from medallion_assets.intent.source import Database, Parallel
from medallion_assets.lake.manifest import CursorValue, SourceFacts
from medallion_assets.lake.ports import Batch, Request
from medallion_assets.sources.backoff import backoff
from medallion_assets.sources.database.session import Place, Session, failing, needs_driver
from medallion_assets.sources.database.statement import Relation, bind, check_read_only
from medallion_assets.sources.database.watch import Watched
from medallion_assets.sources.turns import FREE, Turns

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DatabaseReading", "DatabaseSource"]

_LOG = logging.getLogger(__name__)
_TIMEOUT_S = 600.0
_EPOCH = "1970-01-01T00:00:00+00:00"


@dataclass(frozen=True)
class DatabaseSource:
    """A table or a query. ``table`` is what the intent is called, for a source that names neither."""

    spec: Database
    connection: DatabaseConnection | None
    table: str
    root: Path
    timezone: str
    resolve: Callable[[str], str]
    where: str
    as_text: set[str] = field(default_factory=set)
    """Columns found to need it by an earlier read of this source."""
    turns: Turns = FREE

    def read(self, request: Request) -> "DatabaseReading":
        """Nothing is asked before the first batch. Raises ConfigError SRC-125 without the driver, SRC-126."""
        url = self.resolve(self.connection.url if self.connection else self.spec.url or "")
        timeout = self.spec.timeout or (self.connection.timeout if self.connection else None)
        place = Place(
            url, shown_url(url, self.where), self.where, self.timezone,
            timeout.total_seconds() if timeout else _TIMEOUT_S, self.spec.fetch_rows, self.root,
            self.spec.isolation,
        )  # fmt: skip
        return DatabaseReading(self, place, request)

    @property
    def parallel(self) -> Parallel | None:
        """As asked for, within the turns of the connection."""
        asked, most = self.spec.parallel, self.turns.count
        return asked if asked is None or most is None else Parallel(column=asked.column, count=min(asked.count, most))

    @property
    def retry(self) -> Retry:
        """Once, unless the source or its connection says otherwise."""
        return self.spec.retry or (self.connection and self.connection.retry) or Retry(max_attempts=1)

    def opened(self, place: Place) -> Session:
        """A session of the kind that the URL names."""
        kind = place.url.partition(":")[0].partition("+")[0]
        try:
            with failing(place, connecting=True):
                return _session(kind, place, self)
        except ImportError as missing:
            extra = {"postgres": "postgres", "postgresql": "postgres", "mariadb": "mysql"}.get(kind, kind)
            raise needs_driver(missing, extra, place) from None


def _session(kind: str, place: Place, source: DatabaseSource) -> Session:
    if kind in ("postgresql", "postgres"):
        from medallion_assets.sources.database.postgres import PostgresSession

        return PostgresSession(place, source.as_text, source.parallel)
    if kind == "sqlite":
        from medallion_assets.sources.database.sqlite import SqliteSession

        return SqliteSession(place, source.as_text)
    if kind in ("mysql", "mariadb"):
        from medallion_assets.sources.database.mysql import MysqlSession

        return MysqlSession(place)
    if kind == "duckdb":
        from medallion_assets.sources.database.duckdb import DuckdbSession

        return DuckdbSession(place)
    from medallion_assets.sources.database.generic import GenericSession

    return GenericSession(place)


@final
class DatabaseReading:
    """One read. ``facts`` is complete after the last batch."""

    cursor: None = None

    def __init__(self, source: DatabaseSource, place: Place, request: Request) -> None:
        self._source, self._place, self._request = source, place, request
        self._open = ExitStack()
        self._session: Session | None = None
        self._rows = 0

    def __enter__(self) -> "DatabaseReading":
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[Batch]:
        parallel = self._source.parallel
        self._open.enter_context(self._source.turns.hold(1 if parallel is None else parallel.count))
        for rows in self._connected():
            self._rows += rows.height
            yield Batch(rows)

    def _connected(self) -> "Iterator[pl.DataFrame]":
        """The rows, from whichever attempt reaches the database. What breaks off later is not tried again."""
        where, retry, attempt = f"{self._place.where}  {self._place.shown}", self._source.retry, 0
        while True:
            attempt += 1
            watched = Watched(self._frames(), self._place.timeout_s, self._cancel, where)
            self._open.callback(watched.close)
            rows = iter(watched)
            try:
                first = next(rows, None)
            except ExtractionError as error:
                if error.code != "SRC-120" or attempt >= retry.max_attempts:
                    raise
                wait = backoff(retry, attempt, random.Random())  # noqa: S311 - jitter
                _LOG.warning(
                    "%s cannot be reached; attempt %d of %d, again in %.1f s",
                    self._place.shown, attempt, retry.max_attempts, wait,
                )  # fmt: skip
                time.sleep(wait)
                continue
            if first is not None:
                yield first
                yield from rows
            return

    @property
    def facts(self) -> SourceFacts:
        spec = self._source.spec
        what = "query" if spec.query else spec.table or self._source.table
        return SourceFacts(facts={"database": self._place.shown, "read": what, "rows": str(self._rows)})

    def _cancel(self) -> None:
        if self._session is not None:
            self._session.cancel()

    def _frames(self) -> "Generator[pl.DataFrame, None, None]":
        """In a thread of its own from connecting to closing, so that a peer may be silent at any moment."""
        session = self._session = self._source.opened(self._place)
        with closing(session), failing(self._place):
            relation = self._relation(session)
            if self._request.bounds is not None:
                relation = Relation(relation.sql, (*relation.where, *session.limits(relation, self._request.bounds)))
            with closing(session.batches(relation, self._source.spec.select)) as batches:
                yield from batches

    def _relation(self, session: Session) -> Relation:
        spec, where = self._source.spec, f"{self._place.where}  source"
        values = self._values()
        limit = () if spec.where is None else (bind(spec.where, values, session.literal, f"{where}.where"),)
        if spec.query is not None:
            sql = check_read_only(spec.query, session.dialect, f"{where}.query")
            return Relation(f"(\n{bind(sql, values, session.literal, f'{where}.query')}\n)", limit)
        name = spec.table or self._source.table
        if limit:
            check_read_only(Relation("t", (spec.where or "",)).select("1"), session.dialect, f"{where}.where")
        return Relation(session.relation(name), limit)

    def _values(self) -> Mapping[str, object]:
        """What ``:name`` stands for: the window or the cursor's bounds, and ``params``."""
        window, bounds = self._request.partition.window, self._request.bounds
        start: object = window.start
        end: object = window.end
        if bounds is not None:
            start = _typed(_EPOCH if bounds.lower is None else bounds.lower)
            end = window.end if bounds.upper is None else _typed(bounds.upper)
        given = {
            name: self._source.resolve(value) if isinstance(value, str) else value
            for name, value in self._source.spec.params.items()
        }
        return {"window_start": start, "window_end": end, **given}


def _typed(value: CursorValue) -> object:
    """A bound as a number or an instant."""
    try:
        return Decimal(value)
    except InvalidOperation:
        return datetime.fromisoformat(value.replace("Z", "+00:00"))


def shown_url(url: str, where: str) -> str:
    """The URL without password and query. Raises ConfigError SRC-126 when it is none, or not to be told apart."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
        if parts.password is not None and "@" in f"{parts.host}{parts.database}":
            raise ValueError  # noqa: TRY301 - a password with a bare @ or /, whose rest would be shown as the host
    except (ArgumentError, ValueError):
        raise ConfigError(
            "SRC-126", "The connection's url is not one of a database.", where=where,
            fix="Write postgresql://user:password@host:5432/database, mysql://…, sqlite:///file.db, duckdb:///file.db. "
            "In a password write %40 for @, %2F for /, %3A for :, %25 for %.",
        ) from None  # fmt: skip
    return str(parts.set(password=None, query={}))
