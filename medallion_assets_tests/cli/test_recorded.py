"""``medallion run --dagster``: the same results, and a run that the UI can show."""

import json

import dagster as dg
import pytest

from medallion_assets_tests.cli.conftest import Lake


def test_a_recorded_run_gives_the_same_summary_and_is_in_the_instance(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")  # so that what the run sets is undone
    monkeypatch.delenv("DAGSTER_HOME")
    done = lake.run("run", "cities", "orders", "--from", "2024-01-01", "--to", "2024-01-03", "--dagster", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [(a["asset"], a["rows_in"], a["written"]) for a in found["assets"]] == [
        ("geo.cities", 2, 2),
        ("silver/geo/cities", 2, 2),
        ("shop.orders", 5, 5),
        ("silver/shop/orders", 5, 4),
    ]
    assert found["absent"] == {"shop.orders": ["2024-01-02"]}
    with dg.DagsterInstance.from_config(str(lake.root / ".dagster")) as instance:
        runs = {run.run_id: run.status for run in instance.get_runs()}
    assert runs == dict.fromkeys(found["run_ids"], dg.DagsterRunStatus.SUCCESS)
    assert len(runs) >= 3  # cities; and orders before and after the day that has no file


def test_dagster_home_makes_runs_recorded_and_plain_does_not(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(lake.root / "home"))
    assert len(json.loads(lake.run("run", "cities", "--json").out)["run_ids"]) == 1
    assert (lake.root / "home/dagster.yaml").is_file()
    assert json.loads(lake.run("run", "cities", "--plain", "--json").out)["run_ids"] == []


def test_a_recorded_run_can_be_forced(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(lake.root / "home"))
    assert lake.run("run", "cities").code == 0
    assert "Nothing new" in lake.run("run", "cities").out
    assert "Nothing new" not in lake.run("run", "cities", "--force").out


def test_a_failure_in_a_recorded_run_has_its_exit_code(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(lake.root / "home"))
    lake.write("data/cities.csv", "city,people\nBonn,1,2,3\n")
    done = lake.run("run", "cities")
    assert (done.code, "geo.cities all: failed\nCHK-010" in done.err) == (4, True)
    assert "Failed: geo.cities" in done.out
