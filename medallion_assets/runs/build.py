"""The rows of a silver table out of all live loads, with what became of every bronze row."""

from collections.abc import Mapping
from dataclasses import dataclass

import narwhals as nw
import polars as pl
from typing_extensions import assert_never

from medallion_assets.bronze.reader import Verified
from medallion_assets.errors import CheckError
from medallion_assets.intent.load import CurrentHistory
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import Engine, Store
from medallion_assets.lake.results import Drift, Held
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.finished import finished, own_slices, quarantined, refuse_reserved
from medallion_assets.runs.movers import Sorted, needed_by_rules, sorted_out
from medallion_assets.runs.typed import Typed, read_typed
from medallion_assets.silver.columns import FROM, IS_CURRENT, LOAD, RESCUED, TO
from medallion_assets.silver.event import distinct, earliest
from medallion_assets.silver.events import Shape
from medallion_assets.silver.history import Interval, intervals
from medallion_assets.silver.keyed import KeyedModel, Outcome, Rules, refine_keyed
from medallion_assets.silver.slices import slices
from medallion_assets.silver.snapshot import copies
from medallion_assets.silver.types import Seen

__all__ = ["Built", "build", "interval_of", "rules_of", "shape_of"]


@dataclass(frozen=True, slots=True)
class Built:
    """A table's rows and account."""

    rows: pl.DataFrame
    partition_by: tuple[str, ...]
    quarantine: pl.DataFrame
    """reason, column, value (text), commit, part, row, partition; in the order of the data."""
    accounting: Mapping[str, int]
    """rows_in, events, duplicates, filtered, quarantined, rows, absence_deletes, ties, incomplete; then judged (rows
    that rules saw) and ``rule:<name>`` (rows that broke it) for every rule that moves rows."""
    quarantined_by_partition: Mapping[str, int]
    held: tuple[Held, ...]
    drift: tuple[Drift, ...]
    columns: tuple[str, ...]
    """Of the owner."""
    learned: Mapping[str, Seen]
    last_delete: int | None
    truncated: bool
    samples: Mapping[str, str]
    """As in ``Sorted``."""


def build(
    plan: DatasetPlan, silver: SilverPlan, head: Head, *, store: Store, engine: Engine, verified: Verified | None = None
) -> Built:
    """Raises what ``read_typed`` raises, and StorageError SLV-012, CheckError CHK-010, CHK-013."""
    parted = slices(silver.partition_by)
    interval = interval_of(plan, silver)
    needed = (*needed_by_rules(silver), *(() if interval is None else interval.columns))
    typed = read_typed(plan, silver, head, store=store, needed=needed, interval=interval, verified=verified)
    refuse_reserved(typed.columns, silver, parted)
    found = sorted_out(plan, silver, typed)
    outcome = _outcome(silver, plan, typed, found, interval=interval, engine=engine)
    refuse_ties(silver, outcome)
    table = finished(outcome.table, silver, typed, parted, plan.calendar.timezone)
    quarantine = quarantined(found.bad, typed)
    by_partition = quarantine.group_by("partition").agg(pl.len().alias("n")).sort("partition")
    return Built(
        rows=table,
        partition_by=(*own_slices(silver), *(s.name for s in parted)),
        quarantine=quarantine,
        accounting={
            "rows_in": typed.rows.height,
            "events": outcome.events,
            "duplicates": outcome.duplicates,
            "filtered": outcome.filtered + found.dropped,
            "quarantined": found.bad.height,
            "rows": table.height,
            "absence_deletes": outcome.absence_deletes,
            "ties": outcome.ties,
            "incomplete": len(outcome.incomplete),
            **found.counts,
        },
        quarantined_by_partition=dict(by_partition.iter_rows()),
        held=tuple(Held(typed.loads[h.load].n, typed.loads[h.load].partition, h.keys, h.missing) for h in outcome.held),
        drift=typed.drift,
        columns=typed.columns,
        learned=typed.learned,
        last_delete=outcome.last_delete,
        truncated=outcome.truncated,
        samples=found.samples,
    )


