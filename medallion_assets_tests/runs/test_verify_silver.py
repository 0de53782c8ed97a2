"""What is said of a silver table: its account, its keys, its versions, its columns, its rows."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl

from medallion_assets.lake.results import CheckResult, Held, Refined
from medallion_assets.runs.verify import verify_silver
from medallion_assets_tests.runs.verify_lake import Lake, MemoryTable, plan_of, refined

DAY = datetime(2024, 1, 1, tzinfo=timezone.utc)
NEXT = DAY + timedelta(days=1)
ROWS = pl.DataFrame({"id": ["1", "2"], "email": ["a", "b"]})
VERSIONS: dict[str, type[pl.DataType] | pl.DataType] = {
    "id": pl.String,
    "email": pl.String,
    "effective_from": pl.Datetime("us", "UTC"),
    "effective_to": pl.Datetime("us", "UTC"),
    "is_current": pl.Boolean,
}


def versions(*rows: tuple[str, str | None, datetime, datetime | None]) -> pl.DataFrame:
    whole = [(key, email, start, end, end is None) for key, email, start, end in rows]
    return pl.DataFrame(whole, schema=VERSIONS, orient="row")


GOOD = versions(("1", "a", DAY, NEXT), ("1", "x", NEXT, None), ("2", "b", DAY, None))


def lake_of(root: Path, more: str = "", silver: str = "{model: scd_type_2, keys: id}") -> tuple[Lake, Refined]:
    lake = Lake(root, plan_of(more, silver))
    lake.commit("2024-01-01", ROWS)
    lake.commit("2024-01-02", ROWS)
    return lake, refined(lake.plan, 3, {"2024-01-01": 2, "2024-01-02": 2}, bronze_n=2)


def verdicts(lake: Lake, done: Refined, rows: pl.DataFrame) -> dict[str, CheckResult]:
    silver = lake.plan.silvers[0]
    found = verify_silver(lake.plan, silver, done, store=lake.store, table=MemoryTable(rows))
    moved = {v.name for v in done.checks}
    assert [v.name for v in found] == [check.name for check in silver.checks if check.name not in moved]
    assert {(v.at, v.partition) for v in found} == {("silver", None)}
    return {v.name: v for v in found}


def test_a_good_history_passes_every_check(tmp_path: Path) -> None:
    lake, done = lake_of(tmp_path, "checks: [{rule: not_null, columns: email}, {rule: unique, columns: email}]")
    found = verdicts(lake, done, GOOD)
    assert {name: v.passed for name, v in found.items()} == dict.fromkeys(
        ("accounting", "unique_keys", "intervals", "schema_drift", "not_null_email", "unique_email"), True
    )
    assert found["accounting"].summary == (
        "4 rows = 4 events + 0 duplicates + 0 filtered + 0 quarantined; the table has 3 rows."
    )


def test_what_does_not_add_up_is_said(tmp_path: Path) -> None:
    lake, done = lake_of(tmp_path)
    lost = replace(done, events=3, rows=4)
    verdict = verdicts(lake, lost, GOOD)["accounting"]
    assert (verdict.passed, verdict.blocking) == (False, True)
    assert "4 rows were read and 3 are explained" in verdict.summary
    assert "the run reported 4 rows in the table, it holds 3" in verdict.summary


def test_bronze_that_moved_on_since_the_refine_does_not_disturb_its_account(tmp_path: Path) -> None:
    lake, done = lake_of(tmp_path)
    lake.commit("2024-01-03", ROWS)
    assert verdicts(lake, done, GOOD)["accounting"].passed
    ahead = replace(done, bronze_n=3)
    assert "the commit log holds 6 rows, silver read 4" in verdicts(lake, ahead, GOOD)["accounting"].summary


def test_two_versions_at_one_instant_and_intervals_that_overlap(tmp_path: Path) -> None:
    lake, done = lake_of(tmp_path)
    found = verdicts(lake, done, versions(("1", "a", DAY, None), ("1", "x", DAY, None), ("2", "b", NEXT, DAY)))
    assert found["unique_keys"].facts["failing"] == 2
    assert found["unique_keys"].facts["sample"] == "id=1, effective_from=2024-01-01 00:00:00+00:00"
    assert {kind: found["intervals"].facts[kind] for kind in ("empty", "overlaps", "flag")} == {
        "empty": 1,
        "overlaps": 1,
        "flag": 0,
    }


def test_unique_is_about_the_present_and_other_rules_about_every_row(tmp_path: Path) -> None:
    lake, done = lake_of(tmp_path, "checks: [{rule: not_null, columns: email}, {rule: unique, columns: email}]")
    past = versions(("1", None, DAY, NEXT), ("1", "b", NEXT, None), ("2", "b", DAY, NEXT))
    found = verdicts(lake, done, past)
    assert found["unique_email"].passed
    assert found["not_null_email"].facts["failing"] == 1


def test_a_table_of_one_row_a_key(tmp_path: Path) -> None:
    lake, done = lake_of(tmp_path, silver="{model: scd_type_1, keys: [id]}")
    twice = verdicts(lake, done, pl.DataFrame({"id": ["1", "1", "2"]}))
    assert list(twice) == ["accounting", "unique_keys", "schema_drift"]
    assert twice["unique_keys"].facts["sample"] == "id=1"


def test_a_snapshot_holds_every_event_and_is_unique_inside_a_date(tmp_path: Path) -> None:
    lake, done = lake_of(tmp_path, "checks: [{rule: unique, columns: id}]", "{model: periodic_snapshot}")
    dates = [DAY.date(), DAY.date(), NEXT.date()]
    rows = pl.DataFrame({"id": ["1", "2", "1"], "load_date": dates})
    found = verdicts(lake, done, rows)
    assert found["unique_id"].passed
    assert "4 events must be as many rows, the table holds 3" in found["accounting"].summary


def test_the_tables_columns_are_the_contracts(tmp_path: Path) -> None:
    contract = "columns: {id: string, email: {type: int32}, gone: date, hidden: string}"
    lake, done = lake_of(tmp_path, contract, "{model: scd_type_2, keys: id, exclude: hidden}")
    verdict = verdicts(lake, done, GOOD)["schema_drift"]
    assert not verdict.passed
    assert verdict.summary.startswith(
        "columns changed: `email` is String (was Int32 in the contract), first in the table;"
        " `gone` is missing (Date in the contract), first in the table."
    )


def test_a_rule_that_moved_rows_keeps_the_refines_verdict_and_gets_no_second(tmp_path: Path) -> None:
    rules = "checks: [{rule: not_null, columns: email, on_failure: quarantine}, {rule: not_null, columns: id}]"
    lake, done = lake_of(tmp_path, rules)
    moved = CheckResult("not_null_email", "silver", passed=False, severity="warn", summary="1 of 4 rows breaks it.")
    found = verdicts(lake, replace(done, checks=(moved,)), GOOD)
    assert "not_null_email" not in found
    assert found["not_null_id"].passed


def test_a_held_load_fails_the_account_and_is_named(tmp_path: Path) -> None:
    lake, done = lake_of(tmp_path)
    held = replace(done, events=2, filtered=2, held=(Held(2, "2024-01-02", keys=200, missing=150),))
    verdict = verdicts(lake, held, GOOD)["accounting"]
    assert not verdict.passed
    assert "2024-01-02 (commit 2) is held: it lacks 150 of 200 keys" in verdict.summary
    assert "rows were read" not in verdict.summary
