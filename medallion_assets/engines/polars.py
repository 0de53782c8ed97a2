"""Silver models on Polars: the default, for what fits in memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl

__all__ = ["PolarsEngine"]


class PolarsEngine:
    """Evaluates narwhals lazy frames that wrap Polars ones."""

    @property
    def name(self) -> str:
        return "polars"

    def frame(self, rows: pl.DataFrame) -> nw.LazyFrame[Any]:
        return nw.from_native(rows.lazy())

    def scan(self, files: Sequence[Path]) -> nw.LazyFrame[Any]:
        return nw.from_native(pl.scan_parquet(list(files), glob=False, hive_partitioning=False))

    def held(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        return self.frame(self.evaluate(frame))

    def evaluate(self, frame: nw.LazyFrame[Any]) -> pl.DataFrame:
        native: pl.LazyFrame = nw.to_native(frame)
        return native.collect()

    def batches(self, frame: nw.LazyFrame[Any]) -> Iterator[pl.DataFrame]:
        yield self.evaluate(frame)

    def close(self) -> None:
        """There is nothing to let go of."""
