"""What new loads change in a table: the rows that go and those that come, without reading the loads that it knows.

A key's new events are *in order* when they come after everything that its row says: then the row is all of the past
that matters, and stands for it as one event. A key without a (living) row is in order when its events come after every
delete that the table has absorbed, because one of those may be its own. All other keys are computed again from bronze,
with every event they have. Whatever does not fit these rules is left to ``build``, which reads everything.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

import narwhals as nw
import polars as pl

from medallion_assets.bronze.reader import Verified
from medallion_assets.errors import CheckError, Corrupt, StorageError
from medallion_assets.intent.load import Cdc
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import FILE, Engine, Store, Table, TableState
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.build import interval_of, rules_of, shape_of
from medallion_assets.runs.finished import TECHNICAL, finished, quarantined
from medallion_assets.runs.groups import live_of
from medallion_assets.runs.movers import Sorted, needed_by_rules, sorted_out
from medallion_assets.runs.typed import Known, Typed, read_some
from medallion_assets.silver.columns import (
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
    POS,
    RESCUED,
    SINCE,
    TIES,
    Op,
)
from medallion_assets.silver.content import moved
from medallion_assets.silver.event import distinct, earliest
from medallion_assets.silver.events import Shape, deduplicate, ties
from medallion_assets.silver.keyed import Evaluate, Rules, last_delete, refine_keyed
from medallion_assets.silver.place import ranked
from medallion_assets.silver.scd1 import current
from medallion_assets.silver.scd2 import versions
from medallion_assets.silver.slices import slices
from medallion_assets.silver.snapshot import copies
from medallion_assets.silver.states import states
from medallion_assets.silver.text import midnight
from medallion_assets.silver.types import Seen

__all__ = ["Changes", "changes"]

_KNOWN = "__known_since"
_INSTANT = pl.duration(microseconds=1)
_MANY = 1_000
_SHARE = 0.2
"""More keys than both, of the table's rows, are not looked up in bronze one by one: all is built again."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What becomes of a table."""

    gone: pl.DataFrame
    """Rows that go, as ``Table.matching`` gave them, with those that lie among them and come back."""
    rows: pl.DataFrame
    """Rows that come."""
    by: tuple[str, ...]
    """The keys by which rows were looked for."""
    changed: int
    """Rows that really go or come."""
    quarantine: pl.DataFrame
    """As in ``Built``, of the new loads alone."""
    state: TableState
    """After these changes, but for ``bronze_n``, ``bronze_sha256`` and the quarantine's file."""


@dataclass(frozen=True, slots=True)
class _Moved:
    """What a model makes of new rows: rows that come and go, and by how much its counts grow."""

    rows: pl.DataFrame
    gone: pl.DataFrame
    events: int
    filtered: int = 0
    ties: int = 0
    last_delete: int | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    plan: DatasetPlan
    silver: SilverPlan
    head: Head
    state: TableState
    store: Store
    table: Table
    engine: Engine
    verified: Verified | None
    new: frozenset[int]
    """Numbers of the commits that are to be absorbed."""

    def read(self, only: Collection[int], keys: pl.DataFrame | None = None) -> tuple[Typed, Sorted] | None:
        known = Known(self.state.columns, {name: Seen(**seen) for name, seen in self.state.learned.items()})
        typed = read_some(
            self.plan, self.silver, self.head, store=self.store, engine=self.engine, verified=self.verified,
            needed=needed_by_rules(self.silver), known=known, only=only, keys=keys,
        )  # fmt: skip
        return None if typed is None else (typed, sorted_out(self.plan, self.silver, typed))

    def table_rows(self, rows: pl.DataFrame, typed: Typed, known: pl.DataFrame | None = None) -> pl.DataFrame:
        parted, zone = slices(self.silver.partition_by), self.plan.calendar.timezone
        return finished(rows, self.silver, typed, parted, zone, known=known)


def changes(
    plan: DatasetPlan, silver: SilverPlan, head: Head, state: TableState, *, store: Store, table: Table, engine: Engine,
    verified: Verified | None = None,
) -> Changes | None:  # fmt: skip
    """How the table, which is at ``state``, gets to ``head``; None when that takes a reading of everything.

    Raises Corrupt (BRZ-…) and what reading fails with otherwise; what is wrong with the data, ``build`` tells.
    """
    live = {c.n: c for c in head.live}
    new = frozenset(n for n in live if n > state.bronze_n)
    if not (table.patchable and _is_possible(plan, silver, head, state, new)):
        return None
    job = _Job(plan, silver, head, state, store, table, engine, verified, new)
    try:
        read = job.read(new)
        found = None if read is None else _found(job, *read)
    except Corrupt:
        raise
    except (CheckError, StorageError):
        return None
    if read is None or found is None or found.rows.schema != table.scan().collect_schema():
        return None
    return _accounted(job, *read, found)


