"""``medallion run --dagster``: the same work as a plain run, as recorded Dagster runs in this process.

One run a contiguous range of partitions, for all datasets that ask for the same range of the same calendar: Dagster
knows a range by its ends, so a gap would be run as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from medallion_assets.errors import MedallionError
from medallion_assets.lake.ports import Progress
from medallion_assets.lake.results import Ingested, Refined
from medallion_assets.lake.window import Partition
from medallion_assets.orchestration.definitions import build_definitions, quiet
from medallion_assets.orchestration.partitions import partitions_of
from medallion_assets.orchestration.translator import DATASET
from medallion_assets.plan.model import Calendar, DatasetPlan
from medallion_assets.project import Project

__all__ = ["Executed", "Failed", "execute"]

_RANGE_START, _RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@dataclass(frozen=True, slots=True)
class Failed:
    """A dataset whose ingest or refine raised."""

    plan: DatasetPlan
    error: MedallionError


@dataclass(frozen=True, slots=True)
class Executed:
    """What the runs did, in the order it happened; their checks are in the results."""

    run_ids: tuple[str, ...]
    success: bool
    """No run failed: neither by an error nor by a blocking check."""
    ingested: tuple[Ingested, ...]
    refined: tuple[Refined, ...]
    failed: tuple[Failed, ...]


def execute(
    project: Project,
    plans: Sequence[DatasetPlan],
    partitions: Mapping[str, Sequence[Partition]],
    instance: dg.DagsterInstance,
    *,
    env: str | None = None,
    progress: Progress | None = None,
) -> Executed:
    """Materialise bronze and silver of ``plans`` for ``partitions`` (by plan name, in order), in this process.

    A failed run does not stop the next one. Every result is recorded in ``instance`` as if started from the UI.
    ``env`` is the one ``project`` was loaded for. Raises what ``instance`` raises when it cannot record.
    """
    watcher = _Recorder(progress)
    defs = build_definitions(project, env=env, watcher=watcher, plans=plans)
    run_ids, success = [], True
    for group in _groups(plans, partitions):
        result = _run(defs, group, instance)
        run_ids.append(result.run_id)
        success = success and result.success
    return Executed(tuple(run_ids), success, tuple(watcher.loads), tuple(watcher.tables), tuple(watcher.failures))


@dataclass(frozen=True, slots=True)
class _Group:
    """One run: these datasets, from the first to the last of these keys (one calendar)."""

    plans: tuple[DatasetPlan, ...]
    keys: tuple[str, ...]


def _groups(plans: Sequence[DatasetPlan], partitions: Mapping[str, Sequence[Partition]]) -> list[_Group]:
    """Runs in order of their datasets, then of time."""
    together: dict[tuple[Calendar, tuple[str, ...]], list[DatasetPlan]] = {}
    for plan in plans:
        for keys in _ranges(partitions[plan.name]):
            calendar = plan.calendar
            together.setdefault((calendar, keys), []).append(plan)
    return [_Group(tuple(members), keys) for (_, keys), members in together.items()]


def _ranges(partitions: Sequence[Partition]) -> list[tuple[str, ...]]:
    """Keys of runs of adjacent windows."""
    found: list[list[Partition]] = []
    for partition in sorted(partitions):
        if found and found[-1][-1].window.end == partition.window.start:
            found[-1].append(partition)
        else:
            found.append([partition])
    return [tuple(p.key for p in run) for run in found]


def _run(defs: dg.Definitions, group: _Group, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    names = {plan.name for plan in group.plans}
    keys = [spec.key for spec in defs.resolve_all_asset_specs() if spec.metadata.get(DATASET) in names]
    tags = {"medallion/intent": next(iter(names))} if len(names) == 1 else {}
    partition = None
    if partitions_of(group.plans[0].calendar) is not None:
        if len(group.keys) == 1:
            partition = group.keys[0]
        else:
            tags |= {_RANGE_START: group.keys[0], _RANGE_END: group.keys[-1]}
    with quiet():
        job = defs.resolve_implicit_job_def_def_for_assets(keys)
        if job is None:
            raise AssertionError(f"{sorted(names)} do not share one calendar")
        return job.execute_in_process(
            instance=instance, asset_selection=keys, partition_key=partition, tags=tags, raise_on_error=False
        )


@dataclass(frozen=True, slots=True)
class _Recorder:
    progress: Progress | None
    loads: list[Ingested] = field(default_factory=list)
    tables: list[Refined] = field(default_factory=list)
    failures: list[Failed] = field(default_factory=list)

    def ingested(self, done: Ingested) -> None:
        self.loads.append(done)

    def refined(self, done: Refined) -> None:
        self.tables.append(done)

    def failed(self, plan: DatasetPlan, error: MedallionError) -> None:
        self.failures.append(Failed(plan, error))
