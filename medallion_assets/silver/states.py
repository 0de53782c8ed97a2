"""The states of a key: its events in order, one per clock, filled, with the first event of each present value."""

from collections.abc import Sequence

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import CLOCK, INDEX, OP, SINCE, Op
from medallion_assets.silver.events import Shape, differs

__all__ = ["before", "changed", "states"]

_EPOCH = "__epoch"
_NEXT = "__next"
_PREVIOUS = "__previous"


def states(
    events: nw.LazyFrame[IntoLazyFrameT],
    shape: Shape,
    *,
    ignore_nulls: Sequence[str] = (),
    tombstones: bool = False,
) -> nw.LazyFrame[IntoLazyFrameT]:
    """One row per key and clock: the columns of ``shape``, CLOCK, OP (upsert or delete), SINCE, INDEX (the order).

    Of events with one clock the last stands, of consecutive deletes the first. With ``ignore_nulls`` a null of those
    columns inherits the last value supplied, unless a delete came between. With ``tombstones`` a delete without
    attributes of its own has those of the state before. SINCE is where the present values of all columns began.
    """
    placed = events.with_row_index(INDEX, order_by=[*shape.keys, *shape.order])
    if ignore_nulls:
        placed = _filled(placed, shape, ignore_nulls)
    following = nw.col(CLOCK).shift(-1).over(*shape.keys, order_by=INDEX)
    last = placed.with_columns(following.alias(_NEXT))
    last = last.filter(nw.col(_NEXT).is_null() | (nw.col(_NEXT) != nw.col(CLOCK))).drop(_NEXT)
    kept = last.with_columns(before(OP, shape).alias(_PREVIOUS))
    again = (nw.col(OP) == int(Op.DELETE)) & (nw.col(_PREVIOUS) == int(Op.DELETE)).fill_null(value=False)
    kept = kept.filter(~again).drop(_PREVIOUS)
    if tombstones:
        kept = _inherited(kept, shape)
    return _since(kept, shape).select(*shape.columns, CLOCK, OP, SINCE, INDEX)


def before(column: str, shape: Shape) -> nw.Expr:
    """The column's value in the row before, of the same key."""
    return nw.col(column).shift(1).over(*shape.keys, order_by=INDEX)


def changed(columns: Sequence[str], shape: Shape) -> nw.Expr:
    """Whether a state differs from the one before in any of the columns, or has none before, or it is a delete."""
    fresh = before(OP, shape).is_null() | (before(OP, shape) != nw.col(OP))
    return nw.any_horizontal(
        fresh, *(differs(nw.col(c), before(c, shape)) for c in columns), ignore_nulls=True
    )


def _filled(
    events: nw.LazyFrame[IntoLazyFrameT], shape: Shape, columns: Sequence[str]
) -> nw.LazyFrame[IntoLazyFrameT]:
    lives = nw.when(nw.col(OP) == int(Op.DELETE)).then(1).otherwise(0).cum_sum()
    upsert = nw.col(OP) == int(Op.UPSERT)
    marked = events.with_columns(lives.over(*shape.keys, order_by=INDEX).alias(_EPOCH))
    supplied = marked.with_columns(*(nw.when(upsert).then(nw.col(c)).alias(f"{_NEXT}{c}") for c in columns))
    inherited = supplied.with_columns(
        nw.col(f"{_NEXT}{c}").fill_null(strategy="forward").over(*shape.keys, _EPOCH, order_by=INDEX).alias(f"{_NEXT}{c}")
        for c in columns
    )
    chosen = inherited.with_columns(
        nw.when(upsert).then(nw.col(f"{_NEXT}{c}")).otherwise(nw.col(c)).alias(c) for c in columns
    )
    return chosen.drop(_EPOCH, *(f"{_NEXT}{c}" for c in columns))


def _inherited(states: nw.LazyFrame[IntoLazyFrameT], shape: Shape) -> nw.LazyFrame[IntoLazyFrameT]:
    bare = nw.col(OP) == int(Op.DELETE)
    for column in shape.attributes:
        bare = bare & nw.col(column).is_null()
    unplaced = (nw.col(OP) == int(Op.DELETE)) & nw.col(shape.order_by[0]).is_null() if shape.order_by else None
    values = [nw.when(bare).then(before(c, shape)).otherwise(nw.col(c)).alias(c) for c in shape.attributes]
    if unplaced is not None:
        values += [nw.when(unplaced).then(before(c, shape)).otherwise(nw.col(c)).alias(c) for c in shape.order_by]
    return states.with_columns(*values)


def _since(states: nw.LazyFrame[IntoLazyFrameT], shape: Shape) -> nw.LazyFrame[IntoLazyFrameT]:
    began = states.with_columns(
        nw.when(changed((*shape.order_by, *shape.attributes), shape)).then(nw.col(SINCE)).alias(SINCE)
    )
    return began.with_columns(nw.col(SINCE).fill_null(strategy="forward").over(*shape.keys, order_by=INDEX))