def _is_possible(plan: DatasetPlan, silver: SilverPlan, head: Head, state: TableState, new: Collection[int]) -> bool:
    """Whether new loads only add to what the table has absorbed."""
    live = {c.n: c for c in head.live}
    absorbed = [c for n, c in live.items() if n not in new]
    adds = len(new) == head.n - state.bronze_n and not any(live[n].load.replaces for n in new)
    plain = bool(state.columns) and not state.held and not state.drift and RESCUED not in state.columns
    if not (new and absorbed and adds and plain) or interval_of(plan, silver) is not None:
        return False
    if silver.model in ("scd_type_1", "scd_type_2"):
        if any(c.load.pattern == "full" for c in live.values()):
            return False
        # Without an order of its own an event has that of its partition.
        newest = max(c.load.window.start for c in absorbed)
        if not silver.order_by and any(live[n].load.window.start <= newest for n in new):
            return False
    loads = ranked([live_of(c, head.approved) for c in head.live])
    if {x.n for x in loads[-len(new) :]} == {*new}:
        return True
    # The first loads decide the order of the columns, and the first of equal rows is the one that stands.
    first = min(absorbed, key=lambda c: [x.n for x in loads].index(c.n))
    enveloped = isinstance(plan.load, Cdc) and plan.load.operation.envelope == "debezium"
    return not (enveloped or silver.model == "event") and all(live[n].load.schema == first.load.schema for n in new)


def _found(job: _Job, typed: Typed, read: Sorted) -> _Moved | None:
    match job.silver.model:
        case "periodic_snapshot":
            rows = job.engine.evaluate(copies(_lazy(read.good), typed.columns))
            return _Moved(job.table_rows(rows, typed), _none(job), read.good.height)
        case "event":
            return _events(job, typed, read)
        case "scd_type_1" | "scd_type_2" as model:
            shape = shape_of(job.plan, job.silver, typed)
            return _States(job, typed, read, shape, rules_of(job.silver, model, shape)).found()
    return None


def _events(job: _Job, typed: Typed, read: Sorted) -> _Moved | None:
    """The earliest row of a key stands: the table's, when it has one."""
    silver, columns = job.silver, typed.columns
    daily = (LOAD,) if silver.input_mode == "replace_daily" else ()
    unlike = job.engine.evaluate(distinct(_lazy(read.good), columns, slices=daily))
    first = job.engine.evaluate(earliest(_lazy(unlike), columns, silver.keys, slices=daily))
    rows = job.table_rows(first, typed)
    if daily:
        return _Moved(rows, _none(job), unlike.height)
    by = list(silver.keys or columns)
    known = job.table.matching(rows.select(by).unique()).select(by)
    rows = rows.join(known, on=by, how="anti", nulls_equal=True, maintain_order="left")
    if not (silver.keys and known.height):
        return _Moved(rows, _none(job), unlike.height - known.height)
    # Whether a later row of a key differs from all before, only bronze knows.
    if known.height > max(_MANY, _SHARE * job.state.accounting["rows"]):
        return None
    again = job.read({c.n for c in job.head.live}, known)
    if again is None:
        return None
    every = again[1].good
    old = [rank for rank, load in enumerate(again[0].loads) if load.n not in job.new]
    of_known = job.engine.evaluate(distinct(_lazy(every), columns)).height
    were = job.engine.evaluate(distinct(_lazy(every.filter(pl.col(LOAD).is_in(old))), columns)).height
    mine = unlike.join(known, on=by, how="anti", nulls_equal=True).height
    return _Moved(rows, _none(job), mine + of_known - were)


