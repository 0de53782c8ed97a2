"""Numbers that look random and follow from a seed and a name alone: the same on every machine, in any order."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from hashlib import sha256

import numpy as np
import numpy.typing as npt

__all__ = ["Flags", "Ints", "World"]

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
_WORDS = npt.NDArray[np.uint64]
_STEP, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class World:
    """What the samples are made of: about ``rows`` rows a dataset, over ``days`` days from ``start`` (UTC)."""

    rows: int
    days: int
    seed: int
    start: date

    @cached_property
    def midnight(self) -> datetime:
        return datetime(self.start.year, self.start.month, self.start.day, tzinfo=timezone.utc)

    @property
    def dates(self) -> tuple[date, ...]:
        return tuple(self.start + _DAY * n for n in range(self.days))

    def below(self, limit: int, name: str, *of: "int | Ints") -> Ints:
        """A number from 0 to ``limit - 1`` for each of ``of``, which are broadcast together."""
        salt = int.from_bytes(sha256(f"{self.seed}:{name}".encode()).digest()[:8], "little")
        word = np.full(1, salt, np.uint64)
        for part in of:
            word = _mixed(word ^ _mixed(np.asarray(part, np.int64).astype(np.uint64)))
        drawn: Ints = (word % np.uint64(limit)).astype(np.int64)
        return drawn


def _mixed(word: _WORDS) -> _WORDS:
    """One step of splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        word = word + _STEP
        word = (word ^ (word >> np.uint64(30))) * _FIRST
        word = (word ^ (word >> np.uint64(27))) * _SECOND
        mixed: _WORDS = word ^ (word >> np.uint64(31))
        return mixed
