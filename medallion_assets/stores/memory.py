"""A store in memory: for tests and for work that need not outlive the process."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from threading import Lock

from medallion_assets.errors import AlreadyExists, NotFound, StorageError
from medallion_assets.lake.ports import ObjectInfo
from medallion_assets.stores.paths import segments_of

__all__ = ["MemoryStore"]


class MemoryStore:
    """Objects in a dictionary; safe to share among threads. ``now`` is the store's own clock (UTC)."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        self._objects: dict[str, tuple[bytes, datetime]] = {}
        self._lock = Lock()
        self._now = now

    def put(self, path: str, data: bytes) -> None:
        segments_of(path)
        with self._lock:
            self._objects[path] = (bytes(data), self._now())

    def put_if_absent(self, path: str, data: bytes) -> None:
        segments_of(path)
        with self._lock:
            if path in self._objects:
                raise AlreadyExists("STO-004", "An object of this name exists already.", where=self.url(path))
            self._objects[path] = (bytes(data), self._now())

    def get(self, path: str) -> bytes:
        return self._entry(path)[0]

    def get_range(self, path: str, start: int, length: int) -> bytes:
        data = self.get(path)
        if start < 0 or length < 0 or start + length > len(data):
            raise StorageError(
                "STO-012",
                f"Bytes {start} to {start + length} were asked for; the object has {len(data)}.",
                where=self.url(path),
            )
        return data[start : start + length]

    def info(self, path: str) -> ObjectInfo:
        data, modified = self._entry(path)
        return ObjectInfo(path, len(data), modified)

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        if prefix:
            segments_of(prefix)
        start = f"{prefix}/" if prefix else ""
        with self._lock:
            found = sorted((p, e) for p, e in self._objects.items() if p.startswith(start) and p > after)
        return iter([ObjectInfo(path, len(data), modified) for path, (data, modified) in found])

    def delete(self, path: str) -> None:
        segments_of(path)
        with self._lock:
            self._objects.pop(path, None)

    def sweep(self, prefix: str, before: datetime, *, delete: bool) -> int:  # noqa: ARG002 - the port's
        """A write in memory is never half done."""
        return 0

    def url(self, path: str) -> str:
        return f"memory:///{path}"

    @property
    def options(self) -> Mapping[str, str]:
        return {}

    def _entry(self, path: str) -> tuple[bytes, datetime]:
        segments_of(path)
        with self._lock:
            entry = self._objects.get(path)
        if entry is None:
            raise NotFound("STO-003", "There is no such object.", where=self.url(path))
        return entry
