"""Partitions that are files: each file of a dataset is one, under its own name.

A file's partition lies in the run date on which it was first loaded, behind the files that were there before it; the
commit log remembers where. Windows of files are one microsecond long and never touch: no range of them is one window.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from medallion_assets.lake.manifest import Commit, Head
from medallion_assets.lake.window import Partition, Window
from medallion_assets.plan.model import Calendar

__all__ = ["file_partition", "file_partitions"]

_LENGTH, _STEP = timedelta(microseconds=1), timedelta(microseconds=2)
_DAY = timedelta(days=1)


def file_partition(calendar: Calendar, head: Head, name: str, now: datetime) -> Partition:
    """The partition of a file: where it was loaded, or where it would be if it were the next one."""
    held = next((commit for commit in head.live if commit.load.partition == name), None)
    return _new(calendar, head, (name,), now)[0] if held is None else _held(held)


def file_partitions(calendar: Calendar, head: Head, names: Sequence[str], now: datetime) -> tuple[Partition, ...]:
    """Those that bronze holds, in their order, then the others of ``names``, in the order of their names."""
    held = {commit.load.partition: _held(commit) for commit in head.live}
    new = sorted(name for name in set(names) if name not in held)
    return (*sorted(held.values()), *_new(calendar, head, new, now))


def _new(calendar: Calendar, head: Head, names: Sequence[str], now: datetime) -> list[Partition]:
    zone = ZoneInfo(calendar.timezone)
    day = now.astimezone(zone).date()
    midnight = datetime.combine(day, time(), zone).astimezone(timezone.utc)
    taken = [start for commit in head.live if midnight <= (start := commit.load.window.start) < midnight + _DAY]
    first = max(taken) + _STEP if taken else midnight
    starts = (first + place * _STEP for place in range(len(names)))
    return [Partition(Window(at, at + _LENGTH), name, day) for at, name in zip(starts, names, strict=True)]


def _held(commit: Commit) -> Partition:
    at = date.fromisoformat(commit.load.path.rpartition("dt=")[2][:10])
    return Partition(commit.load.window, commit.load.partition, at)
