"""event: one row per event key, or per different row; the earliest stands, also when it arrives late."""

from collections.abc import Sequence

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import POS, SINCE

__all__ = ["distinct", "earliest"]

_LEAST = "__least"


def distinct(
    rows: nw.LazyFrame[IntoLazyFrameT], columns: Sequence[str], *, slices: Sequence[str] = ()
) -> nw.LazyFrame[IntoLazyFrameT]:
    """Rows that differ in ``columns``, each once, at its earliest place; within ``slices`` where each is its own."""
    return _first(rows, [*columns, *slices])


def earliest(
    rows: nw.LazyFrame[IntoLazyFrameT],
    columns: Sequence[str],
    keys: Sequence[str],
    *,
    slices: Sequence[str] = (),
) -> nw.LazyFrame[IntoLazyFrameT]:
    """``columns``, then SINCE: of each key (without keys: every row) the one at the earliest place."""
    stands = _first(rows, [*keys, *slices]) if keys else rows
    return stands.select(*columns, nw.col(POS).alias(SINCE))


def _first(rows: nw.LazyFrame[IntoLazyFrameT], by: Sequence[str]) -> nw.LazyFrame[IntoLazyFrameT]:
    if not by:
        return rows  # without columns there are no rows
    marked = rows.with_columns(nw.col(POS).min().over(*by).alias(_LEAST))
    return marked.filter(nw.col(POS) == nw.col(_LEAST)).drop(_LEAST)
