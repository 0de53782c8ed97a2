"""A project as Dagster definitions: assets and checks of every enabled intent; a few schedules and sensors for all."""

import gc
import os
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg

from medallion_assets.errors import ConfigError
from medallion_assets.orchestration.alerts import alert_sensors
from medallion_assets.orchestration.assets import IO_MANAGER, bronze_asset, silver_asset
from medallion_assets.orchestration.broken import broken_definitions
from medallion_assets.orchestration.families import Family, families, shared_name
from medallion_assets.orchestration.io_managers import lake_io_manager
from medallion_assets.orchestration.lost_runs import lost_runs
from medallion_assets.orchestration.quality import dashboard
from medallion_assets.orchestration.requests import Target
from medallion_assets.orchestration.resources import LakeResource
from medallion_assets.orchestration.schedules import schedules
from medallion_assets.orchestration.sensors import sensors
from medallion_assets.orchestration.translator import DATASET, ENTITY, MedallionTranslator, PlannedAsset
from medallion_assets.orchestration.watching import NoWatcher, Watcher
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.project import Project

__all__ = ["build_definitions", "load_definitions"]

ROOT_VARIABLE = "MEDALLION_PROJECT"
"""Environment variable that names the project's folder; the working directory without it."""


def load_definitions(
    root: Path | None = None, env: str | None = None, translator: MedallionTranslator | None = None
) -> dg.Definitions:
    """What a code location loads: all sound intents, and each broken file as an asset whose check says why.

    Raises DagsterInvalidDefinitionError when the project as a whole cannot be read.
    """
    folder = (root or Path(os.environ.get(ROOT_VARIABLE, "."))).resolve()
    with unhurried():
        try:
            project, broken = Project.load_sound(folder, env)
        except ConfigError as error:
            raise dg.DagsterInvalidDefinitionError(f"The project in {folder} cannot be loaded.\n\n{error}") from None
        sound = build_definitions(project, translator, env=env)
        return dg.Definitions.merge(sound, broken_definitions(broken)) if broken else sound


@contextmanager
def unhurried() -> Iterator[None]:
    """Without looking for garbage: a location makes millions of objects that stay, and walking through them costs more
    than a sixth of its load.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
        gc.set_threshold(*_COLLECT)


_COLLECT = (100_000, 20, 20)
"""As on the command line: what is loaded is no garbage, and looking for it every 700 objects is costly."""


def build_definitions(
    project: Project,
    translator: MedallionTranslator | None = None,
    *,
    env: str | None = None,
    watcher: Watcher | None = None,
    plans: Sequence[DatasetPlan] | None = None,
) -> dg.Definitions:
    """Definitions of the enabled intents (or of ``plans``): two multi-asset ops each, sharing all else.

    Merge them with your own: ``dg.Definitions.merge(build_definitions(project), dg.Definitions(assets=[...]))``.
    Runs execute in one process by default; pass another ``executor`` in the merged definitions for more.
    ``env`` is the one ``project`` was loaded for.
    """
    lake = LakeResource.of(project, env)
    builder = _Builder(project, translator or MedallionTranslator(), watcher or NoWatcher())
    chosen = [plan for plan in project.plans if plan.enabled] if plans is None else plans
    with quiet():
        names = {plan.name for plan in chosen}
        specified = [builder.specified(family) for family in families(chosen, project.plans)]
        targets = [target for one in specified for target in one.targets(names) if not target.plan.not_built]
        whole = bool(targets) and plans is None
        board, watch = ([dashboard(targets)], [lost_runs()]) if whole else ([], [])
        return dg.Definitions(
            assets=[*(asset for one in specified for asset in one.assets(builder.watcher)), *board],
            schedules=schedules(project, targets),
            sensors=[*sensors(project, targets), *alert_sensors(project, targets), *watch],
            resources={"lake": lake, IO_MANAGER: lake_io_manager},
            executor=dg.in_process_executor,
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Without Dagster's warnings that partitioned checks are a preview: they were weighed, see ``events``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield


@dataclass(frozen=True, slots=True)
class _Specified:
    """A dataset and the specs of its own assets; ``bronze`` is None when its silver is made of another's bronze."""

    family: Family
    bronze: dg.AssetSpec | None
    silvers: tuple[dg.AssetSpec, ...]

    def assets(self, watcher: Watcher) -> Iterator[dg.AssetsDefinition]:
        if self.bronze is not None:
            yield bronze_asset(self.family, self.bronze, watcher)
        if self.silvers:
            yield silver_asset(self.family, self.silvers, watcher)

    def targets(self, names: Collection[str]) -> Iterator[Target]:
        """One for each of the plans that are chosen."""
        own = self.silvers if self.bronze is None else (self.bronze, *self.silvers)
        for plan in self.family.plans:
            if plan.name in names:
                yield Target(plan, tuple(spec.key for spec in own))


@dataclass(frozen=True, slots=True)
class _Builder:
    project: Project
    translator: MedallionTranslator
    watcher: Watcher

    def specified(self, family: Family) -> _Specified:
        root, plan, tenants = self.project.root, family.plan, family.tenants
        reads = self.project.plan(plan.upstream[0]) if plan.upstream else None
        bronze = self._spec(PlannedAsset(root, plan, feed=reads, tenants=tenants)) if plan.has_bronze else None
        feed = None if plan.has_bronze else reads
        return _Specified(
            family,
            bronze,
            tuple(self._spec(PlannedAsset(root, plan, silver, feed, tenants)) for silver in plan.silvers),
        )

    def _spec(self, asset: PlannedAsset) -> dg.AssetSpec:
        """The translator's, with what the IO managers need."""
        said = {DATASET: shared_name(asset.plan)}
        if asset.silver is not None:
            entity = replace(asset.silver.entity, tenant=None)
            said[ENTITY] = f"{entity}/v{entity.version}"
        spec = self.translator.get_asset_spec(asset)
        return spec.merge_attributes(metadata=said).with_io_manager_key(IO_MANAGER)
