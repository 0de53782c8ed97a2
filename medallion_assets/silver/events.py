"""Events of keyed models: which rows are one event, which row of a full partition counts, and implied deletes.

Frames here hold the columns of a ``Shape`` and POS, LOAD, OP, FULL, CLOCK, FIRST, SINCE (``columns`` says what
they are). All functions are lazy relational expressions.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import CLOCK, FIRST, FULL, INDEX, LOAD, OP, POS, TIES, Op
from medallion_assets.silver.contract import withheld_flag
from medallion_assets.silver.equal import last_of
from medallion_assets.silver.neighbours import numbered, with_neighbours

__all__ = ["Shape", "absences", "deduplicate", "differs", "erased", "ties", "winners"]

_NUMBER = "__boundary"
_MARK = "__mark"
_BOUND = "__bound"
_EPOCH = "__epoch"
_DAY = "__day"
_LAST = "__last"


@dataclass(frozen=True, slots=True)
class Shape:
    """What an event is made of."""

    keys: tuple[str, ...]
    order_by: tuple[str, ...]
    attributes: tuple[str, ...]
    """The other columns of the table."""
    positional: bool = True
    """The source gives rows in an order that means something."""
    withheld: tuple[str, ...] = ()
    """Attributes whose value a row may not supply; ``withheld_flag`` of each is a column of events."""

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.keys, *self.order_by, *self.attributes)

    @property
    def flags(self) -> tuple[str, ...]:
        """The columns of events that say what a row does not supply."""
        return tuple(withheld_flag(name) for name in self.withheld)

    @property
    def order(self) -> tuple[str, ...]:
        """What the events of a key are sorted by."""
        if not self.order_by:
            return (CLOCK, FIRST, POS)
        return (CLOCK, FIRST, *self.order_by[1:], OP, *self._tail)

    @property
    def within(self) -> tuple[str, ...]:
        """What the rows of a key in one full partition are sorted by."""
        return (*self.order_by, *(self._tail if self.order_by else (POS,)))

    @property
    def _tail(self) -> tuple[str, ...]:
        return (POS,) if self.positional else (LOAD, *self.attributes, *self.flags, POS)


def differs(left: nw.Expr, right: nw.Expr) -> nw.Expr:
    """Null-safe inequality, never null."""
    one_null = left.is_null() != right.is_null()
    return nw.when(left.is_null() | right.is_null()).then(one_null).otherwise(left != right)


def deduplicate(
    rows: nw.LazyFrame[IntoLazyFrameT],
    shape: Shape,
    *,
    ops: Collection[Op] = (Op.UPSERT, Op.DELETE, Op.TRUNCATE),
    slices: Sequence[str] = (),
) -> nw.LazyFrame[IntoLazyFrameT]:
    """One row per event: at the place of its latest row, with SINCE the place of its earliest.

    Upserts are equal by keys, clock, order_by and attributes, deletes whatever their attributes, truncates by order;
    within ``slices`` where rows of two are never one event. ``ops``: those that occur.
    """
    same = (CLOCK, FIRST, *shape.order_by, *slices)
    parts = {
        Op.UPSERT: (*shape.keys, *same, *shape.attributes, *shape.flags),
        Op.DELETE: (*shape.keys, *same),
        Op.TRUNCATE: same,
    }
    return nw.concat([last_of(rows.filter(nw.col(OP) == int(op)), by) for op, by in parts.items() if op in ops])


def ties(
    events: nw.LazyFrame[IntoLazyFrameT], shape: Shape, *, slices: Sequence[str] = ()
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Keys whose upserts differ at one place of the order: keys, then TIES (events more than one); within ``slices``
    as in ``deduplicate``.
    """
    if not shape.order_by and shape.positional:
        return events.select(*shape.keys, nw.lit(0, nw.Int64).alias(TIES)).filter(nw.col(TIES) > 0)
    place = tuple(dict.fromkeys((*shape.keys, CLOCK, *shape.order_by, *slices, *(() if shape.order_by else (LOAD,)))))
    places = events.filter(nw.col(OP) == int(Op.UPSERT)).group_by(*place).agg(nw.len().alias(TIES))
    told = places.with_columns(nw.col(TIES).cast(nw.Int64) - 1)
    return told.filter(nw.col(TIES) > 0).select(*shape.keys, TIES)


