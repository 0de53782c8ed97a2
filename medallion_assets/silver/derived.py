"""derived_event: one row per change between consecutive states of a key."""

from collections.abc import Sequence

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import CHANGE_TYPE, CHANGED_AT, CLOCK, INDEX, OP, SINCE, Op
from medallion_assets.silver.events import Shape, differs
from medallion_assets.silver.states import earlier, with_changed

__all__ = ["changes", "differing"]

_STARTS = "__starts"


def differing(column: str) -> str:
    """Name of the boolean that says whether the column changed."""
    return f"__differs:{column}"


def changes(
    states: nw.LazyFrame[IntoLazyFrameT], shape: Shape, *, track: Sequence[str]
) -> nw.LazyFrame[IntoLazyFrameT]:
    """One row per change of a ``track`` column, appearance or disappearance of a key: the keys, changed_at (the clock),

    change_type (``insert``, ``update``, ``delete``); for each of ``track`` its value after, before (``earlier``) and
    whether they differ (``differing``), null where the key was not there; then SINCE. Sorted by keys and clock.

    A state equal to the one before on ``track`` is no change.
    """
    deleted = nw.col(OP) == int(Op.DELETE)
    told = with_changed(states, track, shape, _STARTS, keep=True).filter(nw.col(_STARTS))
    fresh = nw.col(earlier(OP)).is_null() | (nw.col(earlier(OP)) == int(Op.DELETE))
    # A delete of what was not there changes nothing.
    real = told.filter(~(deleted & fresh))
    kind = nw.when(deleted).then(nw.lit("delete")).otherwise(
        nw.when(fresh).then(nw.lit("insert")).otherwise(nw.lit("update"))
    )  # fmt: skip
    there, was = nw.col(CHANGE_TYPE) != "delete", nw.col(CHANGE_TYPE) != "insert"
    marked = real.with_columns(kind.alias(CHANGE_TYPE)).with_columns(
        nw.col(CHANGE_TYPE),  # there may be no others: a table of keys alone
        *(nw.when(there).then(nw.col(c)).alias(c) for c in track),
        *(nw.when(was).then(nw.col(earlier(c))).alias(earlier(c)) for c in track),
    )
    return marked.sort(*shape.keys, INDEX).select(
        *shape.keys,
        nw.col(CLOCK).alias(CHANGED_AT),
        CHANGE_TYPE,
        *track,
        *(earlier(c) for c in track),
        *(differs(nw.col(c), nw.col(earlier(c))).alias(differing(c)) for c in track),
        SINCE,
    )
