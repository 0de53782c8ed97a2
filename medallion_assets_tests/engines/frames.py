"""Frames of awkward values, on which the engines are to agree."""

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import polars as pl


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type,misc]


AWKWARD: dict[str, tuple[pl.DataType, list[Any]]] = {
    "boolean": (pl.Boolean(), [True, False]),
    "int8": (pl.Int8(), [-128, 0, 127]),
    "int16": (pl.Int16(), [-(2**15), 2**15 - 1]),
    "int32": (pl.Int32(), [-(2**31), 2**31 - 1]),
    "int64": (pl.Int64(), [-(2**63), 2**53 + 1, 2**63 - 1]),
    "float32": (pl.Float32(), [float("nan"), float("-inf"), -0.0, 0.0, 1.5]),
    "float64": (pl.Float64(), [float("nan"), float("inf"), -0.0, 0.0, 5e-324, 0.1]),
    "decimal": (pl.Decimal(12, 2), [Decimal("-0.01"), Decimal("9999999999.99"), Decimal("1.50")]),
    "wide": (pl.Decimal(38, 9), [Decimal("-99999999999999999999999999999.999999999"), Decimal("0.000000001")]),
    "text": (pl.String(), ["", " ", "Z", "a", "é", "\U0001f600", "\uffee", "a\x00b", 'it\'s "q"\n', "ß", "ss"]),
    "bytes": (pl.Binary(), [b"", b"\x00\xff", b"a"]),
    "day": (pl.Date(), [date(1, 1, 1), date(1582, 10, 10), date(9999, 12, 31)]),
    "instant": (
        pl.Datetime("us", "UTC"),
        [utc(1, 1, 1), utc(1900, 1, 1, 0, 0, 0, 1), utc(2024, 3, 31, 2, 30), utc(9999, 12, 31, 23, 59, 59, 999999)],
    ),
    "clock": (pl.Datetime("us"), [utc(2024, 3, 31, 2, 30).replace(tzinfo=None), utc(1, 1, 1).replace(tzinfo=None)]),
}
"""Type → values, which are not in their order. Null is always another."""

NAMES = {"text": 'it\'s a "name", of; (text) = {x}\t', "int64": "ünï", "day": "select"}
"""Columns whose names are awkward, too."""


def awkward() -> pl.DataFrame:
    """Every type with its values and nulls, in columns of one height, and ``n``, which numbers the rows."""
    columns = {
        NAMES.get(name, name): pl.Series([[*values, None][i % (len(values) + 1)] for i in range(23)], dtype=dtype)
        for name, (dtype, values) in AWKWARD.items()
    }
    return pl.DataFrame(columns).with_row_index("n").with_columns(pl.col("n").cast(pl.Int64))
