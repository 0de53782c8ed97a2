"""Rows of one dataset's bronze for which another asks its source."""

from collections.abc import Sequence

import polars as pl

from medallion_assets.bronze.reader import frames
from medallion_assets.errors import ExtractionError, SourceUnavailable
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import Store
from medallion_assets.lake.window import Partition
from medallion_assets.plan.model import DatasetPlan

__all__ = ["parent_rows"]

_ONE_TEXT = (pl.String, pl.Boolean, pl.Date, pl.Decimal)
"""Types, beside integers, whose values are spelled in one way."""


def parent_rows(
    plan: DatasetPlan, head: Head, store: Store, partition: Partition, *, bind: Sequence[str], more: Sequence[str]
) -> pl.DataFrame:
    """As ``lake.ports.Parents`` says; ``plan`` is that of the parents. Of a dataset without partitions: all it has."""
    whole = plan.calendar.cadence == "none"
    loads = [commit for commit in head.live if whole or commit.load.window == partition.window]
    if not loads:
        when = "" if whole else f" --date {partition.key}"
        raise SourceUnavailable(
            "SRC-066", f"{plan.name} has nothing loaded of {partition.key}, and its rows are the parents.",
            where=f"source.parents.dataset  {plan.name}", fix=f"load it first: medallion run {plan.name}{when}",
        )  # fmt: skip
    names = list(dict.fromkeys([*bind, *more]))
    found = [pl.DataFrame(schema=dict.fromkeys(names, pl.String))]
    for commit, rows in frames(store, plan.bronze.path, loads):
        if commit.load.rows:
            schema = rows.collect_schema()
            found.append(rows.select(_text(plan, schema, name) for name in names).collect(engine="streaming"))
    return pl.concat(found).unique(subset=list(dict.fromkeys(bind)), keep="last", maintain_order=True)


def _text(plan: DatasetPlan, schema: pl.Schema, name: str) -> pl.Expr:
    kind = schema.get(name)
    if kind is not None and (kind.is_integer() or isinstance(kind, _ONE_TEXT)):
        return pl.col(name).cast(pl.String)
    raise ExtractionError(
        "SRC-064",
        f"Rows of {plan.name} have no `{name}`."
        if kind is None
        else f"`{name}` of {plan.name} is {kind}, which can be spelled in several ways.",
        where=f"source.parents  {plan.name}",
        fix="name a column as the source of that dataset spells it: text, an integer, a decimal, a date or a boolean.",
    )
