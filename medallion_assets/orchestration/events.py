"""Events that Dagster's results cannot say: what belongs to one partition of a run over a range of them."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg

from medallion_assets.lake.results import CheckResult
from medallion_assets.orchestration.checks import Verdicts, facts_metadata, severity_of

__all__ = ["evaluations", "materialized", "targets"]

try:  # private until partitioned checks leave preview; without it a range shows its aggregate only
    from dagster._core.definitions.asset_checks.asset_check_evaluation import (
        AssetCheckEvaluationTargetMaterializationData as Target,
    )
except ImportError:  # pragma: no cover - another Dagster
    Target = None  # type: ignore[assignment, misc]


def targets(instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Sequence[str]) -> Mapping[str, "Target"]:
    """The newest materialisation of each partition, which an evaluation must name to count as the partition's.

    Empty when this Dagster has no such record: evaluations then are left out, and the aggregate stands.
    """
    if Target is None:
        return {}
    found: dict[str, Target] = {}
    for partition in partitions:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition]), limit=1
        ).records
        for record in records:
            found[partition] = Target(storage_id=record.storage_id, run_id=record.run_id, timestamp=record.timestamp)
    return found


def evaluations(
    key: dg.AssetKey, verdicts: Verdicts, materializations: Mapping[str, "Target"]
) -> Iterator[dg.AssetCheckEvaluation]:
    """One a check and partition, for ``context.log_event`` after the asset's result has been yielded.

    Without them every partition of a range run shows its checks as skipped.
    """
    blocking = {check.name: check.blocking for check in verdicts.planned}
    for partition, target in materializations.items():
        for verdict in verdicts.of(partition):
            yield _evaluation(key, verdict, partition, blocking.get(verdict.name, False), target)


def materialized(
    key: dg.AssetKey, partition: str | None, metadata: Mapping[str, dg.MetadataValue], version: str
) -> dg.AssetMaterialization:
    """Says that a partition is there although its run fails later: it was committed before the failure."""
    return dg.AssetMaterialization(
        asset_key=key, partition=partition, metadata=metadata, tags={"dagster/data_version": version}
    )


def _evaluation(
    key: dg.AssetKey, verdict: CheckResult, partition: str, blocking: bool, target: "Target"
) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=verdict.name,
        passed=verdict.passed,
        severity=severity_of(verdict.severity),
        description=verdict.summary,
        metadata=facts_metadata(verdict.facts),
        partition=partition,
        blocking=blocking,
        target_materialization_data=target,
    )
