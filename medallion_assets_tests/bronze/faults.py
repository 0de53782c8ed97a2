"""A store that fails at chosen operations, before or after they take effect."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from medallion_assets.errors import StorageError, StoreUnavailable
from medallion_assets.lake.ports import ObjectInfo, Store

__all__ = ["Count", "FaultStore", "disk_full", "unavailable"]


def unavailable() -> StorageError:
    return StoreUnavailable("STO-010", "No answer.")


def disk_full() -> StorageError:
    return StorageError("STO-005", "The disk is full.")


class Count:
    """Every operation so far, by name and path."""

    def __init__(self) -> None:
        self.operations: list[tuple[str, str]] = []


class FaultStore:
    """``inner``, but ``fails(i, name, path)`` is asked at operation i (from 1) and answers how it goes wrong:
    None, ``("before", error)`` or ``("after", error)``: the operation takes effect and the answer is lost.
    """

    def __init__(
        self,
        inner: Store,
        fails: Callable[[int, str, str], tuple[str, StorageError] | None],
        count: Count | None = None,
    ) -> None:
        self._inner = inner
        self._fails = fails
        self.count = Count() if count is None else count

    def _around(self, name: str, path: str, work: Callable[[], object]) -> object:
        self.count.operations.append((name, path))
        fault = self._fails(len(self.count.operations), name, path)
        if fault is None:
            return work()
        when, error = fault
        if when == "after":
            work()
        raise error

    def put(self, path: str, data: bytes) -> None:
        self._around("put", path, lambda: self._inner.put(path, data))

    def put_if_absent(self, path: str, data: bytes) -> None:
        self._around("put_if_absent", path, lambda: self._inner.put_if_absent(path, data))

    def get(self, path: str) -> bytes:
        data = self._around("get", path, lambda: self._inner.get(path))
        assert isinstance(data, bytes)
        return data

    def get_range(self, path: str, start: int, length: int) -> bytes:
        data = self._around("get_range", path, lambda: self._inner.get_range(path, start, length))
        assert isinstance(data, bytes)
        return data

    def info(self, path: str) -> ObjectInfo:
        info = self._around("info", path, lambda: self._inner.info(path))
        assert isinstance(info, ObjectInfo)
        return info

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        found = self._around("list", prefix, lambda: tuple(self._inner.list(prefix, after)))
        assert isinstance(found, tuple)
        return iter(found)

    def delete(self, path: str) -> None:
        self._around("delete", path, lambda: self._inner.delete(path))

    def sweep(self, prefix: str, before: datetime, *, delete: bool) -> int:
        return self._inner.sweep(prefix, before, delete=delete)

    def url(self, path: str) -> str:
        return self._inner.url(path)

    @property
    def options(self) -> Mapping[str, str]:
        return self._inner.options
