"""The lake as a Dagster resource: a folder and an environment, opened when an asset asks for it."""

from functools import partial
from pathlib import Path

import dagster as dg
from pydantic import Field

from medallion_assets.orchestration.families import own_key
from medallion_assets.orchestration.handles import BronzeHandle, SilverHandle
from medallion_assets.plan.catalog import silvers_named
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.project import Project

__all__ = ["LakeResource"]

_projects: dict[tuple[str, str | None], Project] = {}
"""Projects of this process by folder and environment: reading 3,000 intents again for every step would cost seconds."""


class LakeResource(dg.ConfigurableResource[Project]):
    """A project's folder and environment. Making one reads nothing; no secret is part of its configuration."""

    root: str = Field(description="Folder that holds intents/ and platform.yaml.")
    env: str | None = Field(default=None, description="Which platform.<env>.yaml overlays platform.yaml.")

    @staticmethod
    def of(project: Project, env: str | None = None) -> "LakeResource":
        """The resource of a project that is open already, in the environment it was loaded for."""
        _projects[str(project.root), env] = project
        return LakeResource(root=str(project.root), env=env)

    def open(self) -> Project:
        """The project without its broken intents; stores and sources connect when used. Raises ConfigError."""
        project = _projects.get((self.root, self.env))
        if project is None:
            project = _projects[self.root, self.env] = Project.load_sound(Path(self.root), self.env)[0]
        return project

    def bronze(self, name: str, partitions: tuple[str, ...] | None = None) -> BronzeHandle:
        """The live loads of ``system.table``, of these partitions (None: of all), as the commit log stands now.

        Raises ConfigError when the project has no such dataset, Failure when nothing of it has been loaded.
        """
        project = self.open()
        plan, partitions = _own(project.named_plans((name,)), name, partitions)
        live = project.head(plan).live
        wanted = tuple(c for c in live if partitions is None or c.load.partition in partitions)
        if not wanted:
            raise _nothing(f"bronze of {name}", partitions)
        return BronzeHandle(plan.dataset, wanted, partial(project.scan_bronze, plan, wanted))

    def silver(self, name: str, partitions: tuple[str, ...] | None = None) -> SilverHandle:
        """The table ``silver/<domain>/<entity>[/v<n>]`` as it stands now, or its rows of these partitions.

        Raises ConfigError when the project has no such table, Failure when it has never been built.
        """
        found = silvers_named(self.open().plans, name)
        plan, partitions = _own(tuple(plan for plan, _ in found), name, partitions)
        silver = next(silver for other, silver in found if other.name == plan.name)
        table = self.open().table(silver)
        version = table.version
        if version is None:
            raise _nothing(name, partitions)
        known = None if partitions is None else {self.open().known(plan, key) for key in partitions}
        dates = None if known is None else tuple(sorted({p.run_date.isoformat() for p in known}))
        return SilverHandle(silver.entity, silver.model, table, version, dates)


def _own(
    plans: tuple[DatasetPlan, ...], name: str, partitions: tuple[str, ...] | None
) -> tuple[DatasetPlan, tuple[str, ...] | None]:
    """The plan that all of the partitions are of, and its own names for them. Raises Failure for several tenants."""
    if partitions is None:
        if len(plans) == 1:
            return plans[0], None
    else:
        for plan in plans:
            own = [key for partition in partitions if (key := own_key(plan, partition)) is not None]
            if len(own) == len(partitions):
                return plan, tuple(own)
    raise dg.Failure(
        f"{name} has tenants, whose rows are not read together.\nFix: give the asset that reads it the same partitions,"
        " and run it for one tenant at a time.",
        allow_retries=False,
    )


def _nothing(what: str, partitions: tuple[str, ...] | None) -> dg.Failure:
    where = "" if partitions is None else f" for {', '.join(partitions[:5])}{' …' if len(partitions) > 5 else ''}"
    return dg.Failure(f"There is nothing in {what}{where}.\nFix: materialise it first.", allow_retries=False)
