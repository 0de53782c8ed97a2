"""The keyed models as a whole: from typed rows to the rows of a table, share by share.

A key's rows decide about that key alone, but for two things: a truncate is of every key, and the guard counts keys. So
a table can be computed in shares of its keys; everything here is a pure function of rows and loads, on any engine.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import narwhals as nw
import polars as pl

from medallion_assets.lake.ports import Engine
from medallion_assets.silver.columns import CLOCK, FIRST, FULL, INDEX, LOAD, OP, POS, SINCE, SLICE, TIES, Op
from medallion_assets.silver.derived import changes
from medallion_assets.silver.events import Shape, absences, deduplicate, erased, ties, winners
from medallion_assets.silver.guard import Hold, held_fulls, too_many
from medallion_assets.silver.merge import last_changes, newest
from medallion_assets.silver.place import Live
from medallion_assets.silver.scd1 import current
from medallion_assets.silver.scd2 import versions
from medallion_assets.silver.states import states

__all__ = ["Account", "KeyedModel", "Outcome", "Rules", "Share", "last_delete", "refine_keyed"]

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
class Share:
    """All that is known of some of the keys, as frames of one engine that may be looked at several times."""

    rows: nw.LazyFrame[Any]
    """The good rows but truncates, with the columns that ``columns`` describes."""
    present: nw.LazyFrame[Any] | None = None
    """Keys and LOAD of the rows of full loads whose keys can be read, faulty and filtered ones, too; None: no full
    load has rows."""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the rows of a share. The first share's has the truncates, too."""

    events: int
    duplicates: int
    filtered: int = 0
    """Deletes under ``ignore``, and rows of held loads."""
    absence_deletes: int = 0
    ties: int = 0
    tied: tuple[str, ...] = ()
    """The keys of one tie, as text."""
    held: tuple[Hold, ...] = ()
    """Of all shares."""
    incomplete: tuple[int, ...] = ()
    """Full partitions that delete nothing because not all of their keys could be read."""
    last_delete: int | None = None
    """Highest clock of a delete, implied ones and truncates among them: a number, or microseconds since 1970."""
    truncated: bool = False
    """Some row deletes all keys."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One share of a table."""

    table: nw.LazyFrame[Any]
    """Columns of the model, then SINCE."""
    account: Account


def refine_keyed(
    shares: Sequence[Share],
    loads: Sequence[Live],
    shape: Shape,
    rules: Rules,
    *,
    truncates: pl.DataFrame,
    unread: Collection[int] = (),
    engine: Engine,
) -> Iterator[Outcome]:
    """One outcome a share. ``truncates``: the good rows that delete all keys; ``unread``: full loads (ranks) of which
    some row's keys cannot be read.
    """
    job = _Job(loads, shape, rules, engine, truncates, frozenset(unread))
    held = job.holds(shares)
    for place, share in enumerate(shares):
        yield job.outcome(share, held, first=not place)


def last_delete(events: nw.LazyFrame[Any], engine: Engine) -> int | None:
    """The highest clock of a delete or truncate, as ``Account`` tells it; None also where clocks are neither times nor
    whole numbers.
    """
    clock = events.collect_schema()[CLOCK]
    if not (clock.is_integer() or isinstance(clock, nw.Datetime)):
        return None
    told = engine.evaluate(events.filter(nw.col(OP) != int(Op.UPSERT)).select(nw.col(CLOCK).max()))
    highest = told.select(pl.col(CLOCK).cast(pl.Int64)).item()
    return None if highest is None else int(highest)


@dataclass(frozen=True, slots=True)
class _Told:
    """Of some rows without truncates."""

    events: nw.LazyFrame[Any]
    """Events before losers of full partitions go."""
    whole: nw.LazyFrame[Any]
    """What states are made of: winners, and the deletes that are implied."""
    truncates: pl.DataFrame
    """The events that delete all keys."""
    absences: int = 0


