"""The keyed models as a whole: from typed rows to the rows of a table.

``evaluate`` runs a lazy frame on an engine; everything here is a pure function of rows and loads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import polars as pl

from medallion_assets.silver.columns import CLOCK, FIRST, FULL, INDEX, KNOWN, LOAD, OP, POS, SINCE, SLICE, TIES, Op
from medallion_assets.silver.derived import changes
from medallion_assets.silver.events import Shape, absences, deduplicate, erased, ties, winners
from medallion_assets.silver.guard import SMALL, Hold, held_fulls, too_many
from medallion_assets.silver.merge import last_changes, newest
from medallion_assets.silver.place import Live
from medallion_assets.silver.scd1 import current
from medallion_assets.silver.scd2 import versions
from medallion_assets.silver.states import states

__all__ = ["Evaluate", "KeyedModel", "Outcome", "Rules", "last_delete", "refine_keyed"]

Evaluate = Callable[[nw.LazyFrame[Any]], pl.DataFrame]
KeyedModel = Literal["scd_type_1", "scd_type_2", "derived_event", "incremental_merge", "full_merge_dedupe"]
_NUMBER = "__boundary"
_SLICED: dict[KeyedModel, tuple[str, ...]] = {"incremental_merge": (SLICE,), "full_merge_dedupe": (LOAD,)}
"""Models that keep apart what each partition says: equal rows of two partitions are two events."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a keyed model is asked to do, beside its shape."""

    model: KeyedModel
    delete_mode: Literal["ignore", "tombstone", "hard_delete", "erase"] = "hard_delete"
    max_delete_fraction: float = 0.5
    erase_absent: bool = False
    ignore_nulls: tuple[str, ...] = ()
    track: tuple[str, ...] = ()
    """The columns whose change opens a version, or is a change."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The table's rows (columns of the model, then SINCE) and what became of the rows that came in."""

    table: pl.DataFrame
    events: int
    duplicates: int
    filtered: int
    """Deletes under ``ignore``, and rows of held loads."""
    absence_deletes: int = 0
    ties: int = 0
    tied: tuple[str, ...] = ()
    """The keys of one tie, as text."""
    held: tuple[Hold, ...] = ()
    incomplete: tuple[int, ...] = ()
    """Full partitions that delete nothing because not all of their keys could be read."""
    last_delete: int | None = None
    """Highest clock of a delete, implied ones and truncates among them: a number, or microseconds since 1970."""
    truncated: bool = False
    """Some row deletes all keys."""


def refine_keyed(
    rows: pl.DataFrame,
    everything: pl.DataFrame,
    loads: Sequence[Live],
    shape: Shape,
    rules: Rules,
    *,
    evaluate: Evaluate,
) -> Outcome:
    """``rows``: the good rows; ``everything``: all rows, also faulty and filtered ones, for presence (keys, LOAD,

    FULL, KNOWN). Both with the columns that ``columns`` describes.
    """
    if rules.model == "incremental_merge":
        rows = _sliced(rows, loads)
    ignoring = rules.delete_mode == "ignore"
    fulls = [rank for rank, load in enumerate(loads) if load.pattern == "full"]
    absent = fulls and not ignoring and rules.model != "full_merge_dedupe"
    present, incomplete = _presence(everything, loads, shape.keys) if absent else (None, ())
    complete = [rank for rank in fulls if rank not in incomplete]
    kept = rows.filter(pl.col(OP) == Op.UPSERT) if ignoring else rows
    held: tuple[Hold, ...] = ()
    if present is not None and rules.max_delete_fraction < 1:
        approved = {rank for rank in complete if loads[rank].approved}
        held = held_fulls(present, complete, shape.keys, rules.max_delete_fraction, approved)
    timeline = _Timeline(loads, shape, present, complete, evaluate, _SLICED.get(rules.model, ()))
    held += _held_truncates(kept, timeline, [h.load for h in held], rules)
    out = [h.load for h in held]
    kept = kept.filter(~pl.col(LOAD).is_in(out)) if out else kept
    told = timeline.of(kept, out)
    tied = evaluate(ties(_lazy(told.events), shape, slices=timeline.slices))
    if rules.model == "incremental_merge":
        table = evaluate(last_changes(_lazy(_sliced(told.whole, loads)), shape))
    elif rules.model == "full_merge_dedupe":
        table = evaluate(newest(_lazy(told.events), shape, fulls[-1] if fulls else None))
    else:
        table = _model(told.whole, told.truncates, shape, rules, evaluate)
    return Outcome(
        table=table,
        events=told.events.height,
        duplicates=kept.height - told.events.height,
        filtered=rows.height - kept.height,
        absence_deletes=told.absences,
        ties=int(tied[TIES].sum()),
        tied=tuple(str(v) for v in tied.select(shape.keys).row(0)) if tied.height else (),
        held=held,
        incomplete=incomplete,
        last_delete=last_delete(pl.concat([told.whole, told.truncates.select(told.whole.columns)])),
        truncated=told.truncates.height > 0,
    )


