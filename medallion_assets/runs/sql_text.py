"""The owner's SQL before Polars reads it: the moment it is about, the tables it names, and what it may not do.

Times are compared in UTC without a zone, whether a column has one or not: ``plain`` makes columns so, and ``settled``
literals. Polars itself takes ``now()`` for the machine's local time and refuses to compare it with an instant.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import polars as pl

__all__ = ["ColumnTimes", "NoQuery", "depends_on_the_moment", "query", "settled"]

_QUOTED = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`"
_COMMENT = r"--[^\n]*|/\*.*?\*/"
_MOMENT = r"(?:now\s*\(\s*\)|(?P<word>(?:current|local)_?(?:timestamp|date|time))\b(?:\s*\(\s*\))?)"
_INSTANT = r"\b(?:timestamptz|timestamp\s+with\s+time\s+zone)\s*'(?P<instant>[^']*)'"
_MOMENTS = re.compile(rf"{_INSTANT}|{_QUOTED}|{_COMMENT}|\b(?P<moment>{_MOMENT})", re.IGNORECASE | re.DOTALL)
_PIECES = re.compile(
    rf"{_QUOTED}|(?P<comment>{_COMMENT})|\bsilver\.(?P<domain>[a-z0-9_]+)\.(?P<entity>[a-z0-9_]+)\b", re.DOTALL
)
_SELECTS = re.compile(r"[\s(]*(select|with|from)\b", re.IGNORECASE)
_FILES = re.compile(
    r"\b(?:read|scan)_(?:csv|parquet|ipc|feather|json|ndjson|jsonl|avro|delta|iceberg|excel|lines|text|blob|database)\b"
    r"|\b(?:read|scan)_\w+[\"'`]?\s*\(",
    re.IGNORECASE,
)
"""Table functions of Polars by name, however quoted; and whatever looks like one that it does not have yet."""


class NoQuery(Exception):
    """The text is no query that a check may ask; the message says why."""


def depends_on_the_moment(text: str) -> bool:
    """Whether another time of asking may give another answer."""
    return any(found["moment"] for found in _MOMENTS.finditer(text))


def settled(text: str, now: datetime) -> str:
    """The same with ``now()`` and its like as literals of that moment, and instants as times in UTC."""

    def put(found: re.Match[str]) -> str:
        if found["moment"]:
            return _literal((found["word"] or "timestamp").lower(), now.astimezone(timezone.utc))
        if found["instant"] is None:
            return found[0]
        try:
            told = datetime.fromisoformat(found["instant"].strip().replace("Z", "+00:00"))
        except ValueError:
            return found[0]
        return _literal("timestamp", told.astimezone(timezone.utc) if told.tzinfo else told)

    return _MOMENTS.sub(put, text)


def _literal(word: str, at: datetime) -> str:
    kind = next(kind for kind in ("timestamp", "date", "time") if word.endswith(kind))
    form = {"timestamp": "%Y-%m-%d %H:%M:%S.%f", "date": "%Y-%m-%d", "time": "%H:%M:%S"}[kind]
    return f"{kind} '{at:{form}}'"


def query(text: str) -> tuple[str, dict[str, str]]:
    """One SELECT without comments, its silver tables under names without dots, and those names with what they mean.

    Raises NoQuery.
    """
    tables: dict[str, str] = {}

    def put(found: re.Match[str]) -> str:
        if found["comment"]:
            return " "
        if not found["domain"]:
            return found[0]
        name = f"silver__{found['domain']}__{found['entity']}"
        tables[name] = f"silver/{found['domain']}/{found['entity']}"
        return name

    plain = _PIECES.sub(put, text).strip().rstrip(";")
    if not _SELECTS.match(plain):
        raise NoQuery("a check is one SELECT over `this` and silver tables")
    found = _FILES.search(text) or _FILES.search(plain)
    if found is not None:
        raise NoQuery(f"a check is one SELECT over `this` and silver tables, and `{found[0]}` reads something else")
    return plain, tables


class ColumnTimes:
    """Columns with a time zone, as times in UTC without one and back."""

    def __init__(self, schema: pl.Schema) -> None:
        self._zones = {name: t.time_zone for name, t in schema.items() if isinstance(t, pl.Datetime) and t.time_zone}

    def plain(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        return self._each(frame, lambda value, _: value.dt.convert_time_zone("UTC").dt.replace_time_zone(None))

    def restored(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        return self._each(frame, lambda value, zone: value.dt.replace_time_zone("UTC").dt.convert_time_zone(zone))

    def _each(self, frame: pl.LazyFrame, change: Callable[[pl.Expr, str], pl.Expr]) -> pl.LazyFrame:
        changed = list(self._changed(change))
        return frame.with_columns(changed) if changed else frame

    def _changed(self, change: Callable[[pl.Expr, str], pl.Expr]) -> Iterator[pl.Expr]:
        yield from (change(pl.col(name), zone) for name, zone in self._zones.items())
