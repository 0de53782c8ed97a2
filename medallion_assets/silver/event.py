"""event: one row per event key, or per different row; the earliest stands, also when it arrives late."""

from collections.abc import Sequence

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import POS, SINCE
from medallion_assets.silver.equal import first_of

__all__ = ["distinct", "earliest"]


def distinct(
    rows: nw.LazyFrame[IntoLazyFrameT], columns: Sequence[str], *, slices: Sequence[str] = ()
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Rows that differ in ``columns``, each once, at its earliest place; within ``slices`` where each is its own."""
    by = [*columns, *slices]
    return first_of(rows, by) if by else rows  # without columns there are no rows


def earliest(
    rows: nw.LazyFrame[IntoLazyFrameT],
    columns: Sequence[str],
    keys: Sequence[str],
    *,
    slices: Sequence[str] = (),
) -> nw.LazyFrame[IntoLazyFrameT]:
    """``columns``, then SINCE: of each key (without keys: every row) the one at the earliest place, in their order, in

    which frames of Polars come already.
    """
    stands = first_of(rows, [*keys, *slices]) if keys else rows
    told = stands.select(*columns, nw.col(POS).alias(SINCE))
    return told if told.implementation.is_polars() else told.sort(SINCE)
