"""What there is to load: files that bronze does not hold, and past partitions that were never loaded.

Bronze is the only memory: what a commit names is done, whoever asked for it, and a restart forgets nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from medallion_assets.lake.manifest import CursorValue, Head
from medallion_assets.lake.window import Partition
from medallion_assets.plan.model import DatasetPlan

__all__ = ["Arrival", "Listed", "arrivals", "files", "messages", "missing", "whole_due"]

Listed = tuple[str, int, str]
"""A file: name, bytes, and what changes with its content (time of change, etag)."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Files or messages that a partition has and bronze has not. ``fingerprint`` names exactly these."""

    partition: Partition
    count: int
    fingerprint: str


def arrivals(
    plan: DatasetPlan,
    listed: Callable[[Partition], Sequence[Listed]],
    head: Head,
    begun: Sequence[Partition],
    current: Partition,
) -> Iterator[Arrival]:
    """Newest partition first. ``listed`` gives the files that match for a partition, none when there are none.

    A file that is gone is no arrival: only what is new or another one now is.
    """
    held = _held(plan, head)
    if not plan.as_of:
        known = {file for files in held.values() for file in files}
        if plan.bronze.pattern == "full":
            newest = max((c for c in head.live if c.load.pattern == "full"), key=lambda c: c.n, default=None)
            known = set() if newest is None else held[newest.load.partition]
        files = listed(current)
        if plan.claims_files:
            yield from _rewritten(files, held, begun, current)
            others = {file[0] for key, theirs in held.items() if key != current.key for file in theirs}
            files = [file for file in files if file[0] not in others]
        yield from _arrived(current, files, known)
        return
    for partition in sorted(begun, reverse=True):
        yield from _arrived(partition, listed(partition), held.get(partition.key, set()))


def files(plan: DatasetPlan, listed: Sequence[Listed], head: Head, begun: Sequence[Partition]) -> Iterator[Arrival]:
    """As ``arrivals``, where every file is a partition: those that are new or other ones now, in their order."""
    held = _held(plan, head)
    by_name = {file[0]: file for file in listed}
    for partition in begun:
        if partition.key in by_name:
            yield from _arrived(partition, [by_name[partition.key]], held.get(partition.key, set()))


def _rewritten(
    files: Sequence[Listed], held: dict[str, set[Listed]], begun: Sequence[Partition], current: Partition
) -> Iterator[Arrival]:
    """Past partitions of which a file is another one now: they are loaded again, newest first."""
    for partition in sorted(begun, reverse=True):
        names = {name for name, _, _ in held.get(partition.key, ())}
        if partition != current and names:
            own = [file for file in files if file[0] in names]
            yield from _arrived(partition, own, held[partition.key])


def whole_due(head: Head, target: Partition, every: timedelta | None, now: datetime) -> bool:
    """Whether the whole state is to be loaded into ``target``: the last one is ``every`` old by then, or there is none.

    What is loaded already is not loaded again. Of a dataset without partitions the time of loading counts.
    """
    fulls = [commit.load for commit in head.live if commit.load.pattern == "full"]
    if every is None:
        return False
    if target.key == "all":
        return all(now - load.finished_at >= every for load in fulls)
    before = [load for load in fulls if load.window.start <= target.window.start]
    return all(target.window.start - load.window.start >= every for load in before)


def _held(plan: DatasetPlan, head: Head) -> dict[str, set[Listed]]:
    """Files of the live loads by partition key."""
    found: dict[str, set[Listed]] = {}
    for commit in head.live:
        if commit.load.pattern == plan.bronze.pattern:
            files = ((fact.path, fact.bytes, fact.modified) for fact in commit.load.source.files)
            found.setdefault(commit.load.partition, set()).update(files)
    return found


def _arrived(partition: Partition, listed: Sequence[Listed], known: set[Listed]) -> Iterator[Arrival]:
    if set(listed) - known:
        text = "\n".join(f"{name}\t{size}\t{version}" for name, size, version in sorted(listed))
        yield Arrival(partition, len(set(listed) - known), sha256(text.encode()).hexdigest()[:16])


def messages(
    waiting: Callable[[CursorValue | None], tuple[int, CursorValue]], head: Head, current: Partition
) -> Iterator[Arrival]:
    """The current partition, when its topic has messages behind the last load. ``waiting`` counts them."""
    last = next((commit for commit in reversed(head.live) if commit.load.appends), None)
    count, end = waiting(None if last is None else last.load.cursor_after)
    if count:
        yield Arrival(current, count, end)


def missing(plan: DatasetPlan, head: Head, whole: Sequence[Partition]) -> tuple[Partition, ...]:
    """Those of ``whole`` that no live load of the plan's pattern covers, in order of time."""
    loaded = {commit.load.window for commit in head.live if commit.load.pattern == plan.bronze.pattern}
    return tuple(partition for partition in sorted(whole) if partition.window not in loaded)
