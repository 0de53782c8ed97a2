"""The commit log of a dataset: the only state there is.

``<path>/_commits/<n, 20 digits>.json`` from n = 1 without a gap; creating the object of n + 1 is the commit. Beside
it ``<path>/_checkpoints/<n>.json`` every 100 commits, for speed alone.
"""

import re
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from itertools import takewhile

from medallion_assets.bronze.checkpoint import (
    EVERY,
    NONE,
    Checkpoint,
    Entry,
    advance,
    decode_checkpoint,
    encode_checkpoint,
)
from medallion_assets.bronze.codec import decode, encode, encode_note
from medallion_assets.bronze.decide import EMPTY, decide, follow, rewritten
from medallion_assets.errors import AlreadyExists, Conflict, Corrupt, NotFound, StorageError, StoreUnavailable
from medallion_assets.lake.manifest import Approval, Commit, Expunge, Head, Load, Note, Record
from medallion_assets.lake.ports import Store
from medallion_assets.lake.window import Window

__all__ = ["CommitLog"]

_COMMIT = re.compile(r"/_commits/(\d{20})\.json\Z")
_CHECKPOINT = re.compile(r"/_checkpoints/(\d{20})\.json\Z")
_KEPT = 5
"""Checkpoints that stay: one would do, were it not damaged."""
_PAUSES_S = (0.05, 0.2, 0.8, 3.0)
"""Between the tries to find out whether a commit arrived."""


