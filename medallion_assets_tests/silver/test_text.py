"""Reading values from text and other types: what fits, what does not, and in which zone."""

from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from medallion_assets.silver.conform import conform
from medallion_assets.silver.contract import Contract, Named, Spelling
from medallion_assets.silver.text import as_text, from_text, readable_time
from medallion_assets.silver.types import TIMESTAMP, sql_type


def read(values: list[str | None], sql: str, format_: str | None = None, zone: str = "UTC") -> list[Any]:
    frame = pl.DataFrame({"c": pl.Series(values, dtype=pl.String)})
    return frame.select(c=from_text(pl.col("c"), sql, sql_type(sql), format_, zone))["c"].to_list()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("sql", "values", "expected"),
    [
        ("string", ["", " a", None], ["", " a", None]),
        ("int32", ["7", "-7", "", "2147483648", "7.0", "x", None], [7, -7, None, None, None, None, None]),
        ("uint8", ["255", "256", "-1"], [255, None, None]),
        ("boolean", ["true", "F", "1", "yes", "maybe"], [True, False, True, True, None]),
        ("float64", ["1e5", "0.1", "x"], [1e5, 0.1, None]),
        ("decimal(5,2)", ["1.5", "+1.50", "1.500", "1.505", "1000", "1e2", "x"],
         [Decimal("1.50"), Decimal("1.50"), Decimal("1.50"), None, None, None, None]),
        ("date", ["2024-02-29", "2023-02-29", "2024-1-1", "01/02/2024"], [date(2024, 2, 29), None, None, None]),
        ("timestamp",
         ["2024-01-01", "2024-01-01T10:00", "2024-01-01 10:00:00.5Z", "2024-01-01T10:00:00+02:00", "10:00"],
         [utc(2024, 1, 1), utc(2024, 1, 1, 10), utc(2024, 1, 1, 10, 0, 0, 500000), utc(2024, 1, 1, 8), None]),
        ("float64", ["1e400", "1e-400", "0e5", "inf", "9007199254740993", "9007199254740992", "-9007199254740993.00"],
         [None, None, 0.0, float("inf"), None, 2.0**53, None]),
        ("float32", ["0.5", "16777217", "16777216.0", "1e39", "1e-60"], [0.5, None, 2.0**24, None, None]),
        ("time", ["10:00:00", "25:00:00", "10:00:00.5", "10:00:00.000004", "10:00:00.000000001"],
         ["10:00:00", None, "10:00:00.500000", "10:00:00.000004", "10:00:00.000000001"]),
        ("json", ['{"a": 1}', "null", "{", '"x"'], ['{"a": 1}', "null", None, '"x"']),
        ("binary", ["ü"], ["ü".encode()]),
    ],
)  # fmt: skip
def test_text_is_read_exactly_or_not_at_all(sql: str, values: list[str | None], expected: list[Any]) -> None:
    assert read(values, sql) == expected


def test_formats() -> None:
    assert read(["Jun 12 1998", "x"], "date", "%b %d %Y") == [date(1998, 6, 12), None]
    assert read(["12.06.1998 10:30"], "timestamp", "%d.%m.%Y %H:%M", "Europe/Berlin") == [utc(1998, 6, 12, 8, 30)]
    assert read(["1998-06-12 10:30 +0200"], "timestamp", "%Y-%m-%d %H:%M %z") == [utc(1998, 6, 12, 8, 30)]
    assert read(["1700000000", "x"], "timestamp", "epoch") == [utc(2023, 11, 14, 22, 13, 20), None]
    assert read(["1700000000123"], "timestamp", "epoch_ms") == [utc(2023, 11, 14, 22, 13, 20, 123000)]


def test_naive_times_are_local_also_where_clocks_change() -> None:
    told = ["2024-03-31 01:59", "2024-03-31 02:30", "2024-10-27 02:30", "2024-10-27 02:30Z"]
    frame = pl.DataFrame({"c": told}).select(c=readable_time(pl.col("c"), "Europe/Berlin"))
    # 02:30 does not exist on the first day, so it is an hour later; it is twice on the second: the earlier.
    assert frame["c"].to_list() == [utc(2024, 3, 31, 0, 59), utc(2024, 3, 31, 1, 30), utc(2024, 10, 27, 0, 30),
                                    utc(2024, 10, 27, 2, 30)]  # fmt: skip
    assert frame.schema["c"] == TIMESTAMP


def faults(
    values: list[Any] | pl.Series, named: Named, *, key: bool = True, dtype: pl.DataType | None = None
) -> list[str | None]:
    frame = pl.DataFrame({"c": pl.Series(values, dtype=dtype or pl.String())}).with_columns(
        pl.lit(0).alias("__pos"), pl.lit(0).alias("__load")
    )
    contract = Contract("UTC", (named,), keys=("c",) if key else (), spelling=Spelling())
    types = {"c": sql_type(named.type or "string")}
    told = conform(frame.lazy(), {"c": frame.schema["c"]}, "full", contract, types).collect()
    return [None if f is None else f.partition(":")[0] for f in told["__fault"].to_list()]


