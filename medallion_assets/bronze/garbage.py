"""What lies in a dataset's folder and belongs to nothing: parts of attempts that never committed, and, once nobody
needs them, parts of loads that were replaced, and parts with rows that were expunged.

Age is by the store's clock, which also dated the objects. Commits, checkpoints and copies are never garbage.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.decide import EMPTY, follow
from medallion_assets.lake.manifest import Approval, Load, Note, Record
from medallion_assets.lake.ports import Store

__all__ = ["Garbage", "Keep", "Sweep", "sweep"]

_CLOCK = "_clock"


@dataclass(frozen=True, slots=True)
class Garbage:
    """An object that may go. ``path`` is relative to the dataset's folder."""

    path: str
    bytes: int
    modified: datetime
    why: Literal["uncommitted", "replaced", "expunged"]


@dataclass(frozen=True, slots=True)
class Keep:
    """What protects an object: nothing younger than ``grace`` goes, no replaced load younger than ``replaced`` (None:
    none ever goes), and none whose replacement silver has not absorbed: it has come to commit ``absorbed``. What was
    expunged does not wait for ``replaced``.
    """

    grace: timedelta
    replaced: timedelta | None
    absorbed: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was found, and what became of it. ``unfinished``: writes that a kill left behind half done, in number."""

    garbage: tuple[Garbage, ...]
    unfinished: int
    deleted: bool
    young: int
    """Objects that no commit names and that are too young: a run may be writing them."""


def sweep(store: Store, path: str, keep: Keep, *, beside: str | None = None, delete: bool = False) -> Sweep:
    """Find, and with ``delete`` remove, the garbage of the dataset whose folder is ``path``; in the folder ``beside``
    it, of copies, only unfinished writes.

    The log is read again right before anything is removed. Raises StorageError, Corrupt when the log is damaged: then
    nothing can be told apart.
    """
    if next(store.list(path), None) is None:
        return Sweep((), 0, delete, 0)
    now = _now(store, path)
    found, young = _garbage(store, path, keep, now)
    if delete and found:
        still = {garbage.path for garbage in _garbage(store, path, keep, now)[0]}
        found = tuple(garbage for garbage in found if garbage.path in still)
        for garbage in found:
            store.delete(f"{path}/{garbage.path}")
    folders = (path,) if beside is None else (path, beside)
    unfinished = sum(store.sweep(folder, now - keep.grace, delete=delete) for folder in folders)
    return Sweep(found, unfinished, delete, young)


def _now(store: Store, path: str) -> datetime:
    """The store's clock, by an object that is written for it."""
    store.put(f"{path}/{_CLOCK}", b"")
    return store.info(f"{path}/{_CLOCK}").modified


def _garbage(store: Store, path: str, keep: Keep, now: datetime) -> tuple[tuple[Garbage, ...], int]:
    # Listed before the log is read: what commits meanwhile is named by then.
    objects = [info for info in store.list(path) if info.path.endswith(".parquet")]
    times = {info.path.rpartition("/")[2]: info.modified for info in store.list(f"{path}/_commits")}
    log = tuple(CommitLog(store, path).commits())
    names = {name for commit in follow(EMPTY, log).live for name in _parts(commit.load)}
    ended = _ended(log)
    found: list[Garbage] = []
    young = 0
    for info in objects:
        relative = info.path.removeprefix(f"{path}/")
        if relative in names:
            continue
        if relative in ended:
            why, by = ended[relative]
            wait = timedelta(0) if why == "expunged" else keep.replaced
            if _over(by, times.get(f"{by:020d}.json"), keep, wait, now):
                found.append(Garbage(relative, info.bytes, info.modified, why))
        elif now - info.modified >= keep.grace:
            found.append(Garbage(relative, info.bytes, info.modified, "uncommitted"))
        else:
            young += 1
    return tuple(found), young


def _ended(log: Sequence[Record]) -> dict[str, tuple[Literal["replaced", "expunged"], int]]:
    """Parts that some commit names and no reader needs: why, and the commit that said so."""
    held: dict[int, list[str]] = {}
    ended: dict[str, tuple[Literal["replaced", "expunged"], int]] = {}
    for record in log:
        if not isinstance(record, Note):
            for n in record.load.replaces:
                ended = {**dict.fromkeys(held[n], ("replaced", record.n)), **ended}
            held[record.n] = list(_parts(record.load))
        elif not isinstance(record.act, Approval):
            for rewrite in record.act.rewrites:
                held[rewrite.n] = [part.path for part in rewrite.parts]
            ended |= dict.fromkeys(record.act.gone, ("expunged", record.n))
    return ended


def _parts(load: Load) -> Iterator[str]:
    yield from (part.path for part in load.parts)
    if load.quarantine is not None:
        yield load.quarantine.path


def _over(by: int, at: datetime | None, keep: Keep, wait: timedelta | None, now: datetime) -> bool:
    """``at``: when the store wrote commit ``by``; None: it came after the listing."""
    if at is None or wait is None or by > keep.absorbed:
        return False
    return now - at >= max(wait, keep.grace)
