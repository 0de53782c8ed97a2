"""Rows that memory may not hold at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

__all__ = ["Pieces"]


@dataclass(frozen=True)
class Pieces:
    """Frames of one schema, in memory or in Parquet files that live as long as the run; at least one.

    Iterating gives them in their order, as often as asked.
    """

    parts: tuple[pl.DataFrame | Path, ...]

    @classmethod
    def of(cls, *rows: pl.DataFrame) -> "Pieces":
        """Rows that are in memory."""
        return cls(rows)

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for part in self.parts:
            yield part if isinstance(part, pl.DataFrame) else pl.read_parquet(part)

    def lazy(self) -> pl.LazyFrame:
        """All rows, for a query that streams."""
        files = [part for part in self.parts if isinstance(part, Path)]
        frames = [part.lazy() for part in self.parts if isinstance(part, pl.DataFrame)]
        return pl.concat([*frames, pl.scan_parquet(files, glob=False)] if files else frames)

    @cached_property
    def schema(self) -> pl.Schema:
        first = self.parts[0]
        return first.schema if isinstance(first, pl.DataFrame) else pl.scan_parquet(first).collect_schema()

    @cached_property
    def height(self) -> int:
        """Rows of all pieces."""
        return sum(
            part.height if isinstance(part, pl.DataFrame) else pl.scan_parquet(part).select(pl.len()).collect().item()
            for part in self.parts
        )

    @property
    def fits(self) -> bool:
        """There is one frame, and it is in memory."""
        return len(self.parts) == 1 and isinstance(self.parts[0], pl.DataFrame)

    def whole(self) -> pl.DataFrame:
        """All rows in one frame."""
        return pl.concat(self)
