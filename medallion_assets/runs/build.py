"""The rows of a silver table out of all live loads, with what became of every bronze row."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import narwhals as nw
import polars as pl
from typing_extensions import assert_never

from medallion_assets.bronze.reader import Verified
from medallion_assets.checks.rules import moves_rows
from medallion_assets.errors import CheckError, StorageError
from medallion_assets.intent.check import RowRule
from medallion_assets.intent.load import CurrentHistory
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import Engine, Store
from medallion_assets.lake.results import Drift, Held
from medallion_assets.plan.model import DatasetPlan, Model, SilverPlan
from medallion_assets.runs.movers import DROPPED, judged, looked_at, require_within_limits
from medallion_assets.runs.typed import Typed, read_typed
from medallion_assets.silver.columns import (
    AFTER,
    BASE,
    BEFORE,
    BRONZE_PART,
    CHANGE_TYPE,
    CHANGED_AT,
    CHANGED_COLUMNS,
    COMMIT,
    DELETED_AT,
    FAULT,
    FROM,
    IS_CURRENT,
    IS_DELETED,
    LOAD,
    LOAD_DATE,
    OPERATION,
    PART,
    PARTITION,
    POS,
    RESCUED,
    RUN_DATE,
    SINCE,
    TO,
    VALUE,
)  # fmt: skip
from medallion_assets.silver.derived import differing, earlier
from medallion_assets.silver.event import distinct, earliest
from medallion_assets.silver.events import Shape
from medallion_assets.silver.history import Interval, intervals
from medallion_assets.silver.keyed import KeyedModel, Outcome, Rules, refine_keyed
from medallion_assets.silver.place import addresses
from medallion_assets.silver.slices import Slice, slices
from medallion_assets.silver.snapshot import copies
from medallion_assets.silver.text import as_text

__all__ = ["Built", "build"]

_ADDED: dict[Model, tuple[str, ...]] = {
    "periodic_snapshot": (LOAD_DATE,),
    "full_merge_dedupe": (),
    "scd_type_1": (IS_DELETED, DELETED_AT),
    "scd_type_2": (FROM, TO, IS_CURRENT, IS_DELETED),
    "incremental_merge": (OPERATION,),
    "event": (),
    "derived_event": (CHANGED_AT, CHANGE_TYPE, CHANGED_COLUMNS, BEFORE, AFTER),
}
"""Columns of each model behind the owner's, where they occur."""


@dataclass(frozen=True, slots=True)
class Built:
    """A table's rows and account."""

    rows: pl.DataFrame
    technical: tuple[str, ...]
    """Columns outside the content."""
    partition_by: tuple[str, ...]
    quarantine: pl.DataFrame
    """reason, column, value (text), commit, part, row, partition; in the order of the data."""
    accounting: Mapping[str, int]
    """rows_in, events, duplicates, filtered, quarantined, rows, absence_deletes, ties, incomplete; then judged (rows
    that rules saw) and ``rule:<name>`` (rows that broke it) for every rule that moves rows."""
    quarantined_by_partition: Mapping[str, int]
    held: tuple[Held, ...]
    drift: tuple[Drift, ...]


def build(
    plan: DatasetPlan, silver: SilverPlan, head: Head, *, store: Store, engine: Engine, verified: Verified | None = None
) -> Built:
    """Raises what ``read_typed`` raises, and StorageError SLV-012, CheckError CHK-010, CHK-013."""
    rules = [c for c in silver.checks if isinstance(c.rule, RowRule) and moves_rows(c.rule)]
    parted = slices(silver.partition_by)
    interval = _interval(plan, silver)
    needed = [*(name for check in rules for name in looked_at(check)), *(() if interval is None else interval.columns)]
    typed = read_typed(
        plan, silver, head, store=store, engine=engine, needed=needed, interval=interval, verified=verified
    )
    _refuse_reserved(typed.columns, silver, parted)
    rows, broken = judged(typed.rows, rules)
    bad = rows.filter(pl.col(FAULT).is_not_null())
    good = rows.filter(pl.col(FAULT).is_null() & ~pl.col(DROPPED))
    require_within_limits(plan, typed, bad)
    outcome = _outcome(silver, plan, typed, rows, good, interval=interval, engine=engine)
    _refuse_ties(silver, outcome)
    table = _finished(outcome.table, silver, typed, parted, plan.calendar.timezone)
    quarantine = _quarantined(bad, typed)
    by_partition = quarantine.group_by("partition").agg(pl.len().alias("n")).sort("partition")
    return Built(
        rows=table,
        technical=(RUN_DATE, BRONZE_PART),
        partition_by=(*_own_slices(silver), *(s.name for s in parted)),
        quarantine=quarantine,
        accounting={
            "rows_in": rows.height,
            "events": outcome.events,
            "duplicates": outcome.duplicates,
            "filtered": outcome.filtered + rows.filter(pl.col(FAULT).is_null() & pl.col(DROPPED)).height,
            "quarantined": bad.height,
            "rows": table.height,
            "absence_deletes": outcome.absence_deletes,
            "ties": outcome.ties,
            "incomplete": len(outcome.incomplete),
            **broken,
        },
        quarantined_by_partition=dict(by_partition.iter_rows()),
        held=tuple(Held(typed.loads[h.load].n, typed.loads[h.load].partition, h.keys, h.missing) for h in outcome.held),
        drift=typed.drift,
    )


def _interval(plan: DatasetPlan, silver: SilverPlan) -> Interval | None:
    """Where rows carry their own validity and the model is one of states: the columns, by their final names."""
    if not isinstance(plan.load, CurrentHistory) or silver.model not in ("scd_type_1", "scd_type_2"):
        return None
    final = {source: column.name for column in plan.columns for source in column.source_names}
    said = plan.load.interval
    current = None if said.current is None else final.get(said.current, said.current)
    return Interval(final.get(said.start, said.start), final.get(said.end, said.end), current, said.closed)


