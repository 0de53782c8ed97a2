"""The states of a key: its events in order, one per clock, filled, with the first event of each present value."""

from collections.abc import Sequence

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import CLOCK, INDEX, OP, SINCE, Op
from medallion_assets.silver.contract import withheld_flag
from medallion_assets.silver.events import Shape, differs
from medallion_assets.silver.neighbours import numbered, place, with_neighbours

__all__ = ["earlier", "states", "supplied", "with_changed"]

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
    placed = numbered(events, shape.keys, shape.order, OP)
    plain = [c for c in ignore_nulls if c not in shape.withheld]
    if plain:
        placed = _filled(placed, shape, plain)
    placed = supplied(placed, shape, ignore_nulls=ignore_nulls)
    if tombstones:
        placed = _inherited(placed, shape)
    last = with_neighbours(placed, {_NEXT: CLOCK}, shape.keys, (INDEX,), step=-1)
    last = last.filter(nw.col(_NEXT).is_null() | (nw.col(_NEXT) != nw.col(CLOCK))).drop(_NEXT)
    kept = with_neighbours(last, {_PREVIOUS: OP}, shape.keys, (INDEX,))
    again = (nw.col(OP) == int(Op.DELETE)) & (nw.col(_PREVIOUS) == int(Op.DELETE)).fill_null(value=False)
    kept = kept.filter(~again).drop(_PREVIOUS)
    return _since(kept, shape).select(*shape.columns, CLOCK, OP, SINCE, INDEX)


def earlier(column: str) -> str:
    """Name of the column that holds the value of the state before."""
    return f"__before:{column}"


def with_changed(
    states: nw.LazyFrame[IntoLazyFrameT], columns: Sequence[str], shape: Shape, name: str, *, keep: bool = False
) -> nw.LazyFrame[IntoLazyFrameT]:
    """With ``name``: whether a state differs from the one before in any of the columns, has none before or is a delete.

    ``keep``: what the columns and OP hold in the state before stays, as ``earlier``.
    """
    told = with_neighbours(states, {earlier(c): c for c in (OP, *columns)}, shape.keys, (INDEX,))
    fresh = nw.col(earlier(OP)).is_null() | (nw.col(earlier(OP)) != nw.col(OP))
    differ = (differs(nw.col(c), nw.col(earlier(c))) for c in columns)
    marked = told.with_columns(nw.any_horizontal(fresh, *differ, ignore_nulls=True).alias(name))
    return marked if keep else marked.drop(*(earlier(c) for c in (OP, *columns)))


def _filled(events: nw.LazyFrame[IntoLazyFrameT], shape: Shape, columns: Sequence[str]) -> nw.LazyFrame[IntoLazyFrameT]:
    lives = nw.when(nw.col(OP) == int(Op.DELETE)).then(1).otherwise(0).cum_sum()
    upsert = nw.col(OP) == int(Op.UPSERT)
    marked = events.with_columns(lives.over(*shape.keys, order_by=INDEX).alias(_EPOCH))
    supplied = marked.with_columns(*(nw.when(upsert).then(nw.col(c)).alias(f"{_NEXT}{c}") for c in columns))
    inherited = supplied.with_columns(
        nw.col(f"{_NEXT}{c}").fill_null(strategy="forward").over(*shape.keys, _EPOCH, order_by=INDEX) for c in columns
    )
    chosen = inherited.with_columns(
        nw.when(upsert).then(nw.col(f"{_NEXT}{c}")).otherwise(nw.col(c)).alias(c) for c in columns
    )
    return chosen.drop(_EPOCH, *(f"{_NEXT}{c}" for c in columns))


