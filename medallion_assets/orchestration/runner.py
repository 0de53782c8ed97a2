"""``medallion run --dagster``: the same work as a plain run, as recorded Dagster runs in this process.

Dagster knows a range of partitions by its ends, so a gap starts another run. A dataset without a gap is one run, shared
by all that ask for the same range of the same calendar; with gaps its bronze ranges come first, then its silver ones,
the first of which absorbs everything.
"""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import dagster as dg

from medallion_assets.errors import CheckError, ExtractionError, MedallionError
from medallion_assets.lake.ports import Progress
from medallion_assets.lake.results import Ingested, Refined
from medallion_assets.lake.window import Partition
from medallion_assets.orchestration.assets import ingest_op, refine_op
from medallion_assets.orchestration.definitions import build_definitions, quiet
from medallion_assets.orchestration.families import key_of, shared_name
from medallion_assets.orchestration.partitions import is_partitioned, know_files
from medallion_assets.orchestration.requests import RANGE_END, RANGE_START, contiguous
from medallion_assets.orchestration.translator import DATASET, ENTITY
from medallion_assets.orchestration.watching import NoWatcher, Watcher
from medallion_assets.plan.model import Calendar, DatasetPlan
from medallion_assets.project import Project

__all__ = ["Executed", "Failed", "UnexpectedError", "execute"]

_BLOCKED = "DagsterAssetCheckFailedError"
"""Dagster's own word for a step that a blocking check stopped; not among its public names."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An error of a dataset: of one partition's ingest, or (None) of verifying or refining."""

    plan: DatasetPlan
    partition: str | None
    error: MedallionError


@dataclass(frozen=True, slots=True)
class Executed:
    """What the runs did, in the order it happened; checks are in the results."""

    run_ids: tuple[str, ...]
    ingested: tuple[Ingested, ...]
    refined: tuple[Refined, ...]
    """One a table, however many runs touched it."""
    failed: tuple[Failed, ...]
    success: bool
    """No error and no failed blocking check."""


class UnexpectedError(RuntimeError):
    """A run failed by what is no MedallionError: a bug, or a machine out of memory. The text is scrubbed."""


def execute(
    project: Project,
    plans: Sequence[DatasetPlan],
    partitions: Mapping[str, Sequence[Partition]],
    instance: dg.DagsterInstance,
    *,
    env: str | None = None,
    force: bool = False,
    restate: bool = False,
    allow_deletes: bool = False,
    whole: bool = False,
    progress: Progress | None = None,
    watcher: Watcher | None = None,
) -> Executed:
    """Materialise bronze and silver of ``plans`` for ``partitions`` (by plan name), in this process.

    As in a plain run, a failed dataset stops no other, and partitions whose data is bad keep none of the others from
    silver. Everything is recorded in ``instance`` as if it had been started from the UI. ``env`` is the one ``project``
    was loaded for; ``watcher`` hears of results as they happen, and without one ``progress`` hears of rows. Raises
    UnexpectedError when all is done, and what ``instance`` raises when it cannot record.
    """
    gc.freeze()  # modules live as long as the process: walking through them, also at exit, is a third of a small run
    recorder = _Recorder(watcher or NoWatcher(progress))
    config = {name: True for name, asked in (("force", force), ("restate", restate), ("whole", whole)) if asked}
    defs = build_definitions(project, env=env, watcher=recorder, plans=plans)
    runs = _Runs(defs, instance, config, {"allow_deletes": True} if allow_deletes else {})
    for group in _groups([plan for plan in plans if plan.has_bronze], partitions):
        runs.run(group)
    for plan in plans:
        if plan.silvers and (recorder.waits_for_silver(plan) if plan.has_bronze else not recorder.forbids(plan)):
            for keys in _ranges(_to_absorb(project, plan, partitions, recorder)):
                runs.run(_Group((plan,), keys, bronze=False))
    if runs.unexpected:
        raise UnexpectedError("\n".join(dict.fromkeys(runs.unexpected)))
    return Executed(
        tuple(runs.ids),
        tuple(recorder.loads),
        recorder.tables,
        tuple(recorder.failures),
        not (recorder.failures or recorder.blocked),
    )


def _to_absorb(
    project: Project, plan: DatasetPlan, asked: Mapping[str, Sequence[Partition]], recorder: "_Recorder"
) -> list[Partition]:
    """What was loaded just now; of a table on another's bronze, what was asked for and is there."""
    if plan.has_bronze:
        return [load.partition for load in recorder.loads if load.dataset == plan.dataset]
    live = {commit.load.partition for commit in project.head(plan).live}
    return [partition for partition in asked[plan.name] if partition.key in live] or [*asked[plan.name][-1:]]


@dataclass(frozen=True, slots=True)
class _Group:
    """One run: these datasets, from the first to the last of these keys (one calendar, one tenant)."""

    plans: tuple[DatasetPlan, ...]
    keys: tuple[str, ...]
    bronze: bool = True
    silver: bool = True


def _groups(plans: Sequence[DatasetPlan], partitions: Mapping[str, Sequence[Partition]]) -> list[_Group]:
    """Runs in order of their datasets, then of time."""
    together: dict[tuple[Calendar, str | None, tuple[str, ...], bool], list[DatasetPlan]] = {}
    for plan in plans:
        ranges = _ranges(partitions[plan.name])
        for keys in ranges:
            together.setdefault((plan.calendar, plan.dataset.tenant, keys, len(ranges) == 1), []).append(plan)
    return [_Group(tuple(members), keys, silver=whole) for (_, _, keys, whole), members in together.items()]


def _ranges(partitions: Sequence[Partition]) -> list[tuple[str, ...]]:
    """Keys of adjacent windows."""
    return [tuple(p.key for p in run) for run in contiguous(partitions)]


