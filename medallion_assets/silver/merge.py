"""incremental_merge: the last change of each key in each partition. full_merge_dedupe: the newest full partition."""

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import LOAD, OP, OPERATION, SINCE, SLICE, Op
from medallion_assets.silver.events import Shape, winners
from medallion_assets.silver.neighbours import numbered, with_neighbours
from medallion_assets.silver.states import supplied

__all__ = ["last_changes", "newest"]

_NEXT = "__next"


def last_changes(events: nw.LazyFrame[IntoLazyFrameT], shape: Shape) -> nw.LazyFrame[IntoLazyFrameT]:
    """One row per key and SLICE: the columns of ``shape``, operation (``upsert`` or ``delete``), then SINCE, in the
    order of slices and keys.

    A delete that is implied (by absence from a full partition, by a truncate) is a change like others, with null
    attributes.
    """
    if shape.withheld:
        events = supplied(numbered(events, shape.keys, shape.order, OP), shape)
    placed = with_neighbours(events, {_NEXT: OP}, (SLICE, *shape.keys), shape.order, step=-1)
    last = placed.filter(nw.col(_NEXT).is_null())
    deleted = nw.col(OP) == int(Op.DELETE)
    said = nw.when(deleted).then(nw.lit("delete")).otherwise(nw.lit("upsert")).alias(OPERATION)
    return last.sort(SLICE, *shape.keys).select(*shape.columns, said, SINCE)


def newest(events: nw.LazyFrame[IntoLazyFrameT], shape: Shape, load: int | None) -> nw.LazyFrame[IntoLazyFrameT]:
    """One row per key of full load ``load`` (None: no rows): the columns of ``shape``, then SINCE, sorted by keys."""
    of_load = events.filter(nw.col(LOAD) == (-1 if load is None else load))
    return winners(of_load, shape).sort(*shape.keys).select(*shape.columns, SINCE)
