"""Live loads as groups of one schema and pattern, each one scan, and the contract under which all of them are read."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial

import polars as pl

from medallion_assets.bronze.reader import ADDRESS, Verified, pieces
from medallion_assets.bronze.verify import require
from medallion_assets.intent.load import Cdc, Incremental
from medallion_assets.lake.manifest import Commit, Pattern
from medallion_assets.lake.ports import Store
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.silver.columns import RESERVED
from medallion_assets.silver.contract import Codes, Contract, Marked, Named, Spelling, set_aside, sources
from medallion_assets.silver.envelope import OPERATION, Envelope
from medallion_assets.silver.history import Interval
from medallion_assets.silver.place import Live
from medallion_assets.silver.slices import slices

__all__ = ["FEW", "Group", "contract_of", "groups_of", "live_of", "spent"]


FEW = 100_000
"""Rows that fit wherever Python runs."""
_MANY = 1_000_000
"""Rows that are read at once, at most, where all of them may be too many."""
_SAMPLE = 10_000


@dataclass(frozen=True)
class Group:
    """Live loads of one schema and pattern."""

    pattern: Pattern
    schema: Mapping[str, pl.DataType]
    rows: int
    loads: tuple[Live, ...]
    read: Callable[[int | None], Iterator[pl.LazyFrame]]
    """The rows in frames of at most so many (None: in one); at least one frame."""
    piece: int = _MANY
    """Rows that fit in memory."""

    @cached_property
    def frame(self) -> pl.LazyFrame:
        """All rows. Of a store that is no folder it holds the bytes of all parts."""
        return next(self.read(None))

    def pieces(self) -> Iterator[pl.LazyFrame]:
        """All rows, in frames that fit in memory."""
        return self.read(self.piece)


def contract_of(plan: DatasetPlan, silver: SilverPlan, interval: Interval | None) -> Contract:
    """How every load of ``plan`` becomes typed rows of ``silver``; ``interval``: rows carry their own validity."""
    keyed = silver.model not in ("periodic_snapshot", "event")
    codes, marked, envelope = None, None, None
    load = plan.load
    if isinstance(load, Cdc):
        op = load.operation
        if op.envelope == "debezium":
            envelope = Envelope(op.codes["delete"], case_sensitive=op.case_sensitive, column=op.column)
        if keyed:
            column = (op.column or "") if envelope is None else OPERATION
            upsert = (*op.codes["insert"], *op.codes["update"])
            codes = Codes(
                column, upsert, op.codes["delete"], op.codes["truncate"], case_sensitive=op.case_sensitive
            )  # fmt: skip
    if keyed and isinstance(load, Incremental) and load.deleted is not None:
        marked = Marked(load.deleted.column, load.deleted.values)
    return Contract(
        timezone=plan.calendar.timezone,
        named=tuple(Named(c.name, c.type, c.source_names, c.format, c.nullable, c.default) for c in plan.columns),
        keys=silver.keys,
        order_by=silver.order_by if interval is None else (interval.start,),
        spelling=Spelling(
            silver.normalize.trim_strings, silver.normalize.empty_strings_as_null, silver.normalize.null_values
        ),
        codes=codes,
        marked=marked,
        envelope=envelope,
        mode=plan.schema_mode,
        sliced=tuple(part.column for part in slices(silver.partition_by) if part.part is None),
    )


def live_of(commit: Commit, approved: Collection[int]) -> Live:
    """A live commit as silver sees it; ``approved``: numbers of those whose deletes are wanted."""
    load = commit.load
    at = load.path.rpartition("dt=")[2][:10]
    return Live(
        commit.n, load.pattern, load.partition, load.window.start, load.window.end, date.fromisoformat(at), load.rows,
        load.refused,
        tuple((p.ordinal, p.rows) for p in load.parts),
        commit.n in approved,
    )  # fmt: skip


def groups_of(
    store: Store, path: str, commits: Sequence[Commit], loads: Sequence[Live], *, verified: Verified | None,
    most: int | None = None,
) -> Iterator[Group]:  # fmt: skip
    """Loads (``commits`` and ``loads`` side by side) by schema and pattern, verified; ``most``: bytes of rows that may
    be held at once (None: no matter how many). Raises Corrupt (BRZ-…).
    """
    by_kind: dict[tuple[object, str], list[int]] = {}
    for rank, commit in enumerate(commits):
        by_kind.setdefault((commit.load.schema, commit.load.pattern), []).append(rank)
    for ranks in by_kind.values():
        chosen, rows = [commits[rank] for rank in ranks], sum(commits[rank].load.rows for rank in ranks)
        require(store, path, chosen, verified)
        first = next(pieces(store, path, chosen, _MANY))
        piece = _piece(first, rows, most)
        schema = {n: t for n, t in first.collect_schema().items() if n not in ADDRESS}
        aside = {n: set_aside(n) for n in schema if n.startswith(RESERVED)}
        read = partial(_renamed, store, path, chosen, aside)
        if rows <= piece:
            read = partial(_once, first.rename(aside))
        loads_ = tuple(loads[rank] for rank in ranks)
        yield Group(chosen[0].load.pattern, schema, rows, loads_, read, piece)


def _piece(first: pl.LazyFrame, rows: int, most: int | None) -> int:
    """How many of ``rows`` rows, which begin as ``first`` does, are at most ``most`` bytes."""
    if most is None or rows <= FEW:
        return _MANY
    sample = first.head(_SAMPLE).collect()
    return min(_MANY, max(FEW, most * sample.height // max(int(sample.estimated_size()), 1)))


def _renamed(
    store: Store, path: str, commits: Sequence[Commit], aside: Mapping[str, str], rows: int | None
) -> Iterator[pl.LazyFrame]:
    for piece in pieces(store, path, commits, rows):
        yield piece.rename(aside)


def _once(frame: pl.LazyFrame, rows: int | None) -> Iterator[pl.LazyFrame]:  # noqa: ARG001 - few enough
    yield frame


def spent(groups: Sequence[Group], contract: Contract) -> set[str]:
    """The columns that say what a row does: used up by it."""
    used = {m.column for m in (contract.codes, contract.marked) if m is not None}
    return {name for g in groups for name, source in sources(list(g.schema), contract).items() if source in used}
