"""scd_type_1: one row per live key, with the attributes of its highest event."""

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import CLOCK, DELETED_AT, INDEX, IS_DELETED, OP, SINCE, Op
from medallion_assets.silver.events import Shape

__all__ = ["current"]

_NEXT = "__next"


def current(states: nw.LazyFrame[IntoLazyFrameT], shape: Shape, *, tombstones: bool) -> nw.LazyFrame[IntoLazyFrameT]:
    """One row per key: the columns of ``shape``; with ``tombstones`` is_deleted and deleted_at; then SINCE."""
    following = nw.col(OP).shift(-1).over(*shape.keys, order_by=INDEX)
    last = states.with_columns(following.alias(_NEXT)).filter(nw.col(_NEXT).is_null())
    deleted = nw.col(OP) == int(Op.DELETE)
    if not tombstones:
        return last.filter(~deleted).select(*shape.columns, SINCE)
    return last.select(
        *shape.columns, deleted.alias(IS_DELETED), nw.when(deleted).then(nw.col(CLOCK)).alias(DELETED_AT), SINCE
    )
