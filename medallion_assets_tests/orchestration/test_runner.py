from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from medallion_assets.errors import ExtractionError, StorageError
from medallion_assets.lake.window import Partition
from medallion_assets.orchestration.runner import Executed, UnexpectedError, execute
from medallion_assets.plan.calendar import partition_of
from medallion_assets_tests.orchestration.lakes import ScriptedProject
from medallion_assets_tests.orchestration.runs import materializations

ORDERS, CLICKS, SHOPS = "retail.orders", "web.clicks", "retail.shops"


def run(project: ScriptedProject, instance: dg.DagsterInstance, wanted: dict[str, list[int]]) -> Executed:
    """Days of January by dataset; no day: all of a dataset without partitions."""
    plans = [project.plan(name) for name in wanted]
    partitions = {
        plan.name: tuple(_partition(project, plan.name, day) for day in wanted[plan.name] or [1]) for plan in plans
    }
    return execute(project, plans, partitions, instance)


def _partition(project: ScriptedProject, name: str, day: int) -> Partition:
    return partition_of(project.plan(name).calendar, date(2024, 1, day))


def test_neighbours_share_a_run_and_a_gap_starts_another(
    project: ScriptedProject, instance: dg.DagsterInstance
) -> None:
    done = run(project, instance, {ORDERS: [1, 2, 4, 6, 5]})
    days = [f"2024-01-0{n}" for n in (1, 2, 4, 5, 6)]
    assert len(done.run_ids) == len(instance.get_runs()) == 4
    assert [i.partition.key for i in done.ingested] == days
    assert [(r.bronze_n, r.changed) for r in done.refined] == [(5, 20)]
    assert set(materializations(instance, "bronze/retail/orders")) == set(days)
    assert set(materializations(instance, "silver/sales/orders")) == set(days)


def test_datasets_of_one_calendar_and_range_share_a_run(project: ScriptedProject, instance: dg.DagsterInstance) -> None:
    done = run(project, instance, {ORDERS: [1, 2], CLICKS: [1, 2], SHOPS: []})
    assert len(done.run_ids) == 2
    assert len(done.ingested) == 5
    assert [str(r.entity) for r in done.refined].count("silver/web/clicks") == 1
    assert set(materializations(instance, "silver/retail/shops")) == {None}


def test_results_carry_their_checks(project: ScriptedProject, instance: dg.DagsterInstance) -> None:
    project.script.broken.add(("checksum", "2024-01-02"))
    done = run(project, instance, {ORDERS: [1, 2]})
    checksums = [c.passed for i in done.ingested for c in i.checks if c.name == "checksum"]
    assert (checksums, done.refined, done.failed) == ([True, False], (), ())


def test_an_error_comes_back_as_itself_and_the_next_run_goes_on(
    project: ScriptedProject, instance: dg.DagsterInstance
) -> None:
    error = StorageError("STO-002", "The disk is full.")
    project.script.raises["2024-01-02"] = [error]
    done = run(project, instance, {ORDERS: [1, 2, 3], SHOPS: []})
    assert [(f.plan.name, f.partition, f.error) for f in done.failed] == [(ORDERS, "2024-01-02", error)]
    assert [(str(i.dataset), i.partition.key) for i in done.ingested] == [(ORDERS, "2024-01-01"), (SHOPS, "all")]
    assert [str(r.entity) for r in done.refined] == ["silver/retail/shops"]


def test_partitions_with_bad_data_keep_none_of_the_others_from_silver(
    project: ScriptedProject, instance: dg.DagsterInstance
) -> None:
    error = ExtractionError("STO-002", "The file ends in the middle.")
    project.script.raises["2024-01-02"] = [error]
    done = run(project, instance, {ORDERS: [1, 2, 3]})
    assert [(f.partition, f.error) for f in done.failed] == [("2024-01-02", error)]
    assert [i.partition.key for i in done.ingested] == ["2024-01-01", "2024-01-03"]
    assert [r.bronze_n for r in done.refined] == [2]
    for asset in ("bronze/retail/orders", "silver/sales/orders"):
        assert set(materializations(instance, asset)) == {"2024-01-01", "2024-01-03"}


def test_a_bug_is_told_apart_from_an_error(project: ScriptedProject, instance: dg.DagsterInstance) -> None:
    project.script.raises["2024-01-01"] = [ZeroDivisionError("division by zero")]
    with pytest.raises(UnexpectedError, match="ZeroDivisionError: division by zero; see Dagster run "):
        run(project, instance, {ORDERS: [1], SHOPS: []})
    assert len(project.logs[SHOPS]) == 1


def test_force_and_restate_reach_the_ingest(project: ScriptedProject, instance: dg.DagsterInstance) -> None:
    plan = project.plan(ORDERS)
    wanted = {ORDERS: (_partition(project, ORDERS, 1),)}
    execute(project, [plan], wanted, instance, force=True)
    execute(project, [plan], wanted, instance, restate=True)
    assert project.script.forced == [(True, False), (False, True)]


def test_a_run_says_which_intent_it_is_of_and_prints_nothing(
    project: ScriptedProject, instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    run(project, instance, {ORDERS: [1]})
    assert instance.get_runs()[0].tags["medallion/intent"] == ORDERS
    assert capfd.readouterr() == ("", "")


def test_an_instance_on_disk_remembers(project: ScriptedProject, tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        run(project, instance, {ORDERS: [1, 2]})
    with dg.DagsterInstance.local_temp(str(tmp_path)) as again:
        assert set(materializations(again, "silver/sales/orders")) == {"2024-01-01", "2024-01-02"}
