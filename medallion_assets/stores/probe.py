"""What a store can do, found out by doing it: commits need creations that fail when the name is taken.

Some services and gateways accept `If-None-Match` and ignore it. There every one of racing writers would win, and all
but the last would lose its rows without a word; so such a store is refused before the first creation.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import perf_counter
from uuid import uuid4

from medallion_assets.errors import AlreadyExists, NotFound, StorageError
from medallion_assets.lake.ports import ObjectInfo, Store

__all__ = ["Finding", "ProbedStore", "examine"]

MARKER = "_medallion-probe"
_TEXT = b"Created once and never again: this shows that the store honours conditional writes.\n"
_BYTES = b"0123456789"


class ProbedStore:
    """``store``, whose first creation in this process proves that it honours conditional writes.

    The proof is a marker that stays: it costs one request where it lies already, two the first time. Raises
    StorageError STO-018 for a store that creates it twice.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._proven = False

    def put(self, path: str, data: bytes) -> None:
        self._store.put(path, data)

    def put_if_absent(self, path: str, data: bytes) -> None:
        self._prove()
        self._store.put_if_absent(path, data)

    def get(self, path: str) -> bytes:
        return self._store.get(path)

    def get_range(self, path: str, start: int, length: int) -> bytes:
        return self._store.get_range(path, start, length)

    def info(self, path: str) -> ObjectInfo:
        return self._store.info(path)

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        return (found for found in self._store.list(prefix, after) if found.path != MARKER)

    def delete(self, path: str) -> None:
        self._store.delete(path)

    def sweep(self, prefix: str, before: datetime, *, delete: bool) -> int:
        return self._store.sweep(prefix, before, delete=delete)

    def url(self, path: str) -> str:
        return self._store.url(path)

    @property
    def options(self) -> Mapping[str, str]:
        return self._store.options

    def _prove(self) -> None:
        with self._lock:
            if self._proven:
                return
            try:
                self._store.put_if_absent(MARKER, _TEXT)
                self._store.put_if_absent(MARKER, _TEXT)
            except AlreadyExists:
                self._proven = True
                return
            raise ignores_conditions(self._store)


def ignores_conditions(store: Store) -> StorageError:
    """The error for a store where a name can be created twice."""
    return StorageError(
        "STO-018",
        "This store ignores conditional writes: the same object was created twice. Of two runs that commit at once both"
        " would seem to win, and the rows of one would be lost.",
        where=store.url(""),
        fix="Use a service that honours `If-None-Match: *` (AWS S3, MinIO, Ceph, Azure), or a local store.",
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried. ``problem`` is None when it worked."""

    what: str
    milliseconds: float
    problem: StorageError | None


def examine(store: Store) -> tuple[Finding, ...]:
    """Write, create, create again, read, read a range, list and delete an object of its own; what follows a failed
    write is left out. Nothing stays behind where deleting is allowed.
    """
    path = f"_medallion-doctor/{uuid4().hex}"
    findings: list[Finding] = []
    steps: Mapping[str, Callable[[], object]] = {
        "write": lambda: store.put(path, _BYTES),
        "create": lambda: store.put_if_absent(f"{path}-new", _BYTES),
        "create again": lambda: _create_again(store, f"{path}-new"),
        "read": lambda: _expect(store, store.get(path) == _BYTES, "other bytes than were written"),
        "range": lambda: _expect(store, store.get_range(path, 3, 4) == _BYTES[3:7], "another range than asked for"),
        "list": lambda: _expect(store, {path, f"{path}-new"} <= _names(store), "an object that was written is missing"),
        "delete": lambda: _delete(store, path),
    }
    for what, step in steps.items():
        found = _tried(what, step)
        findings.append(found)
        if found.problem is not None and what == "write":
            break
    with suppress(StorageError):
        store.delete(f"{path}-new")
    return tuple(findings)


def _tried(what: str, step: Callable[[], object]) -> Finding:
    began = perf_counter()
    try:
        step()
    except StorageError as error:
        return Finding(what, (perf_counter() - began) * 1e3, error)
    return Finding(what, (perf_counter() - began) * 1e3, None)


def _create_again(store: Store, path: str) -> None:
    try:
        store.put_if_absent(path, _BYTES)
    except AlreadyExists:
        return
    raise ignores_conditions(store)


def _names(store: Store) -> set[str]:
    return {found.path for found in store.list("_medallion-doctor")}


def _delete(store: Store, path: str) -> None:
    store.delete(path)
    with suppress(NotFound):
        store.get(path)
        _expect(store, False, "a deleted object is still there")


def _expect(store: Store, holds: bool, otherwise: str) -> None:
    if not holds:
        raise StorageError(
            "STO-016", f"The store answered with {otherwise}.", where=store.url(""),
            fix="Do not keep a lake there: the service does not do what it says.",
        )  # fmt: skip
