"""Types of columns: what a contract's SQL name means, and what is learned of a column nobody named.

A column that the contract does not name gets the narrowest type that holds every value of every live load without
loss. What is known of its values is a ``Seen``; joining two of them is a componentwise maximum, so it is commutative,
associative and idempotent, and ``Seen`` of many loads is the join of theirs in any order. ``resolve`` then decides::

    nothing seen                                   String (every value is null)
    true, false                                    Boolean
    whole numbers in 64 bits                       Int64
    wider whole numbers, decimals (38 digits)      Decimal(38, greatest scale)
    floats of typed sources (with whole numbers up to 2^53, decimals up to 15 digits)   Float64
    dates                                          Date
    times (with dates)                             Datetime[us, UTC]
    bytes                                          Binary
    anything else, or two of these families        String

Text counts as a number only as ``-?(0|[1-9][0-9]*)(.[0-9]+)?``: leading zeros, a plus sign and exponents stay text.
Decimals of one column may differ in scale (``1.5`` and ``1.50`` are one value), except in keys, where that would
make one key of two: there they stay text.
"""

import re
from dataclasses import dataclass, fields

import polars as pl

__all__ = ["EVEN", "EXACT_DIGITS", "EXACT_WHOLE", "TIMESTAMP", "Seen", "join", "resolve", "sql_type"]

TIMESTAMP = pl.Datetime("us", "UTC")
EVEN = 1_000
EXACT_DIGITS = 15
"""A decimal of so many digits survives a double: from text and back to the same text."""
EXACT_WHOLE = 2**53
_DIGITS = 38

_CONTRACT: dict[str, pl.DataType] = {
    "string": pl.String(),
    "boolean": pl.Boolean(),
    "int8": pl.Int8(),
    "int16": pl.Int16(),
    "int32": pl.Int32(),
    "int64": pl.Int64(),
    # Delta has no unsigned types: the next wider signed one holds every value.
    "uint8": pl.Int16(),
    "uint16": pl.Int32(),
    "uint32": pl.Int64(),
    "uint64": pl.Decimal(20, 0),
    "float32": pl.Float32(),
    "float64": pl.Float64(),
    "date": pl.Date(),
    # Delta has no time of day: kept as text HH:MM:SS[.ffffff].
    "time": pl.String(),
    "timestamp": TIMESTAMP,
    "timestamptz": TIMESTAMP,
    "binary": pl.Binary(),
    "json": pl.String(),
}
_DECIMAL = re.compile(r"decimal\((\d+), ?(\d+)\)")


def sql_type(name: str) -> pl.DataType:
    """The Polars type that holds a column of the contract's canonical SQL type."""
    found = _DECIMAL.fullmatch(name)
    return pl.Decimal(int(found[1]), int(found[2])) if found else _CONTRACT[name]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the values of a column. Nulls, and empty text among other kinds, say nothing."""

    boolean: bool = False
    whole: int = 0
    """Most digits before the point of a whole number or decimal; 0: none seen."""
    wide: bool = False
    """A whole number beyond 64 bits."""
    inexact: bool = False
    """A whole number beyond 2^53, which a double may not hold."""
    scale: int = 0
    """Most digits after the point; 0: only whole numbers."""
    even: int = 0
    """``EVEN`` less the fewest digits after the point, so that a maximum finds it; 0: no number seen."""
    long: bool = False
    """A decimal of more digits than a double holds."""
    double: bool = False
    date: bool = False
    time: bool = False
    binary: bool = False
    text: bool = False
    """Something that is none of these."""


def join(left: Seen, right: Seen) -> Seen:
    """What is known when both are."""
    return Seen(**{f.name: max(getattr(left, f.name), getattr(right, f.name)) for f in fields(Seen)})


def resolve(seen: Seen, *, key: bool = False) -> pl.DataType:
    """The narrowest type that holds all that was seen without loss; for a ``key``, without making two values one."""
    numeric = seen.whole > 0 or seen.double
    families = (seen.boolean, numeric, seen.date or seen.time, seen.binary, seen.text)
    if sum(families) != 1:
        return pl.String()
    match families.index(True):
        case 0:
            return pl.Boolean()
        case 1:
            return _number(seen, key=key)
        case 2:
            return TIMESTAMP if seen.time else pl.Date()
        case 3:
            return pl.Binary()
    return pl.String()


def _number(seen: Seen, *, key: bool) -> pl.DataType:
    if seen.double:
        return pl.String() if seen.inexact or seen.long else pl.Float64()
    if seen.scale == 0:
        if not seen.wide:
            return pl.Int64()
        return pl.Decimal(_DIGITS, 0) if seen.whole <= _DIGITS else pl.String()
    mixed = seen.even + seen.scale != EVEN
    if seen.whole + seen.scale > _DIGITS or (key and mixed):
        return pl.String()
    return pl.Decimal(_DIGITS, seen.scale)
