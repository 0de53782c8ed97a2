"""The rows that were not used: those that bronze could not read, and those that a silver table could not take."""

from io import BytesIO

import polars as pl

from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import Store, TableState

__all__ = ["SCHEMA", "bronze_quarantine", "silver_quarantine"]

SCHEMA = {
    "partition": pl.String, "reason": pl.String, "detail": pl.String, "value": pl.String, "address": pl.String,
}  # fmt: skip
"""``detail``: the column, or what was wrong; ``value``: what stood there; ``address``: ``file:line`` of the source, or
``commit/part/row`` of bronze."""


def bronze_quarantine(head: Head, store: Store, path: str) -> pl.DataFrame:
    """Rows of all live loads that could not be read as rows; columns of ``SCHEMA``. Raises StorageError."""
    frames = [
        _read(store, f"{path}/{commit.load.quarantine.path}").select(
            pl.lit(commit.load.partition).alias("partition"),
            "reason",
            "detail",
            pl.col("raw").alias("value"),
            pl.format("{}:{}", "file", "line").alias("address"),
        )
        for commit in head.live
        if commit.load.quarantine is not None
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *frames])


def silver_quarantine(state: TableState | None, store: Store) -> pl.DataFrame:
    """Rows that the newest version of a table left out; columns of ``SCHEMA``. Raises StorageError."""
    if state is None or state.quarantine is None:
        return pl.DataFrame(schema=SCHEMA)
    rows = _read(store, state.quarantine)
    return rows.select(
        pl.col("partition").cast(pl.String),
        "reason",
        pl.col("column").alias("detail"),
        pl.col("value").cast(pl.String),
        pl.format("{}/{}/{}", "commit", "part", "row").alias("address"),
    )


def _read(store: Store, path: str) -> pl.DataFrame:
    return pl.read_parquet(BytesIO(store.get(path)))
