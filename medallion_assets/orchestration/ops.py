"""What the two ops of an intent do while they run: for its plan, or for the plans of the tenants asked for."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

import dagster as dg
from pydantic import Field

from medallion_assets.bronze.decide import live_of
from medallion_assets.lake.results import CheckResult, Ingested, Refined
from medallion_assets.lake.window import Partition
from medallion_assets.orchestration.checks import Verdicts
from medallion_assets.orchestration.events import evaluations, materialized, targets
from medallion_assets.orchestration.failures import RETRIES, DataFailure, reported, together
from medallion_assets.orchestration.families import Family, key_of
from medallion_assets.orchestration.handles import BronzeHandle, SilverHandle
from medallion_assets.orchestration.metadata import Metadata, column_lineage, ingested_metadata, refined_metadata
from medallion_assets.orchestration.resources import LakeResource
from medallion_assets.orchestration.watching import Watcher
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.project import Project

__all__ = ["Event", "IngestConfig", "Op", "RefineConfig", "ingested", "ops_of", "refined"]

Event = dg.MaterializeResult[object] | dg.AssetCheckResult


class IngestConfig(dg.Config):
    """What the launchpad asks before a run."""

    force: bool = Field(default=False, description="Commit again although the content is the same.")
    restate: bool = Field(default=False, description="Load a source that is read now into an older partition.")
    whole: bool = Field(default=False, description="Load the whole state of what is otherwise loaded by its changes.")


class RefineConfig(dg.Config):
    """What the launchpad asks before a run."""

    allow_deletes: bool = Field(
        default=False, description="Absorb these partitions although they delete more keys than the guard lets pass."
    )


@dataclass(frozen=True, slots=True)
class Op:
    """What one op does for one plan while it runs: for the intent, or for one of its tenants."""

    context: dg.AssetExecutionContext
    project: Project
    plan: DatasetPlan
    watcher: Watcher
    keys: tuple[str, ...]
    """Of the partitions of the run, as the plan names them."""

    @property
    def dagster_keys(self) -> tuple[str, ...]:
        return tuple(key_of(self.plan, key) for key in self.keys)

    def refine(self, silver: SilverPlan, spec: dg.AssetSpec, config: RefineConfig) -> "_Refinement":
        with self._reported(None):
            done = self.project.refine(
                self.plan,
                silver,
                allow_deletes=self.keys if config.allow_deletes else (),
                run_id=self.context.run.run_id,
                progress=self.watcher.progress,
            )
            done = replace(done, checks=(*done.checks, *self.project.verify_silver(self.plan, silver, done)))
            url = self.project.store(silver.store).url(silver.path)
            table = self.project.table(silver)
            lineage = column_lineage(self.plan, silver, spec, done, self.project.head(self.plan))
        self.watcher.refined(done)
        self.context.log.info(f"{silver.entity}: {done.rows} rows, {done.changed} changed")
        handle = SilverHandle(silver.entity, silver.model, table, done.table_version)
        return _Refinement(self, done, handle, refined_metadata(done, url, self.plan.columns, lineage))

    def named(self, checks: Sequence[CheckResult]) -> Iterator[CheckResult]:
        """Verdicts by Dagster's names for partitions; one on a tenant's whole table stands for each of its own."""
        for check in checks:
            if check.partition is not None:
                yield replace(check, partition=key_of(self.plan, check.partition))
            elif self.plan.dataset.tenant is None:
                yield check
            else:
                yield from (replace(check, partition=key) for key in self.dagster_keys)

    def load(self, config: IngestConfig) -> tuple[list[Ingested], list[dg.Failure]]:
        """Every partition of the run, in order. Bad data of one does not stop the next; a bad lake or intent does."""
        loads: list[Ingested] = []
        failures: list[dg.Failure] = []
        for key in self.keys:
            try:
                loads.append(self._partition(key, config))
            except dg.Failure as failure:  # noqa: PERF203 - one file or request each: the block costs nothing beside it
                failures.append(failure)
                if failure.allow_retries or not isinstance(failure, DataFailure):
                    break
        return loads, failures

    def _partition(self, key: str, config: IngestConfig) -> Ingested:
        partition = self.project.known(self.plan, key)
        with self._reported(key):
            plan = self.project.whole(self.plan) if config.whole else self.plan
            if not config.whole:
                self._refresh(partition)
            done = self._loaded_before(plan, partition) or self.project.ingest(
                plan,
                partition,
                run_id=self.context.run.run_id,
                force=config.force,
                restate=config.restate,
                progress=self.watcher.progress,
            )
        self.watcher.ingested(done)
        outcome = "loaded" if done.written else "unchanged"
        self.context.log.info(f"{self.plan.name} {key}: {outcome}, {done.commit.load.rows} rows")
        return done

    def _refresh(self, partition: Partition) -> None:
        """Load the whole state, too, when it is time; the current partition may be none of this run's."""
        whole = self.project.refresh(
            self.plan, partition, run_id=self.context.run.run_id, progress=self.watcher.progress
        )
        if whole is None:
            return
        self.watcher.ingested(whole)
        self.context.log.info(f"{self.plan.name} {whole.partition.key}: whole state, {whole.commit.load.rows} rows")
        if whole.partition != partition:
            self.record(self.context.assets_def.key, [whole])

    def _loaded_before(self, plan: DatasetPlan, partition: Partition) -> Ingested | None:
        """What an earlier try of this run has committed: a run that was killed goes on behind it."""
        if self.context.run.parent_run_id is None and not self.context.retry_number:
            return None
        live = live_of(self.project.head(plan), plan.bronze.pattern, partition.window)
        if live is None or live.load.run_id not in self._tries() or self.project.unloaded(plan, (partition,)):
            return None
        return Ingested(self.plan.dataset, partition, live, written=False, seconds=0.0)

    def _tries(self) -> set[str]:
        """Ids of the run and of those that it is a retry of."""
        run = self.context.run
        group = None if run.parent_run_id is None else self.context.instance.get_run_group(run.run_id)
        return {run.run_id, *(one.run_id for one in (group[1] if group else ()))}

    def verify(self, loads: Sequence[Ingested]) -> list[Ingested]:
        """All loads with their checks. Raises Failure when the lake cannot be read."""
        if not loads:
            return []
        with self._reported(None):
            head = self.project.head(self.plan)
            judged = [
                self._judged(one, self.project.verify_bronze(self.plan, one.partition, head=head)) for one in loads
            ]
        for one in judged:
            self.watcher.verified(one)
        return judged

    @staticmethod
    def _judged(one: Ingested, checks: tuple[CheckResult, ...]) -> Ingested:
        return replace(one, checks=(*one.checks, *checks))

    def metadata(self, done: Ingested) -> Metadata:
        path = f"{self.plan.bronze.path}/{done.commit.load.path}"
        return ingested_metadata(done, self.project.store(self.plan.bronze.store).url(path))

    def add_metadata(self, metadata: Metadata, key: dg.AssetKey, partition: str) -> None:
        of = key_of(self.plan, partition) if _is_partitioned(self.context) else None
        self.context.add_asset_metadata(metadata, asset_key=key, partition_key=of)

    def record(self, key: dg.AssetKey, done: Sequence[Ingested]) -> None:
        """What was committed before a failure is there, and nobody need be told to load it again."""
        for one in done:
            name = key_of(self.plan, one.partition.key)
            self.context.log_event(materialized(key, name, self.metadata(one), one.commit.load.content))

    def _reported(self, partition: str | None) -> AbstractContextManager[None]:
        return reported(self.project.scrub, partial(self.watcher.failed, self.plan, partition))


