"""periodic_snapshot: one row per bronze row, under the run date of its partition."""

from collections.abc import Sequence

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import POS, SINCE

__all__ = ["copies"]


def copies(rows: nw.LazyFrame[IntoLazyFrameT], columns: Sequence[str]) -> nw.LazyFrame[IntoLazyFrameT]:
    """``columns``, then SINCE: where the row lies; its load's run date is the table's load_date. In that order, in

    which frames of Polars come already.
    """
    told = rows.select(*columns, nw.col(POS).alias(SINCE))
    return told if told.implementation.is_polars() else told.sort(SINCE)
