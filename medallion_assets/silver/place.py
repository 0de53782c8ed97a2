"""Where rows lie: one number for each row of all live loads, and the way back to commit, part and row.

Loads are ranked by (start of their partition, full before others, number of their commit); the last decides only
between ``since_last`` loads of one date, which follow one another. Each load has one place for itself (part 0), for
what it implies without a row, then one for every row of its parts. Ranks and places come from the commit log alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from medallion_assets.lake.manifest import Pattern
from medallion_assets.silver.columns import (
    BASE,
    BRONZE_PART,
    CLOCK,
    COMMIT,
    FIRST,
    FULL,
    LOAD,
    PART,
    PARTITION,
    RUN_DATE,
)
from medallion_assets.silver.text import midnight
from medallion_assets.silver.types import TIMESTAMP

__all__ = ["Live", "addresses", "clocked", "parts", "ranked"]


@dataclass(frozen=True, slots=True)
class Live:
    """A live load, as far as silver is concerned. ``parts``: (ordinal, rows) of each."""

    n: int
    pattern: Pattern
    partition: str
    start: datetime
    end: datetime
    run_date: date
    rows: int
    refused: int
    parts: tuple[tuple[int, int], ...]
    approved: bool = False
    """Its deletes are wanted, however many."""


def ranked(loads: Sequence[Live]) -> tuple[Live, ...]:
    """In the order of the data; the index is a load's rank."""
    return tuple(sorted(loads, key=lambda x: (x.start, x.pattern != "full", x.end, x.n)))


def parts(loads: Sequence[Live]) -> pl.DataFrame:
    """One row per part, and per load (part 0): COMMIT, PART, LOAD, BASE (POS of its row 0), RUN_DATE,

    BRONZE_PART (``commit/part``) and PARTITION; sorted by BASE.
    """
    rows: list[tuple[int, int, int, int, date, str, str]] = []
    base = 0
    for rank, load in enumerate(loads):
        for ordinal, height in ((0, 1), *load.parts):
            rows.append((load.n, ordinal, rank, base, load.run_date, f"{load.n}/{ordinal}", load.partition))
            base += height
    types = {COMMIT: pl.Int64, PART: pl.Int64, LOAD: pl.Int64, BASE: pl.Int64, RUN_DATE: pl.Date}
    return pl.DataFrame(rows, schema={**types, BRONZE_PART: pl.String, PARTITION: pl.String}, orient="row")


def addresses(frame: pl.DataFrame, pos: str, places: pl.DataFrame) -> pl.DataFrame:
    """``frame`` in its order with the columns of ``parts`` (but LOAD) beside each row's place ``pos``."""
    filled = places.filter(pl.col(BASE) < pl.col(BASE).shift(-1).fill_null(2**62)).drop(LOAD)
    numbered = frame.with_row_index("__row")
    found = numbered.sort(pos).join_asof(filled, left_on=pos, right_on=BASE, coalesce=False)
    return found.sort("__row").drop("__row")


def clocked(
    rows: pl.LazyFrame, loads: Sequence[Live], clock: str | None, dtype: pl.DataType, timezone: str
) -> pl.LazyFrame:
    """Rows with CLOCK and FIRST. ``clock``: order_by[0] of type ``dtype``, or None.

    Times, and dates as their local midnight, are Datetime[us, UTC]. A row of a full load happened at its clock when
    that is a time inside the load's window, otherwise at the window's start; without ``clock`` every row at the start.
    """
    facts = pl.DataFrame(
        [(rank, load.start, load.end) for rank, load in enumerate(loads)],
        schema={LOAD: pl.Int64, "__start": TIMESTAMP, "__end": TIMESTAMP}, orient="row",
    )  # fmt: skip
    placed = rows.join(facts.lazy(), on=LOAD, how="left", maintain_order="left")
    # Without a full load the clock may be of any type: nothing to compare.
    full = any(load.pattern == "full" for load in loads)
    at_start = pl.col(CLOCK) == pl.col("__start") if full else pl.lit(value=False)
    return placed.with_columns(_clock(clock, dtype, timezone, loads).alias(CLOCK)).with_columns(
        pl.when(pl.col(FULL) & at_start)
        .then(pl.lit(0, pl.Int8)).otherwise(pl.lit(1, pl.Int8)).alias(FIRST)
    ).drop("__start", "__end")  # fmt: skip


def _clock(clock: str | None, dtype: pl.DataType, timezone: str, loads: Sequence[Live]) -> pl.Expr:
    start, end = pl.col("__start"), pl.col("__end")
    fulls = {load.pattern == "full" for load in loads if load.rows or load.pattern == "full"}
    if clock is None or (not dtype.is_temporal() and fulls == {True}):
        return start
    own = pl.col(clock)
    if isinstance(dtype, pl.Date):
        own = midnight(own, timezone)
    if True not in fulls:
        return own
    inside = ((own >= start) & (own < end)).fill_null(value=False)
    return pl.when(pl.col(FULL) & ~inside).then(start).otherwise(own)
