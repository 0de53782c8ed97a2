"""``medallion run --dagster``: the same work as recorded Dagster runs, told of as it happens."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from medallion_assets.cli.run import Failure, Outcome, Watch, Work
from medallion_assets.cli.ui import dagster_home
from medallion_assets.errors import MedallionError
from medallion_assets.lake.ports import Progress
from medallion_assets.lake.results import Ingested, Refined
from medallion_assets.orchestration.runner import execute
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.project import Project

__all__ = ["execute_recorded"]


def execute_recorded(
    project: Project,
    work: Sequence[Work],
    failures: Sequence[Failure],
    watch: Watch,
    *,
    env: str | None,
    force: bool = False,
    restate: bool = False,
    allow_deletes: bool = False,
    whole: bool = False,
) -> Outcome:
    """Run in this process and record in ``$DAGSTER_HOME`` (``<project>/.dagster`` when it is not set)."""
    started = time.perf_counter()
    os.environ["DAGSTER_HOME"] = str(dagster_home(project.root, os.environ))
    for failure in failures:
        watch.failed(failure)
    with dg.DagsterInstance.get() as instance:
        done = execute(
            project,
            [one.plan for one in work],
            {one.plan.name: one.partitions for one in work},
            instance,
            env=env,
            force=force,
            restate=restate,
            allow_deletes=allow_deletes,
            whole=whole,
            watcher=_Watcher(watch),
        )
    raised = (_failure(failed.plan, failed.partition, failed.error) for failed in done.failed)
    return Outcome(
        tuple(work),
        done.ingested,
        done.refined,
        (*failures, *raised),
        time.perf_counter() - started,
        done.run_ids,
        success=done.success,
    )


@dataclass(frozen=True, slots=True)
class _Watcher:
    """Dagster's side tells the command line's."""

    watch: Watch

    @property
    def progress(self) -> Progress:
        return self.watch.progress

    def ingested(self, done: Ingested) -> None:
        self.watch.ingested(done)

    def verified(self, done: Ingested) -> None:
        """The summary shows the checks."""

    def refined(self, done: Refined) -> None:
        self.watch.refined(done)

    def failed(self, plan: DatasetPlan, partition: str | None, error: MedallionError) -> None:
        self.watch.failed(_failure(plan, partition, error))


def _failure(plan: DatasetPlan, partition: str | None, error: MedallionError) -> Failure:
    return Failure(plan.name, partition, error)