def _outcome(
    silver: SilverPlan, plan: DatasetPlan, typed: Typed, rows: pl.DataFrame, good: pl.DataFrame, *,
    interval: Interval | None, engine: Engine,
) -> Outcome:  # fmt: skip
    if interval is not None:
        return _histories(silver, plan, typed, good, interval=interval, engine=engine)
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
            attributes = tuple(c for c in typed.columns if c not in silver.keys and c not in silver.order_by)
            held_back = tuple(c for c in typed.withheld if c in attributes)
            shape = Shape(silver.keys, silver.order_by, attributes, plan.source.type == "file", held_back)
            rules = _rules(silver, model, shape)
            return refine_keyed(good, rows, typed.loads, shape, rules, evaluate=engine.evaluate)
    assert_never(silver.model)


def _histories(
    silver: SilverPlan, plan: DatasetPlan, typed: Typed, good: pl.DataFrame, *, interval: Interval, engine: Engine
) -> Outcome:
    columns = tuple(dict.fromkeys((*typed.columns, *interval.columns)))
    distinct = good.select(pl.struct(columns).n_unique()).item() if good.height else 0
    table = engine.collect(intervals(good.lazy(), silver.keys, columns, interval, plan.calendar.timezone))
    if silver.model == "scd_type_1":
        table = table.filter(IS_CURRENT).drop(FROM, TO, IS_CURRENT)
    return Outcome(table, distinct, good.height - distinct, 0)


def _rules(silver: SilverPlan, model: KeyedModel, shape: Shape) -> Rules:
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


def _refuse_ties(silver: SilverPlan, outcome: Outcome) -> None:
    if silver.on_tie == "fail" and outcome.ties:
        key = ", ".join(f"{k}={v}" for k, v in zip(silver.keys, outcome.tied, strict=True))
        raise CheckError(
            "CHK-013", f"{outcome.ties:,} rows differ from another of the same key and order; one key is {key}.",
            where=str(silver.entity), fix="add a column to `order_by` that tells them apart, or set on_tie: keep.",
        )  # fmt: skip


def _own_slices(silver: SilverPlan) -> tuple[str, ...]:
    return {"scd_type_2": (IS_CURRENT,), "periodic_snapshot": (LOAD_DATE,)}.get(silver.model, ())


def _refuse_reserved(columns: Sequence[str], silver: SilverPlan, parted: Sequence[Slice]) -> None:
    added = {*_ADDED[silver.model], RUN_DATE, BRONZE_PART, *(s.name for s in parted if s.name != s.column)}
    if silver.delete_mode != "tombstone":
        added -= {IS_DELETED, DELETED_AT}
    taken = [c for c in columns if c in added]
    if taken:
        raise StorageError(
            "SLV-012", f"Column {taken[0]!r} of the source has a name that the table needs for itself.",
            where=str(silver.entity), fix=f"rename it: `columns: {{source_{taken[0]}: {{source_names: {taken[0]}}}}}`.",
        )  # fmt: skip


def _finished(
    table: pl.DataFrame, silver: SilverPlan, typed: Typed, parted: Sequence[Slice], timezone: str
) -> pl.DataFrame:
    """The table's columns in their order: the owner's, the model's, the technical ones, those to partition by."""
    placed = addresses(table, SINCE, typed.places)
    if silver.model == "periodic_snapshot":
        placed = placed.with_columns(pl.col(RUN_DATE).alias(LOAD_DATE))
    if silver.model == "derived_event":
        placed = _told(placed)
    added = [c for c in _ADDED[silver.model] if c in placed.columns]
    extra = [s.expression(placed.schema, timezone) for s in parted if s.name != s.column]
    own = silver.keys if silver.model == "derived_event" else typed.columns
    return placed.select(*(c for c in own if c in placed.columns), *added, RUN_DATE, BRONZE_PART, *extra)


def _told(changes: pl.DataFrame) -> pl.DataFrame:
    """Changes with what changed, as text: changed_columns a JSON list of names; before and after JSON objects of the
    tracked columns, each value as the text that reads back the same, null where the key was not there.
    """
    track = [c for c in changes.columns if differing(c) in changes.columns]

    def document(there: pl.Expr, name: str, of: Callable[[str], str]) -> pl.Expr:
        cells = [as_text(pl.col(of(c)), changes.schema[of(c)]).alias(c) for c in track]
        return pl.when(there).then(pl.struct(cells).struct.json_encode()).alias(name)

    kind = pl.col(CHANGE_TYPE)
    names = [pl.when(differing(c)).then(pl.lit(json.dumps(c, ensure_ascii=False))) for c in track]
    listed = pl.concat_str([pl.lit("["), pl.concat_str(names, separator=",", ignore_nulls=True), pl.lit("]")])
    return changes.with_columns(
        listed.alias(CHANGED_COLUMNS),
        document(kind != "insert", BEFORE, earlier),
        document(kind != "delete", AFTER, str),
    )


def _quarantined(bad: pl.DataFrame, typed: Typed) -> pl.DataFrame:
    placed = addresses(bad.select(FAULT, VALUE, POS), POS, typed.places)
    reason = pl.col(FAULT).str.splitn(":", 2)
    return placed.select(
        reason.struct.field("field_0").alias("reason"),
        reason.struct.field("field_1").alias("column"),
        pl.col(VALUE).alias("value"),
        pl.col(COMMIT).alias("commit"),
        pl.col(PART).alias("part"),
        (pl.col(POS) - pl.col(BASE)).alias("row"),
        pl.col(PARTITION).alias("partition"),
    )