def last_delete(events: pl.DataFrame) -> int | None:
    """The highest clock of a delete or truncate, as ``Outcome`` tells it; None also where clocks are neither times nor

    whole numbers.
    """
    clock = events.schema[CLOCK]
    if not (clock.is_integer() or isinstance(clock, pl.Datetime)):
        return None
    highest = events.lazy().filter(pl.col(OP) != Op.UPSERT).select(pl.col(CLOCK).max().cast(pl.Int64)).collect().item()
    return None if highest is None else int(highest)


def _model(
    events: pl.DataFrame, truncates: pl.DataFrame, shape: Shape, rules: Rules, evaluate: Evaluate
) -> pl.DataFrame:
    if rules.delete_mode == "erase":
        events = evaluate(erased(_lazy(_after(events, truncates, shape)), shape, absent=rules.erase_absent))
    tombstones = rules.delete_mode == "tombstone" and rules.model != "derived_event"
    lived = states(_lazy(events), shape, ignore_nulls=rules.ignore_nulls, tombstones=tombstones)
    # Evaluated once: the models look at it several times.
    of_keys = _lazy(evaluate(lived))
    if rules.model == "scd_type_1":
        return evaluate(current(of_keys, shape, tombstones=tombstones).sort(*shape.keys))
    if rules.model == "derived_event":
        return evaluate(changes(of_keys, shape, track=rules.track))
    version = versions(of_keys, shape, track=rules.track, tombstones=tombstones)
    return evaluate(version.sort(*shape.keys, "effective_from"))


def _sliced(rows: pl.DataFrame, loads: Sequence[Live]) -> pl.DataFrame:
    """With SLICE, told from LOAD: implied deletes belong to the partition that implies them."""
    firsts: dict[str, int] = {}
    ranks = [firsts.setdefault(load.partition, rank) for rank, load in enumerate(loads)]
    of_load = pl.DataFrame({LOAD: range(len(ranks)), SLICE: ranks}, schema={LOAD: pl.Int64, SLICE: pl.Int64})
    return rows.drop(SLICE, strict=False).join(of_load, on=LOAD, how="left", maintain_order="left")


def _after(events: pl.DataFrame, truncates: pl.DataFrame, shape: Shape) -> pl.DataFrame:
    """Events after the last truncate, which is a delete of every key, live or not."""
    if truncates.is_empty():
        return events
    line = pl.concat([events, truncates.select(events.columns)]).sort(shape.order, nulls_last=False)
    last = line.with_row_index(INDEX).filter(pl.col(OP) == Op.TRUNCATE)[INDEX].max()
    return line.with_row_index(INDEX).filter(pl.col(INDEX) > last).drop(INDEX)


def _presence(
    everything: pl.DataFrame, loads: Sequence[Live], keys: Sequence[str]
) -> tuple[pl.DataFrame, tuple[int, ...]]:
    """Keys of each full load (keys, LOAD; each pair once), and the full loads that may lack some."""
    of_full = everything.lazy().filter(FULL)
    present = of_full.filter(KNOWN).select(*keys, LOAD).unique().collect()
    unread = set(of_full.filter(~pl.col(KNOWN)).select(pl.col(LOAD).unique()).collect()[LOAD].to_list())
    refused = {rank for rank, load in enumerate(loads) if load.pattern == "full" and load.refused}
    return present, tuple(sorted(unread | refused))


@dataclass(frozen=True, slots=True)
class _Told:
    events: pl.DataFrame
    """Events with their truncates, before losers of full partitions go."""
    whole: pl.DataFrame
    """What states are made of: winners, and the deletes that are implied."""
    truncates: pl.DataFrame
    absences: int


