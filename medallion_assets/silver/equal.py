"""Of rows that are equal in some columns one: at their highest or their lowest place."""

from collections.abc import Sequence

import narwhals as nw
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import POS, SINCE

__all__ = ["first_of", "last_of"]

_CHOSEN = "__chosen"


def last_of(rows: nw.LazyFrame[IntoLazyFrameT], by: Sequence[str]) -> nw.LazyFrame[IntoLazyFrameT]:
    """That at the highest POS, with SINCE: the lowest. Null is equal to null."""
    return _one(rows, by, [nw.col(POS).max().alias(_CHOSEN), nw.col(POS).min().alias(SINCE)])


def first_of(rows: nw.LazyFrame[IntoLazyFrameT], by: Sequence[str]) -> nw.LazyFrame[IntoLazyFrameT]:
    """That at the lowest POS."""
    return _one(rows, by, [nw.col(POS).min().alias(_CHOSEN)])


def _one(
    rows: nw.LazyFrame[IntoLazyFrameT], by: Sequence[str], facts: Sequence[nw.Expr]
) -> nw.LazyFrame[IntoLazyFrameT]:
    if rows.implementation.is_polars():
        told = rows.with_columns(fact.over(*by) for fact in facts)
        return told.filter(nw.col(POS) == nw.col(_CHOSEN)).drop(_CHOSEN)
    # Databases would sort whole rows for a window; of a group they keep two numbers.
    groups = rows.group_by(*by).agg(*facts).drop(*by)
    return rows.join(groups, left_on=POS, right_on=_CHOSEN, how="inner")
