"""scd_type_1: one row per live key, with the attributes of its highest event."""

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import CLOCK, DELETED_AT, INDEX, IS_DELETED, OP, SINCE, Op
from medallion_assets.silver.events import Shape
from medallion_assets.silver.neighbours import with_neighbours

__all__ = ["current"]

_NEXT = "__next"


def current(states: nw.LazyFrame[IntoLazyFrameT], shape: Shape, *, tombstones: bool) -> nw.LazyFrame[IntoLazyFrameT]:
    """One row per key: the columns of ``shape``; with ``tombstones`` is_deleted and deleted_at; then SINCE."""
    last = with_neighbours(states, {_NEXT: OP}, shape.keys, (INDEX,), step=-1).filter(nw.col(_NEXT).is_null())
    deleted = nw.col(OP) == int(Op.DELETE)
    if not tombstones:
        return last.filter(~deleted).select(*shape.columns, SINCE)
    return last.select(
        *shape.columns, deleted.alias(IS_DELETED), nw.when(deleted).then(nw.col(CLOCK)).alias(DELETED_AT), SINCE
    )
