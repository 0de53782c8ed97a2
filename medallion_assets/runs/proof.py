"""Whether a silver table is what its bronze and its intent make of it: compare it with its rebuild, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.decide import EMPTY, follow
from medallion_assets.errors import Corrupt
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import Store, Table
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.build import build
from medallion_assets.runs.differences import differences
from medallion_assets.runs.room import Room
from medallion_assets.runs.scratch import Scratch
from medallion_assets.tables.reading import reading

__all__ = ["Proof", "prove"]

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Proof:
    """What the comparison found. ``bronze_n``: the commit up to which the table is; None: never built, or not by us."""

    bronze_n: int | None
    rows: int = 0
    missing: int = 0
    """Rows of the rebuild that the table has not."""
    extra: int = 0
    """Rows of the table that the rebuild has not."""
    shown: tuple[str, ...] = ()
    """Some of both, by key: ``missing id=7``."""
    schema: str = ""
    """How the columns differ, or what is damaged; empty: neither."""

    @property
    def holds(self) -> bool:
        return not (self.bronze_n is None or self.missing or self.extra or self.schema)


def prove(plan: DatasetPlan, silver: SilverPlan, *, store: Store, table: Table, room: Room) -> Proof:
    """Build the table again from the bronze that it says it has absorbed; nothing is written.

    Raises Corrupt, StorageError, CheckError as building does.
    """
    state = table.state()
    if state is None:
        return Proof(None)
    log = CommitLog(store, plan.bronze.path)
    head = log.head()
    if head.n != state.bronze_n:
        head = follow(EMPTY, (commit for commit in log.commits() if commit.n <= state.bronze_n))
    with Scratch() as scratch:
        built = build(plan, silver, head, store=store, room=room, scratch=scratch)
        try:
            found = _compared(plan, silver, table.scan(), built.pieces, scratch)
            return replace(found, bronze_n=state.bronze_n)
        except Corrupt as error:
            return Proof(state.bronze_n, schema=error.problem.what.removesuffix("."))


def _compared(plan: DatasetPlan, silver: SilverPlan, table: pl.LazyFrame, rebuilt: Pieces, scratch: Scratch) -> Proof:
    schema = table.collect_schema()
    if schema != rebuilt.schema:
        with reading(str(silver.entity)):
            height = int(table.select(pl.len()).collect().item())
        columns = f"the table has {_columns(schema)}; its rebuild {_columns(rebuilt.schema)}"
        return Proof(None, height, schema=columns)
    if not rebuilt.fits:  # too many to show some
        missing, extra = differences(table, rebuilt, scratch, where=str(silver.entity))
        return Proof(None, rebuilt.height - missing + extra, missing, extra)
    with reading(str(silver.entity)):
        stored = table.collect()
    built = rebuilt.whole()
    keys = _numbered(built), _numbered(stored)
    one, other = (one.join(other, on=one.columns, how="anti", nulls_equal=True) for one, other in (keys, keys[::-1]))
    names = list(silver.keys) or built.columns[:3]
    shown = (*_named("missing", one, names, plan), *_named("extra", other, names, plan))
    return Proof(None, stored.height, one.height, other.height, shown)


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    """Equal rows told apart by a count, so that a row that is there twice is not one that is there once."""
    return rows.with_columns(pl.int_range(pl.len()).over(rows.columns).alias("__n")) if rows.width else rows


def _named(what: str, rows: pl.DataFrame, names: Sequence[str], plan: DatasetPlan) -> list[str]:
    pii = {column.name for column in plan.columns if column.pii}
    return [
        f"{what} " + ", ".join(f"{name}={'***' if name in pii else value}" for name, value in row.items())
        for row in rows.select(names).head(_SHOWN).iter_rows(named=True)
    ]


def _columns(schema: pl.Schema) -> str:
    return ", ".join(f"{name} {dtype}" for name, dtype in schema.items())
