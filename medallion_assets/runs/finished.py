"""From the rows of a model to those of a table: addresses for places, columns in their order; and the quarantine."""

import json
from collections.abc import Callable, Sequence

import polars as pl

from medallion_assets.errors import StorageError
from medallion_assets.plan.model import Model, SilverPlan
from medallion_assets.runs.typed import Typed
from medallion_assets.silver.columns import (
    AFTER,
    BASE,
    BEFORE,
    BRONZE_PART,
    CHANGE_TYPE,
    CHANGED_AT,
    CHANGED_COLUMNS,
    COMMIT,
    DELETED_AT,
    FAULT,
    FROM,
    IS_CURRENT,
    IS_DELETED,
    LOAD_DATE,
    OPERATION,
    PART,
    PARTITION,
    POS,
    RUN_DATE,
    SINCE,
    TO,
    VALUE,
)
from medallion_assets.silver.derived import differing
from medallion_assets.silver.place import addresses
from medallion_assets.silver.slices import Slice
from medallion_assets.silver.states import earlier
from medallion_assets.silver.text import as_text

__all__ = ["TECHNICAL", "finished", "own_slices", "quarantined", "refuse_reserved"]

TECHNICAL = (RUN_DATE, BRONZE_PART)
"""Columns outside a table's content."""
_ADDED: dict[Model, tuple[str, ...]] = {
    "periodic_snapshot": (LOAD_DATE,),
    "full_merge_dedupe": (),
    "scd_type_1": (IS_DELETED, DELETED_AT),
    "scd_type_2": (FROM, TO, IS_CURRENT, IS_DELETED),
    "incremental_merge": (OPERATION,),
    "event": (),
    "derived_event": (CHANGED_AT, CHANGE_TYPE, CHANGED_COLUMNS, BEFORE, AFTER),
}
"""Columns of each model behind the owner's, where they occur."""


def own_slices(silver: SilverPlan) -> tuple[str, ...]:
    """The columns that a model's table is partitioned by without being asked."""
    return {"scd_type_2": (IS_CURRENT,), "periodic_snapshot": (LOAD_DATE,)}.get(silver.model, ())


def refuse_reserved(columns: Sequence[str], silver: SilverPlan, parted: Sequence[Slice]) -> None:
    """Raise StorageError SLV-012 when a column of the owner has a name that the table needs."""
    added = {*_ADDED[silver.model], RUN_DATE, BRONZE_PART, *(s.name for s in parted if s.name != s.column)}
    if silver.delete_mode != "tombstone":
        added -= {IS_DELETED, DELETED_AT}
    taken = [c for c in columns if c in added]
    if taken:
        raise StorageError(
            "SLV-012", f"Column {taken[0]!r} of the source has a name that the table needs for itself.",
            where=str(silver.entity), fix=f"rename it: `columns: {{source_{taken[0]}: {{source_names: {taken[0]}}}}}`.",
        )  # fmt: skip


def finished(
    table: pl.DataFrame, silver: SilverPlan, typed: Typed, parted: Sequence[Slice], timezone: str,
    *, known: pl.DataFrame | None = None,
) -> pl.DataFrame:  # fmt: skip
    """The table's columns in their order: the owner's, the model's, the technical ones, those to partition by.

    ``known``: keys, _run_date and _bronze_part of rows that were in the table before, which stay where SINCE is
    negative.
    """
    placed = addresses(table, SINCE, typed.places)
    if known is not None:
        before = known.rename({RUN_DATE: COMMIT, BRONZE_PART: PARTITION})
        told = placed.drop(COMMIT, PARTITION).join(before, on=list(silver.keys), how="left", maintain_order="left")
        stays = pl.col(SINCE) < 0
        placed = told.with_columns(
            pl.when(stays).then(COMMIT).otherwise(RUN_DATE).alias(RUN_DATE),
            pl.when(stays).then(PARTITION).otherwise(BRONZE_PART).alias(BRONZE_PART),
        )
    if silver.model == "periodic_snapshot":
        placed = placed.with_columns(pl.col(RUN_DATE).alias(LOAD_DATE))
    if silver.model == "derived_event":
        placed = _told(placed)
    added = [c for c in _ADDED[silver.model] if c in placed.columns]
    extra = [s.expression(placed.schema, timezone) for s in parted if s.name != s.column]
    own = silver.keys if silver.model == "derived_event" else typed.columns
    return placed.select(*(c for c in own if c in placed.columns), *added, RUN_DATE, BRONZE_PART, *extra)


def _told(changes: pl.DataFrame) -> pl.DataFrame:
    """Changes with what changed, as text: changed_columns a JSON list of names; before and after JSON objects of the
    tracked columns, each value as the text that reads back the same, null where the key was not there.
    """
    track = [c for c in changes.columns if differing(c) in changes.columns]

    def document(there: pl.Expr, name: str, of: Callable[[str], str]) -> pl.Expr:
        cells = [as_text(pl.col(of(c)), changes.schema[of(c)]).alias(c) for c in track]
        told = pl.struct(cells).struct.json_encode() if cells else pl.lit("{}")
        return pl.when(there).then(told).alias(name)

    kind = pl.col(CHANGE_TYPE)
    names = [pl.when(differing(c)).then(pl.lit(json.dumps(c, ensure_ascii=False))) for c in track]
    joined = pl.concat_str(names, separator=",", ignore_nulls=True) if names else pl.lit("")
    listed = pl.concat_str([pl.lit("["), joined, pl.lit("]")])
    return changes.with_columns(
        listed.alias(CHANGED_COLUMNS),
        document(kind != "insert", BEFORE, earlier),
        document(kind != "delete", AFTER, str),
    )


def quarantined(bad: pl.DataFrame, typed: Typed) -> pl.DataFrame:
    """Reason, column, value (text), commit, part, row and partition of the ``bad`` rows, in their order."""
    placed = addresses(bad.select(FAULT, VALUE, POS), POS, typed.places)
    reason = pl.col(FAULT).str.splitn(":", 2)
    return placed.select(
        reason.struct.field("field_0").alias("reason"),
        reason.struct.field("field_1").alias("column"),
        pl.col(VALUE).alias("value"),
        pl.col(COMMIT).alias("commit"),
        pl.col(PART).alias("part"),
        (pl.col(POS) - pl.col(BASE)).alias("row"),
        pl.col(PARTITION).alias("partition"),
    )