# ------------------------------------------------------------------------------------------------ a run


@dataclass(frozen=True, slots=True)
class _Refinement:
    """A table after its refine."""

    op: "Op"
    done: Refined
    handle: SilverHandle
    metadata: Metadata


def ops_of(context: dg.AssetExecutionContext, family: Family, watcher: Watcher) -> tuple[Op, ...]:
    """One for each tenant that partitions of the run belong to; one, when there are no tenants."""
    lake: LakeResource = context.resources.lake
    project, slices = lake.open(), family.slices(_partition_keys(context))
    return tuple(Op(context, project, one.plan, watcher, one.keys) for one in slices)


def ingested(ops: Sequence[Op], key: dg.AssetKey, config: IngestConfig) -> Iterator[Event]:
    """Load the partitions of each, then judge all of them. What stops one tenant stops no other."""
    context = ops[0].context
    tried = [(op, *op.load(config)) for op in ops]
    failures = [failure for _, _, failed in tried for failure in failed]
    again = next((failure for failure in failures if failure.allow_retries), None)
    if again is not None and context.retry_number < RETRIES.max_retries:
        raise again
    loads = [(op, op.verify(done)) for op, done, _ in tried]
    if failures:
        for op, done in loads:
            op.record(key, done)
        raise together(failures)
    for op, done in loads:
        for one in done:
            op.add_metadata(op.metadata(one), key, one.partition.key)
    contents = [(key_of(op.plan, d.partition.key), d.commit.load.content) for op, done in loads for d in done]
    yield dg.MaterializeResult(asset_key=key, value=_handle(*loads[-1]), data_version=_version(contents))
    given = tuple(check for op, done in loads for one in done for check in op.named(one.checks))
    yield from _checks(context, key, Verdicts(tuple(name for name, _ in contents), ops[0].plan.checks, given))


