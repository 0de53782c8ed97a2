"""Rows of bronze under a contract: typed, each with its place, its operation and what is wrong with it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from medallion_assets.errors import StorageError
from medallion_assets.runs.groups import FEW, Group
from medallion_assets.silver.columns import BASE, COMMIT, FAULT, LOAD, PART, POS, RESCUED
from medallion_assets.silver.conform import conform
from medallion_assets.silver.contract import Contract
from medallion_assets.silver.place import Live, clocked, parts

__all__ = ["Reading"]

_SAMPLE = 10_000


@dataclass(frozen=True)
class Reading:
    """All rows of some groups, under one contract. Raises StorageError SLV-010 where times and numbers would mix."""

    groups: Sequence[Group]
    loads: Sequence[Live]
    """By rank; also those that no group has."""
    contract: Contract
    types: Mapping[str, pl.DataType]
    keys: pl.DataFrame | None = None
    """Only rows of these keys; None: all rows."""
    most: int | None = None
    """Bytes of rows that may be held at once."""

    def __post_init__(self) -> None:
        _require_time(self.loads, self.contract, self.types)

    @cached_property
    def places(self) -> pl.DataFrame:
        return parts(self.loads)

    @cached_property
    def rows(self) -> pl.DataFrame:
        """All of them, in the order of the data."""
        whole = pl.concat([self._conformed(group, group.frame) for group in self.groups])
        return self._clocked(self._chosen(whole).sort(POS)).collect()

    def pieces(self) -> Iterator[pl.DataFrame]:
        """All of them in frames of one schema that fit in memory, in no order; at least one."""
        if self.fits:
            yield self.rows
            return
        for group in self.groups:
            for piece in group.pieces():
                yield self._clocked(self._chosen(self._conformed(group, piece))).collect()

    @cached_property
    def odd(self) -> pl.DataFrame:
        """LOAD, POS, FAULT and, where the contract rescues, RESCUED of rows with a fault or something rescued, in the
        order of the data.
        """
        told = [FAULT, *([RESCUED] if self.contract.rescued else [])]
        some = pl.any_horizontal(pl.col(name).is_not_null() for name in told)
        if self.fits:
            return self.rows.select(LOAD, POS, *told).filter(some)
        found = [
            self._conformed(group, piece).select(LOAD, POS, *told).filter(some).collect()
            for group in self.groups
            for piece in group.pieces()
        ]
        return pl.concat(found).sort(POS)

    @cached_property
    def fits(self) -> bool:
        """Whether all rows may be held at once."""
        few = sum(group.rows for group in self.groups) <= FEW
        return few or self.most is None or self.keys is not None or self.bytes <= self.most

    @cached_property
    def bytes(self) -> int:
        """About how many the rows take in memory, as the first of each group say."""
        total = 0
        for group in self.groups:
            first = self._clocked(self._conformed(group, next(group.pieces()).head(_SAMPLE))).collect()
            total += int(first.estimated_size() * group.rows / max(first.height, 1))
        return total

    def _chosen(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows if self.keys is None else rows.join(self.keys.lazy(), on=self.keys.columns, how="semi")

    def _clocked(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        clock = self.contract.order_by[0] if self.contract.order_by else None
        dtype = self.types[clock] if clock else pl.Null()
        return clocked(rows, self.loads, clock, dtype, self.contract.timezone)

    def _conformed(self, group: Group, rows: pl.LazyFrame) -> pl.LazyFrame:
        # Without a rule for its operations every row of a cdc load is an upsert (event, periodic_snapshot).
        where = self.places.lazy().select(COMMIT, PART, LOAD, BASE)
        placed = rows.join(
            where, left_on=["_commit", "_part"], right_on=[COMMIT, PART], how="left", maintain_order="left"
        ).with_columns((pl.col(BASE) + pl.col("_row")).alias(POS))
        return conform(placed, group.schema, group.pattern, self.contract, self.types)


def _require_time(loads: Sequence[Live], contract: Contract, types: Mapping[str, pl.DataType]) -> None:
    patterns = {load.pattern == "full" for load in loads if load.rows or load.pattern == "full"}
    if len(patterns) == 2 and contract.order_by and not types[contract.order_by[0]].is_temporal():
        name = contract.order_by[0]
        raise StorageError(
            "SLV-010", f"Full partitions and changes are in one dataset, and {name!r} ({types[name]}) is no time.",
            fix="order by a time: what a full partition says is placed at the start of its window.",
        )  # fmt: skip
