"""The sensor ``lost_runs``: runs whose worker is gone with everything that would have said so.

The code server notices when a worker that it started dies. When both are killed, or the machine restarts, nobody does:
the run stays "started" for ever, its pool stays taken, and no other run of the dataset begins. Only for Dagster's
default launcher, whose workers are processes beside this one; others know the health of theirs.
"""

import os
from collections.abc import Iterator

import dagster as dg

__all__ = ["lost_runs"]

_PID = "pid"


def lost_runs() -> dg.SensorDefinition:
    """Fails runs of this code location whose process is gone, so that retries begin and pools are free again."""

    @dg.sensor(
        name="lost_runs",
        minimum_interval_seconds=30,
        description="Fails runs whose worker is gone, so that they are retried and their pools are free.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        lost = list(_lost(context))
        for run in lost:
            context.instance.report_run_failed(run, "Its worker is gone: killed, or the machine was restarted.")
            context.instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        return dg.SkipReason(f"{len(lost)} runs had lost their worker." if lost else "None.")

    return sensor


def _lost(context: dg.SensorEvaluationContext) -> Iterator[dg.DagsterRun]:
    from dagster._core.launcher.default_run_launcher import DefaultRunLauncher

    if not isinstance(context.instance.run_launcher, DefaultRunLauncher):
        return
    here = context.code_location_origin
    for run in context.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        origin = run.remote_job_origin
        location = None if origin is None else origin.repository_origin.code_location_origin.location_name
        if here is not None and location not in (None, here.location_name):
            continue  # None: of the command line
        worker = _worker(context.instance, run.run_id)
        if worker is not None and not _is_alive(worker):
            yield run


def _worker(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process that said last that it executes steps of the run; None when none has yet."""
    for entry in reversed(instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)):
        event = entry.dagster_event
        found = event.engine_event_data.metadata.get(_PID) if event is not None else None
        if found is not None:
            return int(str(found.value))
    return None


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
