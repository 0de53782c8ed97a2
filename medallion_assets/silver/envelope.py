"""Debezium's change events as plain rows: the columns of the row that changed, and what happened beside them.

An event comes whole, ``{before, after, source, op, ts_ms}``, with or without ``{schema, payload}`` around it, as JSON
text or as structs of a typed source; or flattened by ``ExtractNewRecordState``, as the row with ``__op`` or
``__deleted`` beside it. All become rows of the second kind: of a delete the row is ``before``, of others ``after``, and
members of ``source`` are ``__source_<member>``. A value that is withheld keeps its placeholder; ``conform`` knows it.
"""

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
import polars as pl

from medallion_assets.silver.text import as_text

__all__ = ["OPERATION", "TOMBSTONE", "WITHHELD", "Envelope", "form", "opened"]

OPERATION = "__op"
"""The column of an opened row that holds its operation code."""
TOMBSTONE = "__tombstone"
"""Boolean column of an opened row: it is the mark that Kafka's compaction needs behind a delete, and says nothing."""
_PLACEHOLDER = "__debezium_unavailable_value"
WITHHELD: tuple[str, ...] = (
    _PLACEHOLDER,
    base64.b64encode(_PLACEHOLDER.encode()).decode(),
    _PLACEHOLDER.encode().hex(),
    json.dumps([_PLACEHOLDER]),
)
"""How Debezium writes that a value did not change and is not in the log: as text, bytes in base64 or hex, a list."""

_SIDES = ("before", "after")
_ENVELOPE = {*_SIDES, "source", "op", "schema", "payload"}
_DELETED = "__deleted"
_SOURCE = "__source_"
_NOTHING = ord("n")
_STRING = ord('"')
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

Form = Literal["whole", "flat"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What of the intent decides how events are opened."""

    deletes: tuple[str, ...] = ("d",)
    case_sensitive: bool = False
    column: str | None = None
    """The column of the operation code in flattened events; None: ``__op``."""


def form(columns: Collection[str]) -> Form | None:
    """What kind of events a load with these columns holds; None: they are no events."""
    if "payload" in columns or {*_SIDES} & {*columns}:
        return "whole"
    return "flat" if {OPERATION, _DELETED} & {*columns} else None


def opened(rows: pl.DataFrame, envelope: Envelope, claimed: Collection[str]) -> pl.DataFrame:
    """``rows``, whose columns are those of a load, as rows of the tables that changed, in their order.

    Columns of the changed row under their own names, those metadata (``__source_lsn``, ``__ts_ms``, …) that are
    ``claimed``, ``__op`` and ``__tombstone``. Raises nothing: what is no event has a null ``__op``.
    """
    # Without an event (tombstones alone) there is no member, and polars takes no height beside no columns.
    event = pl.DataFrame(_fields(rows["payload"]) or None, height=rows.height) if "payload" in rows.columns else rows
    whole = {*_SIDES} & {*event.columns}
    return _whole(event, envelope, claimed) if whole else _flat(event, envelope, claimed)


def _whole(event: pl.DataFrame, envelope: Envelope, claimed: Collection[str]) -> pl.DataFrame:
    op = _code(event["op"]) if "op" in event.columns else _nulls(event.height)
    before, after = (_fields(event[side]) if side in event.columns else {} for side in _SIDES)
    deleted = _among(op, envelope.deletes, envelope)
    found = {
        name: _chosen(name, before.get(name), after.get(name), deleted) for name in dict.fromkeys((*after, *before))
    }
    told = {name.removeprefix(_SOURCE) for name in claimed if name.startswith(_SOURCE)}
    source = _fields(event["source"], told) if told and "source" in event.columns else {}
    about = {f"{_SOURCE}{name}": value for name, value in source.items()}
    about |= {f"__{name}": event[name] for name in event.columns if name not in _ENVELOPE}
    found |= {name: value for name, value in about.items() if name in claimed}
    empty = [op.is_null(), *(event[side].is_null() for side in _SIDES if side in event.columns)]
    return _frame(found, op, pl.select(pl.all_horizontal(empty)).to_series(), event.height)


def _flat(rows: pl.DataFrame, envelope: Envelope, claimed: Collection[str]) -> pl.DataFrame:
    column = envelope.column or OPERATION
    op = _code(rows[column]) if column in rows.columns else _nulls(rows.height)
    if _DELETED in rows.columns:
        gone = _code(rows[_DELETED]).str.to_lowercase() == "true"
        said = pl.select(pl.when(gone).then(pl.lit(envelope.deletes[0])).when(~gone).then(pl.lit("u"))).to_series()
        op = pl.select(pl.coalesce(op, said)).to_series()
    found = {n: rows[n] for n in rows.columns if n != column and (not n.startswith("__") or n in claimed)}
    empty = pl.select(pl.all_horizontal(op.is_null(), *(value.is_null() for value in found.values()))).to_series()
    return _frame(found, op, empty, rows.height)


def _frame(found: Mapping[str, pl.Series], op: pl.Series, tombstone: pl.Series, height: int) -> pl.DataFrame:
    named = [value.alias(name) for name, value in found.items()]
    return pl.DataFrame([*named, op.alias(OPERATION), tombstone.alias(TOMBSTONE)], height=height)


def _chosen(name: str, before: pl.Series | None, after: pl.Series | None, deleted: pl.Series) -> pl.Series:
    if before is None or after is None:
        one = after if before is None else before
        if one is None:
            raise AssertionError(f"{name} is on neither side")
        return pl.select(pl.when(deleted if after is None else ~deleted).then(one)).to_series()
    if before.dtype != after.dtype:
        before, after = (
            s.to_frame("v").select(as_text(pl.col("v"), s.dtype)).to_series() for s in (before, after)
        )  # fmt: skip
    return pl.select(pl.when(deleted).then(before).otherwise(after)).to_series()


def _nulls(height: int) -> pl.Series:
    return pl.Series([None] * height, dtype=pl.String)


def _code(values: pl.Series) -> pl.Series:
    text = values if values.dtype == pl.String else values.cast(pl.String)
    return text.str.strip_chars()


def _among(codes: pl.Series, values: Collection[str], envelope: Envelope) -> pl.Series:
    if envelope.case_sensitive:
        return codes.is_in(list(values)).fill_null(value=False)
    return codes.str.to_lowercase().is_in([v.lower() for v in values]).fill_null(value=False)


def _fields(documents: pl.Series, only: Collection[str] | None = None) -> dict[str, pl.Series]:
    """The members (``only`` some) of structs, or of JSON objects as text: numbers and nested values as written."""
    if isinstance(documents.dtype, pl.Struct):
        return {name: documents.struct.field(name) for name in documents.struct.fields}
    if documents.dtype != pl.String:
        return {}
    cells: dict[str, list[str | None]] = {}
    height = len(documents)
    for place, document in enumerate(documents):
        if document is None:
            continue
        try:
            members = _members(document)
        except _BROKEN:
            continue
        for name, raw in members.items():
            if only is not None and name not in only:
                continue
            found = cells.get(name)
            if found is None:
                found = cells[name] = [None] * height
            found[place] = _cell(bytes(raw))
    return {name: pl.Series(name, values, pl.String) for name, values in cells.items()}


def _cell(raw: bytes) -> str | None:
    first = raw[0]
    if first == _STRING:
        return raw[1:-1].decode() if b"\\" not in raw else _text(raw)
    return None if first == _NOTHING else raw.decode()
