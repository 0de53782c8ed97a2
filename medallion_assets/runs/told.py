"""What lineage events say of an ingest and of a refine; nothing at all when platform.yaml names no place for them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from medallion_assets.intent.platform import Lineage
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import Clock, Store
from medallion_assets.lake.results import Ingested, Refined
from medallion_assets.lake.window import Partition
from medallion_assets.plan.model import DatasetPlan, SilverPlan

if TYPE_CHECKING:
    from medallion_assets.observe.emit import Emitter

__all__ = ["Around", "Told"]


class Around(Protocol):
    """What is asked of a project."""

    @property
    def clock(self) -> Clock: ...
    def store(self, name: str) -> Store: ...
    def head(self, plan: DatasetPlan) -> Head: ...
    def resolve(self, text: str) -> str: ...
    def scrub(self, text: str) -> str: ...


class Told:
    """Around each verb: START before it, COMPLETE or FAIL after it."""

    def __init__(self, to: Lineage, root: Path, around: Around) -> None:
        self._to, self._around = to, around
        self._emitter = None if to.url is None and to.file is None else _emitter(to, root, around)

    @contextmanager
    def ingest(self, plan: DatasetPlan, partition: Partition, run_id: str) -> Iterator[Callable[[Ingested], None]]:
        """Of one partition; the caller gives the result when there is one."""
        if self._emitter is None:
            yield _silent
            return
        from medallion_assets.observe.openlineage import Dataset, Run, place, source_of

        namespace, name = place(self._around.store(plan.bronze.store).url(plan.bronze.path))
        job = f"ingest.{plan.name}"
        started = self._around.clock.now()
        run = Run(self._to.namespace, job, started, run_id, (source_of(plan),), partition.window)
        with self._emitter.around(run) as outputs:

            def finished(done: Ingested) -> None:
                load = done.commit.load
                fields = [(column.name, column.type) for column in load.schema]
                size = sum(part.bytes for part in load.parts)
                outputs([Dataset(namespace, name, fields, rows=load.rows, bytes=size)])

            yield finished

    @contextmanager
    def refine(self, plan: DatasetPlan, silver: SilverPlan, run_id: str) -> Iterator[Callable[[Refined], None]]:
        """Of one table; the caller gives the result when there is one."""
        if self._emitter is None:
            yield _silent
            return
        from medallion_assets.observe.openlineage import Dataset, Run, place
        from medallion_assets.runs.column_lineage import column_sources

        bronze = Dataset(*place(self._around.store(plan.bronze.store).url(plan.bronze.path)))
        namespace, name = place(self._around.store(silver.store).url(silver.path))
        entity = silver.entity
        job = f"refine.{entity.domain}.{entity.entity}.v{entity.version}" + (
            f"@{entity.tenant}" if entity.tenant else ""
        )
        run = Run(self._to.namespace, job, self._around.clock.now(), run_id, (bronze,))
        with self._emitter.around(run) as outputs:

            def finished(done: Refined) -> None:
                schemas = [[column.name for column in one.load.schema] for one in self._around.head(plan).live]
                made = column_sources(plan, silver, [column for column, _ in done.columns], schemas)
                outputs([Dataset(namespace, name, done.columns, made, done.rows)])

            yield finished


def _emitter(to: Lineage, root: Path, around: Around) -> "Emitter":
    from medallion_assets.observe.emit import Emitter

    return Emitter(to, root, around.resolve, around.scrub, around.clock.now)


def _silent(done: object) -> None:
    """Nobody listens."""
