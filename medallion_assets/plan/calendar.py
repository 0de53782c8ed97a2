"""From a calendar to its windows of run date: local midnights and hours of a zone, as instants in UTC.

Keys are the ones Dagster's time window partitions use, so that ``medallion run`` and the UI mean the same window:
weeks start on Sunday, months on the first, an hour that a clock change repeats carries its offset the second time
(``2024-10-27-02:00+0100``), an hour that it skips does not exist.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

from medallion_assets.errors import ConfigError
from medallion_assets.lake.window import Partition, Window
from medallion_assets.plan.model import Calendar

__all__ = ["partition_at", "partition_of", "partitions_between"]

_FOREVER = datetime(9999, 12, 31, tzinfo=timezone.utc)
_DAY = timedelta(days=1)
_DAY_KEY = re.compile(r"(\d{4})-(\d{2})-(\d{2})\Z")
_HOUR_KEY = re.compile(r"(\d{4}-\d{2}-\d{2})-(\d{2}):00([+-]\d{4})?\Z")


def partition_of(calendar: Calendar, key_or_date: str | date) -> Partition:
    """The partition of a key, or the one that holds a date. Cadence ``none`` has one partition, which any date means.

    Raises ConfigError: PLN-001 not a date or key (an hourly calendar needs the hour), PLN-002 outside the calendar.
    """
    if calendar.cadence == "none":
        if isinstance(key_or_date, str) and key_or_date != "all":
            _parse_date(calendar, key_or_date)
        return _all(calendar)
    if calendar.cadence == "hourly":
        return _hour_of(calendar, key_or_date)
    day = _parse_date(calendar, key_or_date) if isinstance(key_or_date, str) else key_or_date
    return _inside(calendar, _from_day(calendar, _first_day(calendar, day)), str(key_or_date))


def partition_at(calendar: Calendar, instant: datetime) -> Partition:
    """The partition whose window holds an aware instant. Raises ConfigError PLN-002 outside the calendar."""
    if calendar.cadence == "none":
        return _all(calendar)
    local_day = instant.astimezone(ZoneInfo(calendar.timezone)).date()
    if calendar.cadence != "hourly":
        return _inside(calendar, _from_day(calendar, _first_day(calendar, local_day)), local_day.isoformat())
    hours = (p for day in (local_day - _DAY, local_day) for p in _hours(calendar, day))
    holding = next(p for p in hours if p.window.start <= instant < p.window.end)
    return _inside(calendar, holding, holding.key)


def partitions_between(calendar: Calendar, first: date, last: date) -> tuple[Partition, ...]:
    """Every partition of the calendar that holds a moment of the local days from ``first`` to ``last``, in order.

    What lies outside the calendar is left out; raises ConfigError PLN-002 when nothing is left.
    """
    if calendar.cadence == "none":
        return (_all(calendar),)
    first_day = max(first, _open_day(calendar))
    last_day = last if calendar.end is None else min(last, calendar.end)
    found = tuple(p for p in _walk(calendar, first_day, last_day) if _holds(calendar, p))
    if not found:
        raise _outside(calendar, f"{first.isoformat()} to {last.isoformat()}")
    return found


def _walk(calendar: Calendar, first: date, last: date) -> Iterator[Partition]:
    if calendar.cadence == "hourly":
        for offset in range((last - first).days + 1):
            yield from _hours(calendar, first + offset * _DAY)
        return
    day = _first_day(calendar, first)
    while day <= last:
        partition = _from_day(calendar, day)
        yield partition
        day = _next_day(calendar, day)


def _all(calendar: Calendar) -> Partition:
    return Partition(Window(_midnight(calendar, calendar.start), _FOREVER), "all", calendar.start)


def _from_day(calendar: Calendar, day: date) -> Partition:
    window = Window(_midnight(calendar, day), _midnight(calendar, _next_day(calendar, day)))
    return Partition(window, day.isoformat(), day)


def _hours(calendar: Calendar, day: date) -> Iterator[Partition]:
    """The hours that start on a local day, 23 to 25 of them around a change of the clock."""
    zone = ZoneInfo(calendar.timezone)
    starts = [*_hour_starts(zone, day), next(_hour_starts(zone, day + _DAY))]
    for start, end in pairwise(starts):
        begin = start.astimezone(timezone.utc)
        key = start.strftime("%Y-%m-%d-%H:00") + (start.strftime("%z") if start.fold else "")
        yield Partition(Window(begin, end.astimezone(timezone.utc)), key, day, begin.hour)


def _hour_starts(zone: ZoneInfo, day: date) -> Iterator[datetime]:
    for hour in range(24):
        for fold in (0, 1):
            start = datetime.combine(day, time(hour, fold=fold), zone)
            back = start.astimezone(timezone.utc).astimezone(zone)
            if back.replace(tzinfo=None) == start.replace(tzinfo=None) and back.fold == fold:
                yield start


def _hour_of(calendar: Calendar, key: str | date) -> Partition:
    match = _HOUR_KEY.match(key) if isinstance(key, str) else None
    if match is None:
        raise ConfigError(
            "PLN-001",
            f"'{key}' does not name one hour of an hourly dataset.",
            where=f"partition {key}",
            fix="write date and hour in the dataset's zone as 2024-01-31-13:00, or a range with --from and --to.",
        )
    day = _parse_date(calendar, match[1])
    partition = next((p for p in _hours(calendar, day) if p.key == key), None)
    if partition is None:
        raise ConfigError(
            "PLN-001",
            f"'{key}' is not an hour of that day in {calendar.timezone}.",
            where=f"partition {key}",
            fix="write an hour from 00 to 23 that the zone's clock shows on that day.",
        )
    return _inside(calendar, partition, partition.key)


def _parse_date(calendar: Calendar, text: str) -> date:
    match = _DAY_KEY.match(text)
    try:
        return date(*(int(part) for part in match.groups())) if match else date.fromisoformat("")
    except ValueError:
        kind = "dataset without partitions" if calendar.cadence == "none" else f"{calendar.cadence} dataset"
        raise ConfigError(
            "PLN-001",
            f"'{text}' does not name a partition of a {kind}.",
            where=f"partition {text}",
            fix="write `all`." if calendar.cadence == "none" else "write a date as 2024-01-31.",
        ) from None


def _midnight(calendar: Calendar, day: date) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(calendar.timezone)).astimezone(timezone.utc)


def _first_day(calendar: Calendar, day: date) -> date:
    """First day of the day, week or month that holds ``day``."""
    if calendar.cadence == "weekly":
        return day - timedelta(days=(day.weekday() + 1) % 7)
    return day.replace(day=1) if calendar.cadence == "monthly" else day


def _next_day(calendar: Calendar, day: date) -> date:
    """First day after the day, week or month that starts on ``day``."""
    if calendar.cadence == "monthly":
        return (day + timedelta(days=31)).replace(day=1)
    return day + timedelta(days=7 if calendar.cadence == "weekly" else 1)


def _open_day(calendar: Calendar) -> date:
    """Day on which the first whole window starts."""
    day = _first_day(calendar, calendar.start)
    return day if day == calendar.start else _next_day(calendar, day)


def _holds(calendar: Calendar, partition: Partition) -> bool:
    if partition.run_date < _open_day(calendar):
        return False
    return calendar.end is None or partition.window.end <= _midnight(calendar, calendar.end)


def _inside(calendar: Calendar, partition: Partition, asked: str) -> Partition:
    if not _holds(calendar, partition):
        raise _outside(calendar, asked)
    return partition


def _outside(calendar: Calendar, asked: str) -> ConfigError:
    end = "without an end" if calendar.end is None else f"to {calendar.end.isoformat()} (exclusive)"
    return ConfigError(
        "PLN-002",
        f"{asked} is outside the partitions: {calendar.cadence} from {calendar.start.isoformat()} {end}"
        f" in {calendar.timezone}.",
        where=f"partition {asked}",
        fix="ask for a date inside, or change `partitions` in the intent.",
    )
