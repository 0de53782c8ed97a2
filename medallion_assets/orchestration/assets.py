"""Two ops an intent: one ingests its bronze partitions in order, one refines its silver tables."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import dagster as dg
from pydantic import Field

from medallion_assets.bronze.decide import live_of
from medallion_assets.errors import MedallionError
from medallion_assets.lake.ports import Progress
from medallion_assets.lake.results import CheckResult, Ingested, Refined
from medallion_assets.lake.window import Partition
from medallion_assets.orchestration.checks import Verdicts, check_specs
from medallion_assets.orchestration.events import evaluations, materialized, targets
from medallion_assets.orchestration.failures import RETRIES, DataFailure, reported, together
from medallion_assets.orchestration.handles import BronzeHandle, SilverHandle
from medallion_assets.orchestration.metadata import Metadata, column_lineage, ingested_metadata, refined_metadata
from medallion_assets.orchestration.partitions import EVERYTHING
from medallion_assets.orchestration.requests import INTENT_TAG
from medallion_assets.orchestration.resources import LakeResource
from medallion_assets.plan.calendar import partition_of
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.project import Project

__all__ = ["IO_MANAGER", "Watcher", "bronze_asset", "ingest_op", "refine_op", "silver_asset"]

IO_MANAGER = "lake_io"
"""Resource key of the IO manager of every asset here."""

Event = dg.MaterializeResult[object] | dg.AssetCheckResult


class Watcher(Protocol):
    """Told of results as they happen, in the process that runs the ops: the command line prints them."""

    @property
    def progress(self) -> Progress | None: ...
    def ingested(self, done: Ingested) -> None:
        """Committed; not yet judged."""
        ...

    def verified(self, done: Ingested) -> None:
        """The same with its checks."""
        ...

    def refined(self, done: Refined) -> None: ...
    def failed(self, plan: DatasetPlan, partition: str | None, error: MedallionError) -> None: ...


@dataclass(frozen=True, slots=True)
class NoWatcher:
    """Dagster's own log is enough."""

    progress: Progress | None = None

    def ingested(self, done: Ingested) -> None: ...
    def verified(self, done: Ingested) -> None: ...
    def refined(self, done: Refined) -> None: ...
    def failed(self, plan: DatasetPlan, partition: str | None, error: MedallionError) -> None: ...


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


_INGEST, _REFINE = IngestConfig.to_fields_dict(), RefineConfig.to_fields_dict()
_RESOURCES = {"lake"}
"""Said once for all ops: read from annotations, Dagster would work them out for each, a fifth of the load."""


def ingest_op(plan: DatasetPlan) -> str:
    """Name of the op that an IngestConfig is addressed to."""
    return f"ingest__{_op_suffix(plan)}"


def refine_op(plan: DatasetPlan) -> str:
    """Name of the op that a RefineConfig is addressed to."""
    return f"refine__{_op_suffix(plan)}"


def _op_suffix(plan: DatasetPlan) -> str:
    tenant = () if plan.dataset.tenant is None else (plan.dataset.tenant,)
    return "__".join((plan.dataset.system, plan.dataset.table, *tenant))


def bronze_asset(plan: DatasetPlan, spec: dg.AssetSpec, watcher: Watcher) -> dg.AssetsDefinition:
    """The op that ingests the partitions of a run in order, each committed before the next is read."""

    @dg.multi_asset(
        name=ingest_op(plan),
        specs=[spec],
        check_specs=check_specs(spec.key, plan.checks, spec.partitions_def),
        backfill_policy=_backfill_policy(spec),
        retry_policy=RETRIES,
        pool=_pool(plan),
        op_tags={INTENT_TAG: plan.name},
        config_schema=_INGEST,
        required_resource_keys=_RESOURCES,
    )
    def ingest(context: dg.AssetExecutionContext) -> Iterator[Event]:
        yield from _Op.of(context, plan, watcher).ingest(
            spec.key, IngestConfig(**context.op_execution_context.op_config)
        )

    return ingest


def silver_asset(plan: DatasetPlan, specs: Sequence[dg.AssetSpec], watcher: Watcher) -> dg.AssetsDefinition:
    """The op that refines the silver tables of an intent, in the order of the intent; each can be selected alone."""
    pairs = tuple(zip(plan.silvers, specs, strict=True))

    @dg.multi_asset(
        name=refine_op(plan),
        specs=specs,
        check_specs=[c for silver, spec in pairs for c in check_specs(spec.key, silver.checks, spec.partitions_def)],
        can_subset=len(pairs) > 1,
        backfill_policy=_backfill_policy(specs[0]),
        retry_policy=RETRIES,
        pool=_pool(plan),
        op_tags={INTENT_TAG: plan.name},
        config_schema=_REFINE,
        required_resource_keys=_RESOURCES,
    )
    def refine(context: dg.AssetExecutionContext) -> Iterator[Event]:
        config = RefineConfig(**context.op_execution_context.op_config)
        op = _Op.of(context, plan, watcher)
        for silver, spec in pairs:
            if spec.key in context.selected_asset_keys:
                yield from op.refine(silver, spec, config)

    return refine