def supplied(
    events: nw.LazyFrame[IntoLazyFrameT], shape: Shape, *, ignore_nulls: Sequence[str] = ()
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Events (with INDEX) which have, where they withhold a value, the last one that an upsert supplied since the last

    delete; null when there is none. With ``ignore_nulls`` a null of those columns supplies nothing, either.
    """
    if not shape.withheld:
        return events
    upsert, delete = nw.col(OP) == int(Op.UPSERT), nw.when(nw.col(OP) == int(Op.DELETE)).then(1).otherwise(0)
    # A delete ends the life that its own values are of.
    lives = delete.cum_sum().over(*shape.keys, order_by=INDEX) - delete
    told = events.with_columns(lives.alias(_EPOCH))
    for column in shape.withheld:
        flag = _kept(column, shape)
        # A null may be what was supplied, so the place of the value is carried on, not the value.
        gives = upsert & ~flag
        if column in ignore_nulls:
            gives = gives & ~nw.col(column).is_null()
        at = nw.when(gives).then(nw.col(INDEX)).otherwise(None)
        placed = told.with_columns(at.alias(_PREVIOUS)).with_columns(
            nw.col(_PREVIOUS).fill_null(strategy="forward").over(*shape.keys, _EPOCH, order_by=INDEX)
        )
        on = place(events, shape.keys, _PREVIOUS)
        values = events.with_columns(nw.col(INDEX).alias(_PREVIOUS)).select(*on, nw.col(column).alias(_NEXT))
        found = placed.join(values, on=on, how="left")
        chosen = nw.when(upsert | flag).then(nw.col(_NEXT)).otherwise(nw.col(column))
        told = found.with_columns(chosen.alias(column)).drop(_PREVIOUS, _NEXT)
    return told.drop(_EPOCH)


def _inherited(events: nw.LazyFrame[IntoLazyFrameT], shape: Shape) -> nw.LazyFrame[IntoLazyFrameT]:
    """Deletes without attributes get those of the last upsert before; those without a place also its order_by."""
    upsert = nw.col(OP) == int(Op.UPSERT)
    latest = nw.when(upsert).then(nw.col(INDEX)).otherwise(None)
    told = events.with_columns(latest.alias(_PREVIOUS)).with_columns(
        nw.col(_PREVIOUS).fill_null(strategy="forward").over(*shape.keys, order_by=INDEX)
    )
    columns = (*shape.order_by, *shape.attributes)
    on = place(events, shape.keys, _PREVIOUS)
    lived = events.filter(upsert).with_columns(nw.col(INDEX).alias(_PREVIOUS))
    lived = lived.select(*on, *(nw.col(c).alias(f"{_NEXT}{c}") for c in columns))
    deletes = told.filter(~upsert).join(lived, on=on, how="left")
    # An absence has no place and no attributes; a truncate has a place; a delete may have both.
    values: list[nw.Expr] = []
    if shape.attributes:
        own = (nw.col(c).is_null() | _kept(c, shape) for c in shape.attributes)
        silent = nw.all_horizontal(*own, ignore_nulls=False)
        values = [nw.when(silent).then(nw.col(f"{_NEXT}{c}")).otherwise(nw.col(c)).alias(c) for c in shape.attributes]
    if shape.order_by:
        placeless = nw.col(shape.order_by[0]).is_null()
        values += [nw.when(placeless).then(nw.col(f"{_NEXT}{c}")).otherwise(nw.col(c)).alias(c) for c in shape.order_by]
    filled = deletes.with_columns(*values) if values else deletes
    whole = events.collect_schema().names()
    return nw.concat([events.filter(upsert).select(*whole), filled.select(*whole)])


def _kept(column: str, shape: Shape) -> nw.Expr:
    """Whether a row does not supply the column."""
    if column not in shape.withheld:
        return nw.lit(value=False)
    return nw.col(withheld_flag(column)).fill_null(value=False)


def _since(states: nw.LazyFrame[IntoLazyFrameT], shape: Shape) -> nw.LazyFrame[IntoLazyFrameT]:
    told = with_changed(states, (*shape.order_by, *shape.attributes), shape, _NEXT)
    began = told.with_columns(nw.when(nw.col(_NEXT)).then(nw.col(SINCE)).alias(SINCE)).drop(_NEXT)
    return began.with_columns(nw.col(SINCE).fill_null(strategy="forward").over(*shape.keys, order_by=INDEX))
