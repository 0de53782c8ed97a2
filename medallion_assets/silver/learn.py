"""What the values of a bronze column are: a ``Seen`` of it.

Because ``types.join`` is a union of facts about values, what is seen of all rows at once is the join of what is seen
of each load: a refine that reads every row may learn over all of them.
"""

import polars as pl

from medallion_assets.silver.text import readable_time
from medallion_assets.silver.types import EVEN, EXACT_DIGITS, EXACT_WHOLE, Seen

__all__ = ["seen"]

_DECIMAL = r"^-?(0|[1-9][0-9]*)\.[0-9]+$"
_LONG_WHOLE = r"^-?[1-9][0-9]{18,}$"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def seen(values: pl.Series) -> Seen:
    """Text is looked at value by value, numbers by their extremes, other types by what they are."""
    dtype = values.dtype
    values = values.drop_nulls()
    if values.is_empty():
        return Seen()
    if isinstance(dtype, pl.String):
        return _text(values)
    if dtype.is_integer():
        return _whole(values)
    if isinstance(dtype, pl.Decimal):
        long = dtype.precision > EXACT_DIGITS
        whole = max(dtype.precision - dtype.scale, 1)
        return Seen(
            whole=whole, scale=dtype.scale, even=EVEN - dtype.scale, long=long, inexact=long, wide=dtype.precision > 18
        )
    if isinstance(dtype, pl.Datetime):
        # Finer than microseconds: only text keeps it.
        finer = dtype.time_unit == "ns" and bool((values.dt.nanosecond() % 1000 != 0).any())
        return Seen(time=True, text=finer)
    return Seen(
        boolean=isinstance(dtype, pl.Boolean),
        double=dtype.is_float(),
        date=isinstance(dtype, pl.Date),
        binary=isinstance(dtype, pl.Binary),
        text=not (dtype.is_float() or isinstance(dtype, pl.Boolean | pl.Date | pl.Binary)),
    )


def _whole(values: pl.Series) -> Seen:
    # As Python numbers: the least 64-bit one has no absolute value among its own.
    extremes = [abs(v) for v in (values.min(), values.max()) if isinstance(v, int)]
    most, highest = max(extremes), values.max()
    wide = isinstance(highest, int) and highest >= 2**63
    return Seen(whole=len(str(most)), even=EVEN, wide=wide, inexact=most > EXACT_WHOLE)


def _text(values: pl.Series) -> Seen:
    # Each kind is looked for among the values that are none of those before it: cheapest first.
    text = values.unique()
    text = text.filter(text != "")
    number = text.cast(pl.Int64, strict=False)
    is_whole = (number.cast(pl.String) == text).fill_null(value=False)
    whole, number, rest = text.filter(is_whole), number.filter(is_whole), text.filter(~is_whole)
    long, rest = _split(rest, _LONG_WHOLE)
    decimal, rest = _split(rest, _DECIMAL)
    facts = _numbers(whole, number, long, decimal)
    if rest.is_empty():
        return facts
    boolean = rest.is_in(["true", "false"])
    shaped = rest.str.contains(_DAY)
    day = shaped & rest.str.to_date("%Y-%m-%d", strict=False).is_not_null()
    # Whether it is a time does not depend on the zone.
    time = pl.select(readable_time(pl.lit(rest), "UTC").is_not_null()).to_series()
    return Seen(
        whole=facts.whole, wide=facts.wide, inexact=facts.inexact, scale=facts.scale, even=facts.even, long=facts.long,
        boolean=bool(boolean.any()), date=bool(day.any()), time=bool(time.any()),
        text=not bool((boolean | day | time).all()),
    )  # fmt: skip


def _split(values: pl.Series, pattern: str) -> tuple[pl.Series, pl.Series]:
    if values.is_empty():
        return values, values
    found = values.str.contains(pattern)
    return values.filter(found), values.filter(~found)


def _numbers(whole: pl.Series, number: pl.Series, long: pl.Series, decimal: pl.Series) -> Seen:
    wholes = not (whole.is_empty() and long.is_empty())
    before = decimal.str.extract(r"^-?([0-9]+)", 1).str.len_bytes()
    after = decimal.str.extract(r"\.([0-9]+)$", 1).str.len_bytes()
    digits = [v.str.strip_prefix("-").str.len_bytes().max() for v in (whole, long)]
    most = [v for v in (*digits, before.max()) if isinstance(v, int)]
    fewest = 0 if wholes else after.min()
    return Seen(
        whole=max(most, default=0),
        wide=not long.is_empty(),
        inexact=not long.is_empty() or not bool(number.is_between(-EXACT_WHOLE, EXACT_WHOLE).all()),
        scale=_int(after.max()),
        even=EVEN - _int(fewest) if most else 0,
        long=bool((before + after > EXACT_DIGITS).any()),
    )


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