@dataclass(frozen=True, slots=True)
class _States:
    """New events of a table of states (scd_type_1, scd_type_2)."""

    job: _Job
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

    def found(self) -> _Moved | None:
        kept = self._kept(self.read.good)
        ops = {Op(op) for op in kept[OP].unique()}
        clock = kept.schema[CLOCK]
        told = clock.is_integer() or isinstance(clock, pl.Datetime)
        if not told or Op.TRUNCATE in ops or (self.rules.delete_mode == "erase" and Op.DELETE in ops):
            return None
        lowest = kept.group_by(self.keys).agg(pl.col(CLOCK).min())
        rows = self._current(lowest)
        late = self._out_of_order(lowest, rows)
        most = 0 if self.job.state.truncated else max(_MANY, _SHARE * self.job.state.accounting["rows"])
        if late.height > most:
            return None
        moved = self._in_order(kept, rows, late)
        if late.height:
            again = self._again(late)
            if again is None:
                return None
            moved = _Moved(
                pl.concat([moved.rows, again.rows]), pl.concat([moved.gone, again.gone]), moved.events + again.events,
                ties=moved.ties + again.ties,
            )  # fmt: skip
        if self.job.silver.on_tie == "fail" and moved.ties:
            return None
        return replace(moved, filtered=self.read.good.height - kept.height, last_delete=last_delete(kept))

    def _kept(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col(OP) == Op.UPSERT) if self.rules.delete_mode == "ignore" else rows

    def _current(self, lowest: pl.DataFrame) -> pl.DataFrame:
        """The table's row of each key as it is now, with CLOCK: of the last event that it knows of."""
        keys = lowest.select(self.keys)
        of_now = keys.with_columns(pl.lit(value=True).alias(IS_CURRENT)) if self._versioned else keys
        rows = self.job.table.matching(of_now)
        clock = self.typed.rows.schema[CLOCK]
        if not self.shape.order_by:
            # All that is new is later, see ``_is_possible``: any earlier instant will do.
            return rows.with_columns((pl.lit(lowest[CLOCK].min(), clock) - _INSTANT).alias(CLOCK))
        own = pl.col(self.shape.order_by[0])
        if rows.schema[self.shape.order_by[0]] == pl.Date:
            own = midnight(own, self.job.plan.calendar.timezone)
        return rows.with_columns(own.cast(clock).alias(CLOCK))

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

    def _in_order(self, kept: pl.DataFrame, rows: pl.DataFrame, late: pl.DataFrame) -> _Moved:
        mine = kept.join(late, on=self.keys, how="anti", maintain_order="left")
        known = rows.join(late, on=self.keys, how="anti")
        evaluate = self.job.engine.evaluate
        events = evaluate(deduplicate(_lazy(mine), self.shape, ops=_ops(mine)))
        past = self._as_events(known, events.schema)
        lived = evaluate(
            states(
                _lazy(pl.concat([events, past])), self.shape, ignore_nulls=self.rules.ignore_nulls,
                tombstones=self.tombstones,
            )
        )  # fmt: skip
        if self._versioned:
            of_keys = versions(_lazy(lived), self.shape, track=self.rules.track, tombstones=self.tombstones)
        else:
            of_keys = current(_lazy(lived), self.shape, tombstones=self.tombstones)
        told = self._with_past(evaluate(of_keys), known)
        final = self.job.table_rows(told, self.typed, known.select(*self.keys, *TECHNICAL))
        return _Moved(final, known.drop(CLOCK), events.height, ties=_ties(evaluate, events, self.shape))

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

    def _again(self, keys: pl.DataFrame) -> _Moved | None:
        """All that bronze has of some keys, computed as a whole."""
        read = self.job.read({c.n for c in self.job.head.live}, keys)
        if read is None:
            return None
        typed, found = read
        evaluate = self.job.engine.evaluate
        outcome = refine_keyed(found.good, found.rows, typed.loads, self.shape, self.rules, evaluate=evaluate)
        old = [rank for rank, load in enumerate(typed.loads) if load.n not in self.job.new]
        before = self._kept(found.good.filter(pl.col(LOAD).is_in(old)))
        were = evaluate(deduplicate(_lazy(before), self.shape, ops=_ops(before)))
        rows = self.job.table_rows(outcome.table, typed)
        events, tied = outcome.events - were.height, outcome.ties - _ties(evaluate, were, self.shape)
        return _Moved(rows, self.job.table.matching(keys), events, ties=tied)


def _ops(rows: pl.DataFrame) -> list[Op]:
    return [Op(op) for op in rows[OP].unique()] or [Op.UPSERT]


def _ties(evaluate: Evaluate, events: pl.DataFrame, shape: Shape) -> int:
    return int(evaluate(ties(_lazy(events), shape))[TIES].sum())


def _none(job: _Job) -> pl.DataFrame:
    return pl.DataFrame(schema={**job.table.scan().collect_schema(), FILE: pl.String})


def _accounted(job: _Job, typed: Typed, read: Sorted, found: _Moved) -> Changes | None:
    same = found.gone.join(found.rows, on=found.rows.columns, how="semi", nulls_equal=True)
    gone = found.gone.join(same, on=found.rows.columns, how="anti", nulls_equal=True)
    rows = found.rows.join(same, on=found.rows.columns, how="anti", nulls_equal=True)
    told = moved(job.state.content, gone.drop(FILE), rows, TECHNICAL)
    if told is None:
        return None
    # What stays in a file that is written anew comes back.
    back = same.filter(pl.col(FILE).is_in(gone[FILE].unique().implode()))
    rows_in, filtered = read.rows.height, found.filtered + read.dropped
    more = {
        "rows_in": rows_in,
        "events": found.events,
        "duplicates": rows_in - found.events - filtered - read.bad.height,
        "filtered": filtered,
        "quarantined": read.bad.height,
        "rows": rows.height - gone.height,
        "ties": found.ties,
        **read.counts,
    }
    before = job.state.accounting
    quarantine = quarantined(read.bad, typed)
    by_partition = dict(job.state.quarantined_by_partition)
    for (partition,), bad in quarantine.partition_by("partition", as_dict=True).items():
        by_partition[str(partition)] = by_partition.get(str(partition), 0) + bad.height
    deletes = [n for n in (job.state.last_delete, found.last_delete) if n is not None]
    state = replace(
        job.state,
        accounting={name: before.get(name, 0) + more.get(name, 0) for name in dict.fromkeys((*before, *more))},
        content=told,
        quarantined_by_partition=dict(sorted(by_partition.items())),
        learned={name: asdict(seen) for name, seen in typed.learned.items()},
        last_delete=max(deletes, default=None),
    )
    return Changes(
        pl.concat([gone, back]), pl.concat([rows, back.drop(FILE)]), job.silver.keys, gone.height + rows.height,
        quarantine, state,
    )  # fmt: skip


def _lazy(frame: pl.DataFrame) -> nw.LazyFrame[Any]:
    return nw.from_native(frame.lazy())
