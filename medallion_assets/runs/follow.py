"""A table that follows its bronze: what is known of it, how new loads are read, and what a model makes of them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import polars as pl

from medallion_assets.bronze.reader import Verified
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import FILE, Engine, Store, Table, TableState
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.build import rules_of, shape_of
from medallion_assets.runs.finished import finished
from medallion_assets.runs.movers import Sorted, needed_by_rules, sorted_out
from medallion_assets.runs.typed import Known, Typed, read_some
from medallion_assets.silver.columns import FULL, KNOWN, LOAD, OP, Op
from medallion_assets.silver.keyed import Account, KeyedModel, Share, refine_keyed
from medallion_assets.silver.slices import slices
from medallion_assets.silver.types import Seen

__all__ = ["Job", "Moved", "lazy"]

_MANY = 1_000
_SHARE = 0.2
"""More keys than both, of the table's rows, are not looked up in bronze one by one: all is built again."""
_UNPACKED = 8
"""Rows take so many times the bytes of their files, at most."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a model makes of new rows: rows that come and go, and by how much its counts grow."""

    rows: pl.DataFrame
    gone: pl.DataFrame
    events: int
    filtered: int = 0
    ties: int = 0
    absences: int = 0
    last_delete: int | None = None
    by: tuple[str, ...] | None = None
    """Columns that tell the rows that go from those that stay; None: the keys."""


@dataclass(frozen=True, slots=True)
class Job:
    plan: DatasetPlan
    silver: SilverPlan
    head: Head
    state: TableState
    store: Store
    table: Table
    engine: Engine
    verified: Verified | None
    new: frozenset[int]
    """Numbers of the commits that are to be absorbed."""
    room: int | None = None
    """Bytes of memory for rows that are read; None: enough for any."""

    def read(self, only: Collection[int], keys: pl.DataFrame | None = None) -> tuple[Typed, Sorted] | None:
        known = Known(self.state.columns, {name: Seen(**seen) for name, seen in self.state.learned.items()})
        typed = read_some(
            self.plan, self.silver, self.head, store=self.store, verified=self.verified,
            needed=needed_by_rules(self.silver), known=known, only=only, keys=keys,
        )  # fmt: skip
        return None if typed is None else (typed, sorted_out(self.plan, self.silver, typed))

    def fits(self, *numbers: int) -> bool:
        """Whether the rows of these commits fit in memory."""
        parts = [part for commit in self.head.live if commit.n in numbers for part in commit.load.parts]
        return self.room is None or sum(part.bytes for part in parts) * _UNPACKED <= self.room

    def computed(
        self, model: KeyedModel, typed: Typed, good: pl.DataFrame, rows: pl.DataFrame
    ) -> tuple[pl.DataFrame, Account]:
        """What a keyed model makes of some rows, as ``build`` would: ``good`` ones, ``rows`` all."""
        shape = shape_of(self.plan, self.silver, typed)
        cut, of_full = pl.col(OP) == Op.TRUNCATE, rows.filter(FULL)
        present = of_full.filter(KNOWN).select(*shape.keys, LOAD).unique()
        (found,) = refine_keyed(
            [Share(lazy(good.filter(~cut)), lazy(present))], typed.loads, shape,
            rules_of(self.silver, model, shape), truncates=good.filter(cut),
            unread=of_full.filter(~pl.col(KNOWN))[LOAD].unique(), engine=self.engine,
        )  # fmt: skip
        return self.engine.evaluate(found.table), found.account

    def again(self, model: KeyedModel, keys: pl.DataFrame) -> Moved | None:
        """All that bronze has of some keys, computed as a whole; None when all must be read, or there are too many.

        Not where a full partition, a truncate or the guard decides what becomes of a key.
        """
        if keys.height > self.most:
            return None
        read = self.read({c.n for c in self.head.live}, keys)
        if read is None:
            return None
        typed, found = read
        old = pl.col(LOAD).is_in([rank for rank, load in enumerate(typed.loads) if load.n not in self.new])
        table, now = self.computed(model, typed, found.good, found.rows)
        _, before = self.computed(model, typed, found.good.filter(old), found.rows.filter(old))
        rows, gone = self.table_rows(table, typed), self.table.matching(keys)
        return Moved(rows, gone, now.events - before.events, ties=now.ties - before.ties)

    def table_rows(self, rows: pl.DataFrame, typed: Typed, known: pl.DataFrame | None = None) -> pl.DataFrame:
        parted, zone = slices(self.silver.partition_by), self.plan.calendar.timezone
        return finished(rows, self.silver, typed, parted, zone, known=known)

    @property
    def most(self) -> int:
        """So many keys may be computed again from all of bronze."""
        return max(_MANY, int(_SHARE * self.state.accounting["rows"]))

    @property
    def nothing(self) -> pl.DataFrame:
        """No row, as ``Table.matching`` gives them."""
        return pl.DataFrame(schema={**self.table.scan().collect_schema(), FILE: pl.String})


def lazy(frame: pl.DataFrame) -> nw.LazyFrame[Any]:
    """Rows as models take them."""
    return nw.from_native(frame.lazy())
