"""approve: loads that the guard holds are absorbed all the same, because somebody says that their deletes are right."""

from collections.abc import Collection

from medallion_assets import __version__
from medallion_assets.bronze.commit import CommitLog
from medallion_assets.lake.manifest import Approval
from medallion_assets.lake.ports import Clock, Store
from medallion_assets.plan.model import DatasetPlan

__all__ = ["approve"]


def approve(plan: DatasetPlan, commits: Collection[int], *, store: Store, clock: Clock, run_id: str) -> bool:
    """Write an approval of ``commits`` into the dataset's log; False when all of them had it already.

    It is an entry of the log like any other, so every table and every rebuild reads it. Raises Conflict BRZ-041 when
    one of them is no live load, StorageError for the log.
    """
    log = CommitLog(store, plan.bronze.path)
    head = log.head()
    return log.approve(Approval(tuple(sorted(commits)), run_id, clock.now(), __version__), head).n > head.n