@dataclass(frozen=True, slots=True)
class _Op:
    """One op of one intent while it runs."""

    context: dg.AssetExecutionContext
    project: Project
    plan: DatasetPlan
    watcher: Watcher

    @classmethod
    def of(cls, context: dg.AssetExecutionContext, plan: DatasetPlan, watcher: Watcher) -> "_Op":
        lake: LakeResource = context.resources.lake
        return cls(context, lake.open(), plan, watcher)

    def ingest(self, key: dg.AssetKey, config: IngestConfig) -> Iterator[Event]:
        loads, failures = self._load(config)
        if failures and failures[-1].allow_retries and self.context.retry_number < RETRIES.max_retries:
            raise failures[-1]
        loads = self._verify(loads)
        if failures:
            self._record(key, loads)
            raise together(failures)
        for one in loads:
            self._add_metadata(self._ingested(one), key, one.partition.key)
        commits = tuple(sorted((d.commit for d in loads), key=lambda commit: commit.n))
        handle = BronzeHandle(self.plan.dataset, commits, partial(self.project.scan_bronze, self.plan, commits))
        yield dg.MaterializeResult(asset_key=key, value=handle, data_version=_version(loads))
        keys, given = tuple(d.partition.key for d in loads), tuple(c for d in loads for c in d.checks)
        yield from _checks(self.context, key, Verdicts(keys, self.plan.checks, given))

    def refine(self, silver: SilverPlan, spec: dg.AssetSpec, config: RefineConfig) -> Iterator[Event]:
        key = spec.key
        keys = _partition_keys(self.context)
        with self._reported(None):
            done = self.project.refine(
                self.plan,
                silver,
                allow_deletes=keys if config.allow_deletes else (),
                run_id=self.context.run.run_id,
                progress=self.watcher.progress,
            )
            done = replace(done, checks=(*done.checks, *self.project.verify_silver(self.plan, silver, done)))
            url = self.project.store(silver.store).url(silver.path)
            table = self.project.table(silver)
            lineage = column_lineage(self.plan, silver, spec, done, self.project.head(self.plan))
        self.watcher.refined(done)
        self.context.log.info(f"{silver.entity}: {done.rows} rows, {done.changed} changed")
        if _is_partitioned(self.context):
            for partition in keys:
                self._add_metadata(_slice_metadata(done, partition), key, partition)
        yield dg.MaterializeResult(
            asset_key=key,
            value=SilverHandle(silver.entity, silver.model, table, done.table_version),
            metadata=refined_metadata(done, url, self.plan.columns, lineage),
            data_version=dg.DataVersion(done.content),
        )
        yield from _checks(self.context, key, Verdicts(keys, silver.checks, done.checks))

    def _load(self, config: IngestConfig) -> tuple[list[Ingested], list[dg.Failure]]:
        """Every partition of the run, in order. Bad data of one does not stop the next; a bad lake or intent does."""
        loads: list[Ingested] = []
        failures: list[dg.Failure] = []
        for key in _partition_keys(self.context):
            try:
                loads.append(self._partition(key, config))
            except dg.Failure as failure:  # noqa: PERF203 - one file or request each: the block costs nothing beside it
                failures.append(failure)
                if failure.allow_retries or not isinstance(failure, DataFailure):
                    break
        return loads, failures

    def _partition(self, key: str, config: IngestConfig) -> Ingested:
        partition = partition_of(self.plan.calendar, key)
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
            self._record(self.context.assets_def.key, [whole])

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

    def _verify(self, loads: Sequence[Ingested]) -> list[Ingested]:
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

    def _ingested(self, done: Ingested) -> Metadata:
        path = f"{self.plan.bronze.path}/{done.commit.load.path}"
        return ingested_metadata(done, self.project.store(self.plan.bronze.store).url(path))

    def _add_metadata(self, metadata: Metadata, key: dg.AssetKey, partition: str) -> None:
        of = partition if _is_partitioned(self.context) else None
        self.context.add_asset_metadata(metadata, asset_key=key, partition_key=of)

    def _record(self, key: dg.AssetKey, done: Sequence[Ingested]) -> None:
        """What was committed before a failure is there, and nobody need be told to load it again."""
        for one in done:
            self.context.log_event(materialized(key, one.partition.key, self._ingested(one), one.commit.load.content))

    def _reported(self, partition: str | None) -> AbstractContextManager[None]:
        return reported(self.project.scrub, partial(self.watcher.failed, self.plan, partition))


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
    """Never ``partition_key``: it raises in a run over a range."""
    return tuple(context.partition_keys) if _is_partitioned(context) else (EVERYTHING,)


def _version(done: Sequence[Ingested]) -> dg.DataVersion:
    """The content of one partition; of a range, whose events share one version, a hash over all of them."""
    if len(done) == 1:
        return dg.DataVersion(done[0].commit.load.content)
    import hashlib

    text = "\n".join(f"{d.partition.key}:{d.commit.load.content}" for d in done)
    return dg.DataVersion(hashlib.sha256(text.encode()).hexdigest())


def _backfill_policy(spec: dg.AssetSpec) -> dg.BackfillPolicy | None:
    return None if spec.partitions_def is None else dg.BackfillPolicy.single_run()


def _pool(plan: DatasetPlan) -> str:
    """One pool an intent: with limit 1 (dagster.yaml) its runs take turns. Commits are safe without it."""
    return f"medallion.{plan.name}"
