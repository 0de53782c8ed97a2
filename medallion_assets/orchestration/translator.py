"""From a plan to the AssetSpec that Dagster shows: the one thing a project may want to say differently.

Subclass and override ``get_asset_spec``, as with dagster-dlt and dagster-sling::

    class Ours(MedallionTranslator):
        def get_asset_spec(self, asset: PlannedAsset) -> dg.AssetSpec:
            return super().get_asset_spec(asset).replace_attributes(group_name="lake")
"""

import re
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from medallion_assets.lake.ids import EntityId
from medallion_assets.orchestration.families import shared_name
from medallion_assets.orchestration.freshness import freshness_of
from medallion_assets.orchestration.metadata import code_reference, contract_schema
from medallion_assets.orchestration.partitions import definition_of
from medallion_assets.plan.model import DatasetPlan, SilverPlan

__all__ = ["DATASET", "ENTITY", "MedallionTranslator", "PlannedAsset"]

DATASET = "medallion/dataset"
"""Metadata key: the dataset an asset belongs to. Set after the translator has spoken; the IO managers rely on it."""
ENTITY = "medallion/entity"
"""Metadata key: the silver table an asset is."""

_TAG = re.compile(r"[A-Za-z0-9_.-]{0,63}\Z")
_TAG_NAME = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}\Z")
_OWNER = re.compile(r"team:[A-Za-z0-9_.-]+\Z|[^@\s]+@[^@\s]+\.[^@\s]+\Z")


@dataclass(frozen=True, slots=True)
class PlannedAsset:
    """What a translator is given: the plan, and which of its assets is meant."""

    root: Path
    """The project's folder."""
    plan: DatasetPlan
    silver: SilverPlan | None = None
    """None: the bronze asset."""
    feed: DatasetPlan | None = None
    """The dataset whose bronze the asset reads: of silver on another's bronze (``source: {type: bronze}``) that one, of
    bronze with ``parents.dataset`` the parents."""
    tenants: tuple[str, ...] = ()
    """Those that share the asset; ``plan`` is then that of the first."""


class MedallionTranslator:
    """``bronze/<system>/<table>`` and ``silver/<domain>/<entity>`` (of a later version ``<entity>_v2``) by domain."""

    def get_asset_spec(self, asset: PlannedAsset) -> dg.AssetSpec:
        """Called once an asset when definitions are built; does no I/O. What it returns is not checked again."""
        return self._bronze(asset) if asset.silver is None else self._silver(asset, asset.silver)

    def _bronze(self, asset: PlannedAsset) -> dg.AssetSpec:
        plan, feed = asset.plan, asset.feed
        parents = None if feed is None else self.get_asset_spec(PlannedAsset(asset.root, feed, tenants=asset.tenants))
        metadata: dict[str, object] = {
            "dagster/table_name": f"bronze.{shared_name(plan)}",
            "dagster/code_references": code_reference(asset.root, plan),
            "pattern": plan.bronze.pattern,
            **_place(asset, plan.bronze.store, plan.bronze.path),
        }
        return dg.AssetSpec(
            key=dg.AssetKey(["bronze", plan.dataset.system, plan.dataset.table]),
            deps=[parents.key] if parents is not None else [],
            description=_description(plan, f"What {shared_name(plan)} gave, window by window, exactly as given."),
            metadata=metadata | _meta(plan),
            group_name=plan.silvers[0].entity.domain if plan.silvers else plan.dataset.system,
            owners=_owners(plan.owners),
            tags=_tags(plan),
            kinds={"bronze", "parquet", plan.source.type},
            partitions_def=definition_of(plan, asset.tenants),
            freshness_policy=freshness_of(plan),
        )

    def _silver(self, asset: PlannedAsset, silver: SilverPlan) -> dg.AssetSpec:
        plan, entity = asset.plan, silver.entity
        bronze = self.get_asset_spec(PlannedAsset(asset.root, asset.feed or plan, tenants=asset.tenants))
        metadata: dict[str, object] = {
            "dagster/table_name": f"silver.{entity.domain}.{_versioned(entity)}",
            "dagster/code_references": code_reference(asset.root, plan),
            "model": silver.model,
            "keys": ", ".join(silver.keys),
            "order_by": ", ".join(silver.order_by),
            **_place(asset, silver.store, silver.path),
        }
        if plan.columns:
            metadata["dagster/column_schema"] = contract_schema(plan.columns)
        return dg.AssetSpec(
            key=dg.AssetKey(["silver", entity.domain, _versioned(entity)]),
            deps=[bronze.key],
            description=_description(plan, f"{silver.model} of {shared_name(plan)}."),
            metadata=metadata | _meta(plan),
            group_name=entity.domain,
            owners=_owners(silver.owners or plan.owners),
            tags=_tags(plan),
            kinds={"silver", "deltalake"} if silver.format == "delta" else {"silver", "parquet"},
            partitions_def=definition_of(plan, asset.tenants),
            freshness_policy=freshness_of(plan),
        )


def _place(asset: PlannedAsset, store: str, path: str) -> dict[str, str]:
    """Where it lies; each tenant's partitions say it themselves."""
    return {"tenants": ", ".join(asset.tenants)} if asset.tenants else {"store": store, "path": path}


def _versioned(entity: EntityId) -> str:
    """A new version is a new table, and both may be built side by side."""
    return entity.entity if entity.version == 1 else f"{entity.entity}_v{entity.version}"


def _description(plan: DatasetPlan, default: str) -> str:
    lines = [plan.description or default]
    lines += plan.not_built + plan.inactive
    return "\n\n".join(lines)


def _meta(plan: DatasetPlan) -> dict[str, object]:
    """What the intent says about itself; owners and tags that Dagster has no place for are kept here as text."""
    said: dict[str, object] = {"classification": plan.classification}
    said |= {f"meta_{name}": str(value) for name, value in plan.meta.items()}
    said |= {f"tag_{name}": value for name, value in plan.tags.items() if not _is_tag(name, value)}
    strangers = [owner for owner in plan.owners if not _OWNER.match(owner)]
    if strangers:
        said["owners"] = ", ".join(strangers)
    return said


def _owners(owners: tuple[str, ...]) -> list[str]:
    return [owner for owner in owners if _OWNER.match(owner)]


def _tags(plan: DatasetPlan) -> dict[str, str]:
    return {name: value for name, value in plan.tags.items() if _is_tag(name, value)}


def _is_tag(name: str, value: str) -> bool:
    return _TAG_NAME.match(name) is not None and _TAG.match(value) is not None
