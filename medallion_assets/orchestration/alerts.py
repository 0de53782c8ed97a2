"""The sensor ``alerts``: tells channels of failed runs and checks, of late partitions, and when it is over.

A problem is told once and remembered in the cursor until it is over. Nothing is told of what happened before the sensor
was first started. What a channel does not take is tried again at the next ticks; no run knows of any of this.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

import dagster as dg

from medallion_assets.alerts.message import Event, Message
from medallion_assets.alerts.send import NotSent, send
from medallion_assets.errors import MedallionError
from medallion_assets.orchestration.families import own_key
from medallion_assets.orchestration.requests import Target
from medallion_assets.project import Project

__all__ = ["alert_sensors"]

_EVERY_S = 30
_EVENTS_A_TICK = 500
_TRIES = 5
_LATE = timedelta(hours=1)
"""How long after a tick of its schedule a partition may be missing."""
_ENDS: dict[dg.DagsterRunStatus, Event] = {
    dg.DagsterRunStatus.FAILURE: "run_failed",
    dg.DagsterRunStatus.SUCCESS: "run_succeeded",
}


def alert_sensors(project: Project, targets: Sequence[Target]) -> list[dg.SensorDefinition]:
    """One sensor when any intent has alerts."""
    told = [target for target in targets if target.plan.alerts]
    if not told:
        return []

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=_EVERY_S,
        description="Tells channels of failed runs and checks, late partitions, and when it is over.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        tick = _Tick(project, told, context)
        tick.look()
        sent = tick.deliver()
        return dg.SensorResult(
            skip_reason=f"{sent} told, {len(tick.memory.waiting)} waiting.", cursor=tick.memory.text()
        )

    return [alerts]


@dataclass
class _Memory:
    """The cursor. ``open``: problems that were told, as ``dataset|subject``; ``waiting``: what no channel took yet."""

    event: int
    since: float
    """Runs that ended later than this (seconds since 1970) are new."""
    open: dict[str, str] = field(default_factory=dict)
    waiting: list[tuple[str, dict[str, str], int]] = field(default_factory=list)
    """Channel, message, tries."""

    def text(self) -> str:
        return json.dumps(
            {"event": self.event, "since": self.since, "open": self.open, "waiting": self.waiting}, sort_keys=True
        )


class _Tick:
    def __init__(self, project: Project, targets: Sequence[Target], context: dg.SensorEvaluationContext) -> None:
        self.project, self.context, self.targets = project, context, targets
        self.of_key: dict[dg.AssetKey, list[Target]] = {}
        for target in targets:
            for key in target.keys:
                self.of_key.setdefault(key, []).append(target)
        self.instance = context.instance
        self.now = project.clock.now()
        self.memory = self._memory(context.cursor)

    def _memory(self, cursor: str | None) -> _Memory:
        try:
            given = json.loads(cursor or "")
            waiting = [(str(c), dict(m), int(n)) for c, m, n in given["waiting"]]
            return _Memory(int(given["event"]), float(given["since"]), dict(given["open"]), waiting)
        except (ValueError, KeyError, TypeError):
            newest = self.instance.event_log_storage.get_maximum_record_id() or 0
            return _Memory(newest, datetime.now(timezone.utc).timestamp())

    def look(self) -> None:
        """Everything that is new since the last tick becomes messages that wait."""
        for message in (*self._checks(), *self._runs(), *self._late()):
            key = f"{message.dataset}|{message.subject}"
            if message.event in ("recovered", "run_succeeded"):
                was = self.memory.open.pop(key, None)
                if message.event == "run_succeeded":
                    self._queue(message)
                if was is not None:
                    self._queue(replace(message, event="recovered"))
            elif key not in self.memory.open:
                self.memory.open[key] = message.event
                self._queue(message)

    def _queue(self, message: Message) -> None:
        target = next(t for t in self.targets if t.plan.name == message.dataset)
        for alert in target.plan.alerts:
            if message.event in alert.when:
                self.memory.waiting.append((alert.channel, _written(message), 0))

    def deliver(self) -> int:
        """How many were taken."""
        waiting, self.memory.waiting, sent = self.memory.waiting, [], 0
        for name, written, tries in waiting:
            channel = self.project.platform.channels.get(name)
            if channel is None:
                self.context.log.warning(
                    f"platform.yaml has no channel {name}; nobody is told of {written['subject']}."
                )
                continue
            try:
                send(channel, _read(written), self.project.resolve)
                sent += 1
            except (NotSent, MedallionError) as error:
                self.context.log.warning(f"Channel {name}: {self.project.scrub(str(error))}.")
                if tries + 1 < _TRIES:
                    self.memory.waiting.append((name, written, tries + 1))
        return sent

    # ------------------------------------------------------------------------------------------ what is new

    def _checks(self) -> Iterator[Message]:
        filters = dg.EventRecordsFilter(
            event_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=self.memory.event
        )
        for record in self.instance.event_log_storage.get_event_records(filters, _EVENTS_A_TICK, ascending=True):
            self.memory.event = record.storage_id
            event = record.event_log_entry.dagster_event
            if event is None:
                continue
            found = event.asset_check_evaluation_data
            for target in self._meant(found.asset_key, found.partition):
                place = f"{found.asset_key.to_user_string()} {found.check_name} {found.partition or ''}".rstrip()
                kind: Event = "recovered" if found.passed else "check_failed"
                said = self.project.scrub(found.description or "")
                yield Message(kind, target.plan.name, place, said, self.now, record.event_log_entry.run_id)

    def _runs(self) -> Iterator[Message]:
        after = datetime.fromtimestamp(self.memory.since, timezone.utc)
        filters = dg.RunsFilter(statuses=list(_ENDS), updated_after=after)
        for record in self.instance.get_run_records(filters, order_by="update_timestamp", ascending=True):
            ended = record.end_time or record.update_timestamp.timestamp()
            if ended <= self.memory.since:
                continue
            self.memory.since = max(self.memory.since, ended)
            run = record.dagster_run
            days = run.tags.get("dagster/partition") or run.tags.get("dagster/asset_partition_range_start", "")
            names = {t.plan.name for k in run.asset_selection or () for t in self._meant(k, days or None)}
            for name in sorted(names):
                kind = _ENDS[run.status]
                text = f"Run {run.run_id} ended: {run.status.value}."
                yield Message(kind, name, f"run {days}".rstrip(), text, self.now, run.run_id)

    def _meant(self, key: dg.AssetKey, partition: str | None) -> list[Target]:
        """Whose asset or partition it is; of a sum over partitions of several tenants, all of them."""
        found = self.of_key.get(key, [])
        return [t for t in found if partition is None or own_key(t.plan, partition) is not None]

    def _late(self) -> Iterator[Message]:
        """The partition that a schedule asked for last, when it is not there an hour later."""
        for target in self.targets:
            plan = target.plan
            if plan.schedule is None or not any("late" in alert.when for alert in plan.alerts):
                continue
            try:
                due = self.project.newest(plan)
                loaded = due not in self.project.unloaded(plan, (due,))
            except MedallionError as error:
                self.context.log.warning(f"{plan.name}: {self.project.scrub(str(error))}")
                continue
            if loaded:
                yield Message("recovered", plan.name, f"partition {due.key}", "It has arrived.", self.now)
            elif self.now - self._asked(target) > _LATE:
                yield Message("late", plan.name, f"partition {due.key}", f"{due.key} is not loaded yet.", self.now)

    def _asked(self, target: Target) -> datetime:
        """The last tick of the dataset's schedule."""
        from dagster._utils.schedules import reverse_cron_string_iterator

        schedule = target.plan.schedule
        zone = (schedule.timezone if schedule else None) or target.plan.calendar.timezone
        ticks = reverse_cron_string_iterator(self.now.timestamp(), schedule.cron if schedule else "0 0 * * *", zone)
        return next(iter(ticks)).astimezone(timezone.utc)


def _written(message: Message) -> dict[str, str]:
    return {name: str(value) for name, value in message.json().items() if name != "deduplication_key"}


def _read(written: dict[str, str]) -> Message:
    at = datetime.fromisoformat(written["at"])
    event: Event = written["event"]  # type: ignore[assignment] # written by us
    return Message(event, written["dataset"], written["subject"], written["text"], at, written["run_id"])
