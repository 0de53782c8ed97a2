"""Sensors of files and of topics: one for all intents of an interval. What arrived is what bronze does not have.

A file's version is asked for once: bronze is the ledger, a run key names the partition and exactly these versions of
its files, and the cursor remembers how long they have been still and what was asked for. Losing the cursor loses and
doubles nothing. A file whose load fails is asked for again when it changes; until then its failed run is to be seen.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import dagster as dg

from medallion_assets.errors import MedallionError
from medallion_assets.intent.source import File, Kafka
from medallion_assets.orchestration.partitions import know_files
from medallion_assets.orchestration.requests import Target, is_busy
from medallion_assets.project import Project
from medallion_assets.runs.due import Arrival

__all__ = ["sensors"]

_SHORTEST = timedelta(seconds=30)
"""Dagster asks no sensor more often."""
_BUDGET_S = 40.0
"""A tick of more than 60 s is given up by Dagster."""
_MAX_REQUESTS = 100
"""Of one tick; the next goes on where it stopped."""
_ASKED = "asked"


def sensors(project: Project, targets: Sequence[Target]) -> list[dg.SensorDefinition]:
    """The sensors of the intents that have one and read files or topics. They run once Dagster's daemon does."""
    groups: dict[tuple[str, int], list[Target]] = {}
    for target in targets:
        kind = "files" if isinstance(target.plan.source, File) else "messages"
        if target.plan.sensor is not None and isinstance(target.plan.source, File | Kafka):
            seconds = int(max(target.plan.sensor.interval, _SHORTEST).total_seconds())
            groups.setdefault((kind, seconds), []).append(target)
    return [_sensor(project, kind, seconds, members) for (kind, seconds), members in sorted(groups.items())]


def _sensor(project: Project, kind: str, seconds: int, targets: Sequence[Target]) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{kind}_every_{seconds}_s",
        minimum_interval_seconds=seconds,
        asset_selection=dg.AssetSelection.assets(*dict.fromkeys(key for target in targets for key in target.keys)),
        description=f"{kind.title()} that arrived: " + ", ".join(t.plan.name for t in targets[:10]),
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def arrived(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        tick = _Tick(project, _Memory.of(context.cursor), time.monotonic() + _BUDGET_S, context)
        requests = list(tick.requests(targets))
        reason = (
            None if requests else f"{len(tick.memory.still)} waiting to be still." if tick.memory.still else "None."
        )
        return dg.SensorResult(run_requests=requests, skip_reason=reason, cursor=tick.memory.text())

    return arrived


@dataclass
class _Memory:
    """The cursor: where the next tick starts; of each partition that is due, the versions seen and since when.

    ``still``: ``dataset|partition`` → (fingerprint, seconds since 1970 when it was first seen, or ``asked``).
    """

    start: int = 0
    still: dict[str, tuple[str, float | str]] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: str | None) -> "_Memory":
        """From text; a cursor that cannot be read is no cursor."""
        try:
            given = json.loads(cursor or "{}")
            return cls(int(given["start"]), {key: (str(f), since) for key, (f, since) in given["still"].items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def text(self) -> str:
        return json.dumps({"start": self.start, "still": self.still})


@dataclass
class _Tick:
    project: Project
    memory: _Memory
    until: float
    context: dg.SensorEvaluationContext

    def requests(self, targets: Sequence[Target]) -> Iterator[dg.RunRequest]:
        """Of each dataset in turn, beginning where the last tick stopped."""
        count, start = 0, self.memory.start % len(targets)
        for offset in range(len(targets)):
            at = (start + offset) % len(targets)
            if count >= _MAX_REQUESTS or time.monotonic() > self.until:
                self.memory.start = at
                return
            for request in self._of(targets[at], _MAX_REQUESTS - count):
                count += 1
                yield request
        self.memory.start = start

    def _of(self, target: Target, most: int) -> Iterator[dg.RunRequest]:
        name = target.plan.name
        try:
            due = {f"{name}|{arrival.partition.key}": arrival for arrival in self.project.arrivals(target.plan)}
        except MedallionError as error:
            self.context.log.warning(f"{name}: {self.project.scrub(str(error))}")
            return
        for key in [key for key in self.memory.still if key.startswith(f"{name}|") and key not in due]:
            del self.memory.still[key]
        count = 0
        for key, arrival in due.items():
            if count < most and self._is_ready(target, key, arrival):
                self.memory.still[key] = (arrival.fingerprint, _ASKED)
                count += 1
                know_files(self.context.instance, target.plan, [arrival.partition.key])
                yield target.request((arrival.partition,), f"{name}:{arrival.partition.key}:{arrival.fingerprint}", {})

    def _is_ready(self, target: Target, key: str, arrival: Arrival) -> bool:
        """Whether the files have been as they are for long enough, and were not asked for.

        A topic never is still: it is asked for unless a run of the dataset waits or runs, which would take all, too.
        """
        if isinstance(target.plan.source, Kafka):
            asked = self.memory.still.get(key, ("", 0.0)) == (arrival.fingerprint, _ASKED)
            return not asked and not is_busy(self.context.instance, target.plan.name)
        now = self.project.clock.now().timestamp()
        fingerprint, since = self.memory.still.get(key, ("", now))
        if fingerprint != arrival.fingerprint:
            since = now
            self.memory.still[key] = (arrival.fingerprint, since)
        settle = timedelta(0) if target.plan.sensor is None else target.plan.sensor.settle
        return not isinstance(since, str) and now - since >= settle.total_seconds()
