"""What a refine writes for merge, dedupe, derived events and rows that carry their own history: whole tables."""

from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.errors import StorageError
from medallion_assets.runs.verify import verify_silver
from medallion_assets_tests.runs.test_refine import Tables, tables  # noqa: F401 - the fixture
from medallion_assets_tests.silver.lake import CDC, Lake, plan_of, text

FIRST, SECOND = date(2024, 1, 1), date(2024, 1, 2)
HISTORY = "{pattern: current_history, interval: {start: since, end: until, current: now}}"


def at(day: int, hour: int = 0, month: int = 1) -> datetime:
    return datetime(2024, month, day, hour, tzinfo=timezone.utc)


def rows(columns: str, *lines: str) -> pl.DataFrame:
    """Cells of text; ``-`` is null."""
    names = columns.split()
    return text(
        [{n: None if c == "-" else c for n, c in zip(names, line.split(), strict=True)} for line in lines], names
    )


def verdicts(lake: Lake, tables: Tables) -> dict[str, bool]:  # noqa: F811
    silver = lake.plan.silvers[0]
    done = tables.refine(lake)
    found = verify_silver(lake.plan, silver, done, store=lake.store, table=tables.open())
    return {check.name: check.passed for check in found}


def test_merge_keeps_the_last_change_of_each_key_in_each_partition(tables: Tables) -> None:  # noqa: F811
    lake = Lake(plan_of("{model: incremental_merge, keys: id, order_by: at}", CDC))
    columns = "id at name op"
    lake.commit("2024-01-01", rows(columns, "1 2024-01-01 a I", "1 2024-01-02 b U", "2 2024-01-01 c I"))
    lake.commit("2024-01-02", rows(columns, "1 2024-01-02 b U", "2 2024-01-03 - D"))
    assert verdicts(lake, tables) == {
        "accounting": True, "unique_keys": True, "schema_drift": True,
    }  # fmt: skip
    assert sorted(tables.read(by="_run_date")) == [
        (1, date(2024, 1, 2), "b", "upsert", FIRST, "1/1"), (1, date(2024, 1, 2), "b", "upsert", SECOND, "2/1"),
        (2, date(2024, 1, 1), "c", "upsert", FIRST, "1/1"), (2, date(2024, 1, 3), None, "delete", SECOND, "2/1"),
    ]  # fmt: skip


def test_what_a_truncate_and_an_absence_delete_is_a_change_to_merge(tables: Tables) -> None:  # noqa: F811
    lake = Lake(plan_of("{model: incremental_merge, keys: id, order_by: at}", CDC))
    lake.commit("2024-01-01", rows("id at op", "1 2024-01-01T01:00:00Z I", "2 2024-01-01T01:00:00Z I"))
    lake.commit("2024-01-02", rows("id at", "1 2024-01-01T01:00:00Z"), pattern="full")
    lake.commit("2024-01-03", rows("id at op", "- 2024-01-03T01:00:00Z T"))
    tables.refine(lake)
    told = [(r[0], r[2], r[3]) for r in tables.read(by="_run_date")]
    assert sorted(told) == [
        (1, "delete", date(2024, 1, 3)), (1, "upsert", FIRST), (1, "upsert", SECOND),
        (2, "delete", SECOND), (2, "upsert", FIRST),
    ]  # fmt: skip


def test_dedupe_is_the_newest_full_partition_alone(tables: Tables) -> None:  # noqa: F811
    lake = Lake(plan_of("{model: full_merge_dedupe, keys: id, order_by: at}", "full"))
    lake.commit("2024-01-02", rows("id at name", "1 2024-01-01 a", "1 2024-01-02 b", "3 2024-01-01 c"))
    lake.commit("2024-01-01", rows("id at name", "2 2024-01-01 z"))
    assert verdicts(lake, tables)["unique_keys"]
    assert tables.read() == [
        (1, date(2024, 1, 2), "b", SECOND, "1/1"), (3, date(2024, 1, 1), "c", SECOND, "1/1"),
    ]  # fmt: skip


def test_derived_events_tell_each_change_once(tables: Tables) -> None:  # noqa: F811
    lake = Lake(plan_of("{model: derived_event, keys: id, order_by: at, track: [name, n]}", CDC))
    columns = "id at name n op"
    lake.commit("2024-01-01", rows(columns, "1 2024-01-01 a 1 I", "1 2024-01-02 a 1 U", "1 2024-01-04 b 2 U"))
    lake.commit("2024-01-02", rows(columns, "1 2024-01-03 a 2 U", "1 2024-01-05 - - D", "1 2024-01-06 a - U"))
    assert all(verdicts(lake, tables).values())
    assert tables.read(by="changed_at") == [
        (1, at(1), "insert", '["name","n"]', None, '{"name":"a","n":"1"}', FIRST, "1/1"),
        (1, at(3), "update", '["n"]', '{"name":"a","n":"1"}', '{"name":"a","n":"2"}', SECOND, "2/1"),
        (1, at(4), "update", '["name"]', '{"name":"a","n":"2"}', '{"name":"b","n":"2"}', FIRST, "1/1"),
        (1, at(5), "delete", '["name","n"]', '{"name":"b","n":"2"}', None, SECOND, "2/1"),
        (1, at(6), "insert", '["name"]', None, '{"name":"a","n":null}', SECOND, "2/1"),
    ]


