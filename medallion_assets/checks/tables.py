"""Rules about a whole table: no two rows of one key, and versions that follow one another without gap in logic.

Everything is lazy: a caller collects counts and a few failing keys, never the table.
"""

from collections.abc import Sequence

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

__all__ = ["ROWS", "duplicates", "interval_faults", "not_alone"]

ROWS = "_rows"
"""Column of ``duplicates`` that counts the rows of a key."""


def duplicates(frame: nw.LazyFrame[IntoLazyFrameT], columns: Sequence[str]) -> nw.LazyFrame[IntoLazyFrameT]:
    """Keys that more than one row has: ``columns`` and ``_rows`` (at least 2), one row per key, in no order.

    As in SQL, a row with a null among ``columns`` equals no other row and is left out.
    """
    whole = frame.filter(nw.all_horizontal(*(~nw.col(c).is_null() for c in columns), ignore_nulls=False))
    return whole.group_by(*columns).agg(nw.len().alias(ROWS)).filter(nw.col(ROWS) > 1)


def not_alone(current: str, deleted: str | None) -> nw.Expr:
    """Rows on which a rule about the present state is judged: current, and not the record of a delete."""
    alive = nw.col(current)
    return alive if deleted is None else alive & ~nw.col(deleted)


def interval_faults(
    frame: nw.LazyFrame[IntoLazyFrameT],
    keys: Sequence[str],
    *,
    start: str = "effective_from",
    end: str = "effective_to",
    current: str = "is_current",
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Versions whose half-open interval ``[start, end)`` (null end: still open) cannot be right.

    Columns: ``keys``, ``start``, then three booleans that are never null: ``empty`` (end at or before start, or no
    start), ``overlaps`` (the key's next version starts before this one ends, or this one never ends), ``flag``
    (``current`` does not say whether the interval is open). Only rows with one of them true. Two current rows of one
    key are an overlap, because an open interval with a successor is one.
    """
    following = nw.col(start).shift(-1).over(*keys, order_by=start)
    open_ended = nw.col(end).is_null()
    marked = frame.select(*keys, start, end, current, following.alias("_next")).with_columns(
        empty=(nw.col(start).is_null() | (nw.col(end) <= nw.col(start)).fill_null(value=False)),
        overlaps=(~nw.col("_next").is_null() & (open_ended | (nw.col("_next") < nw.col(end)).fill_null(value=False))),
        flag=(nw.col(current).fill_null(value=False) != open_ended),
    )
    wrong = marked.filter(nw.col("empty") | nw.col("overlaps") | nw.col("flag"))
    return wrong.select(*keys, start, "empty", "overlaps", "flag")
