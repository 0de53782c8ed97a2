"""New events of a table of states (scd_type_1, scd_type_2).

A key's new events are *in order* when they come after everything that its row says: then the row is all of the past
that matters, and stands for it as one event. A key without a (living) row is in order when its events come after every
delete that the table has absorbed, because one of those may be its own. All other keys are computed again from bronze,
with every event they have.
"""

from dataclasses import dataclass, replace

import polars as pl

from medallion_assets.runs.finished import TECHNICAL
from medallion_assets.runs.follow import Job, Moved, lazy
from medallion_assets.runs.movers import Sorted
from medallion_assets.runs.typed import Typed
from medallion_assets.silver.columns import (
    BASE,
    CLOCK,
    DELETED_AT,
    FIRST,
    FROM,
    FULL,
    IS_CURRENT,
    IS_DELETED,
    KNOWN,
    LOAD,
    OP,
    PART,
    POS,
    SINCE,
    TIES,
    Op,
)  # fmt: skip
from medallion_assets.silver.events import Shape, deduplicate, ties, winners
from medallion_assets.silver.guard import held_fulls
from medallion_assets.silver.keyed import Rules, last_delete
from medallion_assets.silver.scd1 import current
from medallion_assets.silver.scd2 import versions
from medallion_assets.silver.states import states
from medallion_assets.silver.text import midnight

__all__ = ["ChangedStates"]

_KNOWN = "__known_since"
_INSTANT = pl.duration(microseconds=1)


