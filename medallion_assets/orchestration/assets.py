"""Two ops an intent: one ingests its bronze partitions in order, one refines its silver tables."""

from collections.abc import Iterator, Sequence

import dagster as dg

from medallion_assets.orchestration.checks import check_specs
from medallion_assets.orchestration.failures import RETRIES
from medallion_assets.orchestration.families import Family
from medallion_assets.orchestration.ops import Event, IngestConfig, RefineConfig, ingested, ops_of, refined
from medallion_assets.orchestration.requests import INTENT_TAG
from medallion_assets.orchestration.watching import Watcher
from medallion_assets.plan.model import DatasetPlan

__all__ = ["IO_MANAGER", "bronze_asset", "ingest_op", "refine_op", "silver_asset"]

IO_MANAGER = "lake_io"
"""Resource key of the IO manager of every asset here."""

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
    return f"{plan.dataset.system}__{plan.dataset.table}"


def bronze_asset(family: Family, spec: dg.AssetSpec, watcher: Watcher) -> dg.AssetsDefinition:
    """The op that ingests the partitions of a run in order, each committed before the next is read."""
    plan = family.plan

    @dg.multi_asset(
        name=ingest_op(plan),
        specs=[spec],
        check_specs=check_specs(spec.key, plan.checks, spec.partitions_def),
        backfill_policy=_backfill_policy(spec),
        retry_policy=RETRIES,
        pool=_pool(family),
        op_tags={INTENT_TAG: family.name},
        config_schema=_INGEST,
        required_resource_keys=_RESOURCES,
    )
    def ingest(context: dg.AssetExecutionContext) -> Iterator[Event]:
        config = IngestConfig(**context.op_execution_context.op_config)
        yield from ingested(ops_of(context, family, watcher), spec.key, config)

    return ingest


def silver_asset(family: Family, specs: Sequence[dg.AssetSpec], watcher: Watcher) -> dg.AssetsDefinition:
    """The op that refines the silver tables of an intent, in the order of the intent; each can be selected alone."""
    plan = family.plan
    pairs = tuple(zip(plan.silvers, specs, strict=True))

    @dg.multi_asset(
        name=refine_op(plan),
        specs=specs,
        check_specs=[c for silver, spec in pairs for c in check_specs(spec.key, silver.checks, spec.partitions_def)],
        can_subset=len(pairs) > 1,
        backfill_policy=_backfill_policy(specs[0]),
        retry_policy=RETRIES,
        pool=_pool(family),
        op_tags={INTENT_TAG: family.name},
        config_schema=_REFINE,
        required_resource_keys=_RESOURCES,
    )
    def refine(context: dg.AssetExecutionContext) -> Iterator[Event]:
        config = RefineConfig(**context.op_execution_context.op_config)
        ops = ops_of(context, family, watcher)
        for index, spec in enumerate(specs):
            if spec.key in context.selected_asset_keys:
                yield from refined(ops, index, spec, config)

    return refine


def _backfill_policy(spec: dg.AssetSpec) -> dg.BackfillPolicy | None:
    return None if spec.partitions_def is None else dg.BackfillPolicy.single_run()


def _pool(family: Family) -> str | None:
    """One pool an intent: with limit 1 (dagster.yaml) its runs take turns. Commits are safe without it.

    No tenant waits for another.
    """
    return None if family.tenants else f"medallion.{family.name}"
