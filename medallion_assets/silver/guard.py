"""The guard against sudden mass deletes: which loads are held, that is treated as if they were not committed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import polars as pl

from medallion_assets.lake.ports import Engine
from medallion_assets.silver.columns import LOAD
from medallion_assets.silver.neighbours import with_neighbours

__all__ = ["SMALL", "Hold", "held_fulls", "too_many"]

SMALL = 100
"""Below so many keys a fraction says nothing."""
_NEXT, _AFTER = "__next", "__after"


@dataclass(frozen=True, slots=True)
class Hold:
    """A load that would delete ``missing`` of the ``keys`` that were there before it."""

    load: int
    keys: int
    missing: int


def too_many(keys: int, missing: int, fraction: float) -> bool:
    """Whether so many deletes are held."""
    return keys >= SMALL and missing > fraction * keys


def held_fulls(
    present: Sequence[nw.LazyFrame[Any]],
    loads: Sequence[int],
    keys: Sequence[str],
    fraction: float,
    approved: Collection[int] = (),
    *,
    engine: Engine,
) -> tuple[Hold, ...]:
    """Full partitions that lack more than ``fraction`` of the keys of the accepted one before, and are not approved.

    ``present``: ``keys`` and LOAD, in shares of the keys; ``loads``: the complete full partitions in order. One that is
    not complete (rows refused, unreadable keys) deletes nothing and is no measure for the next.
    """
    chosen, held, judged = list(loads), list[Hold](), 1
    while judged < len(chosen):
        counts = [_followed(share, chosen, keys, engine) for share in present]
        for place in range(judged, len(chosen)):
            before, load = chosen[place - 1], chosen[place]
            there, again = (sum(count.get(before, (0, 0))[which] for count in counts) for which in (0, 1))
            if load not in approved and too_many(there, there - again, fraction):
                held.append(Hold(load, there, there - again))
                # The next is measured by the one before.
                del chosen[place]
                judged = place
                break
        else:
            break
    return tuple(held)


def _followed(
    present: nw.LazyFrame[Any], loads: Sequence[int], keys: Sequence[str], engine: Engine
) -> dict[int, tuple[int, int]]:
    """Load → its keys, and how many of them the next of ``loads`` has, too."""
    after = pl.DataFrame({LOAD: loads, _AFTER: [*loads[1:], -1]}, schema={LOAD: pl.Int64, _AFTER: pl.Int64})
    chosen = present.unique().join(engine.frame(after), on=LOAD, how="inner")
    told = with_neighbours(chosen, {_NEXT: LOAD}, keys, (LOAD,), step=-1)
    again = nw.when(nw.col(_NEXT) == nw.col(_AFTER)).then(1).otherwise(0)
    counts = told.with_columns(again.alias(_NEXT)).group_by(LOAD).agg(nw.len().alias("n"), nw.col(_NEXT).sum())
    return {load: (n, same) for load, n, same in engine.evaluate(counts.select(LOAD, "n", _NEXT)).iter_rows()}
