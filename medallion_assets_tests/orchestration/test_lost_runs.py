"""Runs whose worker is gone are failed; those that live, or live elsewhere, are not."""

import os
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.events import DagsterEvent, DagsterEventType, EngineEventData

from medallion_assets.orchestration.lost_runs import lost_runs


@dg.job
def nothing() -> None: ...


def _gone() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def started(instance: dg.DagsterInstance, worker: int | None) -> str:
    run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED)
    if worker is not None:
        data = EngineEventData.in_process(worker)
        event = DagsterEvent(DagsterEventType.ENGINE_EVENT.value, run.job_name, event_specific_data=data)
        instance.report_dagster_event(event, run.run_id)
    return run.run_id


def status(instance: dg.DagsterInstance, run: str) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run)
    assert found is not None
    return found.status


@pytest.mark.parametrize(
    ("launcher", "after"),
    [
        ("dagster._core.launcher.default_run_launcher.DefaultRunLauncher", dg.DagsterRunStatus.FAILURE),
        ("dagster._core.launcher.sync_in_memory_run_launcher.SyncInMemoryRunLauncher", dg.DagsterRunStatus.STARTED),
    ],
)
def test_only_workers_of_this_machine_that_are_gone(
    tmp_path_factory: pytest.TempPathFactory, launcher: str, after: dg.DagsterRunStatus
) -> None:
    module, _, name = launcher.rpartition(".")
    overrides = {"run_launcher": {"module": module, "class": name}}
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home")), overrides=overrides) as instance:
        gone, alive, unborn = (started(instance, pid) for pid in (_gone(), os.getpid(), None))
        said = lost_runs()(dg.build_sensor_context(instance))
        assert isinstance(said, dg.SkipReason)
        assert status(instance, gone) == after
        assert [status(instance, run) for run in (alive, unborn)] == [dg.DagsterRunStatus.STARTED] * 2
