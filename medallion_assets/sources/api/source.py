"""The api source: pages of one list after another, or of one list for every parent."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, final

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.api import Api, Pagination, Parent
from medallion_assets.intent.platform import ApiConnection
from medallion_assets.intent.request import Retry
from medallion_assets.lake.manifest import SourceFacts
from medallion_assets.lake.ports import Batch, Parents, Request
from medallion_assets.sources.api.auth import login_for
from medallion_assets.sources.api.build import Builder
from medallion_assets.sources.api.calls import shown_url
from medallion_assets.sources.api.client import Client, Manners
from medallion_assets.sources.api.fetch import Fetcher
from medallion_assets.sources.api.limits import SHARED, Hosts, Timer, WallTimer
from medallion_assets.sources.api.pages import Ask, Flow, Seen, ahead, most, pages
from medallion_assets.sources.api.records import Page, Reader, nothing
from medallion_assets.sources.api.where import Where, checked_url
from medallion_assets.sources.api.wire import Wire
from medallion_assets.sources.files.json_rows import Rows
from medallion_assets.sources.filled import Filled
from medallion_assets.sources.turns import FREE, Turns

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ApiReading", "ApiSource"]

_ParentRow: TypeAlias = tuple[Mapping[str, str], Mapping[str, str | None]]
"""What the fields of a parent stand for, and the columns that its children get."""
_TIMEOUT = 60.0
_MAX_BYTES = 256 << 20


@dataclass(frozen=True)
class ApiSource:
    """A list behind a REST interface."""

    spec: Api
    connection: ApiConnection | None
    timezone: str
    resolve: Callable[[str], str]
    timer: Timer = field(default_factory=WallTimer)
    hosts: Hosts = SHARED
    turns: Turns = FREE
    parents: Parents | None = None
    """For ``parents.dataset``."""
    root: Path = Path()
    """The project's folder, below which a relative ``ca_file`` is."""

    def read(self, request: Request) -> "ApiReading":
        """Nothing is asked before the first batch. Raises ConfigError STO-019, PLN-02x; ExtractionError SRC-050."""
        spec, connection = self.spec, self.connection
        base = checked_url(self.resolve(connection.base_url if connection else spec.base_url or ""))
        where = Where(
            base, tuple(map(self.resolve, (*spec.allow_hosts, *(connection.allow_hosts if connection else ()))))
        )
        auth = spec.auth or (connection.auth if connection else None)
        wire = Wire(
            ca_file=str(self.root / self.resolve(connection.ca_file)) if connection and connection.ca_file else None,
            verify_tls=connection.verify_tls if connection else True,
            max_bytes=spec.max_bytes or _MAX_BYTES,
        )
        timeout = spec.timeout or (connection.timeout if connection else None)
        manners = Manners(
            retry=spec.retry or (connection.retry if connection else None) or Retry(),
            timeout=_TIMEOUT if timeout is None else timeout.total_seconds(),
            deadline=None if spec.deadline is None else self.timer.monotonic() + spec.deadline.total_seconds(),
            rate=spec.rate_limit or (connection.rate_limit if connection else None),
            breaker=spec.circuit_breaker,
            rules=spec.response_rules,
            timer=self.timer,
            hosts=self.hosts,
            turns=self.turns,
        )
        client = Client(where, login_for(auth, self.resolve, base), wire, manners)
        shared = {name: self.resolve(value) for name, value in (connection.headers if connection else {}).items()}
        filled = Filled(request.partition, self.timezone, self.resolve, request.bounds)
        return ApiReading(spec, base, shared, filled, client, committed=self.parents)


