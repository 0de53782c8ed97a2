"""Ticks of sensors and schedules without a daemon, and the runs they ask for, in this process."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import dagster as dg

from medallion_assets.orchestration.definitions import build_definitions
from medallion_assets.project import Project
from medallion_assets_tests.orchestration.lakes import write_project

START = datetime(2024, 1, 4, 12, tzinfo=timezone.utc)


class Watch:
    """A clock that is put on by hand."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def later(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class Desk:
    """A project, its definitions, an instance, and what the daemon would remember."""

    def __init__(self, root: Path, intents: dict[str, str], instance: dg.DagsterInstance) -> None:
        self.root, self.instance, self.clock = write_project(root, intents), instance, Watch()
        self.cursor: str | None = None
        self.run_keys: set[str] = set()
        self.open()

    def open(self) -> None:
        """As after a restart of the code server."""
        self.project = replace(Project.load(self.root, variables={}), clock=self.clock)
        self.defs = build_definitions(self.project)

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def sense(self, name: str = "files_every_60_s") -> list[dg.RunRequest]:
        """One tick of a sensor: the requests whose run key is new, as the daemon would launch them."""
        sensor = self.defs.resolve_sensor_def(name)
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor, definitions=self.defs)
        with self._files():
            data = sensor.evaluate_tick(context)
        self.cursor = data.cursor
        fresh = [request for request in data.run_requests or [] if request.run_key not in self.run_keys]
        self.run_keys |= {str(request.run_key) for request in fresh}
        return fresh

    def _files(self) -> AbstractContextManager[object]:
        """Where files are partitions, an instance in memory is asked for them; the code server does so by itself."""
        return dg.partition_loading_context(dynamic_partitions_store=self.instance)

    def schedule(self, name: str, at: datetime) -> list[dg.RunRequest]:
        """One tick of a schedule."""
        repository = self.defs.get_repository_def()
        made = dg.build_schedule_context(instance=self.instance, scheduled_execution_time=at, repository_def=repository)
        with self._files(), made as context:  # or its copy of the instance is closed whenever garbage is looked for
            return list(self.defs.resolve_schedule_def(name).evaluate_tick(context).run_requests or [])

    def run(self, requests: Sequence[dg.RunRequest]) -> list[bool]:
        """Run what was asked for."""
        return [self._run(request) for request in requests]

    def _run(self, request: dg.RunRequest) -> bool:
        selection = list(request.asset_selection or [])
        job = self.defs.resolve_implicit_job_def_def_for_assets(selection)
        assert job is not None
        done = job.execute_in_process(
            instance=self.instance, asset_selection=selection, partition_key=request.partition_key,
            tags={k: v for k, v in request.tags.items() if not k.startswith("dagster/partition/")},
            raise_on_error=False,
        )  # fmt: skip
        return done.success

    def loaded(self, name: str) -> list[str]:
        """Partitions of the live loads in the order of their commits."""
        return [commit.load.partition for commit in self.project.head(self.project.plan(name)).live]


def asked(requests: Sequence[dg.RunRequest]) -> list[tuple[str, str | None]]:
    """(dataset, partition or first..last) of each."""
    return [(r.tags["medallion/intent"], r.partition_key or _range(r)) for r in requests]


def _range(request: dg.RunRequest) -> str | None:
    first = request.tags.get("dagster/asset_partition_range_start")
    return first and f"{first}..{request.tags['dagster/asset_partition_range_end']}"