def winners(events: nw.LazyFrame[IntoLazyFrameT], shape: Shape) -> nw.LazyFrame[IntoLazyFrameT]:
    """Events of which those of a full partition are one a key: the highest by all of order_by."""
    marked = with_neighbours(events, {_LAST: POS}, (*shape.keys, LOAD), shape.within, step=-1)
    return marked.filter(~nw.col(FULL) | nw.col(_LAST).is_null()).drop(_LAST)


def absences(
    events: nw.LazyFrame[IntoLazyFrameT],
    present: nw.LazyFrame[IntoLazyFrameT],
    boundaries: nw.LazyFrame[IntoLazyFrameT],
    shape: Shape,
    *,
    loads: Sequence[int],
    truncates: bool,
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Deletes that full partitions and truncates imply: of every key that is live just before and not present.

    ``present``: keys, LOAD, CLOCK of each key in each full partition of ``loads``, CLOCK its start. ``boundaries``:
    those partitions (FIRST -1) and the truncates (``truncates``: there are some) with their order columns and
    ``__boundary``, numbered from 1 in that order. Returns events with null attributes.

    Between two neighbours in a key's order, events and presences alike, every boundary that is passed is one without
    the key: the first of them after a live event is its delete.
    """
    order = shape.order if truncates else (CLOCK, FIRST)
    narrow = (*shape.keys, *dict.fromkeys((*shape.order, *order, OP, LOAD)))
    at_start = (nw.col(FIRST) == 0) & nw.col(LOAD).is_in(list(loads))
    elements = events.with_columns(at_start.alias(_MARK)).select(*narrow, _MARK)
    shown = events.filter(nw.col(FIRST) == 0).select(*shape.keys, LOAD)
    silent = present.join(shown, on=[*shape.keys, LOAD], how="anti")
    marks = _aligned(silent.with_columns(_small(0, FIRST), _small(Op.UNKNOWN, OP), nw.lit(value=True).alias(_MARK)),
                     elements)  # fmt: skip
    bounds = _aligned(boundaries.with_columns(nw.lit(value=False).alias(_MARK)), elements).with_columns(
        nw.lit(1).alias(_BOUND)
    )
    line = nw.concat([nw.concat([elements, marks]).with_columns(nw.lit(0).alias(_BOUND)), bounds])
    of_keys = numbered(_passed(line, order).filter(nw.col(_BOUND) == 0), shape.keys, shape.order, OP)
    return _joined(_first_gaps(of_keys, boundaries, shape), boundaries, events, shape)


def _passed(line: nw.LazyFrame[IntoLazyFrameT], order: Sequence[str]) -> nw.LazyFrame[IntoLazyFrameT]:
    """With ``__boundary``: how many boundaries come before an element of the line."""
    so_far = nw.col(_BOUND).cum_sum()
    if not (line.implementation.is_spark_like() and isinstance(line.collect_schema()[CLOCK], nw.Datetime)):
        return line.with_columns(so_far.over(order_by=order).cast(nw.Int64).alias(_NUMBER))
    # Spark would bring all rows to one of its machines: each day counts its own, and gets those of the days before.
    dated = line.with_columns(nw.col(CLOCK).cast(nw.Date).alias(_DAY))
    days = dated.group_by(_DAY).agg(nw.col(_BOUND).sum().alias(_LAST))
    before = days.select(_DAY, (nw.col(_LAST).cum_sum().over(order_by=_DAY) - nw.col(_LAST)).alias(_LAST))
    told = dated.with_columns(so_far.over(_DAY, order_by=order).alias(_NUMBER)).join(before, on=_DAY, how="left")
    return told.with_columns((nw.col(_NUMBER) + nw.col(_LAST)).cast(nw.Int64).alias(_NUMBER)).drop(_DAY, _LAST)


def _first_gaps(
    line: nw.LazyFrame[IntoLazyFrameT], boundaries: nw.LazyFrame[IntoLazyFrameT], shape: Shape
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Keys and the number of the first boundary passed after each live event."""
    total = boundaries.select(nw.col(_NUMBER).max().alias(_LAST))
    is_event = nw.col(OP) < int(Op.TRUNCATE)
    following = nw.col(_NUMBER) - nw.when(nw.col(_MARK)).then(1).otherwise(0)
    passed = line.with_columns(following.alias(_BOUND), nw.when(is_event).then(nw.col(OP)).alias(OP))
    told = with_neighbours(passed, {_BOUND: _BOUND}, shape.keys, (INDEX,), step=-1).with_columns(
        nw.when(is_event).then(1).otherwise(0).cum_sum().over(*shape.keys, order_by=INDEX).alias(_EPOCH),
        nw.col(OP).fill_null(strategy="forward").over(*shape.keys, order_by=INDEX).alias(OP),
    )
    ended = told.join(total, how="cross")
    gap = nw.col(_NUMBER) < nw.when(nw.col(_BOUND).is_null()).then(nw.col(_LAST)).otherwise(nw.col(_BOUND))
    live = ended.filter(gap & (nw.col(OP) == int(Op.UPSERT)))
    first = live.group_by(*shape.keys, _EPOCH).agg((nw.col(_NUMBER).min() + 1).alias(_NUMBER))
    return first.drop(_EPOCH)


def _joined(
    gaps: nw.LazyFrame[IntoLazyFrameT],
    boundaries: nw.LazyFrame[IntoLazyFrameT],
    events: nw.LazyFrame[IntoLazyFrameT],
    shape: Shape,
) -> nw.LazyFrame[IntoLazyFrameT]:
    whole = boundaries.with_columns((nw.col(FIRST) < 0).alias(FULL))
    # A truncate's own attributes say nothing of a key.
    bare = whole.drop(*shape.keys, *shape.attributes, strict=False)
    deletes = gaps.join(bare, on=_NUMBER, how="inner")
    starts = nw.when(nw.col(FIRST) < 0).then(0).otherwise(nw.col(FIRST)).cast(nw.Int8)
    return _aligned(deletes.with_columns(starts.alias(FIRST), _small(Op.DELETE, OP)), events)


def _small(value: int, name: str) -> nw.Expr:
    return nw.lit(int(value), nw.Int8).alias(name)


def _aligned(frame: nw.LazyFrame[IntoLazyFrameT], like: nw.LazyFrame[IntoLazyFrameT]) -> nw.LazyFrame[IntoLazyFrameT]:
    """The columns of ``like``, null where ``frame`` has none."""
    have = frame.collect_schema()
    return frame.select(
        *(nw.col(n) if n in have else nw.lit(None).cast(t).alias(n) for n, t in like.collect_schema().items())
    )


def erased(events: nw.LazyFrame[IntoLazyFrameT], shape: Shape, *, absent: bool) -> nw.LazyFrame[IntoLazyFrameT]:
    """Events after the last delete of their key; the others are forgotten. ``absent``: absences count as deletes."""
    erasing = nw.col(OP) == int(Op.DELETE)
    if not absent:
        erasing = erasing & ~nw.col(FULL)
    placed = numbered(events, shape.keys, shape.order, OP)
    last = nw.when(erasing).then(nw.col(INDEX)).max().over(*shape.keys)
    kept = placed.with_columns(last.alias(_LAST))
    return kept.filter(nw.col(_LAST).is_null() | (nw.col(INDEX) > nw.col(_LAST))).drop(_LAST, INDEX)
