"""The plans of one intent as one set of assets: a single plan, or one for each tenant, told apart by the partition.

With tenants a partition is ``<date>|<tenant>`` (dimensions ``date`` and ``tenant``); of a dataset without a calendar it
is the tenant.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import dagster as dg

from medallion_assets.orchestration.partitions import DATE, EVERYTHING, TENANT, partitions_of
from medallion_assets.plan.model import DatasetPlan

__all__ = ["Family", "Slice", "families", "key_of", "own_key", "shared_name"]


@dataclass(frozen=True, slots=True)
class Slice:
    """The partitions of one plan in a run, by the plan's own keys."""

    plan: DatasetPlan
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Family:
    """All plans of one intent, in the order of their tenants."""

    plans: tuple[DatasetPlan, ...]

    @property
    def plan(self) -> DatasetPlan:
        """What is said of all of them: they differ in tenant, source and places alone."""
        return self.plans[0]

    @property
    def name(self) -> str:
        return shared_name(self.plan)

    @property
    def tenants(self) -> tuple[str, ...]:
        return tuple(plan.dataset.tenant for plan in self.plans if plan.dataset.tenant is not None)

    def slices(self, keys: Sequence[str]) -> tuple[Slice, ...]:
        """``keys``: Dagster's, of one run; none when the assets have no partitions."""
        if not keys:
            return (Slice(self.plan, (EVERYTHING,)),)
        found = ((plan, [own for key in keys if (own := own_key(plan, key)) is not None]) for plan in self.plans)
        return tuple(Slice(plan, tuple(own)) for plan, own in found if own)


def families(chosen: Sequence[DatasetPlan], known: Sequence[DatasetPlan]) -> Iterator[Family]:
    """Of the chosen plans, each with all enabled tenants that ``known`` has: its partitions are the same whoever is
    chosen.
    """
    names = {plan.name for plan in chosen}
    members: dict[str, list[DatasetPlan]] = {}
    for plan in known:
        if plan.enabled or plan.name in names:
            members.setdefault(shared_name(plan), []).append(plan)
    for shared in dict.fromkeys(shared_name(plan) for plan in chosen):
        yield Family(tuple(members[shared]))


def shared_name(plan: DatasetPlan) -> str:
    """Name of the dataset without its tenant."""
    return plan.name if plan.dataset.tenant is None else str(replace(plan.dataset, tenant=None))


def key_of(plan: DatasetPlan, key: str) -> str:
    """What Dagster calls the partition ``key`` of a plan."""
    tenant = plan.dataset.tenant
    if tenant is None:
        return key
    if partitions_of(plan.calendar) is None:
        return tenant
    return dg.MultiPartitionKey({DATE: key, TENANT: tenant})


def own_key(plan: DatasetPlan, key: str) -> str | None:
    """The plan's own name for one of Dagster's partitions; None when that is another tenant's."""
    tenant = plan.dataset.tenant
    if tenant is None:
        return key
    if partitions_of(plan.calendar) is None:
        return EVERYTHING if key == tenant else None
    own, _, of = key.rpartition("|")
    return own if of == tenant else None