@final
class ApiReading:
    """One read. ``facts`` is complete after the last batch."""

    def __init__(
        self,
        spec: Api,
        base: str,
        headers: Mapping[str, str],
        filled: Filled,
        client: Client,
        *,
        committed: Parents | None = None,
    ) -> None:
        self._committed, self._parent_counts = committed, Counter[str]()
        self._spec, self._base, self._headers, self._filled, self._client = spec, base, headers, filled, client
        self._open = ExitStack()
        self._open.callback(client.close)
        self._pages = self._lists = 0
        url = shown_url(base)
        self._reader = Reader(spec.format, spec.records, Rows(url, url, spec.nested), spec.nested)

    def __enter__(self) -> "ApiReading":
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def __iter__(self) -> Iterator[Batch]:
        parents = self._spec.parents
        if parents is None:
            yield from self._list(self._filled)
            return
        for values, columns in self._parents(parents):
            parent = Filled(
                self._filled.partition, self._filled.timezone, self._filled.resolve, self._filled.bounds, values
            )
            for batch in self._list(parent):
                yield Batch(_with_columns(batch.rows, columns), batch.refused)

    @property
    def facts(self) -> SourceFacts:
        counts = self._client.counts
        facts = {
            "url": shown_url(self._base),
            "pages": str(self._pages),
            "lists": str(self._lists),
            **{name: str(counts[name]) for name in ("requests", "retries", "logins", "bytes")},
        }
        told = {name: str(count) for name, count in self._parent_counts.items()}
        return SourceFacts(facts={**facts, **told, **self._client.states()})

    @property
    def cursor(self) -> None:
        """Pages are no position to go on from: a window is read again from its first page."""
        return

    # ------------------------------------------------------------------------------------------ lists

    def _list(self, filled: Filled) -> Iterator[Batch]:
        spec = self._spec
        builder = Builder(
            spec.method,
            self._url(filled, spec.path),
            {name: filled.text(value) for name, value in spec.params.items()},
            {**self._headers, **{name: filled.text(value) for name, value in spec.headers.items()}},
            filled.json(spec.body),
        )
        self._lists += 1
        yield from self._batches(builder, spec.pagination, self._reader)

    def _batches(self, builder: Builder, pagination: Pagination, reader: Reader) -> Iterator[Batch]:
        flow = pages(pagination, shown_url(builder.url))

        def fetch(ask: Ask) -> Page:
            call = builder.call(ask)
            return self._client.fetch(call, reader.page) or nothing(call.url)

        upcoming = ahead(pagination) if self._spec.concurrency > 1 else None
        with Fetcher(fetch, upcoming, most(pagination), self._spec.concurrency) as fetcher:
            ask: Ask | None = next(flow)
            while ask is not None:
                with closing(fetcher.get(ask)) as page:
                    self._pages += 1
                    yield from reader.batches(page)
                    ask = _following(flow, page.seen())

    def _url(self, filled: Filled, path: str) -> str:
        url = self._base.rstrip("/") + "/" + filled.path(path).lstrip("/")
        return checked_url(url)

    # ------------------------------------------------------------------------------------------ parents

    def _parents(self, parents: Parent) -> "Iterator[_ParentRow]":
        return self._asked(parents, parents.path) if parents.path is not None else self._loaded(parents)

    def _loaded(self, parents: Parent) -> "Iterator[_ParentRow]":
        """Those that another dataset has committed; who lacks a value to ask with has no list, and is counted."""
        if self._committed is None or parents.dataset is None:
            raise AssertionError("parents of a dataset, and no lake to read them from")
        bind, more = list(parents.bind.values()), list(parents.columns.values())
        rows = self._committed(parents.dataset, self._filled.partition, bind, more)
        self._parent_counts["parents"] = rows.height
        for row in rows.iter_rows(named=True):
            values = {name: row[column] for name, column in parents.bind.items()}
            if not all(values.values()):  # null, or the empty text of a CSV
                self._parent_counts["parents_without_value"] += 1
            else:
                yield values, {name: row[column] for name, column in parents.columns.items()}

    def _asked(self, parents: Parent, path: str) -> "Iterator[_ParentRow]":
        url = self._url(self._filled, path)
        params = {name: self._filled.text(value) for name, value in parents.params.items()}
        reader = Reader("auto", parents.records, Rows(shown_url(url), shown_url(url), "json"), "json")
        for batch in self._batches(Builder("GET", url, params, self._headers, None), parents.pagination, reader):
            if batch.refused:
                raise _bad_parent(f"A parent is no record: {batch.refused[0].detail}.", url)
            for row in batch.rows.iter_rows(named=True):
                values = {}
                for name, column in parents.bind.items():
                    value = row.get(column)
                    if value is None:
                        raise _bad_parent(f"A parent has no `{column}`, which `{{{name}}}` stands for.", url)
                    values[name] = value
                yield values, {name: row.get(column) for name, column in parents.columns.items()}


def _following(flow: Flow, seen: Seen) -> Ask | None:
    try:
        return flow.send(seen)
    except StopIteration:
        return None


def _bad_parent(what: str, url: str) -> ExtractionError:
    return ExtractionError(
        "SRC-064", what, where=shown_url(url),
        fix="Correct parents.bind, or leave such parents out with parents.records, a JMESPath with a filter.",
    )  # fmt: skip


def _with_columns(rows: "pl.DataFrame", columns: Mapping[str, str | None]) -> "pl.DataFrame":
    import polars as pl

    for name in columns:
        if name in rows.columns:
            raise ConfigError(
                "SRC-064",
                f"The child rows have a column `{name}` of their own.",
                where="source.parents.columns",
                fix="Give the parent's column another name.",
            )
    return rows.with_columns(pl.lit(value, pl.String).alias(name) for name, value in columns.items())
