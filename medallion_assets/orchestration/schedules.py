"""One schedule for all intents of a cron and a time zone: a schedule for each would cost a job for each."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone

import dagster as dg

from medallion_assets.errors import MedallionError
from medallion_assets.lake.ports import Clock
from medallion_assets.lake.window import Partition
from medallion_assets.orchestration.partitions import know_files
from medallion_assets.orchestration.requests import Target, contiguous, is_busy
from medallion_assets.project import Project

__all__ = ["schedules"]

_MAX_RANGES = 20
"""Ranges of missing partitions that one tick asks for, of one dataset; the next tick goes on."""
_FILLING = "medallion/filling"


def schedules(project: Project, targets: Sequence[Target]) -> list[dg.ScheduleDefinition]:
    """The schedules of the intents that have one. They run once Dagster's daemon does."""
    groups: dict[tuple[str, str], list[Target]] = {}
    for target in targets:
        asked = target.plan.schedule
        if asked is not None:
            groups.setdefault((asked.cron, asked.timezone or target.plan.calendar.timezone), []).append(target)
    if not groups:
        return []
    every = dict.fromkeys(key for members in groups.values() for target in members for key in target.keys)
    job = dg.define_asset_job("scheduled", dg.AssetSelection.assets(*every))
    return [_schedule(project, cron, zone, members, job) for (cron, zone), members in sorted(groups.items())]


def _schedule(project: Project, cron: str, zone: str, targets: Sequence[Target], job: object) -> dg.ScheduleDefinition:
    def tick(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        at = context.scheduled_execution_time.astimezone(timezone.utc)
        asked = 0
        for target in targets:
            try:
                requests = list(_due(replace(project, clock=_At(at)), target, context))
            except MedallionError as error:
                context.log.warning(f"{target.plan.name}: {project.scrub(str(error))}")
                continue
            asked += len(requests)
            yield from requests
        if not asked:
            yield dg.SkipReason("Nothing is due.")

    names = ", ".join(target.plan.name for target in targets[:10]) + (" …" if len(targets) > 10 else "")
    return dg.ScheduleDefinition(
        name=f"cron_{_slug(cron)}_{_slug(zone)}",
        cron_schedule=cron,
        execution_timezone=zone,
        job=job,  # type: ignore[arg-type] # an unresolved asset job, whose type Dagster does not export
        execution_fn=tick,
        description=f"{cron} ({zone}): {names}",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def _due(project: Project, target: Target, context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """The newest partition and, when the intent says so, the whole ones before it that were never loaded."""
    plan, at = target.plan, project.clock.now()
    if plan.by_file:
        for arrival in project.arrivals(plan):
            know_files(context.instance, plan, [arrival.partition.key])
            yield target.request((arrival.partition,), f"{plan.name}:{arrival.partition.key}:{arrival.fingerprint}", {})
        return
    newest = project.newest(plan)
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    fills = plan.schedule is not None and plan.schedule.backfill_missing
    gaps: tuple[Partition, ...] = ()
    if fills and plan.as_of and not is_busy(context.instance, plan.name, {_FILLING: "true"}):
        gaps = tuple(p for p in project.missing(plan) if p.window.start < newest.window.start)
    ranges = contiguous((*gaps, newest))
    for partitions in ranges[-_MAX_RANGES:]:
        tags: Mapping[str, str] = {_FILLING: "true"} if partitions[-1] != newest or len(partitions) > 1 else {}
        yield target.request(partitions, f"{plan.name}:{stamp}:{partitions[0].key}", tags)


class _At(Clock):
    """The moment a tick is for, which may be some time ago."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at


def _slug(text: str) -> str:
    """Letters, digits and underscores, different for different texts."""
    words = {"*": "every", "/": "by", "-": "to", ",": "and", "+": "plus"}
    return re.sub(r"\W+", "_", "".join(f" {words[c]} " if c in words else c for c in text)).strip("_")