@dataclass(frozen=True, slots=True)
class _Job:
    loads: Sequence[Live]
    shape: Shape
    rules: Rules
    engine: Engine
    all_truncates: pl.DataFrame
    unread: frozenset[int]

    @property
    def slices(self) -> tuple[str, ...]:
        return _SLICED.get(self.rules.model, ())

    @property
    def truncates(self) -> pl.DataFrame:
        """Those that count, with SLICE where the model keeps partitions apart."""
        counted = self.all_truncates.clear() if self.ignoring else self.all_truncates
        if SLICE not in self.slices:
            return counted
        return counted.drop(SLICE, strict=False).join(self._ranks, on=LOAD, how="left", maintain_order="left")

    @property
    def ignoring(self) -> bool:
        return self.rules.delete_mode == "ignore"

    @property
    def fulls(self) -> list[int]:
        return [rank for rank, load in enumerate(self.loads) if load.pattern == "full"]

    @property
    def marked(self) -> bool:
        """Full partitions delete what is absent from them."""
        return bool(self.fulls) and not self.ignoring and self.rules.model != "full_merge_dedupe"

    @property
    def incomplete(self) -> tuple[int, ...]:
        if not self.marked:
            return ()
        return tuple(rank for rank in self.fulls if rank in self.unread or self.loads[rank].refused)

    @property
    def complete(self) -> list[int]:
        return [rank for rank in self.fulls if rank not in self.incomplete] if self.marked else []

    # ---------------------------------------------------------------------------------------------------- one share

    def outcome(self, share: Share, held: Sequence[Hold], *, first: bool) -> Outcome:
        engine, out = self.engine, [hold.load for hold in held]
        rows = engine.held(share.rows)
        kept = self._kept(rows, out)
        truncates = self._without(self.truncates, out)
        came, counted = self._count(rows), self._count(kept)
        told = self._told(kept, share.present, truncates, out)
        del rows, kept  # what is computed from here on needs the memory
        tied = engine.held(ties(told.events, self.shape, slices=self.slices))
        ties_ = int(engine.evaluate(tied.select(nw.col(TIES).sum()))[TIES][0] or 0)
        one = engine.evaluate(tied.select(*self.shape.keys).head(1)) if ties_ else pl.DataFrame()
        events = self._count(told.events)
        if first:
            came, counted = came + self.all_truncates.height, counted + truncates.height
            events += told.truncates.height
        line = nw.concat([told.whole, engine.frame(told.truncates.select(told.whole.collect_schema().names()))])
        account = Account(
            events=events,
            duplicates=counted - events,
            filtered=came - counted,
            absence_deletes=told.absences,
            ties=ties_,
            tied=tuple(str(value) for value in one.row(0)) if one.height else (),
            held=tuple(held),
            incomplete=self.incomplete,
            last_delete=last_delete(line, engine),
            truncated=told.truncates.height > 0,
        )
        return Outcome(self._table(told), account)

    def _table(self, told: _Told) -> nw.LazyFrame[Any]:
        shape, rules = self.shape, self.rules
        if rules.model == "incremental_merge":
            return last_changes(self._sliced(told.whole), shape)
        if rules.model == "full_merge_dedupe":
            return newest(told.events, shape, self.fulls[-1] if self.fulls else None)
        events = told.whole
        if rules.delete_mode == "erase":
            events = erased(self._after(events, told.truncates), shape, absent=rules.erase_absent)
        tombstones = rules.delete_mode == "tombstone" and rules.model != "derived_event"
        # Evaluated once: the models look at it several times.
        of_keys = self.engine.held(states(events, shape, ignore_nulls=rules.ignore_nulls, tombstones=tombstones))
        if rules.model == "scd_type_1":
            return current(of_keys, shape, tombstones=tombstones).sort(*shape.keys)
        if rules.model == "derived_event":
            return changes(of_keys, shape, track=rules.track)
        return versions(of_keys, shape, track=rules.track, tombstones=tombstones).sort(*shape.keys, "effective_from")

    def _told(
        self, rows: nw.LazyFrame[Any], present: nw.LazyFrame[Any] | None, truncates: pl.DataFrame, out: Sequence[int]
    ) -> _Told:
        engine, shape = self.engine, self.shape
        ops = [Op(op) for op in engine.evaluate(rows.select(OP).unique())[OP]] or [Op.UPSERT]
        events = engine.held(deduplicate(rows, shape, ops=ops, slices=self.slices))
        if truncates.is_empty():
            truncates = truncates.with_columns(pl.lit(None, pl.Int64).alias(SINCE))
        else:
            asked = deduplicate(engine.frame(truncates), shape, ops=[Op.TRUNCATE], slices=self.slices)
            truncates = engine.evaluate(asked)
        best = engine.held(winners(events, shape)) if self.fulls else events
        accepted = [rank for rank in self.complete if rank not in out]
        # Nothing comes before the only load.
        if truncates.is_empty() and (not accepted or len(self.loads) == 1):
            return _Told(events, best, truncates)
        implied = engine.held(
            absences(
                best, self._present(present, accepted), engine.frame(self._boundaries(truncates, accepted)), shape,
                loads=accepted, truncates=truncates.height > 0,
            )
        )  # fmt: skip
        whole = nw.concat([best, implied.select(*best.collect_schema().names())])
        return _Told(events, whole, truncates, self._count(implied.filter(nw.col(FULL))))

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

    def _present(self, present: nw.LazyFrame[Any] | None, accepted: Sequence[int]) -> nw.LazyFrame[Any]:
        columns, types = (*self.shape.keys, LOAD, CLOCK), self.all_truncates.schema
        if present is None:
            return self.engine.frame(self.all_truncates.clear().select(columns))
        first = [self.loads[rank].start for rank in accepted]
        starts = pl.DataFrame({LOAD: accepted, CLOCK: first}, schema={LOAD: pl.Int64, CLOCK: types[CLOCK]})
        return present.unique().join(self.engine.frame(starts), on=LOAD, how="inner").select(*columns)

    def _after(self, events: nw.LazyFrame[Any], truncates: pl.DataFrame) -> nw.LazyFrame[Any]:
        """Events after the last truncate, which is a delete of every key, live or not."""
        if truncates.is_empty():
            return events
        line = self._line(events, truncates)
        cut = nw.col(OP) == int(Op.TRUNCATE)
        last = int(self.engine.evaluate(line.filter(cut).select(nw.col(INDEX).max()))[INDEX][0])
        return line.filter(nw.col(INDEX) > last).drop(INDEX)

    def _line(self, rows: nw.LazyFrame[Any], truncates: pl.DataFrame) -> nw.LazyFrame[Any]:
        """All of them, with INDEX: their place in the order of events."""
        names = rows.collect_schema().names()
        both = nw.concat([rows, self.engine.frame(truncates.select(names))])
        return self.engine.held(both.with_row_index(INDEX, order_by=self.shape.order))

    # --------------------------------------------------------------------------------------------------- held loads

    def holds(self, shares: Sequence[Share]) -> tuple[Hold, ...]:
        """The loads that would delete too much."""
        fraction = self.rules.max_delete_fraction
        if fraction >= 1:
            return ()
        present = [share.present for share in shares if share.present is not None]
        held: tuple[Hold, ...] = ()
        if self.complete and present:
            approved = {rank for rank in self.complete if self.loads[rank].approved}
            held = held_fulls(present, self.complete, self.shape.keys, fraction, approved, engine=self.engine)
        return (*held, *self._held_truncates(shares, [hold.load for hold in held]))

    def _held_truncates(self, shares: Sequence[Share], held: Sequence[int]) -> Iterator[Hold]:
        """Loads whose truncate would delete more than the fraction of the keys that are live just before it.

        Keys that the load itself gives again after its truncate are not missing. Loads are judged in their order, each
        beside all loads without a truncate and the accepted ones before it.
        """
        suspects = sorted({*self.truncates[LOAD]} - {*held})
        found: list[int] = []
        for place, load in enumerate(suspects):
            if self.loads[load].approved:
                continue
            out = [*held, *found, *suspects[place + 1 :]]
            lost = [self._lost(share, out, load) for share in shares]
            keys, missing = sum(n for n, _ in lost), sum(n for _, n in lost)
            if too_many(keys, missing, self.rules.max_delete_fraction):
                found.append(load)
                yield Hold(load, keys, missing)

    def _lost(self, share: Share, out: Sequence[int], load: int) -> tuple[int, int]:
        """How many keys of a share are live before the truncate of ``load``, and how many of them it does not give
        again.
        """
        engine, keys = self.engine, self.shape.keys
        line = self._line(self._kept(share.rows, out), self._without(self.truncates, out))
        own, cut = nw.col(LOAD) == load, nw.col(OP) == int(Op.TRUNCATE)
        # Of several truncates of one load the first finds the keys, what comes after the last gives some of them again.
        cuts = engine.evaluate(line.filter(own & cut).sort(INDEX))
        before = line.filter(nw.col(INDEX) < cuts[INDEX][0]).drop(INDEX)
        earlier = engine.evaluate(before.filter(cut)).select(self.truncates.columns)
        later = [rank for rank in self.complete if rank not in out and self.loads[rank].start > cuts[CLOCK][0]]
        told = self._told(before.filter(~cut), share.present, earlier, [*out, *later])
        lived = states(told.whole, self.shape)
        live = engine.held(current(engine.held(lived), self.shape, tombstones=False).select(*keys))
        upsert = nw.col(OP) == int(Op.UPSERT)
        again = line.filter(own & upsert & (nw.col(INDEX) > cuts[INDEX][-1])).select(*keys)
        return self._count(live), self._count(live.join(again, on=list(keys), how="anti"))

    # -------------------------------------------------------------------------------------------------- small things

    def _kept(self, rows: nw.LazyFrame[Any], out: Sequence[int]) -> nw.LazyFrame[Any]:
        """Rows that may become events: not those of held loads, nor deletes that are ignored."""
        kept = self._sliced(rows)
        if self.ignoring:
            kept = kept.filter(nw.col(OP) == int(Op.UPSERT))
        return kept.filter(~nw.col(LOAD).is_in(list(out))) if out else kept

    def _without(self, truncates: pl.DataFrame, out: Sequence[int]) -> pl.DataFrame:
        return truncates.filter(~pl.col(LOAD).is_in(list(out)))

    def _sliced(self, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """With SLICE where the model keeps partitions apart. It follows from LOAD: implied deletes belong to the
        partition that implies them.
        """
        if SLICE not in self.slices:
            return rows
        return rows.drop(SLICE, strict=False).join(self.engine.frame(self._ranks), on=LOAD, how="left")

    @property
    def _ranks(self) -> pl.DataFrame:
        firsts: dict[str, int] = {}
        ranks = [firsts.setdefault(load.partition, rank) for rank, load in enumerate(self.loads)]
        return pl.DataFrame({LOAD: range(len(ranks)), SLICE: ranks}, schema={LOAD: pl.Int64, SLICE: pl.Int64})

    def _count(self, frame: nw.LazyFrame[Any]) -> int:
        return int(self.engine.evaluate(frame.select(nw.len().alias("n")))["n"][0])
