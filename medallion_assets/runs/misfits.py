"""Values that are not of their contract's type: a table that is widened to hold them, or cells that are rescued."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from medallion_assets.lake.results import Drift
from medallion_assets.runs.groups import Group
from medallion_assets.silver.columns import FAULT, LOAD, RESCUED
from medallion_assets.silver.conform import too_wide
from medallion_assets.silver.contract import Contract
from medallion_assets.silver.place import Live
from medallion_assets.silver.widen import widened

__all__ = ["rescues", "with_rescues", "with_wider_types"]


def with_wider_types(
    contract: Contract, groups: Sequence[Group], types: Mapping[str, pl.DataType], loads: Sequence[Live]
) -> tuple[Contract, tuple[Drift, ...]]:
    """The contract with types that hold every value that is wider than its own, and which columns that changed."""
    asked = {name: dtype for name, dtype in types.items() if contract.of(name).type is not None}
    ranks = {load.n: rank for rank, load in enumerate(loads)}
    found: dict[str, list[pl.DataFrame]] = {}
    for group in groups:
        for piece in group.pieces():
            told = too_wide(piece, group.schema, group.pattern, contract, asked).collect()
            for name in asked:
                rows = told.select("_commit", name).drop_nulls()
                if rows.height:
                    found.setdefault(name, []).append(rows)
    drift: list[Drift] = []
    named = {column.name: column for column in contract.named}
    for name in [n for n in named if n in found]:
        rows, old = pl.concat(found[name]), contract.of(name).type or ""
        new = widened(old, rows[name])
        first = loads[min(ranks[n] for n in rows["_commit"].unique())].partition
        drift.append(Drift(name, "widened", old, new, first, rows.height))
        named[name] = replace(named[name], type=new)
    return replace(contract, named=tuple(named.values())), tuple(drift)


def with_rescues(contract: Contract, rows: pl.DataFrame, columns: Sequence[str], kept: Sequence[str]) -> Contract:
    """The contract that rescues, when some fault of ``rows`` can be: it is in one of ``columns`` (but those ``kept``)

    that is neither key nor order and may be null.
    """
    exact = {*contract.keys, *contract.order_by, *kept}
    may = tuple(n.name for n in contract.named if n.name in columns and n.name not in exact and n.type and n.nullable)
    met = set(rows[FAULT].drop_nulls().unique())
    return replace(contract, rescued=may) if met & {f"uncastable:{name}" for name in may} else contract


def rescues(contract: Contract, rows: pl.DataFrame, loads: Sequence[Live]) -> Iterator[Drift]:
    """What the good ones of ``rows`` have in ``RESCUED``, column by column."""
    told = rows.filter(pl.col(FAULT).is_null() & pl.col(RESCUED).is_not_null()).select(LOAD, RESCUED)
    for name in contract.rescued:
        # A quote within a text has a backslash before it, so this is a member's name.
        ours = told.filter(pl.col(RESCUED).str.contains(f"{json.dumps(name, ensure_ascii=False)}:", literal=True))
        if ours.height:
            first = ours[LOAD].min()
            partition = loads[first if isinstance(first, int) else 0].partition
            yield Drift(name, "rescued", contract.of(name).type or "", "text", partition, ours.height)
