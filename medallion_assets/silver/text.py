"""Text and back: expressions that read values of one type from another and give null where nothing fits exactly."""

import polars as pl
from polars.datatypes import DataTypeClass

from medallion_assets.silver.types import EXACT_DIGITS, TIMESTAMP

__all__ = [
    "LEARNED",
    "UNSIGNED",
    "as_text",
    "clock",
    "from_text",
    "instant",
    "midnight",
    "normalized",
    "prints_back",
    "readable_time",
    "utf8",
]

# [0-9], not \d: that also means the digits of other scripts, and takes a hundred times as long to compile.
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0*)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?$"
"""ISO 8601 date and time to the microsecond, with or without an offset."""
_OFFSET = r"^.{16}[^Z+-]*([+-])([0-9]{2}):?([0-9]{2})?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
LEARNED = "number"
EPOCHS = {"epoch": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Formats of times as a count since 1970, in microseconds each."""
EPOCH_DAYS = "epoch_days"
"""Format of dates as days since 1970."""
UNSIGNED = {"uint8": pl.UInt8(), "uint16": pl.UInt16(), "uint32": pl.UInt32(), "uint64": pl.UInt64()}
"""Kept in wider signed columns, but no value may need the sign or the width."""
_EXACT: dict[type[pl.DataType], int] = {pl.Float32: 2**24, pl.Float64: 2**53}
"""Below, every whole number is a float."""
_SINGLE_DIGITS = 6
_NUMBER = r"^[+-]?[0-9]+(\.[0-9]*)?$"


def normalized(column: pl.Expr, *, trim: bool, empty_as_null: bool, null_values: tuple[str, ...]) -> pl.Expr:
    """Text as the owner wants it read: trimmed, then some spellings as null."""
    value = column.str.strip_chars() if trim else column
    absent = [*null_values, *([""] if empty_as_null else [])]
    return pl.when(value.is_in(absent).not_()).then(value) if absent else value


def as_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Values of a typed source as text: nested ones as JSON, times in ISO 8601, null as null.

    Bytes that are no UTF-8 as hexadecimal digits, which tells a reader what was there: never what a cell holds.
    """
    if dtype.is_nested():
        value = (
            pl.struct(_plain(column, dtype).alias("v"))
            .struct.json_encode()
            .str.strip_prefix('{"v":')
            .str.strip_suffix("}")
        )
        return pl.when(column.is_not_null()).then(value)
    if isinstance(dtype, pl.Binary):
        return pl.coalesce(utf8(column), column.bin.encode("hex"))
    if isinstance(dtype, pl.Time):
        return clock(column)
    if isinstance(dtype, pl.Duration):
        return column.dt.to_string("iso")
    if isinstance(dtype, pl.Datetime):
        return column.dt.to_string("iso:strict")
    return column.cast(pl.String)


def _plain(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Nested values as JSON can write them: bytes as hexadecimal digits, which no two different ones share."""
    if isinstance(dtype, pl.Binary):
        return column.bin.encode("hex")
    if isinstance(dtype, pl.List) and _holds_bytes(dtype):
        return column.list.eval(_plain(pl.element(), _inner(dtype)))
    if isinstance(dtype, pl.Array) and _holds_bytes(dtype):
        return column.arr.to_list().list.eval(_plain(pl.element(), _inner(dtype)))
    if isinstance(dtype, pl.Struct) and _holds_bytes(dtype):
        parts = [_plain(column.struct.field(f.name), _made(f.dtype)).alias(f.name) for f in dtype.fields]
        return pl.when(column.is_not_null()).then(pl.struct(parts))
    return column


def _holds_bytes(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.Struct):
        return any(_holds_bytes(_made(f.dtype)) for f in dtype.fields)
    return _holds_bytes(_inner(dtype)) if isinstance(dtype, pl.List | pl.Array) else isinstance(dtype, pl.Binary)


def _inner(dtype: pl.List | pl.Array) -> pl.DataType:
    return _made(dtype.inner)


def _made(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else dtype()


def utf8(column: pl.Expr) -> pl.Expr:
    """Bytes as text; null where they are not UTF-8."""
    return column.map_batches(_utf8, return_dtype=pl.String(), is_elementwise=True)


def _utf8(values: pl.Series) -> pl.Series:
    try:
        told: pl.Series = values.cast(pl.String)
    except pl.exceptions.ComputeError:  # one of them is not: find which
        return pl.Series(values.name, [_decoded(v) for v in values], pl.String)
    return told


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def clock(column: pl.Expr) -> pl.Expr:
    """Times of day as ``HH:MM:SS``, with six digits of a second where there is a part of one, with nine if need be."""
    part = column.dt.nanosecond()
    micro, nano = column.dt.to_string("%H:%M:%S%.6f"), column.dt.to_string("%H:%M:%S%.9f")
    exact = pl.when(part % 1_000 == 0).then(micro).otherwise(nano)
    return pl.when(part == 0).then(column.dt.to_string("%H:%M:%S")).otherwise(exact)


def midnight(column: pl.Expr, timezone: str) -> pl.Expr:
    """Dates as the instants of their local midnight, Datetime[us, UTC]."""
    return instant(column.cast(pl.Datetime("us")), timezone)


def instant(naive: pl.Expr, timezone: str) -> pl.Expr:
    """Naive local times as instants; of a time that occurs twice the earlier, one that never occurs an hour later."""
    if timezone == "UTC":
        return naive.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    local = naive.cast(pl.Datetime("us"))
    first = local.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    moved = local.dt.offset_by("1h").dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return pl.coalesce(first, moved).dt.convert_time_zone("UTC")


def readable_time(text: pl.Expr, timezone: str) -> pl.Expr:
    """ISO 8601 date and time to Datetime[us, UTC], local to ``timezone`` without an offset; null when it is not one."""
    shaped = pl.when(text.str.contains(_TIME)).then(text)
    clock = shaped.str.slice(11).str.extract(r"^([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)", 1)
    clock = pl.when(clock.str.len_bytes() == 5).then(clock + ":00").otherwise(clock)
    naive = (shaped.str.slice(0, 10) + " " + clock).str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False, exact=True
    )
    sign, hours, minutes = (shaped.str.extract(_OFFSET, i) for i in (1, 2, 3))
    seconds = hours.cast(pl.Int64) * 3600 + minutes.cast(pl.Int64).fill_null(0) * 60
    shift = pl.duration(seconds=pl.when(sign == "-").then(-seconds).otherwise(seconds).fill_null(0))
    aware = shaped.str.ends_with("Z") | sign.is_not_null()
    return pl.when(aware).then(naive.dt.replace_time_zone("UTC") - shift).otherwise(instant(naive, timezone))


def from_text(  # noqa: PLR0911 - one line for each type
    text: pl.Expr, sql: str, dtype: pl.DataType, format_: str | None, timezone: str
) -> pl.Expr:
    """Text as a value of the contract's type ``sql`` (``dtype`` in Polars); null where it is not one exactly.

    ``sql`` is LEARNED for a number whose type was chosen because every value fits it.
    """
    if sql in ("string", "binary"):
        return text.cast(dtype)
    value = pl.when(text != "").then(text)
    if sql == "boolean":
        lower = value.str.to_lowercase()
        yes, no = lower.is_in(["true", "1", "t", "yes", "y"]), lower.is_in(["false", "0", "f", "no", "n"])
        return pl.when(yes).then(statement=True).when(no).then(statement=False)
    if sql == "json":
        return pl.when(value.str.json_path_match("$").is_not_null() | (value == "null")).then(value)
    if sql == "time":
        return clock(value.str.to_time("%H:%M:%S%.f" if format_ is None else format_, strict=False))
    if sql == "date":
        if format_ == EPOCH_DAYS:
            return value.cast(pl.Int32, strict=False).cast(pl.Date)
        shaped = pl.when(value.str.contains(_DATE)).then(value) if format_ is None else value
        return shaped.str.to_date(format_ or "%Y-%m-%d", strict=False)
    if sql in ("timestamp", "timestamptz"):
        return _time(value, format_, timezone)
    return _number(value, sql, dtype)


def _time(value: pl.Expr, format_: str | None, timezone: str) -> pl.Expr:
    if format_ is None:
        day = pl.when(value.str.contains(_DATE)).then(value).str.to_date("%Y-%m-%d", strict=False)
        return pl.coalesce(readable_time(value, timezone), midnight(day, timezone))
    if format_ in EPOCHS:
        return (value.cast(pl.Int64, strict=False) * EPOCHS[format_]).cast(TIMESTAMP)
    if "%z" in format_ or "%:z" in format_ or "%#z" in format_:
        return value.str.to_datetime(format_, time_unit="us", time_zone="UTC", strict=False)
    return instant(value.str.to_datetime(format_, time_unit="us", strict=False), timezone)


def _number(value: pl.Expr, sql: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Decimal) and sql not in (LEARNED, "uint64"):
        # A cast rounds what does not fit the scale: such a value is wider than its type.
        digits = value.str.extract(r"\.([0-9]*?)0*$", 1).str.len_bytes().fill_null(0)
        plain = pl.when(value.str.contains(_NUMBER) & (digits <= dtype.scale)).then(value)
        return plain.str.strip_prefix("+").cast(dtype, strict=False)
    if dtype.is_float() and sql != LEARNED:
        return _float(value, dtype)
    return value.cast(UNSIGNED.get(sql, dtype), strict=False).cast(dtype)


def _float(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The nearest float; null where it would be infinite, zero or another whole number than the text."""
    near = value.cast(dtype, strict=False)
    spelled = value.str.contains("[iI]")
    overflow = near.is_infinite() & ~spelled
    underflow = (near == 0) & value.str.contains(r"^[^eE]*[1-9]")
    whole = value.str.extract(r"^\+?(-?[0-9]+)(?:\.0*)?$", 1)
    moved = whole.is_not_null() & (near.abs() >= _EXACT[type(dtype)]) & _unequal(whole, near)
    return pl.when((overflow | underflow | moved).not_()).then(near)


def _unequal(whole: pl.Expr, near: pl.Expr) -> pl.Expr:
    # Beyond 38 digits nobody compares: taken as another number.
    return whole.cast(pl.Int128, strict=False).ne_missing(near.cast(pl.Int128, strict=False)) | (near.abs() > 1e38)


def prints_back(text: pl.Expr, value: pl.Expr, dtype: pl.DataType, format_: str | None) -> pl.Expr:
    """Whether a value read from text still says all that the text said; for keys and order_by.

    Numbers: the same digits, but for zeros at the end of a fraction; doubles: at most 15 digits, single floats 6. Dates
    with a format: the same text. Times: every instant to the microsecond (what ``from_text`` accepts).
    """
    if isinstance(dtype, pl.Decimal):
        return _bare(text) == _bare(value.cast(pl.String))
    if dtype.is_float():
        return text.str.count_matches("[0-9]") <= (_SINGLE_DIGITS if isinstance(dtype, pl.Float32) else EXACT_DIGITS)
    if dtype.is_integer() or isinstance(dtype, pl.Boolean):
        return text == value.cast(pl.String)
    if isinstance(dtype, pl.Date) and format_ is not None:
        return text == (value.cast(pl.Int32).cast(pl.String) if format_ == EPOCH_DAYS else value.dt.strftime(format_))
    return value.is_not_null()


def _bare(number: pl.Expr) -> pl.Expr:
    return number.str.replace(r"(\.[0-9]*?)0+$", "$1").str.strip_suffix(".")
