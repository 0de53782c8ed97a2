"""Rows as a Delta table has them, and Parquet files that deltalake did not write."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import count
from time import time_ns
from typing import TYPE_CHECKING
from uuid import uuid4

import polars as pl

from medallion_assets.lake.pieces import Pieces
from medallion_assets.tables.encoded import storable

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake.transaction import AddAction

__all__ = ["NULL_FOLDER", "PLAIN", "among", "others", "stored", "streamed", "tellable", "told", "written"]

_BATCH_ROWS = 65_536
_BYTES_IN_MEMORY = 1 << 30
"""Of the rows of one file: 100 to 300 MB of Parquet."""
_LONGEST = 200
"""Characters of a folder's name; most file systems have 255 bytes."""
_YEAR = re.compile(r"(?!0000)\d{4}-")
NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"
"""What Hive calls a folder of nulls, and everybody since."""
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
    rows: pl.LazyFrame, url: str, options: Mapping[str, str] | None, values: Mapping[str, object],
    by: Sequence[str] = (),
) -> Iterator["AddAction"]:  # fmt: skip
    """Stream ``rows`` (columns as stored, without those of ``values``) into new files below ``url``: of the one slice
    of ``values``, or of one for each combination of values in the columns of ``by``.

    Gives what the log is to say of each; none is named for no rows. What is never committed is garbage that
    ``vacuum`` takes away.
    """
    from deltalake.transaction import AddAction

    stem, numbers, files = uuid4().hex, count(), list["pl.io.partition.SinkedPath"]()
    placed: dict[str, tuple[str, dict[str, str | None]]] = {}

    def place(at: "pl.io.partition.FileProviderArgs") -> str:
        found = {**values, **at.partition_keys.row(0, named=True)}
        slice_ = {name: told(value) for name, value in found.items()}
        file = f"part-{next(numbers):05d}-{stem}.zstd.parquet"
        # A folder is for people's eyes: the log says which slice a file belongs to.
        folders = [f"{name}={NULL_FOLDER if value is None else value}" for name, value in slice_.items()]
        plain = all(PLAIN.match(part) for folder in folders for part in folder.split("=", 1))
        fits = all(len(folder) < _LONGEST for folder in folders)
        placed[file] = "/".join((*folders, file)) if plain and fits else file, slice_
        return placed[file][0]

    rows.sink_parquet(
        pl.PartitionBy(
            url, file_path_provider=place, key=list(by) or None, include_key=False if by else None,
            approximate_bytes_per_file=_BYTES_IN_MEMORY,
        ),
        compression="zstd", compression_level=1, maintain_order=False, mkdir=True, engine="streaming",
        sync_on_close="all" if url.startswith("/") else None,  # before the log names them
        storage_options=None if options is None else dict(options),
        sinked_paths_callback=lambda sunk: files.extend(sunk.paths),
    )  # fmt: skip
    for file in files:
        if file.num_rows:
            path, slice_ = placed[str(file.path).rpartition("/")[2]]
            stats = json.dumps({"numRecords": file.num_rows, **_ranges(f"{url}/{path}", options)})
            yield AddAction(path, file.num_bytes, slice_, time_ns() // 1_000_000, data_change=True, stats=stats)


def _ranges(file: str, options: Mapping[str, str] | None) -> dict[str, object]:
    """Between what a file's integers and dates lie, for readers that skip files. Asked while the rows are written it
    would hold gigabytes of them.
    """
    rows = pl.scan_parquet(
        file, glob=False, hive_partitioning=False, storage_options=None if options is None else dict(options)
    )
    columns = {n: t for n, t in rows.collect_schema().items() if t.is_integer() or isinstance(t, pl.Date)}
    if not columns:
        return {}
    # Dates as text: Polars has years that Python has not.
    told = {name: pl.String() if isinstance(dtype, pl.Date) else dtype for name, dtype in columns.items()}
    found = rows.select(
        *(pl.col(name).min().cast(dtype).alias(f"min:{name}") for name, dtype in told.items()),
        *(pl.col(name).max().cast(dtype).alias(f"max:{name}") for name, dtype in told.items()),
        *(pl.col(name).null_count().alias(f"nulls:{name}") for name in told),
    ).collect(engine="streaming")
    facts = found.row(0, named=True)
    known = [name for name in told if _tells(facts[f"min:{name}"]) and _tells(facts[f"max:{name}"])]
    kinds = {"min": "minValues", "max": "maxValues", "nulls": "nullCount"}
    return {said: {name: facts[f"{kind}:{name}"] for name in known} for kind, said in kinds.items()}


def _tells(bound: object) -> bool:
    """Whether it is a bound that every reader knows."""
    return bound is not None and (not isinstance(bound, str) or _YEAR.match(bound) is not None)


def stored(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows in types that Delta has."""
    return rows.select(storable(name, dtype) for name, dtype in rows.collect_schema().items())


def streamed(rows: Pieces) -> "pa.RecordBatchReader":
    """One piece after the other, each read when it is its turn, and few of its rows at once in a form for Delta."""
    import pyarrow as pa

    schema = stored(pl.LazyFrame(schema=rows.schema)).collect().to_arrow().schema
    some = (
        stored(some.lazy()).collect().to_arrow().cast(schema)
        for piece in rows
        for some in piece.iter_slices(_BATCH_ROWS)
    )
    batches = (batch for table in some for batch in table.to_batches())
    return pa.RecordBatchReader.from_batches(schema, batches)
