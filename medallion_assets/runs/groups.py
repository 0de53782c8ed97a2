"""Live loads as groups of one schema and pattern, each one scan, and the contract under which all of them are read."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from medallion_assets.bronze.reader import Verified, scan
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

__all__ = ["Group", "contract_of", "groups_of", "live_of", "spent"]


@dataclass(frozen=True, slots=True)
class Group:
    """Live loads of one schema and pattern: one scan."""

    pattern: Pattern
    frame: pl.LazyFrame
    schema: Mapping[str, pl.DataType]
    rows: int
    loads: tuple[Live, ...]


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
    store: Store, path: str, commits: Sequence[Commit], loads: Sequence[Live], verified: Verified | None
) -> Iterator[Group]:
    """Loads (``commits`` and ``loads`` side by side) by schema and pattern, verified. Raises Corrupt (BRZ-…)."""
    by_kind: dict[tuple[object, str], list[int]] = {}
    for rank, commit in enumerate(commits):
        by_kind.setdefault((commit.load.schema, commit.load.pattern), []).append(rank)
    for ranks in by_kind.values():
        chosen = [commits[rank] for rank in ranks]
        frame = scan(store, path, chosen, verified)
        schema = {n: t for n, t in frame.collect_schema().items() if n not in ("_commit", "_part", "_row")}
        frame = frame.rename({n: set_aside(n) for n in schema if n.startswith(RESERVED)})
        rows = sum(c.load.rows for c in chosen)
        yield Group(chosen[0].load.pattern, frame, schema, rows, tuple(loads[rank] for rank in ranks))


def spent(groups: Sequence[Group], contract: Contract) -> set[str]:
    """The columns that say what a row does: used up by it."""
    used = {m.column for m in (contract.codes, contract.marked) if m is not None}
    return {name for g in groups for name, source in sources(list(g.schema), contract).items() if source in used}
