"""What a load means beside the live ones: pure decisions about windows.

Of a dataset, the live windows of full loads do not overlap, and neither do the live windows of all other loads; a
full load may stand beside another of the same window (it is a boundary among changes, and does not replace them).
The pattern is otherwise no part of a window's identity: a cdc load of a day replaces an incremental one of that day.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from medallion_assets.errors import Conflict, StorageError
from medallion_assets.lake.manifest import Approval, Commit, Expunge, Head, Load, Note, Pattern, Record
from medallion_assets.lake.window import Window

__all__ = ["EMPTY", "ZERO", "decide", "follow", "live_of", "rewritten"]

ZERO = "0" * 64
EMPTY = Head(0, ZERO, ())


def follow(head: Head, records: Iterable[Record]) -> Head:
    """``head`` after these entries of the log, which continue it."""
    live = {c.n: c for c in head.live}
    approved = head.approved
    n, sha256 = head.n, head.sha256
    for record in records:
        if isinstance(record, Note):
            if isinstance(record.act, Approval):
                approved |= {*record.act.commits}
            else:
                live = {number: rewritten(commit, record.act) for number, commit in live.items()}
        else:
            for superseded in record.load.replaces:
                live.pop(superseded, None)
            live[record.n] = record
        n, sha256 = record.n, record.sha256
    return Head(n, sha256, tuple(live.values()), approved)


def rewritten(commit: Commit, expunge: Expunge) -> Commit:
    """``commit`` with the parts that ``expunge`` leaves it; the commit itself when it is none of those."""
    for rewrite in expunge.rewrites:
        if rewrite.n == commit.n:
            return replace(commit, load=replace(commit.load, parts=rewrite.parts, rows=rewrite.rows))
    return commit


def live_of(head: Head, pattern: Pattern, window: Window) -> Commit | None:
    """The live load that a new one of this pattern and window would stand for or replace."""
    return next((c for c in _rivals(head.live, pattern, window) if c.load.window == window), None)


def decide(load: Load, head: Head, seen_n: int, *, claims: Collection[str], force: bool) -> Commit | tuple[int, ...]:
    """Either the commit that makes writing ``load`` needless, or the numbers of those that it replaces.

    ``seen_n`` is the head that was known when reading began. ``claims`` are source files that belong to whoever
    commits them first. ``force`` writes also what is there already.

    A load that appends replaces nothing; whether it goes on from the newest of its kind is asked instead.

    Raises StorageError BRZ-005 when a live window overlaps without lying inside this one; Conflict BRZ-006 when
    a load made meanwhile holds one of the claimed files, BRZ-040 when one went on from the same place.
    """
    if load.appends:
        _refuse_passed(load, head, seen_n)
        return ()
    rivals = _rivals(head.live, load.pattern, load.window)
    exact = next((c for c in rivals if c.load.window == load.window), None)
    if exact is not None and exact.load.partition != load.partition:
        raise _place_taken(load, exact)
    if exact is not None and exact.n > seen_n:
        return exact  # made beside us: one load is enough
    for rival in rivals:
        if not _inside(rival.load.window, load.window):
            raise _overlap(load, rival)
    if exact is not None and len(rivals) == 1 and not force and _same(exact.load, load):
        return exact
    for commit in head.live:
        if commit.n > seen_n:
            _refuse_claimed(commit, claims)
    return tuple(c.n for c in rivals)


def _rivals(live: Sequence[Commit], pattern: Pattern, window: Window) -> list[Commit]:
    return [
        c
        for c in live
        if (c.load.pattern == "full") == (pattern == "full")
        and c.load.window.start < window.end
        and window.start < c.load.window.end
    ]


def _inside(inner: Window, outer: Window) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _same(one: Load, other: Load) -> bool:
    return (one.content, one.schema, one.pattern) == (other.content, other.schema, other.pattern)


def _overlap(load: Load, rival: Commit) -> StorageError:
    theirs = rival.load.window
    return StorageError(
        "BRZ-005",
        f"Window {load.window.start.isoformat()} to {load.window.end.isoformat()} overlaps commit {rival.n}, which "
        f"holds {theirs.start.isoformat()} to {theirs.end.isoformat()}: replacing it would lose rows.",
        where=f"{load.path}",
        fix="Give `partitions` back the cadence and time zone of that commit, or load under another table name.",
    )


def _refuse_passed(load: Load, head: Head, seen_n: int) -> None:
    passed = next((c for c in head.live if c.n > seen_n and c.load.appends), None)
    if passed is not None:
        raise Conflict(
            "BRZ-040",
            f"Commit {passed.n} ({passed.load.partition}) went on from {load.cursor_before or 'the beginning'} while"
            " this load was reading from there.",
            where=load.path,
            fix="Run again: it will go on from where that one ended.",
        )


def _place_taken(load: Load, other: Commit) -> Conflict:
    return Conflict(
        "BRZ-006",
        f"Commit {other.n} ({other.load.partition}) took the place of this load of {load.partition} while it was read.",
        where=load.path,
        fix="Run again: it will be put behind that one.",
    )


def _refuse_claimed(commit: Commit, claims: Collection[str]) -> None:
    taken = sorted({f.path for f in commit.load.source.files} & set(claims))
    if taken:
        raise Conflict(
            "BRZ-006",
            f"Commit {commit.n} ({commit.load.partition}) took source files while this load was reading them: "
            f"{', '.join(taken[:3])}.",
            where=commit.load.path,
            fix="Run again: files that are loaded already will be passed over.",
        )
