"""What columns of frames may be: what an engine gives back as it got it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from medallion_assets.errors import ConfigError, StorageError

__all__ = ["needs_package", "plain", "refuse", "stored", "unsigned"]

_FIX = "set `engine: polars`, or {}."


def plain(dtype: pl.DataType) -> bool:
    """The types that silver gives to columns (``silver.types``), and wall clocks."""
    if isinstance(dtype, pl.Datetime):
        return dtype.time_unit == "us" and dtype.time_zone in (None, "UTC")
    kinds = (pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Decimal, pl.Float32, pl.Float64)
    return isinstance(dtype, (*kinds, pl.Int8, pl.Int16, pl.Int32, pl.Int64))


def unsigned(dtype: pl.DataType) -> bool:
    """Whole numbers that only some engines have."""
    return isinstance(dtype, pl.UInt8 | pl.UInt16 | pl.UInt32 | pl.UInt64)


def stored(file: Path) -> pl.Schema:
    """Of the rows of a Parquet file."""
    return pl.scan_parquet(file, glob=False, hive_partitioning=False).collect_schema()


def refuse(
    schema: Mapping[str, pl.DataType], engine: str, carried: Callable[[pl.DataType], bool], special: str
) -> None:
    """Raises StorageError SLV-016 for a column whose values the engine would change, and for a name that it would take

    for more than a name: a star, or one with some of the characters ``special``.
    """
    for name, dtype in schema.items():
        if name == "*" or {*name} & {*special}:
            raise StorageError(
                "SLV-016", f"{engine} takes column {name!r} for another one.", fix=_FIX.format("rename it in `columns`")
            )
        if not carried(dtype):
            raise StorageError(
                "SLV-016", f"{engine} does not hold {dtype} as it is: column {name!r}.",
                fix=_FIX.format("give the column another type in `columns`"),
            )  # fmt: skip


def needs_package(missing: ImportError, extra: str) -> ConfigError:
    """What to install."""
    return ConfigError(
        "SLV-017", f"Silver is to be computed by the engine `{extra}`, and {missing.name} is not installed.",
        fix=f'pip install "medallion-assets[{extra}]"',
    )  # fmt: skip
