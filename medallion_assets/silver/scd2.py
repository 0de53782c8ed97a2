"""scd_type_2: one row per version of a key, valid in the half-open interval [effective_from, effective_to)."""

from collections.abc import Sequence

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import CLOCK, FROM, INDEX, IS_CURRENT, IS_DELETED, OP, SINCE, TO, Op
from medallion_assets.silver.events import Shape
from medallion_assets.silver.neighbours import with_neighbours
from medallion_assets.silver.states import with_changed

__all__ = ["versions"]

_STARTS = "__starts"
_NEXT = "__next"


def versions(
    states: nw.LazyFrame[IntoLazyFrameT], shape: Shape, *, track: Sequence[str], tombstones: bool
) -> nw.LazyFrame[IntoLazyFrameT]:
    """One row per version: the columns of ``shape``, effective_from, effective_to (null: current), is_current;

    with ``tombstones`` is_deleted; then SINCE. A version is a run of states equal on ``track``, ended by a different
    one or a delete; its other columns are those of the last state of the run.
    """
    marked = with_changed(states, track, shape, _STARTS).with_columns(
        nw.when(nw.col(_STARTS)).then(nw.col(CLOCK)).alias(FROM)
    )
    begun = marked.with_columns(nw.col(FROM).fill_null(strategy="forward").over(*shape.keys, order_by=INDEX))
    runs = with_neighbours(begun, {_NEXT: _STARTS, TO: CLOCK}, shape.keys, (INDEX,), step=-1)
    # The last state of a run is followed by the start of another, by a delete (always a start) or by nothing.
    ends = runs.filter(nw.col(_NEXT).is_null() | nw.col(_NEXT))
    deleted = nw.col(OP) == int(Op.DELETE)
    if not tombstones:
        ends = ends.filter(~deleted)
    flags = [nw.col(TO).is_null().alias(IS_CURRENT), *([deleted.alias(IS_DELETED)] if tombstones else [])]
    return ends.select(*shape.columns, FROM, TO, *flags, SINCE)