@dataclass(frozen=True, slots=True)
class _Runs:
    defs: dg.Definitions
    instance: dg.DagsterInstance
    config: Mapping[str, bool]
    """What every ingest is configured with."""
    refining: Mapping[str, bool]
    """What every refine is configured with."""
    ids: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    def run(self, group: _Group) -> None:
        keys = self._keys(group)
        with quiet():
            job = self.defs.resolve_implicit_job_def_def_for_assets(keys)
            plan = group.plans[0]
            for one in group.plans:
                know_files(self.instance, one, group.keys)
            if job is None:
                raise AssertionError(f"{[plan.name for plan in group.plans]} do not share one calendar")
            result = job.execute_in_process(
                run_config=self._config(group),
                instance=self.instance,
                asset_selection=keys,
                partition_key=key_of(plan, group.keys[0]) if len(group.keys) == 1 and _is_partitioned(group) else None,
                tags=_tags(group),
                raise_on_error=False,
            )
        self.ids.append(result.run_id)
        self.unexpected.extend(_unexpected(result))

    def _keys(self, group: _Group) -> list[dg.AssetKey]:
        names = {shared_name(plan) for plan in group.plans}
        return [
            spec.key
            for spec in self.defs.resolve_all_asset_specs()
            if spec.metadata.get(DATASET) in names and (group.silver if ENTITY in spec.metadata else group.bronze)
        ]

    def _config(self, group: _Group) -> dict[str, object]:
        """The event log has everything; the terminal belongs to the command line."""
        silent = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        ops: dict[str, object] = {}
        for plan in group.plans:
            if self.config and group.bronze:
                ops[ingest_op(plan)] = {"config": dict(self.config)}
            if self.refining and group.silver and plan.silvers:
                ops[refine_op(plan)] = {"config": dict(self.refining)}
        return {**silent, "ops": ops} if ops else {**silent}


def _is_partitioned(group: _Group) -> bool:
    return is_partitioned(group.plans[0])


def _tags(group: _Group) -> dict[str, str]:
    tags = {"medallion/intent": group.plans[0].name} if len(group.plans) == 1 else {}
    if len(group.keys) > 1:
        ends = (key_of(group.plans[0], key) for key in (group.keys[0], group.keys[-1]))
        tags |= dict(zip((RANGE_START, RANGE_END), ends, strict=True))
    return tags


def _unexpected(result: dg.ExecuteInProcessResult) -> list[str]:
    """What made the run fail, but for errors with a code and blocking checks."""
    if result.success:
        return []
    steps = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    if not steps:
        return [f"Dagster run {result.run_id} failed outside its steps; see its events."]
    found = []
    for step in steps:
        own, error = step.user_failure_data, step.error
        if own is not None and "code" not in own.metadata:
            found.append(f"{own.description}; see Dagster run {result.run_id}.")
        elif own is None and error is not None and error.cls_name != _BLOCKED:
            found.append(f"{error.message.strip()}; see Dagster run {result.run_id}.")
    return found


@dataclass(frozen=True, slots=True)
class _Recorder:
    """A watcher that remembers, in front of another that shows."""

    watcher: Watcher
    loads: list[Ingested] = field(default_factory=list)
    failures: list[Failed] = field(default_factory=list)
    _refined: list[Refined] = field(default_factory=list)

    @property
    def progress(self) -> Progress | None:
        return self.watcher.progress

    def ingested(self, done: Ingested) -> None:
        self.watcher.ingested(done)

    def verified(self, done: Ingested) -> None:
        self.loads.append(done)
        self.watcher.verified(done)

    def refined(self, done: Refined) -> None:
        self._refined.append(done)
        self.watcher.refined(done)

    def failed(self, plan: DatasetPlan, partition: str | None, error: MedallionError) -> None:
        self.failures.append(Failed(plan, partition, error))
        self.watcher.failed(plan, partition, error)

    @property
    def tables(self) -> tuple[Refined, ...]:
        """The last result of each table, with what all of them changed."""
        last: dict[tuple[str, int], Refined] = {}
        for done in self._refined:
            key = (str(done.entity), done.entity.version)
            before = last.get(key)
            last[key] = done if before is None else _and_then(before, done)
        return tuple(last.values())

    @property
    def blocked(self) -> bool:
        """Whether a blocking check failed."""
        verdicts = [c for load in self.loads for c in load.checks] + [c for t in self._refined for c in t.checks]
        return any(check.blocking and not check.passed for check in verdicts)

    def forbids(self, plan: DatasetPlan) -> bool:
        """Whether the bronze of another dataset, which this one reads, turned out in this run to be unusable."""
        loads = [load for load in self.loads if str(load.dataset) in plan.upstream]
        failures = [failure for failure in self.failures if failure.plan.name in plan.upstream]
        return any(f.partition is None for f in failures) or any(
            check.blocking and not check.passed for load in loads for check in load.checks
        )

    def waits_for_silver(self, plan: DatasetPlan) -> bool:
        """Whether loads were left without silver although nothing but the data of others was at fault."""
        loads = [load for load in self.loads if load.dataset == plan.dataset]
        failures = [failure for failure in self.failures if failure.plan is plan]
        return (
            bool(loads)
            and not any(done.dataset == plan.dataset for done in self._refined)
            and all(f.partition and isinstance(f.error, ExtractionError | CheckError) for f in failures)
            and not any(check.blocking and not check.passed for load in loads for check in load.checks)
        )


def _and_then(before: Refined, after: Refined) -> Refined:
    return replace(
        after,
        written=before.written or after.written,
        changed=before.changed + after.changed,
        seconds=before.seconds + after.seconds,
    )
