"""Runs of definitions in this process, and what an instance remembers of them."""

from collections.abc import Sequence

import dagster as dg

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def run(
    defs: dg.Definitions, instance: dg.DagsterInstance, keys: Sequence[str], partitions: Sequence[str] = ()
) -> dg.ExecuteInProcessResult:
    """Materialise assets for nothing, one partition, or a range given by its first and last."""
    selection = [dg.AssetKey.from_user_string(key) for key in keys]
    job = defs.resolve_implicit_job_def_def_for_assets(selection)
    assert job is not None
    tags = {RANGE_START: partitions[0], RANGE_END: partitions[-1]} if len(partitions) > 1 else {}
    return job.execute_in_process(
        instance=instance,
        asset_selection=selection,
        partition_key=partitions[0] if len(partitions) == 1 else None,
        tags=tags,
        raise_on_error=False,
    )


def materializations(instance: dg.DagsterInstance, key: str) -> dict[str | None, dict[str, object]]:
    """Metadata of the newest materialisation by partition; asserts there is one of each."""
    records = instance.fetch_materializations(dg.AssetKey.from_user_string(key), limit=1000).records
    found = [r.asset_materialization for r in records]
    events: dict[str | None, dict[str, object]] = {
        m.partition: {name: v.value for name, v in m.metadata.items()} for m in found if m is not None
    }
    assert len(events) == len(found)
    return events


def evaluations(instance: dg.DagsterInstance, key: str, check: str) -> list[tuple[str | None, bool, str | None]]:
    """(partition, passed, text) of every evaluation of a check, oldest first."""
    found = []
    for run in reversed(instance.get_runs()):
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            assert entry.dagster_event is not None
            evaluation = entry.dagster_event.asset_check_evaluation_data
            if (evaluation.asset_key.to_user_string(), evaluation.check_name) == (key, check):
                found.append((evaluation.partition, evaluation.passed, evaluation.description))
    return found


def failure_text(result: dg.ExecuteInProcessResult) -> str:
    """All that Dagster stores of the step failures of a run."""
    return "\n".join(str(event) for event in result.all_events if event.is_step_failure)
