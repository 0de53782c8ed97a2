"""What is said of a bronze partition: its bytes, its columns, its rows."""

from pathlib import Path

import polars as pl

from medallion_assets.lake.results import CheckResult
from medallion_assets.runs.verify import verify_bronze
from medallion_assets_tests.runs.verify_lake import Lake, plan_of

RULES = """
columns: {key: {type: string, source_names: [ID, id], pii: true}, placed: {type: date, format: "%d.%m.%Y"}}
checks:
  - {rule: not_null, columns: key, at: bronze}
  - {rule: range, columns: amount, min: 0, at: bronze, on_failure: warn, threshold: 50%}
  - {rule: range, columns: placed, min: 2024-01-01, at: bronze, name: placed}
  - {rule: unique, columns: [key], at: bronze}
  - {rule: not_null, columns: amount}
"""
FIRST = pl.DataFrame({"ID": ["1", "2"], "amount": ["5", "-5"], "placed": ["02.01.2024", None]})
SECOND = pl.DataFrame({"ID": ["2", None], "amount": ["x", "7"], "placed": ["31.12.2023", "01.01.2024"]})


def verdicts(lake: Lake, key: str) -> dict[str, CheckResult]:
    found = verify_bronze(lake.plan, lake.partition(key), store=lake.store)
    assert [v.name for v in found] == [check.name for check in lake.plan.checks]
    assert {v.partition for v in found} == {key}
    assert {v.at for v in found} == {"bronze"}
    return {v.name: v for v in found}


def test_every_check_of_the_plan_has_one_verdict(tmp_path: Path) -> None:
    lake = Lake(tmp_path, plan_of(RULES, silver="{model: scd_type_2, keys: key}"))
    commit = lake.commit("2024-01-01", FIRST, SECOND, refused=3)
    found = verdicts(lake, "2024-01-01")
    assert {name: v.passed for name, v in found.items()} == {
        "checksum": True,
        "schema_drift": True,
        "not_null_key": False,
        "range_amount": True,
        "placed": False,
        "unique_key": False,
    }
    assert found["checksum"].facts == {
        "parts": 2,
        "rows": 4,
        "bytes": sum(part.bytes for part in commit.load.parts),
        "refused": 3,
        "faults": 0,
    }
    assert found["not_null_key"].facts["sample"] == "_commit=1, _part=2, _row=1, key=***"
    assert (found["range_amount"].facts["failing"], found["range_amount"].severity) == (2, "warn")
    assert found["placed"].facts["sample"] == "_commit=1, _part=2, _row=0, placed=2023-12-31"
    assert found["unique_key"].facts["failing"] == 2
    assert found["unique_key"].facts["sample"] == "key=***"


def test_each_damage_is_found_and_named_and_its_rows_are_not_judged(tmp_path: Path) -> None:
    for number, damage in enumerate(("missing", "shorter", "flipped")):
        lake = Lake(tmp_path / damage, plan_of(RULES, silver="{model: scd_type_2, keys: key}"))
        (tmp_path / damage).mkdir()
        part = lake.commit("2024-01-01", FIRST, SECOND).load.parts[1]
        path = lake.path(part)
        data = bytearray(path.read_bytes())
        path.unlink()
        if damage == "shorter":
            path.write_bytes(data[:-1])
        elif damage == "flipped":
            data[20] ^= 1
            path.write_bytes(data)
        found = verdicts(lake, "2024-01-01")
        checksum = found.pop("checksum")
        assert (checksum.passed, checksum.blocking, checksum.severity) == (False, True, "error")
        assert checksum.facts["faults"] == 1
        assert checksum.summary.startswith(part.path), number
        assert found.pop("schema_drift").passed
        assert {v.summary for v in found.values()} == {"not judged: the rows are not those committed; see checksum."}
        assert not any(v.passed for v in found.values())


def test_drift_is_against_the_contract_and_the_partition_before_in_time(tmp_path: Path) -> None:
    lake = Lake(tmp_path, plan_of("columns: {lid: string}"))
    lake.commit("2024-01-03", pl.DataFrame({"id": ["1"], "lid": ["a"], "extra": ["x"]}))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1"], "lid": ["a"]}))
    lake.commit("2024-01-02", pl.DataFrame({"id": ["1"]}))
    first, second, third = (verdicts(lake, f"2024-01-0{n}")["schema_drift"] for n in (1, 2, 3))
    assert first.passed
    assert second.summary.startswith(
        "columns changed: `lid` is missing (string in the contract), first in 2024-01-02;"
        " `lid` is missing (String in the previous partition), first in 2024-01-02."
    )
    assert third.facts["changes"] == 2
    assert (third.severity, third.blocking) == ("warn", False)
    assert "`extra` is new (String; not in the previous partition), first in 2024-01-03" in third.summary


def test_the_schema_mode_decides_what_drift_is_worth(tmp_path: Path) -> None:
    rows = pl.DataFrame({"id": ["1"], "new": ["a"]})
    for mode, passed in (("strict", False), ("lenient", True), ("auto", True)):
        (tmp_path / mode).mkdir()
        lake = Lake(tmp_path / mode, plan_of(f"schema_mode: {mode}\ncolumns: {{id: string}}"))
        lake.commit("2024-01-01", rows)
        assert verdicts(lake, "2024-01-01")["schema_drift"].passed is passed, mode


def test_an_empty_load_and_one_that_is_not_there(tmp_path: Path) -> None:
    lake = Lake(tmp_path, plan_of("checks: [{rule: not_null, columns: id, at: bronze}]"))
    lake.commit("2024-01-01", pl.DataFrame(schema={"id": pl.String}))
    assert all(v.passed for v in verdicts(lake, "2024-01-01").values())
    absent = verdicts(lake, "2024-01-02")
    assert {v.summary for v in absent.values()} == {
        "nothing is committed for 2024-01-02. Fix: load it with `medallion run shop.orders`."
    }
    assert not any(v.passed for v in absent.values())
