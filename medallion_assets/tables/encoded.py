"""What tables say of their columns and of themselves, in every format alike."""

import json

import polars as pl

from medallion_assets.errors import Conflict, StorageError
from medallion_assets.lake.ports import TableState
from medallion_assets.lake.results import Drift, Held
from medallion_assets.silver.text import clock

__all__ = ["conflict", "decoded", "polars_type", "refuse_older", "storable", "type_name"]

_PRIMITIVES: dict[str, pl.DataType] = {
    "string": pl.String(), "long": pl.Int64(), "integer": pl.Int32(), "short": pl.Int16(), "byte": pl.Int8(),
    "float": pl.Float32(), "double": pl.Float64(), "boolean": pl.Boolean(), "binary": pl.Binary(), "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"), "timestamp_ntz": pl.Datetime("us"),
}  # fmt: skip


def decoded(text: str) -> TableState:
    """A state as a commit holds it: JSON of its fields; those that came later may be absent."""
    found = json.loads(text)
    held = tuple(Held(**h) for h in found["held"])
    drift = tuple(Drift(**d) for d in found.get("drift", ()))
    return TableState(**{**found, "held": held, "drift": drift, "columns": tuple(found.get("columns", ()))})


def refuse_older(absorbed: int | None, own: TableState | None, state: TableState, *, again: bool, where: str) -> None:
    """Raises StorageError SLV-003 for a state at or below what the table has absorbed (``own`` is what it says).

    Another intent may build the same commit anew, and so may this one, ``again``.
    """
    if absorbed is None:
        return
    same = own is not None and own.bronze_n == absorbed and own.intent == state.intent
    if state.bronze_n < absorbed or (same and not again and state.bronze_n == absorbed):
        raise StorageError(
            "SLV-003",
            f"The table has absorbed bronze commit {absorbed}; a run up to {state.bronze_n} is too late.",
            where=where, fix="run refine again; it reads the newest commits.",
        )  # fmt: skip


def conflict(where: str) -> Conflict:
    """Another run was first."""
    return Conflict("SLV-002", "Another run committed to the table first.", where=where,
                    fix="run again; nothing is lost.")  # fmt: skip


def storable(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as a type that Delta has and every reader knows. Times of day and nothing-but-nulls become text."""
    column = pl.col(name)
    wider: dict[type[pl.DataType], pl.DataType] = {
        pl.UInt8: pl.Int16(), pl.UInt16: pl.Int32(), pl.UInt32: pl.Int64(), pl.UInt64: pl.Decimal(20, 0),
        pl.Null: pl.String(), pl.Duration: pl.Int64(),
    }  # fmt: skip
    kind = type(dtype)
    if kind in wider:
        return column.cast(wider[kind])
    if isinstance(dtype, pl.Time):
        return clock(column).alias(name)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return column.dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC"))
    return column


def polars_type(name: str) -> pl.DataType:
    """The type that Delta calls ``name``."""
    if name.startswith("decimal("):
        precision, scale = name[8:-1].split(",")
        return pl.Decimal(int(precision), int(scale))
    return _PRIMITIVES[name]


def type_name(dtype: pl.DataType) -> str:
    """Delta's name for a type that ``storable`` gives; ``polars_type`` reads it back."""
    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.precision},{dtype.scale})"
    return next(name for name, known in _PRIMITIVES.items() if known == dtype)
