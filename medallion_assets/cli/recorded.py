"""``medallion run --dagster``: the same work as recorded Dagster runs.

The command line and Dagster are siblings that do not import each other, so that neither costs the other its start;
the runner is found by its name, and only here.
"""

import os
import time
from collections.abc import Sequence
from importlib import import_module

from medallion_assets.cli.run import Failure, Outcome, Watch, Work
from medallion_assets.cli.ui import dagster_home
from medallion_assets.errors import ConfigError
from medallion_assets.project import Project

__all__ = ["execute_recorded"]


def execute_recorded(
    project: Project,
    work: Sequence[Work],
    failures: Sequence[Failure],
    watch: Watch,
    *,
    special: bool,
    env: str | None,
) -> Outcome:
    """Run in this process and record in ``$DAGSTER_HOME`` (``<project>/.dagster`` when it is not set).

    Raises ConfigError CLI-005 when the run is ``special`` (forced or restated), which a recorded run does not know.
    """
    if special:
        raise ConfigError(
            "CLI-005", "A recorded run takes no --force or --restate.", where="medallion run", fix="add --plain."
        )
    started = time.perf_counter()
    os.environ["DAGSTER_HOME"] = str(dagster_home(project.root, os.environ))
    for failure in failures:
        watch.failed(failure)
    done = import_module("medallion_assets.orchestration.runner").execute(
        project,
        [one.plan for one in work],
        {one.plan.name: one.partitions for one in work},
        import_module("dagster").DagsterInstance.get(),
        env=env,
        progress=watch.progress,
    )
    for load in done.ingested:
        watch.ingested(load)
    for refined in done.refined:
        watch.refined(refined)
    raised = [Failure(failed.plan.name, None, failed.error) for failed in done.failed]
    for failure in raised:
        watch.failed(failure)
    return Outcome(
        tuple(work),
        tuple(done.ingested),
        tuple(done.refined),
        (*failures, *raised),
        time.perf_counter() - started,
        tuple(done.run_ids),
        success=done.success,
    )
