"""Who is told of results as they happen."""

from dataclasses import dataclass
from typing import Protocol

from medallion_assets.errors import MedallionError
from medallion_assets.lake.ports import Progress
from medallion_assets.lake.results import Ingested, Refined
from medallion_assets.plan.model import DatasetPlan

__all__ = ["NoWatcher", "Watcher"]


class Watcher(Protocol):
    """Told of results as they happen, in the process that runs the ops: the command line prints them."""

    @property
    def progress(self) -> Progress | None: ...
    def ingested(self, done: Ingested) -> None:
        """Committed; not yet judged."""
        ...

    def verified(self, done: Ingested) -> None:
        """The same with its checks."""
        ...

    def refined(self, done: Refined) -> None: ...
    def failed(self, plan: DatasetPlan, partition: str | None, error: MedallionError) -> None: ...


@dataclass(frozen=True, slots=True)
class NoWatcher:
    """Dagster's own log is enough."""

    progress: Progress | None = None

    def ingested(self, done: Ingested) -> None: ...
    def verified(self, done: Ingested) -> None: ...
    def refined(self, done: Refined) -> None: ...
    def failed(self, plan: DatasetPlan, partition: str | None, error: MedallionError) -> None: ...
