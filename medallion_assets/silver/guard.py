"""The guard against sudden mass deletes: which loads are held, that is treated as if they were not committed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from medallion_assets.silver.columns import LOAD

__all__ = ["SMALL", "Hold", "held_fulls", "too_many"]

SMALL = 100
"""Below so many keys a fraction says nothing."""


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
    present: pl.DataFrame, loads: Sequence[int], keys: Sequence[str], fraction: float, approved: Collection[int] = ()
) -> tuple[Hold, ...]:
    """Full partitions that lack more than ``fraction`` of the keys of the accepted one before, and are not approved.

    ``present``: ``keys`` and LOAD, each pair once; ``loads``: the complete full partitions in order. One that is not
    complete (rows refused, unreadable keys) deletes nothing and is no measure for the next.
    """
    by_load: Mapping[object, pl.DataFrame] = {k[0]: v for k, v in present.partition_by(LOAD, as_dict=True).items()}
    nothing = present.clear()
    accepted: pl.DataFrame | None = None
    held = []
    for load in loads:
        here = by_load.get(load, nothing)
        if accepted is not None and accepted.height >= SMALL and load not in approved:
            missing = accepted.join(here, on=list(keys), how="anti").height
            if too_many(accepted.height, missing, fraction):
                held.append(Hold(load, accepted.height, missing))
                continue
        accepted = here
    return tuple(held)
