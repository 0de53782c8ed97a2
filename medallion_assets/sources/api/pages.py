"""Pagination without I/O: a generator asks for a page, is sent what was seen of it, and ends or asks for the next.

Every kind ends for sure: a cursor or address that comes again, a page equal to the one before it, and more pages than
``max_pages`` are errors, never an end. Pages by number and offset end at the first empty page, because a short one may
only mean that the server gives fewer rows than it was asked for.
"""

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from typing import Literal

from typing_extensions import assert_never

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.api import CursorPages, Link, NextUrl, NoPages, Offset, Page, Pagination
from medallion_assets.sources.api.where import joined

__all__ = ["Ask", "Flow", "Seen", "ahead", "most", "pages"]

MAX_PAGES = 100_000
"""Without `max_pages`."""
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[^=;,\s]+\s*(?:=\s*(?:"[^"]*"|[^;,\s]*))?)*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^;,\s]*))', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Ask:
    """What is special about one page's request: parameters in their place, or another address."""

    params: Mapping[str, str | int] = field(default_factory=dict)
    place: Literal["query", "body", "header"] = "query"
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What a flow may know of a page."""

    rows: int
    digest: bytes
    """Of its records."""
    url: str
    headers: Mapping[str, str]
    find: Callable[[str], str | None]
    """Text of what a JMESPath finds in the answer; None: nothing, null, false or empty."""
    last: Callable[[str], str | None]
    """Text of a member of the last record."""


Flow = Generator[Ask, Seen, None]


def pages(spec: Pagination, where: str) -> Flow:
    """Every page of ``spec``, in order. Raises ExtractionError SRC-059 (they do not end), SRC-063 (rows were skipped
    or would come twice).
    """
    flow = _flow(spec, where)
    limit = most(spec)
    before: bytes | None = None
    ask = next(flow)
    for number in count(1):
        seen = yield ask
        if seen.rows:
            if seen.digest == before:
                raise _endless(f"Page {number} has the same records as the page before it.", where)
            before = seen.digest
        try:
            ask = flow.send(seen)
        except StopIteration:
            return
        if number == limit and not (seen.rows == 0 and isinstance(spec, Page | Offset)):
            raise _endless(f"There are more than {limit:,} pages (max_pages).", where, "Raise pagination.max_pages.")


def most(spec: Pagination) -> int:
    """Pages that may be read."""
    return 1 if isinstance(spec, NoPages) else spec.max_pages or MAX_PAGES


def ahead(spec: Pagination) -> Iterator[Ask] | None:
    """All requests of a kind whose next page is known before the last one is read, without end; None of another."""
    return _numbers(spec) if isinstance(spec, Page | Offset) else None


def _numbers(spec: Page | Offset) -> Iterator[Ask]:
    match spec:
        case Page():
            size: dict[str, str | int] = {} if spec.size_param is None else {spec.size_param: spec.page_size}
            return (Ask({spec.page_param: number, **size}, spec.place) for number in count(spec.first_page))
        case Offset():
            limit = {spec.limit_param: spec.page_size}
            return (Ask({spec.offset_param: n, **limit}, spec.place) for n in count(0, spec.page_size))
    assert_never(spec)


def _flow(spec: Pagination, where: str) -> Flow:
    match spec:
        case NoPages():
            return _one()
        case Page() | Offset():
            return _numbered(spec, where)
        case CursorPages():
            return _cursor(spec, where)
        case Link():
            return _addresses(where, lambda seen: _next_link(seen.headers.get("link", "")))
        case NextUrl(next=path):
            return _addresses(where, lambda seen: seen.find(path))
    assert_never(spec)


def _one() -> Flow:
    yield Ask()


def _numbered(spec: Page | Offset, where: str) -> Flow:
    short: int | None = None
    for ask in _numbers(spec):
        seen = yield ask
        if not seen.rows:
            return
        if isinstance(spec, Offset):
            if short is not None or seen.rows > spec.page_size:
                rows = seen.rows if short is None else short
                raise ExtractionError(
                    "SRC-063",
                    f"A page of {rows} rows where {spec.page_size} were asked for is followed by more: by offset, "
                    "rows would be left out or come twice.",
                    where=where,
                    fix="Set pagination.page_size to what the server gives at most.",
                )
            short = seen.rows if seen.rows < spec.page_size else None


def _cursor(spec: CursorPages, where: str) -> Flow:
    size: dict[str, str | int] = {}
    if spec.size_param is not None and spec.page_size is not None:
        size = {spec.size_param: spec.page_size}
    once = _Once(where, "cursor")
    seen = yield Ask(size, spec.place)
    while (cursor := _next_cursor(spec, seen)) is not None:
        once.note(cursor)
        seen = yield Ask({spec.param: cursor, **size}, spec.place)


def _next_cursor(spec: CursorPages, seen: Seen) -> str | None:
    if spec.next is not None:
        return seen.find(spec.next)
    if spec.next_header is not None:
        return seen.headers.get(spec.next_header.lower(), "").strip() or None
    return seen.last(spec.next_from_last or "") if seen.rows else None


def _addresses(where: str, following: Callable[[Seen], str | None]) -> Flow:
    once = _Once(where, "address")
    seen = yield Ask()
    once.note(seen.url)
    while (url := following(seen)) is not None:
        absolute = joined(seen.url, url)
        once.note(absolute)
        seen = yield Ask(url=absolute)


class _Once:
    """Remembers texts by 16 bytes each."""

    def __init__(self, where: str, what: str) -> None:
        self._where, self._what = where, what
        self._known: set[bytes] = set()

    def note(self, text: str) -> None:
        mark = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if mark in self._known:
            raise _endless(f"The server gives the same {self._what} of the next page again.", self._where)
        self._known.add(mark)


def _next_link(header: str) -> str | None:
    for found in _LINK.finditer(header):
        rel = _REL.search(found[2])
        if rel is not None and "next" in (rel[1] or rel[2] or "").lower().split():
            return found[1]
    return None


def _endless(what: str, where: str, fix: str = "Check the parameter names of source.pagination.") -> ExtractionError:
    return ExtractionError("SRC-059", what, where=where, fix=fix)
