"""Who computes a silver table, and how much of it at once: chosen by the intent, the platform, or by its size."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Literal

from typing_extensions import assert_never

from medallion_assets.engines.polars import PolarsEngine
from medallion_assets.lake.ports import Engine
from medallion_assets.runs.reading import Reading
from medallion_assets.runs.scratch import Scratch

__all__ = ["Choice", "EngineName", "Room"]

EngineName = Literal["auto", "polars", "duckdb", "spark"]
_TIMES = 12
"""What a model computes takes so many times the memory of its rows, at most."""
_MOST_SHARES = 256
_OWN = 0.5
"""Of the memory, the part that an engine with a memory of its own gets; the rest is Python's."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How one table is computed."""

    engine: Literal["polars", "duckdb", "spark"]
    shares: int
    """Of the keys, one computed after the other."""
    why: str


@dataclass(frozen=True, slots=True)
class Room:
    """What may be used."""

    engine: EngineName = "auto"
    asked_by: str = "the intent"
    """Who says so, when it is not ``auto``."""
    memory: int | None = None
    """Bytes; None: as many as it takes."""
    spark: str = "local[*]"
    """Master, or the ``sc://`` address of a Spark Connect server."""

    @property
    def most(self) -> int | None:
        """Bytes of rows that are computed with at once."""
        return None if self.memory is None else self.memory // _TIMES

    def chosen(self, reading: Reading, *, intervals: bool) -> Choice:
        """``intervals``: rows carry their own validity, which only Polars computes with."""
        size = "it fits in memory" if reading.fits else f"about {_size(reading.bytes * _TIMES)} are needed"
        allowed = "" if self.memory is None or reading.fits else f", {_size(self.memory)} allowed"
        if self.engine in ("duckdb", "spark") and not intervals:
            return Choice(self.engine, 1, f"{self.asked_by} asks for it; {size}{allowed}")
        if reading.fits or self.most is None:
            return Choice("polars", 1, size)
        shares = min(ceil(reading.bytes / max(self.most, 1)), _MOST_SHARES)
        return Choice("polars", shares, f"{size}{allowed}: {shares} shares of the keys, kept on disk")

    @contextmanager
    def opened(self, choice: Choice, scratch: Scratch) -> Iterator[Engine]:
        """The engine, as long as it is needed. Raises ConfigError SLV-017 when its package is missing."""
        engine = self._made(choice, scratch)
        try:
            yield engine
        finally:
            engine.close()

    def _made(self, choice: Choice, scratch: Scratch) -> Engine:
        own = int((self.memory or 4 * 2**30) * _OWN)
        match choice.engine:
            case "polars":
                return PolarsEngine()
            case "duckdb":
                from medallion_assets.engines.duckdb import DuckDBEngine

                return DuckDBEngine(own, scratch.folder)
            case "spark":
                from medallion_assets.engines.spark import SparkEngine

                return SparkEngine(self.spark, scratch.folder, {"spark.driver.memory": f"{own // 2**20}m"})
        assert_never(choice.engine)


def _size(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
