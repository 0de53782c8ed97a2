"""What the values of bronze columns are, as one pass of aggregates: a ``Seen`` for each column.

Because ``types.join`` is a union of facts about values, what is seen of all rows at once is the join of what is seen
of each load: a refine that reads every row may learn over all of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields

import polars as pl

from medallion_assets.silver.text import readable_time
from medallion_assets.silver.types import EVEN, EXACT_DIGITS, EXACT_WHOLE, Seen

__all__ = ["measures", "seen"]

_DECIMAL = r"^-?(0|[1-9][0-9]*)\.[0-9]+$"
_LONG_WHOLE = r"^-?[1-9][0-9]{18,}$"
_INT64 = pl.Int64()


def measures(values: Mapping[str, tuple[pl.Expr, pl.DataType]], timezone: str) -> Iterable[pl.Expr]:
    """Aggregates that tell what each column holds: for ``name`` columns ``name/<field of Seen>``, one row.

    ``values``: the normalised expression of each column and its type in bronze.
    """
    for name, (value, dtype) in values.items():
        for field, fact in _facts(value, dtype, timezone).items():
            yield fact.alias(f"{name}/{field}")


def seen(name: str, row: Mapping[str, object]) -> Seen:
    """One column's facts out of the row that ``measures`` gave."""
    facts = {f.name: row.get(f"{name}/{f.name}") for f in fields(Seen)}
    return Seen(**{k: type(getattr(Seen(), k))(v) for k, v in facts.items() if isinstance(v, bool | int)})


def _facts(value: pl.Expr, dtype: pl.DataType, timezone: str) -> dict[str, pl.Expr]:
    if isinstance(dtype, pl.String):
        return _text_facts(pl.when(value != "").then(value), timezone)
    present = value.is_not_null().any()
    if isinstance(dtype, pl.Boolean):
        return {"boolean": present}
    if dtype.is_integer():
        return _whole_facts(value)
    if dtype.is_float():
        return {"double": present}
    if isinstance(dtype, pl.Decimal):
        most = pl.when(present)
        whole = max(dtype.precision - dtype.scale, 1)
        return {
            "whole": most.then(whole),
            "scale": most.then(dtype.scale),
            "even": most.then(EVEN - dtype.scale),
            "long": present & (dtype.precision > EXACT_DIGITS),
            "inexact": present & (dtype.precision > EXACT_DIGITS),
            "wide": present & (dtype.precision > 18),
        }
    if isinstance(dtype, pl.Date):
        return {"date": present}
    if isinstance(dtype, pl.Datetime):
        # Finer than microseconds: only text keeps it.
        finer = (value.dt.nanosecond() % 1000 != 0).any() if dtype.time_unit == "ns" else pl.lit(value=False)
        return {"time": present, "text": finer}
    if isinstance(dtype, pl.Binary):
        return {"binary": present}
    return {"text": present}


def _whole_facts(value: pl.Expr) -> dict[str, pl.Expr]:
    # Int128 so that the least 64-bit number has an absolute value.
    size = pl.max_horizontal(value.max().cast(pl.Int128).abs(), value.min().cast(pl.Int128).abs())
    return {
        "whole": size.cast(pl.String).str.len_bytes(),
        "even": pl.when(size.is_not_null()).then(EVEN),
        "wide": value.max().cast(pl.Int128) > pl.lit(2**63 - 1, dtype=pl.Int128),
        "inexact": size > EXACT_WHOLE,
    }


def _text_facts(text: pl.Expr, timezone: str) -> dict[str, pl.Expr]:
    number = text.cast(_INT64, strict=False)
    whole = (number.cast(pl.String) == text).fill_null(value=False)
    long = ~whole & text.str.contains(_LONG_WHOLE).fill_null(value=False)
    decimal = text.str.contains(_DECIMAL).fill_null(value=False)
    boolean = text.is_in(["true", "false"]).fill_null(value=False)
    day = (text.str.len_bytes() == 10) & text.str.to_date("%Y-%m-%d", strict=False).is_not_null()
    day = (day & text.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")).fill_null(value=False)
    time = readable_time(text, timezone).is_not_null()
    known = whole | long | decimal | boolean | day | time
    before = text.str.extract(r"^-?([0-9]+)", 1).str.len_bytes()
    after = text.str.extract(r"\.([0-9]+)$", 1).str.len_bytes()
    after = pl.when(decimal).then(after).when(whole | long).then(0)
    return {
        "boolean": boolean.any(),
        "whole": before.filter(whole | long | decimal).max(),
        "wide": long.any(),
        "inexact": (long | (whole & ~number.is_between(-EXACT_WHOLE, EXACT_WHOLE))).any(),
        "scale": after.max(),
        "even": EVEN - after.min().cast(pl.Int64),
        "long": (decimal & (before + after > EXACT_DIGITS)).any(),
        "date": day.any(),
        "time": time.any(),
        "text": (text.is_not_null() & ~known).any(),
    }
