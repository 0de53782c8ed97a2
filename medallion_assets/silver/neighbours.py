"""Rows among those of their key: which place each has, and what the one before or behind holds.

Polars sorts once and shifts, and numbers all rows at once: a window for each column and key takes a hundred times as
long there. Databases have windows for it, of which one over all rows does not fit in memory and one of a key does.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import narwhals as nw
import polars as pl
from narwhals.typing import IntoLazyFrameT

from medallion_assets.silver.columns import INDEX

__all__ = ["numbered", "place", "with_neighbours"]


def with_neighbours(
    frame: nw.LazyFrame[IntoLazyFrameT],
    columns: Mapping[str, str],
    by: Sequence[str],
    order: Sequence[str],
    *,
    step: int = 1,
) -> nw.LazyFrame[IntoLazyFrameT]:
    """``frame`` with, for each new name in ``columns``, what that column holds ``step`` rows before (negative: behind)

    in the order of ``by`` and ``order``; null where that row has other ``by``.
    """
    native = nw.to_native(frame)
    if isinstance(native, pl.LazyFrame):
        same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(step) for name in by)
        shifted = (pl.when(same).then(pl.col(column).shift(step)).alias(new) for new, column in columns.items())
        return cast("nw.LazyFrame[IntoLazyFrameT]", nw.from_native(native.sort(*by, *order).with_columns(shifted)))
    return frame.with_columns(
        nw.col(column).shift(step).over(*by, order_by=order).alias(new) for new, column in columns.items()
    )


def numbered(
    frame: nw.LazyFrame[IntoLazyFrameT], by: Sequence[str], order: Sequence[str], never_null: str
) -> nw.LazyFrame[IntoLazyFrameT]:
    """``frame`` with INDEX, Int64: ascending in ``order`` among the rows of equal ``by``, and of no meaning beyond.

    ``never_null``: some column without nulls.
    """
    if frame.implementation.is_polars():
        return frame.with_row_index(INDEX, order_by=[*by, *order])
    return frame.with_columns(nw.col(never_null).cum_count().over(*by, order_by=order).alias(INDEX))


def place(frame: nw.LazyFrame[IntoLazyFrameT], by: Sequence[str], number: str) -> list[str]:
    """The columns that tell each row of ``numbered`` from all others; ``number``: what INDEX is called now."""
    return [number] if frame.implementation.is_polars() else [*by, number]
