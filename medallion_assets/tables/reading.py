"""A silver table whose files cannot be read."""

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from medallion_assets.errors import Corrupt

__all__ = ["reading"]


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Read a table. Raises Corrupt SLV-015 for a file that is missing, is no Parquet any more, or is another."""
    try:
        yield
    except (pl.exceptions.ComputeError, pl.exceptions.SchemaError, FileNotFoundError) as error:
        what = str(error).partition(" (set POLARS_VERBOSE")[0]
        raise Corrupt(
            "SLV-015", f"A file of the table cannot be read: {what}.", where=where,
            fix="medallion rebuild makes the table anew from bronze; or restore the file.",
        ) from error  # fmt: skip
