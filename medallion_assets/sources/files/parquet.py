"""Parquet files: typed rows, a row group (or a slice of a large one) at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from medallion_assets.errors import ExtractionError
from medallion_assets.lake.ports import Batch

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

__all__ = ["read_parquet"]

_BATCH_ROWS = 50_000


def read_parquet(file: Path | IO[bytes], where: str) -> Iterator[Batch]:
    """Batches of a Parquet file; at least one, with the columns. Page checksums are verified where the file has them.

    Raises ExtractionError SRC-017: no Parquet, cut, or damaged; SRC-023: a type that bronze cannot hold exactly.
    """
    import polars as pl
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file, buffer_size=1 << 20, page_checksum_verification=True) as read:
            _refuse_types(read.schema_arrow, where)
            yield Batch(_frame(read.schema_arrow.empty_table()))
            for batch in read.iter_batches(_BATCH_ROWS):
                yield Batch(_frame(pa.Table.from_batches([batch])))
    except (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise ExtractionError(
            "SRC-017",
            f"The Parquet file cannot be read: {str(error).splitlines()[0]}.",
            where=where,
            fix="Fetch or write the file again: it is cut, damaged or something else.",
        ) from error


def _refuse_types(schema: Iterable["pa.Field"], where: str) -> None:
    from pyarrow import types

    wide = [f"{field.name} ({field.type})" for field in schema if types.is_decimal256(field.type)]
    if wide:
        raise ExtractionError(
            "SRC-023",
            f"More than 38 digits fit no type of bronze: {', '.join(wide)}.",
            where=where,
            fix="Write the column as text, or with at most 38 digits.",
        )


def _frame(table: object) -> "pl.DataFrame":
    import polars as pl

    frame = pl.from_arrow(table)
    if isinstance(frame, pl.Series):  # only arrays become one
        raise TypeError("a table became a column")
    return frame
