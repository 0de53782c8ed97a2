"""Whether a dataset is what was committed: the whole chain of its log, and every byte of every live part."""

from dataclasses import dataclass

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.verify import Fault, verify
from medallion_assets.lake.ports import Progress, Store

__all__ = ["Audit", "Found", "audit"]


@dataclass(frozen=True, slots=True)
class Found:
    """A fault, and the load it is part of."""

    n: int
    partition: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at, and what is wrong with it. ``parts`` and ``bytes`` are those of live loads."""

    commits: int
    parts: int
    rows: int
    bytes: int
    faults: tuple[Found, ...]


def audit(store: Store, path: str, *, progress: Progress | None = None) -> Audit:
    """Read everything of the dataset whose folder is ``path``. Raises Corrupt (BRZ-001 to BRZ-004) for its log."""
    head = CommitLog(store, path).head()
    faults: list[Found] = []
    parts = rows = size = 0
    for commit in head.live:
        load = commit.load
        faults += [Found(commit.n, load.partition, fault) for fault in verify(store, path, load)]
        whole = load.parts if load.quarantine is None else (*load.parts, load.quarantine)
        parts, rows, size = parts + len(whole), rows + load.rows, size + sum(part.bytes for part in whole)
        if progress is not None:
            progress(f"verify {path}", rows)
    return Audit(head.n, parts, rows, size, tuple(faults))