def interval_of(plan: DatasetPlan, silver: SilverPlan) -> Interval | None:
    """Where rows carry their own validity and the model is one of states: the columns, by their final names."""
    if not isinstance(plan.load, CurrentHistory) or silver.model not in ("scd_type_1", "scd_type_2"):
        return None
    final = {source: column.name for column in plan.columns for source in column.source_names}
    said = plan.load.interval
    current = None if said.current is None else final.get(said.current, said.current)
    return Interval(final.get(said.start, said.start), final.get(said.end, said.end), current, said.closed)


def _outcome(
    silver: SilverPlan, plan: DatasetPlan, typed: Typed, found: Sorted, *, interval: Interval | None, engine: Engine
) -> Outcome:
    good = found.good
    if interval is not None:
        return _histories(silver, plan, typed, good, interval=interval)
    lazy = nw.from_native(good.lazy())
    match silver.model:
        case "periodic_snapshot":
            return Outcome(engine.evaluate(copies(lazy, typed.columns)), good.height, 0, 0)
        case "event":
            daily = (LOAD,) if silver.input_mode == "replace_daily" else ()
            unlike = engine.evaluate(distinct(lazy, typed.columns, slices=daily))
            table = engine.evaluate(earliest(nw.from_native(unlike.lazy()), typed.columns, silver.keys, slices=daily))
            return Outcome(table, unlike.height, good.height - unlike.height, 0)
        case "scd_type_1" | "scd_type_2" | "derived_event" | "incremental_merge" | "full_merge_dedupe" as model:
            shape = shape_of(plan, silver, typed)
            rules = rules_of(silver, model, shape)
            return refine_keyed(good, found.rows, typed.loads, shape, rules, evaluate=engine.evaluate)
    assert_never(silver.model)


def _histories(
    silver: SilverPlan, plan: DatasetPlan, typed: Typed, good: pl.DataFrame, *, interval: Interval
) -> Outcome:
    columns = tuple(dict.fromkeys((*typed.columns, *interval.columns)))
    distinct = good.select(pl.struct(columns).n_unique()).item() if good.height else 0
    table = intervals(good.lazy(), silver.keys, columns, interval, plan.calendar.timezone).collect()
    if silver.model == "scd_type_1":
        table = table.filter(IS_CURRENT).drop(FROM, TO, IS_CURRENT)
    return Outcome(table, distinct, good.height - distinct, 0)


def shape_of(plan: DatasetPlan, silver: SilverPlan, typed: Typed) -> Shape:
    """What an event of a keyed model is made of."""
    attributes = tuple(c for c in typed.columns if c not in silver.keys and c not in silver.order_by)
    held_back = tuple(c for c in typed.withheld if c in attributes)
    return Shape(silver.keys, silver.order_by, attributes, plan.source.type == "file", held_back)


def rules_of(silver: SilverPlan, model: KeyedModel, shape: Shape) -> Rules:
    """What a keyed model is asked to do."""
    supplied = silver.ignore_nulls
    if isinstance(supplied, bool):
        # The text of a misfit is of its own row.
        supplied = tuple(c for c in shape.attributes if c != RESCUED) if supplied else ()
    return Rules(
        model=model,
        delete_mode=silver.delete_mode,
        max_delete_fraction=silver.max_delete_fraction,
        erase_absent=silver.erase_absent,
        ignore_nulls=supplied,
        track=silver.track or tuple(c for c in shape.attributes if c not in silver.track_except),
    )


def refuse_ties(silver: SilverPlan, outcome: Outcome) -> None:
    """Raises CheckError CHK-013 when the intent wants that."""
    if silver.on_tie == "fail" and outcome.ties:
        key = ", ".join(f"{k}={v}" for k, v in zip(silver.keys, outcome.tied, strict=True))
        raise CheckError(
            "CHK-013", f"{outcome.ties:,} rows differ from another of the same key and order; one key is {key}.",
            where=str(silver.entity), fix="add a column to `order_by` that tells them apart, or set on_tie: keep.",
        )  # fmt: skip
