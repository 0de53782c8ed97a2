"""Silver models on Polars: the default, for what fits in memory."""

from typing import Any

import narwhals as nw
import polars as pl

__all__ = ["PolarsEngine"]


class PolarsEngine:
    """Evaluates narwhals lazy frames that wrap Polars ones."""

    @property
    def name(self) -> str:
        return "polars"

    def evaluate(self, frame: nw.LazyFrame[Any]) -> pl.DataFrame:
        """The rows, in the frame's order."""
        return self.collect(nw.to_native(frame))

    def collect(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """A native lazy frame as rows."""
        return frame.collect()
