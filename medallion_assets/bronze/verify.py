"""Whether the parts of a load are the bytes that were committed: size and SHA-256, before any row is used.

Parquet readers give wrong values for a flipped bit and no error, so nothing else will do.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from medallion_assets.errors import Corrupt, NotFound
from medallion_assets.lake.manifest import Commit, Load, Part
from medallion_assets.lake.ports import Store

__all__ = ["Fault", "Verified", "require", "verify"]

_PIECE_BYTES = 16 * 2**20
_READERS = 2
"""Parts that are read and hashed side by side: one computes while the other waits for the store."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A part that is not what was committed. ``path`` is relative to the dataset's folder."""

    code: str
    """BRZ-010 missing, BRZ-011 of another size, BRZ-012 other bytes."""
    path: str
    what: str
    """The rest of a sentence that begins with the path."""


@dataclass(slots=True)
class Verified:
    """Parts that one run has verified already, so that its next step need not read them again.

    A part counts as the same while its size and time by the store's clock are; keep it no longer than a run.
    """

    _seen: set[tuple[str, int, datetime, str]] = field(default_factory=set)

    def check(self, store: Store, path: str, part: Part) -> Fault | None:
        """What is wrong with ``part`` of the dataset in folder ``path``; None when nothing is."""
        whole = f"{path}/{part.path}"
        try:
            info = store.info(whole)
        except NotFound:
            return Fault("BRZ-010", part.path, "is missing")
        if info.bytes != part.bytes:
            return Fault("BRZ-011", part.path, f"has {info.bytes} bytes, {part.bytes} were committed")
        key = (whole, info.bytes, info.modified, part.sha256)
        if key not in self._seen:
            if (found := _hash(store, whole, info.bytes)) != part.sha256:
                return Fault("BRZ-012", part.path, f"has SHA-256 {found[:12]}…, {part.sha256[:12]}… was committed")
            self._seen.add(key)
        return None


def verify(store: Store, path: str, load: Load, verified: Verified | None = None) -> tuple[Fault, ...]:
    """Every fault of the load's parts, the quarantine's included, in their order."""
    verified = Verified() if verified is None else verified
    parts = load.parts if load.quarantine is None else (*load.parts, load.quarantine)
    if len(parts) == 1:  # a thread costs more than a small part
        faults = [verified.check(store, path, parts[0])]
    else:
        with ThreadPoolExecutor(_READERS, "bronze-verify") as pool:
            faults = list(pool.map(lambda part: verified.check(store, path, part), parts))
    return tuple(f for f in faults if f is not None)


def require(store: Store, path: str, commits: Iterable[Commit], verified: Verified | None = None) -> None:
    """Raises Corrupt with the code of the first fault, naming the parts, unless all parts are as committed."""
    verified = Verified() if verified is None else verified
    for commit in commits:
        faults = verify(store, path, commit.load, verified)
        if faults:
            shown = "; ".join(f"{f.path} {f.what}" for f in faults[:5])
            more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
            raise Corrupt(
                faults[0].code,
                f"{shown}{more}.",
                where=f"{store.url(path)}  commit {commit.n}, partition {commit.load.partition}",
                fix="Load the partition again: damaged parts are replaced. Or restore the files from a backup.",
            )


def _hash(store: Store, path: str, size: int) -> str:
    digest = sha256()
    for start in range(0, size, _PIECE_BYTES):
        digest.update(store.get_range(path, start, min(_PIECE_BYTES, size - start)))
    return digest.hexdigest()
