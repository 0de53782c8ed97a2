"""Random streams of awkward values as the models get them, and every model's answer by one engine."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

import narwhals as nw
import polars as pl

from medallion_assets.lake.ports import Engine
from medallion_assets.silver.columns import CLOCK, FIRST, FULL, INDEX, LOAD, OP, POS, SINCE, SLICE, Op
from medallion_assets.silver.contract import withheld_flag
from medallion_assets.silver.derived import changes
from medallion_assets.silver.event import distinct, earliest
from medallion_assets.silver.events import Shape, absences, deduplicate, erased, ties, winners
from medallion_assets.silver.merge import last_changes, newest
from medallion_assets.silver.scd1 import current
from medallion_assets.silver.scd2 import versions
from medallion_assets.silver.snapshot import copies
from medallion_assets.silver.states import states
from medallion_assets.silver.types import TIMESTAMP
from medallion_assets_tests.engines.frames import AWKWARD, utc

KEYS = ("text", "float64")
WITHHELD = ("bytes", "wide")
TIME, TURN = "t", "turn"
DAY = utc(2024, 1, 1)
Frame = nw.LazyFrame[Any]


@dataclass(frozen=True)
class Stream:
    rows: pl.DataFrame
    shape: Shape
    fulls: tuple[int, ...]
    """Ranks of the full loads; load n starts on day n."""

    @property
    def present(self) -> pl.DataFrame:
        keyed = self.rows.filter(pl.col(FULL)).select(*self.shape.keys, LOAD).unique(maintain_order=True)
        return keyed.join(self._starts, on=LOAD, maintain_order="left").select(*self.shape.keys, LOAD, CLOCK)

    @property
    def _starts(self) -> pl.DataFrame:
        starts = [DAY + timedelta(days=load) for load in self.fulls]
        return pl.DataFrame({LOAD: self.fulls, CLOCK: starts}, schema={LOAD: pl.Int64, CLOCK: self.rows.schema[CLOCK]})

    def boundaries(self, truncates: pl.DataFrame) -> pl.DataFrame:
        full = self._starts.with_columns(
            pl.lit(-1, pl.Int8).alias(FIRST), pl.lit(Op.DELETE, pl.Int8).alias(OP),
            *((pl.col(LOAD) * -10).alias(name) for name in (POS, SINCE)),
        )  # fmt: skip
        both = pl.concat([truncates.drop(FULL), full], how="diagonal").sort(self.shape.order, nulls_last=False)
        return both.with_row_index("__boundary", offset=1).with_columns(pl.col("__boundary").cast(pl.Int64))


def stream(seed: int, *, ordered: bool, positional: bool, truncates: bool, few: bool = False) -> Stream:
    """Few keys, times and rows of attributes, so that ties, repetitions and equal neighbours are common.

    ``few``: columns enough to tell an engine's nulls, NaNs and decimals, for one that thinks long over each.
    """
    chance, height = Random(seed), 150
    attributes = ["bytes", "wide", "float32", "instant"] if few else [name for name in AWKWARD if name not in KEYS]
    pool = [{name: chance.choice([*AWKWARD[name][1], None]) for name in attributes} for _ in range(3)]
    loads = sorted(chance.randrange(5) for _ in range(height))
    patterns = [chance.choice(["full", "cdc", "cdc"]) for _ in range(5)]
    rows = [_row(chance, pos, load, patterns[load], pool, truncates=truncates) for pos, load in enumerate(loads)]
    types: dict[str, pl.DataType] = {
        **{name: AWKWARD[name][0] for name in (*KEYS, *attributes)}, TIME: TIMESTAMP, TURN: pl.Int64(),
        POS: pl.Int64(), LOAD: pl.Int64(), OP: pl.Int8(), FULL: pl.Boolean(), CLOCK: TIMESTAMP,
        FIRST: pl.Int8(), SLICE: pl.Int64(), **{withheld_flag(name): pl.Boolean() for name in WITHHELD},
    }  # fmt: skip
    order = (TIME, TURN) if ordered else ()
    shape = Shape(KEYS, order, tuple(attributes), positional, WITHHELD)
    frame = pl.DataFrame(rows, schema=types).select(*shape.columns, *(c for c in types if c.startswith("__")))
    if not ordered:
        start = pl.lit(DAY).dt.cast_time_unit("us") + pl.duration(days=LOAD)
        frame = frame.with_columns(start.alias(CLOCK), pl.when(FULL).then(0).otherwise(1).cast(pl.Int8).alias(FIRST))
    return Stream(frame, shape, tuple(n for n, p in enumerate(patterns) if p == "full" and n in loads))


def _row(
    chance: Random, pos: int, load: int, pattern: str, pool: list[dict[str, Any]], *, truncates: bool
) -> dict[str, Any]:
    start, full = DAY + timedelta(days=load), pattern == "full"
    ops = [Op.UPSERT, Op.UPSERT, Op.UPSERT, Op.DELETE, *([Op.TRUNCATE] if truncates and chance.random() < 0.1 else [])]
    op = Op.UPSERT if full else chance.choice(ops)
    values = dict(chance.choice(pool))
    if chance.random() < 0.5:
        changed = chance.choice([*values])
        values[changed] = chance.choice([*AWKWARD[changed][1], None])
    if op != Op.UPSERT and chance.random() < 0.7:
        values = dict.fromkeys(values)
    turn = 0 if op == Op.DELETE else chance.randrange(2)
    time = start + timedelta(hours=8 * chance.randrange(-1, 4))
    clock = time if not full or start <= time < start + timedelta(days=1) else start
    return {
        "text": None if op == Op.TRUNCATE else chance.choice(["", "é", "\uffee"]),
        "float64": None if op == Op.TRUNCATE else chance.choice([float("nan"), -0.0, 0.0, 1.5]),
        **values, TIME: time, TURN: turn, POS: pos, LOAD: load, OP: op, FULL: full, CLOCK: clock,
        FIRST: 0 if full and clock == start else 1, SLICE: load,
        **{withheld_flag(name): op != Op.TRUNCATE and chance.random() < 0.3 for name in WITHHELD},
    }  # fmt: skip


def answers(engine: Engine, asked: Stream, *, few: bool = False) -> Iterator[tuple[str, pl.DataFrame, bool]]:
    """The name of each answer, its rows, and whether they have an order. ``few``: not every mixture of rules."""
    shape = asked.shape
    rows = engine.held(engine.frame(asked.rows))
    yield "copies", engine.evaluate(copies(rows, shape.columns)), True
    unlike = engine.held(distinct(rows, shape.columns, slices=(LOAD,)))
    yield "distinct", engine.evaluate(unlike), False
    yield "earliest", engine.evaluate(earliest(unlike, shape.columns, shape.keys)), True
    yield "earliest of rows", engine.evaluate(earliest(unlike, shape.columns, ())), True
    of_loads = engine.held(deduplicate(rows, shape, slices=(LOAD,)))
    yield "events of loads", engine.evaluate(of_loads), False
    yield "ties of loads", engine.evaluate(ties(of_loads, shape, slices=(LOAD,))), False
    yield "newest", engine.evaluate(newest(of_loads, shape, max(asked.fulls, default=None))), True
    events = engine.held(deduplicate(rows, shape))
    yield "events", engine.evaluate(events), False
    yield "ties", engine.evaluate(ties(events, shape)), False
    truncates = engine.evaluate(events.filter(nw.col(OP) == int(Op.TRUNCATE)))
    best = engine.held(winners(events.filter(nw.col(OP) != int(Op.TRUNCATE)), shape))
    yield "winners", engine.evaluate(best), False
    bounds, present = engine.frame(asked.boundaries(truncates)), engine.frame(asked.present)
    implied = absences(best, present, bounds, shape, loads=asked.fulls, truncates=truncates.height > 0)
    whole = engine.held(nw.concat([best, implied.select(*best.collect_schema().names())]))
    yield "absences", engine.evaluate(implied), False
    sliced = whole.with_columns(nw.col(LOAD).alias(SLICE))
    yield "last changes", engine.evaluate(last_changes(sliced, shape)), True
    for absent in (True,) if few else (False, True):
        yield f"erased {absent}", engine.evaluate(erased(whole, shape, absent=absent)), False
    mixtures: list[tuple[bool, tuple[str, ...]]] = [(False, ()), (True, shape.attributes)]
    if not few:
        mixtures += [(False, shape.attributes), (True, ())]
    for tombstones, ignore_nulls in mixtures:
        yield from _lives(engine, whole, shape, tombstones=tombstones, ignore_nulls=ignore_nulls)


def _lives(
    engine: Engine, events: Frame, shape: Shape, *, tombstones: bool, ignore_nulls: tuple[str, ...]
) -> Iterator[tuple[str, pl.DataFrame, bool]]:
    track, how = shape.attributes[2:], f"{tombstones} {len(ignore_nulls)}"
    lived = engine.held(states(events, shape, ignore_nulls=ignore_nulls, tombstones=tombstones))
    yield f"states {how}", engine.evaluate(lived.drop(INDEX)), False
    one = current(lived, shape, tombstones=tombstones)
    yield f"current {how}", engine.evaluate(one.sort(*shape.keys)), True
    two = versions(lived, shape, track=track, tombstones=tombstones)
    yield f"versions {how}", engine.evaluate(two.sort(*shape.keys, "effective_from")), True
    if not tombstones:
        yield f"changes {how}", engine.evaluate(changes(lived, shape, track=track)), True
