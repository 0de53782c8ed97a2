"""New loads in the keyed models that tell of changes, or of the newest partition.

``derived_event``: the table has texts of states, not states, so the keys that are touched are computed again from
bronze; where every load is full, the partition before has the states of all keys. ``incremental_merge``: each partition
is for itself. ``full_merge_dedupe``: only the newest full partition matters.
"""

from dataclasses import replace
from itertools import pairwise

import polars as pl

from medallion_assets.intent.load import Cdc
from medallion_assets.lake.ports import FILE
from medallion_assets.runs.build import shape_of
from medallion_assets.runs.follow import Job, Moved, lazy
from medallion_assets.runs.movers import Sorted
from medallion_assets.runs.typed import Typed
from medallion_assets.silver.columns import BRONZE_PART, CHANGED_AT, OP, RUN_DATE, TIES, Op
from medallion_assets.silver.events import deduplicate, ties
from medallion_assets.silver.keyed import KeyedModel, last_delete
from medallion_assets.silver.place import Live

__all__ = ["derived", "merged", "newest"]


def derived(job: Job, typed: Typed, read: Sorted) -> Moved | None:
    """Changes of the keys that the loads touch."""
    if job.silver.delete_mode != "ignore" and any(load.pattern == "full" for load in typed.loads):
        return _between(job, typed, read)
    return _of_keys(job, "derived_event", read)


def _of_keys(job: Job, model: KeyedModel, read: Sorted) -> Moved | None:
    """The keys of the new rows, with all that bronze has of them."""
    kept = _kept(job, read)
    if _truncated(job, kept):
        return None
    filtered = read.good.height - kept.height
    if kept.is_empty():
        return Moved(job.nothing.drop(FILE), job.nothing, 0, filtered=filtered)
    again = job.again(model, kept.select(job.silver.keys).unique())
    if again is None:
        return None
    return replace(again, filtered=filtered, last_delete=last_delete(lazy(kept), job.engine))


def _between(job: Job, typed: Typed, read: Sorted) -> Moved | None:
    """Full partitions that follow all others, each of them full: the last one before has the states until then, when
    it was complete.
    """
    before, come = _split(job, typed)
    follows = before is not None and all(a.end <= b.start for a, b in pairwise((before, *come)))
    if before is None or not follows or {load.pattern for load in typed.loads} != {"full"}:
        return None
    numbers = job.state.accounting
    unknown = before.partition in job.state.quarantined_by_partition or numbers["filtered"] or numbers["incomplete"]
    past = job.read({before.n}) if not unknown and job.fits(before.n, *job.new) else None
    if past is None:
        return None
    good, rows = (pl.concat(both) for both in ((past[1].good, read.good), (past[1].rows, read.rows)))
    table, found = job.computed("derived_event", typed, good, rows)
    if found.held or found.incomplete:
        return None
    shape = shape_of(job.plan, job.silver, typed)
    # Of windows that do not overlap no two rows are one event.
    events = job.engine.evaluate(deduplicate(lazy(read.good), shape))
    tied = int(job.engine.evaluate(ties(lazy(events), shape))[TIES].sum())
    told = job.table_rows(table.filter(pl.col(CHANGED_AT) >= come[0].start), typed)
    return Moved(
        told, job.nothing, events.height, ties=tied, absences=found.absence_deletes, last_delete=found.last_delete
    )


def _split(job: Job, typed: Typed) -> tuple[Live | None, tuple[Live, ...]]:
    """The absorbed load before all new ones, and those; None when they are not the last ones."""
    come = typed.loads[-len(job.new) :]
    return (typed.loads[-len(come) - 1] if {load.n for load in come} == job.new else None), come


def merged(job: Job, typed: Typed, read: Sorted) -> Moved | None:
    """The last change of each key in the partitions of the new loads."""
    kept = _kept(job, read)
    deleting = job.silver.delete_mode != "ignore" and any(load.pattern == "full" for load in typed.loads)
    if deleting or _truncated(job, kept):
        return None
    if isinstance(job.plan.load, Cdc) and job.plan.load.operation.envelope == "debezium":
        # What an event does not supply is what an earlier one did, of any partition.
        return _of_keys(job, "incremental_merge", read)
    touched = {load.partition for load in typed.loads if load.n in job.new}
    there = [load for load in typed.loads if load.partition in touched and load.n not in job.new]
    table, now = job.computed("incremental_merge", typed, read.good, read.rows)
    if not there:
        rows = job.table_rows(table, typed)
        return Moved(
            rows, job.nothing, now.events, filtered=now.filtered, ties=now.ties, last_delete=now.last_delete
        )  # fmt: skip
    keys = kept.select(job.silver.keys).unique()
    past = job.read({load.n for load in there}, keys)
    if past is None:
        return None
    _, before = job.computed("incremental_merge", typed, past[1].good, past[1].rows)
    good, all_rows = (pl.concat(both) for both in ((past[1].good, read.good), (past[1].rows, read.rows)))
    table, whole = job.computed("incremental_merge", typed, good, all_rows)
    return Moved(
        job.table_rows(table, typed), _of_loads(job, keys, there), whole.events - before.events,
        filtered=whole.filtered - before.filtered, ties=whole.ties - before.ties, last_delete=now.last_delete,
        by=(*job.silver.keys, BRONZE_PART),
    )  # fmt: skip


def _of_loads(job: Job, keys: pl.DataFrame, loads: list[Live]) -> pl.DataFrame:
    """The table's rows of ``keys`` that these loads brought."""
    dates = pl.DataFrame({RUN_DATE: list({load.run_date for load in loads})}, schema={RUN_DATE: pl.Date})
    commit = pl.col(BRONZE_PART).str.split("/").list.first().cast(pl.Int64)
    return job.table.matching(keys.join(dates, how="cross")).filter(commit.is_in([load.n for load in loads]))


def newest(job: Job, typed: Typed, read: Sorted) -> Moved | None:
    """The newest full partition, when it is among the new ones, in place of all that the table has."""
    if _truncated(job, read.good):
        return None
    fulls = [load.n for load in typed.loads if load.pattern == "full"]
    replaced = bool(fulls) and fulls[-1] in job.new
    if replaced and not job.fits(*fulls[-2:], *job.new):  # the table is about as large as the one before
        return None
    gone = job.table.matching(pl.DataFrame()) if replaced else job.nothing
    table, found = job.computed("full_merge_dedupe", typed, read.good, read.rows)
    return Moved(
        job.table_rows(table, typed), gone, found.events, filtered=found.filtered, ties=found.ties,
        last_delete=found.last_delete,
    )  # fmt: skip


def _kept(job: Job, read: Sorted) -> pl.DataFrame:
    return read.good.filter(pl.col(OP) == Op.UPSERT) if job.silver.delete_mode == "ignore" else read.good


def _truncated(job: Job, kept: pl.DataFrame) -> bool:
    """Whether some row, old or new, deletes all keys: the guard judges it by everything."""
    return job.state.truncated or bool((kept[OP] == Op.TRUNCATE).any())
