"""What new loads change in a table: the rows that go and those that come, without reading the loads that it knows.

What does not only add to a table is left to ``build``, which reads everything; both give the same rows.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace

import polars as pl
from typing_extensions import assert_never

from medallion_assets.bronze.reader import Verified
from medallion_assets.engines.polars import PolarsEngine
from medallion_assets.errors import CheckError, Corrupt, StorageError
from medallion_assets.intent.load import Cdc
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import FILE, Store, Table, TableState
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.build import interval_of, rules_of, shape_of
from medallion_assets.runs.finished import TECHNICAL, quarantined
from medallion_assets.runs.follow import Job, Moved, lazy
from medallion_assets.runs.follow_keyed import derived, merged, newest
from medallion_assets.runs.follow_states import ChangedStates
from medallion_assets.runs.groups import live_of
from medallion_assets.runs.movers import Sorted
from medallion_assets.runs.typed import Typed
from medallion_assets.silver.columns import LOAD, RESCUED
from medallion_assets.silver.content import moved
from medallion_assets.silver.event import distinct, earliest
from medallion_assets.silver.place import ranked
from medallion_assets.silver.snapshot import copies

__all__ = ["Changes", "changes"]


@dataclass(frozen=True, slots=True)
class Changes:
    """What becomes of a table."""

    gone: pl.DataFrame
    """Rows that go, as ``Table.matching`` gave them, with those that lie among them and come back."""
    rows: pl.DataFrame
    """Rows that come."""
    by: tuple[str, ...]
    """The columns by which rows were looked for."""
    changed: int
    """Rows that really go or come."""
    quarantine: pl.DataFrame
    """As in ``Built``, of the new loads alone."""
    samples: Mapping[str, str]
    """As in ``Sorted``, of the new loads alone."""
    state: TableState
    """After these changes, but for ``bronze_n``, ``bronze_sha256`` and the quarantine's file."""


def changes(
    plan: DatasetPlan, silver: SilverPlan, head: Head, state: TableState, *, store: Store, table: Table,
    verified: Verified | None = None, most: int | None = None,
) -> Changes | None:  # fmt: skip
    """How the table, which is at ``state``, gets to ``head``; None when that takes a reading of everything, or more of
    memory than ``most`` bytes of new rows.

    Raises Corrupt (BRZ-…) and what reading fails with otherwise; what is wrong with the data, ``build`` tells.
    """
    live = {c.n: c for c in head.live}
    new = frozenset(n for n in live if n > state.bronze_n)
    job = Job(plan, silver, head, state, store, table, PolarsEngine(), verified, new, most)
    if not (table.patchable and _is_possible(plan, silver, head, state, new) and job.fits(*new)):
        return None
    loads = [live[n].load for n in new]
    if all(not (load.rows or load.schema) and load.pattern != "full" for load in loads):
        return _accounted_for_nothing(job)
    try:
        read = job.read(new)
        found = None if read is None else _found(job, *read)
    except Corrupt:
        raise
    except (CheckError, StorageError):
        return None
    if read is None or found is None or (found.ties and silver.on_tie == "fail"):
        return None
    if found.rows.schema != table.scan().collect_schema():
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
        full = {c.load.pattern == "full" for c in live.values()}
        if len(full) == 2 or (full == {True} and len(new) > 1):
            return False
        # What has no order of its own has that of its partition, and a full partition ends what was before it.
        newest = max(c.load.window.start for c in absorbed)
        if (full == {True} or not silver.order_by) and any(live[n].load.window.start <= newest for n in new):
            return False
    loads = ranked([live_of(c, head.approved) for c in head.live])
    if {x.n for x in loads[-len(new) :]} == {*new}:
        return True
    # The first loads decide the order of the columns, and the first of equal rows is the one that stands.
    first = min(absorbed, key=lambda c: [x.n for x in loads].index(c.n))
    enveloped = isinstance(plan.load, Cdc) and plan.load.operation.envelope == "debezium"
    return not (enveloped or silver.model == "event") and all(live[n].load.schema == first.load.schema for n in new)


def _found(job: Job, typed: Typed, read: Sorted) -> Moved | None:
    match job.silver.model:
        case "periodic_snapshot":
            rows = job.engine.evaluate(copies(lazy(read.good), typed.columns))
            return Moved(job.table_rows(rows, typed), job.nothing, read.good.height)
        case "event":
            return _events(job, typed, read)
        case "scd_type_1" | "scd_type_2" as model:
            shape = shape_of(job.plan, job.silver, typed)
            told = ChangedStates(job, typed, read, shape, rules_of(job.silver, model, shape))
            full = any(load.pattern == "full" for load in typed.loads)
            return told.of_full() if full else told.found()
        case "derived_event":
            return derived(job, typed, read)
        case "incremental_merge":
            return merged(job, typed, read)
        case "full_merge_dedupe":
            return newest(job, typed, read)
    assert_never(job.silver.model)


def _events(job: Job, typed: Typed, read: Sorted) -> Moved | None:
    """The earliest row of a key stands: the table's, when it has one."""
    silver, columns = job.silver, typed.columns
    daily = (LOAD,) if silver.input_mode == "replace_daily" else ()
    unlike = job.engine.evaluate(distinct(lazy(read.good), columns, slices=daily))
    first = job.engine.evaluate(earliest(lazy(unlike), columns, silver.keys, slices=daily))
    rows = job.table_rows(first, typed)
    if daily:
        return Moved(rows, job.nothing, unlike.height)
    by = list(silver.keys or columns)
    known = job.table.matching(rows.select(by).unique()).select(by)
    rows = rows.join(known, on=by, how="anti", nulls_equal=True, maintain_order="left")
    if not (silver.keys and known.height):
        return Moved(rows, job.nothing, unlike.height - known.height)
    # Whether a later row of a key differs from all before, only bronze knows.
    if known.height > job.most:
        return None
    again = job.read({c.n for c in job.head.live}, known)
    if again is None:
        return None
    every = again[1].good
    old = [rank for rank, load in enumerate(again[0].loads) if load.n not in job.new]
    of_known = job.engine.evaluate(distinct(lazy(every), columns)).height
    were = job.engine.evaluate(distinct(lazy(every.filter(pl.col(LOAD).is_in(old))), columns)).height
    mine = unlike.join(known, on=by, how="anti", nulls_equal=True).height
    return Moved(rows, job.nothing, mine + of_known - were)


def _accounted_for_nothing(job: Job) -> Changes:
    """Loads without a row or a column: an empty JSON list, say."""
    nothing = job.nothing
    return Changes(nothing, nothing.drop(FILE), job.silver.keys, 0, pl.DataFrame(), {}, job.state)


def _accounted(job: Job, typed: Typed, read: Sorted, found: Moved) -> Changes | None:
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
        "absence_deletes": found.absences,
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
        pl.concat([gone, back]), pl.concat([rows, back.drop(FILE)]), found.by or job.silver.keys,
        gone.height + rows.height, quarantine, read.samples, state,
    )  # fmt: skip