@dataclass(frozen=True, slots=True)
class _Timeline:
    """Events, boundaries and what they imply, for the loads that are not held."""

    loads: Sequence[Live]
    shape: Shape
    present: pl.DataFrame | None
    complete: Sequence[int]
    evaluate: Evaluate
    slices: tuple[str, ...] = ()

    def of(self, rows: pl.DataFrame, held: Sequence[int]) -> _Told:
        ops = [Op(op) for op in rows[OP].unique()] or [Op.UPSERT]
        events = self.evaluate(deduplicate(_lazy(rows), self.shape, ops=ops, slices=self.slices))
        truncates = events.filter(pl.col(OP) == Op.TRUNCATE)
        best = events.filter(pl.col(OP) != Op.TRUNCATE) if truncates.height else events
        if any(load.pattern == "full" for load in self.loads):
            best = self.evaluate(winners(_lazy(best), self.shape))
        accepted = [rank for rank in self.complete if rank not in held] if self.present is not None else []
        # Nothing comes before the only load.
        if truncates.is_empty() and (not accepted or len(self.loads) == 1):
            return _Told(events, best, truncates, 0)
        bounds = self._boundaries(truncates, accepted)
        implied = self.evaluate(
            absences(
                _lazy(best), _lazy(self._present(best, accepted)), _lazy(bounds), self.shape,
                loads=accepted, truncates=truncates.height > 0,
            )
        )  # fmt: skip
        return _Told(events, pl.concat([best, implied.select(best.columns)]), truncates, int(implied[FULL].sum()))

    def _boundaries(self, truncates: pl.DataFrame, accepted: Sequence[int]) -> pl.DataFrame:
        starts = {rank: self.loads[rank].start for rank in accepted}
        clock = truncates.schema[CLOCK]
        full = pl.DataFrame(
            {
                LOAD: pl.Series(list(starts), dtype=pl.Int64),
                CLOCK: pl.Series(list(starts.values()), dtype=clock if starts else pl.Null),
                POS: pl.Series([self._base(rank) for rank in starts], dtype=pl.Int64),
            }
        ).with_columns(pl.lit(-1, pl.Int8).alias(FIRST), pl.lit(Op.DELETE, pl.Int8).alias(OP), pl.col(POS).alias(SINCE))
        rows = pl.concat([truncates.drop(FULL), full.cast({CLOCK: clock})], how="diagonal")
        return (
            rows.sort(self.shape.order, nulls_last=False)
            .with_row_index(_NUMBER, offset=1)
            .with_columns(pl.col(_NUMBER).cast(pl.Int64))
        )

    def _base(self, rank: int) -> int:
        return sum(1 + sum(rows for _, rows in load.parts) for load in self.loads[:rank])

    def _present(self, events: pl.DataFrame, accepted: Sequence[int]) -> pl.DataFrame:
        clock = events.schema[CLOCK]
        if self.present is None:
            return events.clear().select(*self.shape.keys, LOAD, CLOCK)
        first = [self.loads[rank].start for rank in accepted]
        starts = pl.DataFrame({LOAD: accepted, CLOCK: first}, schema={LOAD: pl.Int64, CLOCK: clock})
        return self.present.join(starts, on=LOAD).select(*self.shape.keys, LOAD, CLOCK)


def _held_truncates(rows: pl.DataFrame, timeline: _Timeline, held: Sequence[int], rules: Rules) -> tuple[Hold, ...]:
    """Loads whose truncate would delete more than the fraction of the keys that are live just before it.

    Keys that the load itself gives again after its truncate are not missing. Loads are judged in their order, each
    beside all loads without a truncate and the accepted ones before it.
    """
    suspects = sorted(set(rows.filter(pl.col(OP) == Op.TRUNCATE)[LOAD].to_list()) - set(held))
    if rules.max_delete_fraction >= 1:
        return ()
    found: list[Hold] = []
    for place, load in enumerate(suspects):
        out = [*held, *(h.load for h in found), *suspects[place + 1 :]]
        if timeline.loads[load].approved:
            continue
        keys, missing = _lost(rows.filter(~pl.col(LOAD).is_in(out)), timeline, out, load)
        if too_many(keys, missing, rules.max_delete_fraction):
            found.append(Hold(load, keys, missing))
    return tuple(found)


def _lost(rows: pl.DataFrame, timeline: _Timeline, out: Sequence[int], load: int) -> tuple[int, int]:
    shape = timeline.shape
    line = rows.sort(shape.order, nulls_last=False).with_row_index(INDEX)
    own = pl.col(LOAD) == load
    cuts = line.filter(own & (pl.col(OP) == Op.TRUNCATE))
    # Of several truncates of one load the first finds the keys, what comes after the last gives some of them again.
    first, last = cuts[INDEX].min(), cuts[INDEX].max()
    before = line.filter(pl.col(INDEX) < first).drop(INDEX)
    if before.height < SMALL:
        return 0, 0
    clock = line.filter(pl.col(INDEX) == first)[CLOCK].item()
    later = [r for r in timeline.complete if r not in out and timeline.loads[r].start > clock]
    told = timeline.of(before, [*out, *later])
    live = timeline.evaluate(current(states(_lazy(told.whole), shape), shape, tombstones=False)).select(shape.keys)
    again = line.filter(own & (pl.col(INDEX) > last) & (pl.col(OP) == Op.UPSERT)).select(shape.keys)
    return live.height, live.join(again, on=list(shape.keys), how="anti").height


def _lazy(frame: pl.DataFrame) -> nw.LazyFrame[Any]:
    return nw.from_native(frame.lazy())
