"""Parquet files of a Delta table that deltalake did not write, and what its log says of them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from time import time_ns
from typing import TYPE_CHECKING
from uuid import uuid4

import polars as pl

if TYPE_CHECKING:
    from deltalake.transaction import AddAction

__all__ = ["PLAIN", "among", "others", "tellable", "told", "written"]

_BYTES_IN_MEMORY = 1 << 30
"""Of the rows of one file: 100 to 300 MB of Parquet."""
PLAIN = re.compile(r"[A-Za-z0-9_.-]+\Z")
"""A name or value that a folder may have as it is."""


def among(rows: pl.LazyFrame, keys: pl.DataFrame) -> pl.LazyFrame:
    """Those of ``rows`` whose values in the columns of ``keys`` are those of one of its rows; null equals null."""
    if not keys.width:
        return rows
    first = _selective(keys)
    if first is None:
        return rows.join(keys.lazy(), on=keys.columns, how="semi", nulls_equal=True)
    # A filter on one column is read first, and the other columns only where it holds: a join reads all of them.
    near = rows.filter(pl.col(first).is_in(keys[first].unique().implode()))
    return near if keys.width == 1 else near.join(keys.lazy(), on=keys.columns, how="semi", nulls_equal=True)


def others(rows: pl.LazyFrame, keys: pl.DataFrame) -> pl.LazyFrame:
    """The rows that ``among`` leaves out."""
    first = _selective(keys)
    if first is None:
        return rows.join(keys.lazy(), on=keys.columns, how="anti", nulls_equal=True)
    there = pl.col(first).is_in(keys[first].unique().implode()).fill_null(value=False)
    if keys.width == 1:
        return rows.filter(~there)
    near = rows.filter(there).join(keys.lazy(), on=keys.columns, how="anti", nulls_equal=True)
    return pl.concat([rows.filter(~there), near])


def _selective(keys: pl.DataFrame) -> str | None:
    """The column that tells most keys apart, of those in which nothing is null and equal means the same."""
    fit = [name for name, dtype in keys.schema.items() if not dtype.is_float() and not keys[name].null_count()]
    return max(fit, key=lambda name: keys[name].n_unique(), default=None)


def tellable(dtype: pl.DataType) -> bool:
    """Whether ``told`` knows how a log spells values of this type."""
    return dtype.is_integer() or isinstance(dtype, pl.Boolean | pl.Date | pl.String)


def told(value: object) -> str | None:
    """A partition value as Delta's log spells it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


def written(
    rows: pl.LazyFrame, url: str, options: Mapping[str, str] | None, values: Mapping[str, object]
) -> Iterator["AddAction"]:
    """Stream ``rows`` (columns as stored, without those of ``values``) into new files of one slice below ``url``.

    Gives what the log is to say of each; there is no file for no rows. What is never committed is garbage that
    ``vacuum`` takes away.
    """
    from deltalake.transaction import AddAction

    names = [f"{name}={told(value)}" for name, value in values.items()]
    # A folder is for people's eyes: the log says which slice a file belongs to.
    plain = all(PLAIN.match(part) for name in names for part in name.split("=", 1))
    folder, stem = "".join(f"{name}/" for name in names) if plain else "", uuid4().hex
    files: list[pl.io.partition.SinkedPath] = []
    ranged = [n for n, dtype in rows.collect_schema().items() if dtype.is_integer() or isinstance(dtype, pl.Date)]

    def name(at: "pl.io.partition.FileProviderArgs") -> str:
        return f"{folder}part-{at.index_in_partition:05d}-{stem}.zstd.parquet"

    sink = rows.sink_parquet(
        pl.PartitionBy(url, file_path_provider=name, approximate_bytes_per_file=_BYTES_IN_MEMORY),
        compression="zstd", compression_level=1, maintain_order=False, mkdir=True, lazy=True,
        storage_options=None if options is None else dict(options),
        sinked_paths_callback=lambda sunk: files.extend(sunk.paths),
    )  # fmt: skip
    facts = rows.select(
        pl.col(ranged).min().name.prefix("min:"), pl.col(ranged).max().name.prefix("max:"),
        pl.col(ranged).null_count().name.prefix("nulls:"),
    )  # fmt: skip
    _, found = pl.collect_all([sink, facts], engine="streaming")
    # Of several files nobody knows which value lies in which.
    ranges = _ranges(ranged, found.row(0, named=True)) if ranged and len(files) == 1 else {}
    slice_ = {name: told(value) for name, value in values.items()}
    for file in files:
        if file.num_rows:
            path = f"{folder}{str(file.path).rpartition('/')[2]}"
            stats = json.dumps({"numRecords": file.num_rows, **ranges})
            yield AddAction(path, file.num_bytes, slice_, time_ns() // 1_000_000, data_change=True, stats=stats)


def _ranges(columns: Sequence[str], facts: Mapping[str, object]) -> dict[str, object]:
    """For readers that skip files."""
    known = [name for name in columns if facts[f"min:{name}"] is not None]
    return {
        "minValues": {name: _json(facts[f"min:{name}"]) for name in known},
        "maxValues": {name: _json(facts[f"max:{name}"]) for name in known},
        "nullCount": {name: facts[f"nulls:{name}"] for name in known},
    }


def _json(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