class CommitLog:
    """Reads and extends the log of the dataset whose folder in ``store`` is ``path``.

    Reading raises Corrupt: BRZ-001 a commit's bytes changed, BRZ-003 a commit is not the one that its neighbours
    vouch for, BRZ-004 a commit is missing; StorageError BRZ-002: written by a newer version.
    """

    def __init__(self, store: Store, path: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._store = store
        self._path = path
        self._sleep = sleep
        self._known = NONE
        """What ``near`` found last: a checkpoint then need not read it again."""

    # ------------------------------------------------------------------ reading

    def head(self) -> Head:
        """The log up to its newest commit, every commit read and the whole chain of hashes verified."""
        return follow(EMPTY, self.commits())

    def near(self, window: Window) -> Head:
        """The head as far as it concerns one window, for those who extend the log: its live loads include all
        that overlap ``window``, not all others, and approvals are left out.

        Starts from the newest sound checkpoint, so the cost hardly grows with the log. It finds commits that are
        missing behind the checkpoint, and damage to what it reads; the rest is left to ``head``, and so to readers.
        """
        saved = self._checkpoint()
        listed = self._numbers("_commits", _COMMIT, self._object(saved.n) if saved.n else "")
        overlapping = [self._named(e) for e in saved.live if e.start < window.end and window.start < e.end]
        since = list(self._after(Head(saved.n, saved.sha256, ()), max(listed, default=0)))
        self._known = advance(saved, since)
        return follow(Head(saved.n, saved.sha256, tuple(overlapping)), since)

    def extend(self, head: Head) -> Head:
        """``head`` and the commits made since."""
        return follow(head, self._after(head, 0))

    def commits(self) -> Iterator[Record]:
        """The whole history by n, verified as it is read."""
        return self._after(EMPTY, max(self._numbers("_commits", _COMMIT), default=0))

    def _after(self, head: Head, listed: int) -> Iterator[Record]:
        """Entries ``head.n + 1`` and on. A listing is a hint that may be short, never too long."""
        n, previous = head.n + 1, head.sha256
        while True:
            raw = self._bytes(n)
            if raw is None:
                if n <= listed:
                    raise self._missing(n)
                return
            commit = decode(raw, self._where(n))
            self._check_place(commit, n, previous)
            yield commit
            n, previous = n + 1, commit.sha256

    def _bytes(self, n: int) -> bytes | None:
        try:
            return self._store.get(self._object(n))
        except NotFound:
            return None

    def _missing(self, n: int) -> Corrupt:
        return Corrupt(
            "BRZ-004",
            f"Commit {n} is missing although later ones exist.",
            where=self._where(n),
            fix="Restore the file from a backup or from the store's version history.",
        )

    def _check_place(self, commit: Record, n: int, previous: str) -> None:
        if commit.n != n:
            raise self._exchanged(n, f"This is commit {commit.n}, not {n}.")
        if commit.previous != previous:
            raise self._exchanged(n, f"Commit {n} follows another commit {n - 1} than is there: one was exchanged.")

    def _exchanged(self, n: int, what: str) -> Corrupt:
        return Corrupt("BRZ-003", what, where=self._where(n), fix="Restore the log from a backup; then rebuild silver.")

    def _checkpoint(self) -> Checkpoint:
        for n in sorted(self._numbers("_checkpoints", _CHECKPOINT), reverse=True):
            saved = decode_checkpoint(self._store.get(self._saved(n)))
            if saved is None or saved.n != n:
                continue
            raw = self._bytes(n)
            if raw is None:
                raise self._missing(n)
            if sha256(raw).hexdigest() == saved.sha256:
                return saved
        return NONE

    def _named(self, entry: Entry) -> Commit:
        """The commit that a checkpoint names, with the parts that it has now."""
        commit = self._at(entry.n, entry.sha256)
        note = None if entry.expunged is None else self._at(*entry.expunged)
        if isinstance(commit, Note):
            raise self._exchanged(entry.n, f"Commit {entry.n} is no load, as the checkpoint says.")
        return rewritten(commit, note.act) if isinstance(note, Note) and isinstance(note.act, Expunge) else commit

    def _at(self, n: int, digest: str) -> Record:
        raw = self._bytes(n)
        if raw is None:
            raise self._missing(n)
        record = decode(raw, self._where(n))
        if (record.n, record.sha256) != (n, digest):
            raise self._exchanged(n, f"Commit {n} is not the one that the checkpoint names.")
        return record

    def _numbers(self, folder: str, name: re.Pattern[str], after: str = "") -> set[int]:
        found = (name.search(f"/{o.path}") for o in self._store.list(f"{self._path}/{folder}", after))
        return {int(match[1]) for match in found if match}

    # ------------------------------------------------------------------ extending

    def publish(
        self, load: Load, seen: Head, *, claims: Collection[str] = (), force: bool = False
    ) -> tuple[Commit, bool]:
        """Commit ``load``, whose parts are durable, or find that there is no need to. ``seen`` was read before the
        source was. Returns the commit that now holds the window, and whether this call made it.

        ``claims`` and ``force`` as in ``decide.decide``, whose errors (BRZ-005, BRZ-006) it raises, too.
        StoreUnavailable BRZ-007: the outcome is unknown; the parts must stay; running again finds out.
        """
        head = seen
        while True:
            decision = decide(load, head, seen.n, claims=claims, force=force)
            if isinstance(decision, Commit):
                return decision, False
            chosen = replace(load, replaces=decision)
            raw = encode(head.n + 1, head.sha256, chosen, self._path)
            if self._create(head.n + 1, raw):
                self._save(head.n + 1)
                return follow(head, [decode(raw, self._where(head.n + 1))]).live[-1], True
            head = self.extend(head)

    def approve(self, approval: Approval, seen: Head) -> Head:
        """Let silver absorb the loads that ``approval`` names; returns the head that holds the approval, unchanged when
        all of them had it already.

        Raises Conflict BRZ-041 when one of them is no live load any more; StoreUnavailable BRZ-007.
        """
        head = self.extend(seen)
        while True:
            gone = sorted({*approval.commits} - {c.n for c in head.live})
            if gone:
                raise Conflict(
                    "BRZ-041",
                    f"Commit {gone[0]} is not live any more: another load has taken its place.",
                    where=self._where(gone[0]),
                    fix="Look at the load that stands there now, and approve that one if it is right.",
                )
            if head.approved.issuperset(approval.commits):
                return head
            raw = encode_note(head.n + 1, head.sha256, approval, self._path)
            if self._create(head.n + 1, raw):
                self._save(head.n + 1)
                return follow(head, [decode(raw, self._where(head.n + 1))])
            head = self.extend(head)

    def expunge(self, expunge: Expunge, seen: Head) -> Head:
        """Give loads the parts without some of their rows, which are durable; returns the head that holds it.

        Raises Conflict BRZ-040 when anything was committed since ``seen``: it might hold such rows, too.
        StoreUnavailable BRZ-007: the outcome is unknown; the parts must stay.
        """
        raw = encode_note(seen.n + 1, seen.sha256, expunge, self._path)
        if not self._create(seen.n + 1, raw):
            raise Conflict(
                "BRZ-040",
                f"Commit {seen.n + 1} was made while the rows were looked for.",
                where=self._where(seen.n + 1),
                fix="Run again: it will look into that one, too.",
            )
        self._save(seen.n + 1)
        return follow(seen, [decode(raw, self._where(seen.n + 1))])

    def _create(self, n: int, raw: bytes) -> bool:
        """Whether commit ``n`` is ours. An error of the network says nothing: the same bytes are tried again, and
        whoever finds them there knows that the answer was lost and not the commit.
        """
        for pause in (*_PAUSES_S, None):
            try:
                self._store.put_if_absent(self._object(n), raw)
            except AlreadyExists:
                with suppress(StoreUnavailable):
                    return self._store.get(self._object(n)) == raw
            except StoreUnavailable:
                pass
            else:
                return True
            if pause is not None:
                self._sleep(pause)
        raise StoreUnavailable(
            "BRZ-007",
            f"The store does not say whether commit {n} arrived.",
            where=self._where(n),
            fix="Run again when the store answers: if the commit arrived, nothing will be written twice.",
        )

    def _save(self, n: int) -> None:
        """A checkpoint, when one is due. The commit stands whatever becomes of it."""
        if n % EVERY:
            return
        with suppress(StorageError):
            start = self._known if 0 < self._known.n <= n else self._checkpoint()
            since = takewhile(lambda c: c.n <= n, self._after(Head(start.n, start.sha256, ()), n))
            self._store.put(self._saved(n), encode_checkpoint(advance(start, since)))
            if n > _KEPT * EVERY:
                self._store.delete(self._saved(n - _KEPT * EVERY))

    def _object(self, n: int) -> str:
        return f"{self._path}/_commits/{n:020d}.json"

    def _saved(self, n: int) -> str:
        return f"{self._path}/_checkpoints/{n:020d}.json"

    def _where(self, n: int) -> str:
        return self._store.url(self._object(n))
