"""The models against the oracle, on streams of every mixture of patterns and delete modes."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medallion_assets.lake.manifest import Pattern
from medallion_assets.plan.model import DatasetPlan
from medallion_assets_tests.silver.lake import CDC, MISFITS_ALLOWED, Lake, plan_of
from medallion_assets_tests.silver.oracle import Answer, Loaded, Row, Spec, oracle

DAY = datetime(2024, 1, 1, tzinfo=timezone.utc)
SCHEMA = {"k": pl.Int64, "t": pl.Datetime("us", "UTC"), "s": pl.Int64, "a": pl.Int64, "b": pl.String}
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rows(pattern: Pattern) -> st.SearchStrategy[Row]:
    # Few values and half days, so that ties, equal neighbours and exact boundaries are common.
    cells = {
        "k": st.integers(0, 2),
        "t": st.integers(-1, 8).map(lambda half: DAY + half * timedelta(hours=12)),
        "s": st.integers(0, 1),
        "a": st.one_of(st.none(), st.integers(0, 1)),
        "b": st.sampled_from(["x", "", None]),
    }
    if pattern == "cdc":
        cells["op"] = st.sampled_from(["I", "U", "U", "D", "D", "T"])
    return st.fixed_dictionaries(cells)


@st.composite
def loads(draw: st.DrawFn, patterns: tuple[Pattern, ...]) -> list[Loaded]:
    found = []
    slots = draw(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(patterns)), unique=True, max_size=5))
    for n, (day, pattern) in enumerate(slots, 1):
        if any(d == day and (p == "full") == (pattern == "full") for d, p in slots[: n - 1]):
            continue
        parts = draw(st.lists(st.lists(rows(pattern), max_size=4).map(tuple), min_size=1, max_size=2))
        refused = draw(st.sampled_from([0, 0, 0, 1])) if pattern == "full" else 0
        found.append(Loaded(n, pattern, DAY + timedelta(days=day), tuple(parts), refused))
    return [Loaded(i, x.pattern, x.start, x.parts, x.refused) for i, x in enumerate(found, 1)]


def frame(part: tuple[Row, ...], pattern: Pattern) -> pl.DataFrame:
    schema: dict[str, Any] = {**SCHEMA, **({"op": pl.String} if pattern == "cdc" else {})}
    return pl.DataFrame([tuple(r.get(c, 0) for c in schema) for r in part], schema=schema, orient="row")


def silver_of(spec: Spec) -> str:
    scd2, stateful = spec.model in ("scd_type_2", "derived_event"), spec.model.startswith("scd")
    return (
        f"{{model: {spec.model}, keys: k"
        + (f", delete_mode: {spec.delete_mode}" if spec.delete_mode != "hard_delete" else "")
        + (
            ", order_by: [t, s]"
            if spec.second
            else ", order_by: t, exclude: s"
            if spec.ordered
            else ", exclude: [t, s]"
        )
        + (f", ignore_nulls: {str(spec.ignore_nulls).lower()}" if stateful else "")
        + (f", max_delete_fraction: {spec.fraction}" if stateful and spec.fraction != 0.5 else "")
        + (", erase_absent: true" if spec.erase_absent else "")
        + (f", track: [{', '.join(spec.track)}]" if scd2 and spec.track != ("a", "b") else "")
        + "}"
    )


def planned(spec: Spec, load: str, more: str = MISFITS_ALLOWED) -> DatasetPlan:
    plan = plan_of(silver_of(spec), load, more)
    # Rows of a file have an order.
    return plan if spec.positional else replace(plan, source=plan.source.model_copy(update={"type": "api"}))


def lake_of(spec: Spec, found: list[Loaded]) -> Lake:
    lake = Lake(planned(spec, CDC))
    for load in found:
        commit(lake, load)
    return lake


def commit(lake: Lake, load: Loaded, appends: bool = False) -> None:
    parts = [frame(p, load.pattern) for p in load.parts]
    lake.commit(load.start.date().isoformat(), *parts, pattern=load.pattern, refused=load.refused, appends=appends)


SPECS = [
    *(Spec(model, delete_mode=mode) for model in ("scd_type_1", "scd_type_2")
      for mode in ("ignore", "tombstone", "hard_delete", "erase")),
    Spec("scd_type_2", delete_mode="erase", erase_absent=True),
    Spec("scd_type_2", ordered=False),
    Spec("scd_type_1", ordered=False, delete_mode="tombstone"),
    Spec("scd_type_2", ignore_nulls=True),
    Spec("scd_type_1", ignore_nulls=True, delete_mode="tombstone"),
    Spec("scd_type_2", track=("a",)),
    Spec("scd_type_2", track=("b",), delete_mode="tombstone"),
    Spec("scd_type_2", second=True),
    Spec("scd_type_2", second=True, delete_mode="tombstone"),
    Spec("scd_type_1", second=True, delete_mode="erase"),
    Spec("scd_type_2", positional=False),
    Spec("scd_type_1", second=True, positional=False, delete_mode="tombstone"),
]  # fmt: skip
OTHERS = [
    Spec("derived_event", delete_mode="tombstone"),
    Spec("derived_event", delete_mode="ignore", track=("a",)),
    Spec("derived_event", delete_mode="tombstone", ordered=False),
    Spec("incremental_merge"),
    Spec("derived_event", second=True, delete_mode="tombstone", positional=False),
    Spec("incremental_merge", ordered=False),
    Spec("incremental_merge", second=True, positional=False),
    Spec("full_merge_dedupe"),
    Spec("full_merge_dedupe", ordered=False),
    Spec("full_merge_dedupe", second=True),
]
PATTERNS: list[tuple[Pattern, ...]] = [
    ("full",),
    ("incremental",),
    ("cdc",),
    ("full", "cdc"),
    ("full", "incremental", "cdc"),
]


def compare(spec: Spec, found: list[Loaded]) -> Answer:
    built = lake_of(spec, found).build()
    expected = oracle(found, spec)
    rows = [{c: row.get(c) for c in built.rows.columns} for row in expected.rows]
    assert [parsed(row) for row in built.rows.to_dicts()] == [as_text(row) for row in rows]
    account = built.accounting
    assert account["rows_in"] == sum(len(p) for x in found for p in x.parts)
    told = {n: account[n] for n in ("events", "duplicates", "filtered", "quarantined")}
    assert told == {
        "events": expected.events, "duplicates": expected.duplicates, "filtered": expected.filtered, "quarantined": 0
    }  # fmt: skip
    assert account["rows_in"] == sum(told.values())
    assert account["absence_deletes"] == expected.absences
    return expected


def parsed(row: Row) -> Row:
    """``changed_columns``, ``before`` and ``after`` as what their JSON says."""
    said = ("changed_columns", "before", "after")
    return {c: json.loads(v) if c in said and v is not None else v for c, v in row.items()}


def as_text(row: Row) -> Row:
    """The values within ``before`` and ``after`` as text."""
    documents = {
        c: {k: None if v is None else str(v) for k, v in row[c].items()} for c in ("before", "after") if row.get(c)
    }
    return row | documents


@pytest.mark.parametrize("patterns", PATTERNS, ids="+".join)
@QUICK
@given(data=st.data(), spec=st.sampled_from([*SPECS, *OTHERS]))
def test_any_stream_gives_what_the_oracle_gives(spec: Spec, patterns: tuple[Pattern, ...], data: st.DataObject) -> None:
    found = data.draw(loads(patterns))
    if found:
        compare(spec, found)


MIXED: tuple[Pattern, ...] = ("full", "incremental", "cdc")


@QUICK
@given(data=st.data(), spec=st.sampled_from(SPECS))
def test_scd_type_1_is_the_current_and_not_deleted_rows_of_scd_type_2(spec: Spec, data: st.DataObject) -> None:
    found = data.draw(loads(MIXED))
    if not found:
        return
    one = lake_of(replace(spec, model="scd_type_1"), found).build().rows
    two = lake_of(replace(spec, model="scd_type_2"), found).build().rows.filter("is_current")
    if spec.delete_mode == "tombstone":
        one, two = one.filter(~pl.col("is_deleted")), two.filter(~pl.col("is_deleted"))
    columns = [c for c in one.columns if c not in ("is_deleted", "deleted_at")]
    assert one.select(columns).to_dicts() == two.select(columns).to_dicts()


@QUICK
@given(data=st.data(), spec=st.sampled_from(SPECS))
def test_versions_do_not_overlap_are_not_empty_and_at_most_one_is_current(spec: Spec, data: st.DataObject) -> None:
    found = data.draw(loads(MIXED))
    if not found:
        return
    rows = lake_of(replace(spec, model="scd_type_2"), found).build().rows.sort("k", "effective_from")
    assert rows.filter(pl.col("effective_to") <= pl.col("effective_from")).is_empty()
    following = pl.col("effective_from").shift(-1).over("k")
    assert rows.filter(following.is_not_null() & (following < pl.col("effective_to").fill_null(following))).is_empty()
    assert rows.filter(pl.col("effective_to").is_null() != pl.col("is_current")).is_empty()
    assert rows.filter("is_current")["k"].is_unique().all()
    assert rows.filter(~pl.col("is_current") & following.is_null() & pl.col("effective_to").is_null()).is_empty()


@QUICK
@given(data=st.data(), spec=st.sampled_from([*SPECS, *OTHERS]))
def test_arrival_replay_and_replacement_leave_no_trace(spec: Spec, data: st.DataObject) -> None:
    """Everything but ``_bronze_part``, which names commits: those have other numbers."""
    found = data.draw(loads(MIXED))
    if not found:
        return
    expected = lake_of(spec, found).build()
    other = lake_of(spec, [])
    wrong = found[data.draw(st.integers(0, len(found) - 1))]
    order = data.draw(st.permutations([*found, *found[:2]]))
    for load in [replace(wrong, parts=(wrong.parts[0][:1],)), *order]:
        commit(other, load)
    built = other.build()
    assert built.rows.drop("_bronze_part").to_dicts() == expected.rows.drop("_bronze_part").to_dicts()
    assert built.accounting == expected.accounting


@QUICK
@given(data=st.data(), model=st.sampled_from(["scd_type_1", "scd_type_2"]), seed=st.integers(0, 9))
def test_changes_may_be_split_over_partitions_in_any_way(model: str, data: st.DataObject, seed: int) -> None:
    """cdc without ties: the partition that brought a change makes no difference to the attributes."""
    one_each = st.lists(rows("cdc"), max_size=10, unique_by=lambda r: (r["t"], r["k"] if r["op"] != "T" else 0))
    changes = data.draw(one_each)
    changes = [r for r in changes if r["op"] != "T" or all(o is r or o["t"] != r["t"] for o in changes)]
    if not changes:
        return
    spec = Spec(model, delete_mode=data.draw(st.sampled_from(["hard_delete", "tombstone", "erase", "ignore"])))
    whole = [Loaded(1, "cdc", DAY, (tuple(changes),))]
    chance = Random(seed)
    chance.shuffle(changes)
    count = chance.randint(1, 4)
    split = [Loaded(i + 1, "cdc", DAY + timedelta(days=i), (tuple(changes[i::count]),)) for i in range(count)]
    technical = ("_run_date", "_bronze_part")
    one, many = (lake_of(spec, found).build().rows.drop(technical) for found in (whole, split))
    assert one.to_dicts() == many.to_dicts()
