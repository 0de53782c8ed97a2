"""A store that behaves as badly as real ones may, by a seed: the same seed, the same faults.

Answers are lost, before or after the request took effect; a write that its sender gave up lands later, out of order; a
listing is stale; a machine stops in the middle of an operation. What never happens is what no store does: half an
object, a creation that succeeds twice, an object that goes by itself.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random

from medallion_assets.errors import AlreadyExists, StoreUnavailable
from medallion_assets.lake.ports import ObjectInfo
from medallion_assets.stores.memory import MemoryStore

__all__ = ["LATEST", "Killed", "SimStore"]

LATEST = timedelta(minutes=10)
"""A request that was given up reaches the store within this time or never."""


class Killed(BaseException):
    """The machine that was asking stopped. No ``except Exception`` sees it, as none would see a SIGKILL."""


@dataclass
class _Late:
    due: datetime
    land: Callable[[], None]


class SimStore:
    """Objects in memory under a clock of its own. Faults happen while ``rate`` is above 0, each with that chance.

    ``between``: called before every operation, to let another writer go first. ``kills``: some of them stop the writer.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self.clock = datetime(2024, 1, 1, tzinfo=timezone.utc)
        self._inner = MemoryStore(now=lambda: self.clock)
        self._late: list[_Late] = []
        self._old: list[ObjectInfo] = []
        """What a stale listing shows."""
        self.rate = 0.0
        self.kills = True
        self.between: Callable[[], None] = lambda: None
        self.operations = 0
        self.faults = 0

    def pass_time(self, by: timedelta) -> None:
        """Let the clock go on; what was on its way lands in an order of its own."""
        self.clock += by
        due = [late for late in self._late if late.due <= self.clock]
        self._random.shuffle(due)
        for late in due:
            self._late.remove(late)
            late.land()

    # ------------------------------------------------------------------ the port

    def put(self, path: str, data: bytes) -> None:
        self._write(lambda: self._inner.put(path, data), path)

    def put_if_absent(self, path: str, data: bytes) -> None:
        self._write(lambda: self._inner.put_if_absent(path, data), path)

    def delete(self, path: str) -> None:
        self._write(lambda: self._inner.delete(path), path)

    def get(self, path: str) -> bytes:
        self._read(path)
        return self._inner.get(path)

    def get_range(self, path: str, start: int, length: int) -> bytes:
        self._read(path)
        return self._inner.get_range(path, start, length)

    def info(self, path: str) -> ObjectInfo:
        self._read(path)
        return self._inner.info(path)

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        self._read(prefix)
        now = list(self._inner.list(""))
        if self._happens():
            there = {info.path for info in now}
            shown = [info for info in self._old if info.path in there]
        else:
            shown = self._old = now
        return iter([info for info in shown if info.path.startswith(f"{prefix}/") and info.path > after])

    def sweep(self, prefix: str, before: datetime, *, delete: bool) -> int:
        return 0

    def url(self, path: str) -> str:
        return self._inner.url(path)

    @property
    def options(self) -> Mapping[str, str]:
        return {}

    # ------------------------------------------------------------------ what goes wrong

    def _happens(self) -> bool:
        happens = self.rate > 0 and self._random.random() < self.rate
        self.faults += happens
        return happens

    def _turn(self) -> None:
        self.operations += 1
        self.between()

    def _read(self, path: str) -> None:
        self._turn()
        if self._happens():
            raise self._random.choice([Killed() if self.kills else self._unknown(path), *[self._unknown(path)] * 2])

    def _write(self, work: Callable[[], None], path: str) -> None:
        self._turn()
        if not self._happens():
            work()
            return
        fates = ["lost", "lost", "effect", "effect", "late", "late", "killed", "killed after"]
        how = self._random.choice(fates if self.kills else fates[:6])
        if how in ("effect", "killed after"):
            work()
        if how in ("late", "killed"):
            delay = LATEST * self._random.random()
            if how == "late" or self._random.random() < 0.5:
                self._late.append(_Late(self.clock + delay, lambda: _quietly(work)))
        if how.startswith("killed"):
            raise Killed
        raise self._unknown(path)

    def _unknown(self, path: str) -> StoreUnavailable:
        return StoreUnavailable("STO-010", "No answer.", where=path)


def _quietly(work: Callable[[], None]) -> None:
    """Nobody hears the answer of a request that lands late."""
    with suppress(AlreadyExists):
        work()
