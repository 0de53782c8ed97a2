"""Values that a contract's type does not hold and a wider one would: int → bigint → decimal, float → double,
date → timestamp.

Whether a value is wider does not depend on others, and all wider values of a column meet in one type: a decimal has 38
digits, of which a column's own type and the budget say how many stand behind the point.
"""

import re

import polars as pl

from medallion_assets.silver.text import from_text
from medallion_assets.silver.types import TIMESTAMP

__all__ = ["widened", "wider"]

_DIGITS = 38
_SCALE = 12
"""Digits behind the point that wider decimals may have; in front of it there are then 26."""
_NUMBER = r"^[+-]?[0-9]+(\.[0-9]*)?$"
_DECIMAL = re.compile(r"decimal\((\d+), ?(\d+)\)")
_WHOLE = {"int8": 3, "int16": 5, "int32": 10, "int64": 19, "uint8": 3, "uint16": 5, "uint32": 10, "uint64": 20}
"""Most digits of each type."""


def wider(text: pl.Expr, sql: str, format_: str | None, timezone: str, *, whole: bool = False) -> pl.Expr | None:
    """Whether text that is no value of ``sql`` is one of a wider type; None when ``sql`` has none.

    ``whole``: a number with a fraction is not (keys, where it would make one key of two).
    """
    if sql == "float32":
        return from_text(text, "float64", pl.Float64(), None, timezone).is_not_null()
    if sql == "date":
        return None if format_ else from_text(text, "timestamp", TIMESTAMP, None, timezone).is_not_null()
    most = _most_scale(sql)
    if most is None:
        return None
    fits = (_before(text) <= _DIGITS - most) & (_after(text) <= (0 if whole else most))
    return text.str.contains(_NUMBER) & fits


def widened(sql: str, values: pl.Series) -> str:
    """The contract's type that holds ``sql`` and these texts, each ``wider``."""
    if sql == "float32":
        return "float64"
    if sql == "date":
        return "timestamp"
    text = pl.col(values.name)
    long = from_text(text, "int64", pl.Int64(), None, "UTC").is_not_null().all()
    facts = values.to_frame().select(_after(text).max().alias("scale"), long.alias("long")).row(0)
    found = _DECIMAL.fullmatch(sql)
    scale = max(int(facts[0] or 0), int(found[2]) if found else 0)
    if scale == 0 and facts[1] and found is None and sql != "uint64":
        return "int64"
    return f"decimal({_DIGITS},{scale})"


def _most_scale(sql: str) -> int | None:
    """Digits behind the point that a wider decimal of the type may have; None: it is no number that widens."""
    found = _DECIMAL.fullmatch(sql)
    if found is None:
        return _SCALE if sql in _WHOLE else None
    precision, scale = int(found[1]), int(found[2])
    return min(max(_SCALE, scale), _DIGITS - (precision - scale))


def _before(text: pl.Expr) -> pl.Expr:
    return text.str.extract(r"^[+-]?0*([0-9]*)", 1).str.len_bytes()


def _after(text: pl.Expr) -> pl.Expr:
    return text.str.extract(r"\.([0-9]*?)0*$", 1).str.len_bytes().fill_null(0)