BAD = "uncastable"


@pytest.mark.parametrize(
    ("named", "values", "expected"),
    [
        (Named("c", "int64"), ["7", "007", "+7", "-0", None, ""], [None, BAD, BAD, BAD, "null_key", "null_key"]),
        (Named("c", "decimal(9,2)"), ["1.5", "1.50", "1", "01.5"], [None, None, None, BAD]),
        (Named("c", "float64"), ["0.1", "0.12345678901234567"], [None, BAD]),
        (Named("c", "float32"), ["0.1", "0.1234567"], [None, BAD]),
        (Named("c", "boolean"), ["true", "yes"], [None, BAD]),
        (Named("c", "date", format="%b %d %Y"), ["Jun 02 1998", "Jun 2 1998"], [None, BAD]),
        (Named("c", "timestamp"), ["2024-01-01 10:00:00.123456", "2024-01-01 10:00:00.1234567"], [None, BAD]),
        (Named("c", "string"), ["", "007"], [None, None]),
    ],
)
def test_a_key_must_print_back_the_same(named: Named, values: list[Any], expected: list[Any]) -> None:
    assert faults(values, named) == expected


@pytest.mark.parametrize(
    ("sql", "series", "expected"),
    [
        ("int32", pl.Series([1, 2**40]), [None, BAD]),
        ("int32", pl.Series([1.0, 1.5]), [None, BAD]),
        ("uint8", pl.Series([255, 256, -1]), [None, BAD, BAD]),
        ("float64", pl.Series([2**53, 2**53 + 1]), [None, BAD]),
        ("decimal(3,1)", pl.Series([6.1, 6.15, 0.1 + 0.2]), [None, BAD, BAD]),
        ("date", pl.Series([datetime(2024, 1, 1), datetime(2024, 1, 1, 1)]), [None, BAD]),  # noqa: DTZ001
        ("string", pl.Series([True, None]), [None, None]),
        ("boolean", pl.Series([1, 0, 2]), [None, None, BAD]),
        ("timestamp", pl.Series([date(2024, 1, 1)]), [None]),
        ("string", pl.Series([[1], [2]]), [None, None]),
        ("timestamp", pl.Series([1000, 1001, 2500]).cast(pl.Datetime("ns")), [None, BAD, BAD]),
        ("timestamp", pl.Series([1000, 1001]).cast(pl.Datetime("ns", "Europe/Berlin")), [None, BAD]),
        (
            "float32",
            pl.Series([0.5, 0.1, 16777217.0, 1e300, float("nan"), float("inf")]),
            [None, BAD, BAD, BAD, None, None],
        ),
        ("string", pl.Series([b"ab", b"\xff\x00", None]), [None, BAD, None]),
        ("int32", pl.Series([b"7", b"\xff", b""]), [None, BAD, None]),
    ],
)
def test_typed_values_fit_or_go_to_quarantine(sql: str, series: pl.Series, expected: list[Any]) -> None:
    assert faults(series, Named("c", sql), key=False, dtype=series.dtype) == expected


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (pl.Series([1, 1_000, 0, 3_723_000_004_000, 3_723_500_000_000, None]).cast(pl.Time),
         ["00:00:00.000000001", "00:00:00.000001", "00:00:00", "01:02:03.000004", "01:02:03.500000", None]),
        (pl.Series([0, 1, -5, 10**18, None]).cast(pl.Duration("ns")),
         ["PT0S", "PT0.000000001S", "-PT0.000000005S", "P11574DT1H46M40S", None]),
        (pl.Series([b"ab", b"\xff\x00", b"", None]), ["ab", "ff00", "", None]),
        (pl.Series([{"b": b"\xff", "n": 1}, {"b": None, "n": 2}, None]),
         ['{"b":"ff","n":1}', '{"b":null,"n":2}', None]),
        (pl.Series([[{"b": [b"a", None]}, None], [], None]), ['[{"b":["61",null]},null]', "[]", None]),
        (pl.Series([[b"a", b"b"], None], dtype=pl.Array(pl.Binary, 2)), ['["61","62"]', None]),
        (pl.Series([{"t": time(1, 2, 3, 4)}]), ['{"t":"01:02:03.000004"}']),
    ],
)  # fmt: skip
def test_typed_values_as_text_keep_all_that_they_say(series: pl.Series, expected: list[Any]) -> None:
    told = series.alias("c").to_frame().lazy().select(c=as_text(pl.col("c"), series.dtype)).collect()
    assert told["c"].to_list() == expected
