"""Run requests: bronze and silver of one dataset, for one partition or a range without a gap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from medallion_assets.lake.window import Partition
from medallion_assets.orchestration.families import key_of
from medallion_assets.orchestration.partitions import is_partitioned
from medallion_assets.plan.model import DatasetPlan

__all__ = ["CONNECTION_TAG", "INTENT_TAG", "RANGE_END", "RANGE_START", "Target", "contiguous", "is_busy"]

INTENT_TAG = "medallion/intent"
"""Tag of ops and runs: the dataset."""
CONNECTION_TAG = "medallion/connection"
"""Tag of runs that are asked for: where they read, so that a run queue can bound them over machines."""
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
"""Tags by which Dagster is told a range of partitions."""


@dataclass(frozen=True, slots=True)
class Target:
    """A dataset with the keys of its assets, bronze first. Tenants of one intent share the assets."""

    plan: DatasetPlan
    keys: tuple[dg.AssetKey, ...]

    @property
    def has_bronze(self) -> bool:
        """Whether the first key is a bronze asset; a dataset on another's bronze has none."""
        return len(self.keys) > len(self.plan.silvers)

    def request(self, partitions: Sequence[Partition], run_key: str, tags: Mapping[str, str]) -> dg.RunRequest:
        """``partitions`` are adjacent; of a dataset without partitions there is one."""
        connection = getattr(self.plan.source, "connection", None)
        reads = {} if connection is None else {CONNECTION_TAG: connection}
        tags = {INTENT_TAG: self.plan.name, **reads, **tags}
        if not is_partitioned(self.plan):
            return dg.RunRequest(run_key, asset_selection=list(self.keys), tags=tags)
        if len(partitions) == 1:
            key = key_of(self.plan, partitions[0].key)
            return dg.RunRequest(run_key, asset_selection=list(self.keys), tags=tags, partition_key=key)
        tags |= {
            RANGE_START: key_of(self.plan, partitions[0].key),
            RANGE_END: key_of(self.plan, partitions[-1].key),
        }
        return dg.RunRequest(run_key, asset_selection=list(self.keys), tags=tags)


def is_busy(instance: dg.DagsterInstance, name: str, tags: Mapping[str, str] | None = None) -> bool:
    """Whether a run of the dataset (with these tags) waits or runs: asking for another would only make a queue."""
    busy = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    filters = dg.RunsFilter(statuses=busy, tags={INTENT_TAG: name, **(tags or {})})
    return instance.get_runs_count(filters) > 0


def contiguous(partitions: Sequence[Partition]) -> list[tuple[Partition, ...]]:
    """Runs of adjacent windows, in order of time: Dagster knows a range by its ends."""
    found: list[list[Partition]] = []
    for partition in sorted(set(partitions)):
        if found and found[-1][-1].window.end == partition.window.start:
            found[-1].append(partition)
        else:
            found.append([partition])
    return [tuple(run) for run in found]