def test_a_history_is_taken_as_it_comes_and_the_latest_row_of_a_start_stands(tables: Tables) -> None:  # noqa: F811
    lake = Lake(plan_of("{model: scd_type_2, keys: id, attributes: [name]}", HISTORY))
    columns = "id since until now name"
    lake.commit("2024-01-02", rows(columns, "1 2024-02-01 2024-02-11 n b", "1 2024-02-11 9999-12-31 y c"))
    lake.commit("2024-01-01", rows(columns, "1 2024-01-01 2024-02-01 n a", "1 2024-02-01 - y b"))
    assert all(verdicts(lake, tables).values())
    assert tables.read() == [
        (1, "a", at(1), at(1, month=2), False, FIRST, "2/1"),
        (1, "b", at(1, month=2), at(11, month=2), False, SECOND, "1/1"),
        (1, "c", at(11, month=2), None, True, SECOND, "1/1"),
    ]


def test_the_state_of_a_history_is_its_current_rows(tables: Tables) -> None:  # noqa: F811
    lake = Lake(plan_of("{model: scd_type_1, keys: id}", HISTORY))
    lake.commit("2024-01-01", rows("id since until now name", "1 2024-01-01 2024-02-01 n a", "1 2024-02-01 - y b"))
    tables.refine(lake)
    assert tables.read() == [(1, "b", FIRST, "1/1")]


def test_the_last_day_of_a_closed_interval_belongs_to_it(tables: Tables) -> None:  # noqa: F811
    load = HISTORY.replace("until,", "until, closed: true,")
    plan = plan_of("{model: scd_type_2, keys: id, attributes: [name]}", load)
    lake = Lake(replace(plan, calendar=replace(plan.calendar, timezone="Europe/Berlin")))
    lake.commit("2024-01-01", rows("id since until now name", "1 2024-01-01 2024-01-31 n a", "1 2024-02-01 - y b"))
    assert all(verdicts(lake, tables).values())
    edge = datetime(2024, 1, 31, 23, tzinfo=timezone.utc)
    assert [r[2:4] for r in tables.read()] == [(datetime(2023, 12, 31, 23, tzinfo=timezone.utc), edge), (edge, None)]


def test_versions_that_overlap_fail_the_check_of_intervals(tables: Tables) -> None:  # noqa: F811
    lake = Lake(plan_of("{model: scd_type_2, keys: id, attributes: [name]}", HISTORY))
    lake.commit("2024-01-01", rows("id since until now name", "1 2024-01-01 2024-02-02 n a", "1 2024-02-01 - y b"))
    assert {name for name, passed in verdicts(lake, tables).items() if not passed} == {"intervals"}


def test_an_interval_that_is_no_time_is_refused(tables: Tables) -> None:  # noqa: F811
    lake = Lake(plan_of("{model: scd_type_2, keys: id, attributes: [name]}", HISTORY))
    lake.commit("2024-01-01", rows("id since until now name", "1 soon late n a"))
    with pytest.raises(StorageError, match=r"SLV-010[\s\S]*`load.interval` names 'since'"):
        tables.refine(lake)


VERSIONS = st.fixed_dictionaries({
    "id": st.integers(0, 1), "since": st.integers(1, 5), "until": st.one_of(st.none(), st.integers(6, 9)),
    "now": st.just("n"), "name": st.sampled_from("ab"),
})  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(VERSIONS, min_size=1, max_size=4), min_size=1, max_size=4), st.randoms())
def test_a_history_depends_on_partitions_not_on_their_arrival(days: list[list[dict[str, Any]]], chance: Any) -> None:
    lake = Lake(plan_of("{model: scd_type_2, keys: id, attributes: [name]}", HISTORY))
    order = list(range(len(days)))
    chance.shuffle(order)
    for day in order:
        told = [row | {c: row[c] and f"2024-01-0{row[c]}" for c in ("since", "until")} for row in days[day]]
        partition = (FIRST + timedelta(days=day)).isoformat()
        lake.commit(partition, text(told, ["id", "since", "until", "now", "name"]))
    expected: dict[tuple[int, int], tuple[Any, ...]] = {}
    for versions in days:
        for row in versions:
            until = row["until"] and at(row["until"])
            expected[row["id"], row["since"]] = (row["id"], row["name"], at(row["since"]), until, until is None)
    built = lake.build().rows
    assert [r[:5] for r in built.rows()] == [expected[key] for key in sorted(expected)]