@dataclass(frozen=True, slots=True)
class ChangedStates:
    """New events of a table of states (scd_type_1, scd_type_2)."""

    job: Job
    typed: Typed
    read: Sorted
    shape: Shape
    rules: Rules

    @property
    def keys(self) -> list[str]:
        return list(self.shape.keys)

    @property
    def tombstones(self) -> bool:
        return self.rules.delete_mode == "tombstone"

    def found(self) -> Moved | None:
        kept = self._kept(self.read.good)
        ops = {Op(op) for op in kept[OP].unique()}
        clock = kept.schema[CLOCK]
        told = clock.is_integer() or isinstance(clock, pl.Datetime)
        if not told or Op.TRUNCATE in ops or (self.rules.delete_mode == "erase" and Op.DELETE in ops):
            return None
        lowest = kept.group_by(self.keys).agg(pl.col(CLOCK).min())
        rows = self._current(lowest)
        late = self._out_of_order(lowest, rows)
        if late.height and self.job.state.truncated:
            return None
        moved = self._in_order(kept, rows, late)
        if late.height:
            again = self.job.again(self.rules.model, late)
            if again is None:
                return None
            moved = Moved(
                pl.concat([moved.rows, again.rows]), pl.concat([moved.gone, again.gone]), moved.events + again.events,
                ties=moved.ties + again.ties,
            )  # fmt: skip
        return replace(
            moved, filtered=self.read.good.height - kept.height, last_delete=last_delete(lazy(kept), self.job.engine)
        )

    def _kept(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col(OP) == Op.UPSERT) if self.rules.delete_mode == "ignore" else rows

    def _current(self, lowest: pl.DataFrame) -> pl.DataFrame:
        """The table's row of each key as it is now, with CLOCK: of the last event that it knows of."""
        rows = self._now(lowest.select(self.keys))
        clock = self.typed.rows.schema[CLOCK]
        if not self.shape.order_by:
            # All that is new is later, see ``_is_possible``: any earlier instant will do.
            return rows.with_columns((pl.lit(lowest[CLOCK].min(), clock) - _INSTANT).alias(CLOCK))
        own = pl.col(self.shape.order_by[0])
        if rows.schema[self.shape.order_by[0]] == pl.Date:
            own = midnight(own, self.job.plan.calendar.timezone)
        return rows.with_columns(own.cast(clock).alias(CLOCK))

    def _now(self, keys: pl.DataFrame) -> pl.DataFrame:
        """The table's row of each of these keys, or of every key, as it is now."""
        if self._versioned:
            keys = (
                pl.DataFrame({IS_CURRENT: [True]})
                if not keys.width
                else keys.with_columns(pl.lit(value=True).alias(IS_CURRENT))
            )
        return self.job.table.matching(keys)

    @property
    def _versioned(self) -> bool:
        return self.rules.model == "scd_type_2"

    def _out_of_order(self, lowest: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """Keys whose events are not all later than what the table has absorbed of them."""
        living = rows.filter(~pl.col(IS_DELETED)) if self.tombstones else rows
        last = self.job.state.last_delete
        deleted = pl.lit(value=True) if last is None else pl.col(CLOCK).cast(pl.Int64) > last
        known = living.select(*self.keys, pl.col(CLOCK).alias(_KNOWN))
        told = lowest.join(known, on=self.keys, how="left")
        in_order = pl.when(pl.col(_KNOWN).is_null()).then(deleted).otherwise(pl.col(CLOCK) > pl.col(_KNOWN))
        return told.filter(~in_order).select(self.keys)

    def _in_order(self, kept: pl.DataFrame, rows: pl.DataFrame, late: pl.DataFrame) -> Moved:
        mine = kept.join(late, on=self.keys, how="anti", maintain_order="left")
        known = rows.join(late, on=self.keys, how="anti")
        events = self.job.engine.evaluate(deduplicate(lazy(mine), self.shape, ops=_ops(mine)))
        return Moved(self._followed(events, known), known.drop(CLOCK), events.height, ties=self._ties(events))

    def _followed(self, events: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
        """Rows of the table for the keys of ``events`` and ``known``: what happens to rows as they are, with CLOCK."""
        evaluate = self.job.engine.evaluate
        line = pl.concat([events, self._as_events(known, events.schema)])
        lived = evaluate(
            states(lazy(line), self.shape, ignore_nulls=self.rules.ignore_nulls, tombstones=self.tombstones)
        )
        if self._versioned:
            of_keys = versions(lazy(lived), self.shape, track=self.rules.track, tombstones=self.tombstones)
        else:
            of_keys = current(lazy(lived), self.shape, tombstones=self.tombstones)
        told = self._with_past(evaluate(of_keys), known)
        return self.job.table_rows(told, self.typed, known.select(*self.keys, *TECHNICAL))

    def _as_events(self, rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
        """Each row as the one event that stands for all that made it."""
        deleted = pl.col(IS_DELETED) if self.tombstones else pl.lit(value=False)
        told: dict[str, pl.Expr] = {
            **{name: pl.col(name) for name in (*self.shape.columns, CLOCK)},
            **{flag: pl.lit(value=False) for flag in self.shape.flags},
            OP: pl.when(deleted).then(int(Op.DELETE)).otherwise(int(Op.UPSERT)),
            FULL: pl.lit(value=False), KNOWN: pl.lit(value=True), FIRST: pl.lit(1), POS: pl.lit(-1), LOAD: pl.lit(-1),
            SINCE: pl.lit(-1),
        }  # fmt: skip
        return rows.select(told.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in schema.items())

    def _with_past(self, table: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
        """What a row's one event cannot tell: when its version, or its deletion, began."""
        if not self._versioned and not self.tombstones:
            return table
        column = FROM if self._versioned else DELETED_AT
        before = rows.select(*self.keys, pl.col(column).alias(_KNOWN), CLOCK)
        told = table.join(before, on=self.keys, how="left", maintain_order="left")
        same = (pl.col(FROM) == pl.col(CLOCK)) if self._versioned else pl.col(SINCE) < 0
        chosen = pl.when(same.fill_null(value=False)).then(_KNOWN).otherwise(column).alias(column)
        return told.with_columns(chosen).drop(_KNOWN, CLOCK)

    def _ties(self, events: pl.DataFrame) -> int:
        return int(self.job.engine.evaluate(ties(lazy(events), self.shape))[TIES].sum())

    # -------------------------------------------------------------------------------------------- a full partition

    def of_full(self) -> Moved | None:
        """The partition that follows all others, each of them full: what its rows do not say is gone."""
        (rank,) = (rank for rank, load in enumerate(self.typed.loads) if load.n in self.job.new)
        load, rows = self.typed.loads[rank], self._now(pl.DataFrame())
        living = rows.filter(~pl.col(IS_DELETED)) if self.tombstones else rows
        here = self.read.rows.filter(KNOWN).select(self.keys).unique()
        absent = living.select(self.keys).clear()
        if self.rules.delete_mode != "ignore":
            unread = load.refused or (here.height and not self.read.rows[KNOWN].all())
            if unread or self.job.state.accounting["incomplete"] or self._is_held(living, here, rank):
                return None
            absent = living.select(self.keys).join(here, on=self.keys, how="anti")
        if absent.height and self.rules.erase_absent:
            return None
        evaluate = self.job.engine.evaluate
        events = evaluate(deduplicate(lazy(self.read.good), self.shape, ops=_ops(self.read.good)))
        tied = self._ties(events)
        # A row that says what the table says already is no change.
        said = evaluate(winners(lazy(events), self.shape))
        told = said.join(living, on=list(self.shape.columns), how="anti", nulls_equal=True, maintain_order="left")
        happened = pl.concat([told, self._deletes(absent, rank, events.schema)])
        known = rows.join(happened.select(self.keys), on=self.keys, how="semi")
        before = known.with_columns((pl.lit(load.start, events.schema[CLOCK]) - _INSTANT).alias(CLOCK))
        last = int(load.start.timestamp()) * 1_000_000 if absent.height else None
        return Moved(
            self._followed(happened, before), known, events.height, ties=tied, absences=absent.height, last_delete=last
        )

    def _is_held(self, living: pl.DataFrame, here: pl.DataFrame, rank: int) -> bool:
        """Whether the guard may hold the partition: the measure are the keys of the one before, which is accepted."""
        if self.rules.max_delete_fraction >= 1:
            return False
        state, before = self.job.state, self.typed.loads[rank - 1]
        there = living.select(self.keys)
        if state.accounting["filtered"] or before.partition in state.quarantined_by_partition:
            # Some of its keys may have no row.
            read = self.job.read({before.n})
            if read is None:
                return True
            there = read[1].rows.filter(KNOWN).select(self.keys).unique()
        present = [keys.with_columns(pl.lit(n, pl.Int64).alias(LOAD)) for keys, n in ((there, rank - 1), (here, rank))]
        approved = {rank} if self.typed.loads[rank].approved else set()
        fraction = self.rules.max_delete_fraction
        engine, both = self.job.engine, lazy(pl.concat(present))
        return bool(held_fulls([both], (rank - 1, rank), self.keys, fraction, approved, engine=engine))

    def _deletes(self, keys: pl.DataFrame, rank: int, schema: pl.Schema) -> pl.DataFrame:
        """Of each key one, implied by the start of a full partition."""
        first = (pl.col(LOAD) == rank) & (pl.col(PART) == 0)
        place = self.typed.places.filter(first)[BASE].item()
        told: dict[str, pl.Expr] = {
            **{name: pl.col(name) for name in self.keys},
            CLOCK: pl.lit(self.typed.loads[rank].start), FIRST: pl.lit(0), OP: pl.lit(int(Op.DELETE)),
            FULL: pl.lit(value=True), LOAD: pl.lit(rank), POS: pl.lit(place), SINCE: pl.lit(place),
        }  # fmt: skip
        return keys.select(told.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in schema.items())


def _ops(rows: pl.DataFrame) -> list[Op]:
    return [Op(op) for op in rows[OP].unique()] or [Op.UPSERT]