def _handle(op: Op, done: Sequence[Ingested]) -> BronzeHandle:
    commits = tuple(sorted((d.commit for d in done), key=lambda commit: commit.n))
    return BronzeHandle(op.plan.dataset, commits, partial(op.project.scan_bronze, op.plan, commits))


def refined(ops: Sequence[Op], index: int, spec: dg.AssetSpec, config: RefineConfig) -> Iterator[Event]:
    """Bring the table at ``index`` of each plan up to its bronze. What stops one tenant stops no other."""
    context, key = ops[0].context, spec.key
    found: list[_Refinement] = []
    failures: list[dg.Failure] = []
    for op in ops:
        try:
            found.append(op.refine(op.plan.silvers[index], spec, config))
        except dg.Failure as failure:  # noqa: PERF203 - a table each: the block costs nothing beside it
            failures.append(failure)
    if failures:
        raise together(failures)
    shared = found[0].metadata if ops[0].plan.dataset.tenant is None else {}
    for one in found:
        for name in one.op.keys if _is_partitioned(context) else ():
            own = {} if shared else one.metadata
            one.op.add_metadata({**own, **_slice_metadata(one.done, name)}, key, name)
    contents = [(str(one.done.entity), one.done.content) for one in found]
    yield dg.MaterializeResult(asset_key=key, value=found[-1].handle, metadata=shared, data_version=_version(contents))
    given = tuple(check for one in found for check in one.op.named(one.done.checks))
    keys = tuple(name for op in ops for name in op.dagster_keys)
    yield from _checks(context, key, Verdicts(keys, ops[0].plan.silvers[index].checks, given))


def _slice_metadata(done: Refined, partition: str) -> Metadata:
    return {
        "dagster/partition_row_count": dg.MetadataValue.int(done.rows_in_by_partition.get(partition, 0)),
        "quarantined_in_partition": dg.MetadataValue.int(done.quarantined_by_partition.get(partition, 0)),
    }


def _checks(context: dg.AssetExecutionContext, key: dg.AssetKey, verdicts: Verdicts) -> Iterator[dg.AssetCheckResult]:
    """One result a check; in a run over a range also one evaluation a partition, which results cannot say."""
    if _is_partitioned(context) and not context.has_partition_key:
        for evaluation in evaluations(key, verdicts, targets(context.instance, key, verdicts.keys)):
            context.log_event(evaluation)
    yield from verdicts.results(key)


def _is_partitioned(context: dg.AssetExecutionContext) -> bool:
    return context.assets_def.partitions_def is not None


def _partition_keys(context: dg.AssetExecutionContext) -> tuple[str, ...]:
    """Never ``partition_key``: it raises in a run over a range. None when there are no partitions."""
    return tuple(context.partition_keys) if _is_partitioned(context) else ()


def _version(contents: Sequence[tuple[str, str]]) -> dg.DataVersion:
    """The content of one partition or table; of several, whose events share one version, a hash over all of them."""
    if len(contents) == 1:
        return dg.DataVersion(contents[0][1])
    import hashlib

    text = "\n".join(f"{name}:{content}" for name, content in contents)
    return dg.DataVersion(hashlib.sha256(text.encode()).hexdigest())
