"""The lattice of learned types: its laws, and that nothing is lost by it."""

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.silver.learn import seen
from medallion_assets.silver.text import as_text, from_text
from medallion_assets.silver.types import TIMESTAMP, Seen, join, resolve, sql_type

WORDS = st.one_of(
    st.none(),
    st.sampled_from(["", "true", "false", "True", "0", "-0", "007", "+5", "1e5", "1.5", "1.50", "-0.25", "00.5", ".5",
                     "1.", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "NaN", "inf", " 7",
                     "2024-01-01", "2024-13-01", "2024-01-01T10:00", "2024-01-01 10:00:00.123456Z", "10:00",
                     "2024-01-01 10:00:00.1234567", "2024-01-01T10:00:00+02:00", "1_000", "٣", "ü"]),
    st.integers(-(2**70), 2**70).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.text(max_size=4),
)  # fmt: skip
COLUMNS = st.lists(WORDS, max_size=8)


def learned(values: Any, dtype: pl.DataType | None = None) -> Seen:
    return seen(pl.Series(values, dtype=dtype or pl.String()))


@given(COLUMNS, COLUMNS, COLUMNS)
@settings(deadline=None, max_examples=100)
def test_join_is_commutative_associative_and_idempotent(a: list[Any], b: list[Any], c: list[Any]) -> None:
    x, y, z = learned(a), learned(b), learned(c)
    assert join(x, y) == join(y, x)
    assert join(join(x, y), z) == join(x, join(y, z))
    assert join(x, x) == x
    assert join(x, Seen()) == x


@given(COLUMNS, COLUMNS)
@settings(deadline=None, max_examples=100)
def test_what_is_seen_of_two_loads_is_what_is_seen_of_their_rows_together(a: list[Any], b: list[Any]) -> None:
    assert join(learned(a), learned(b)) == learned([*a, *b])


NAMES = {pl.Boolean: "boolean", pl.Date: "date", pl.Datetime: "timestamp", pl.String: "string"}


@given(COLUMNS)
@settings(deadline=None, max_examples=200)
def test_the_learned_type_holds_every_value(values: list[Any]) -> None:
    dtype = resolve(learned(values))
    frame = pl.DataFrame({"c": pl.Series(values, dtype=pl.String)})
    sql = NAMES.get(type(dtype), "number")
    got = frame.select(c=from_text(pl.col("c"), sql, dtype, None, "UTC"))["c"].to_list()
    for text, value in zip(values, got, strict=True):
        if text is None or (text == "" and dtype != pl.String):
            assert value is None
        elif dtype == pl.String:
            assert value == text
        elif isinstance(dtype, pl.Decimal):
            assert value == Decimal(text)
        elif isinstance(dtype, pl.Datetime):
            expected = datetime.fromisoformat(text.replace("Z", "+00:00"))
            assert value == (expected if expected.tzinfo else expected.replace(tzinfo=timezone.utc))
        elif dtype == pl.Boolean:
            assert str(value).lower() == text
        else:
            assert str(value) == text


@given(COLUMNS)
@settings(deadline=None, max_examples=200)
def test_a_learned_key_makes_no_two_values_one(values: list[Any]) -> None:
    dtype = resolve(learned(values), key=True)
    frame = pl.DataFrame({"c": pl.Series([v for v in values if v], dtype=pl.String)})
    read = frame.select("c", v=from_text(pl.col("c"), NAMES.get(type(dtype), "number"), dtype, None, "UTC"))
    if not isinstance(dtype, pl.Datetime):  # times are instants: two spellings of one are one
        assert read["v"].n_unique() == read["c"].n_unique()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([], pl.String()),
        ([None, ""], pl.String()),
        (["true", "false", None], pl.Boolean()),
        (["True"], pl.String()),
        (["1", "-3", ""], pl.Int64()),
        (["1", "007"], pl.String()),
        (["1", "+1"], pl.String()),
        (["1", "1e5"], pl.String()),
        (["9223372036854775807", "-9223372036854775808"], pl.Int64()),
        (["9223372036854775808"], pl.Decimal(38, 0)),
        (["1" * 39], pl.String()),
        (["1", "1.50"], pl.Decimal(38, 2)),
        (["1" * 37, "1.50"], pl.String()),
        (["1", "true"], pl.String()),
        (["2024-01-01"], pl.Date()),
        (["2024-02-30"], pl.String()),
        (["2024-01-01", "2024-01-01 10:00"], TIMESTAMP),
        (["2024-01-01", "1"], pl.String()),
        (["2024-01-01 10:00:00.1234567"], pl.String()),
        (["2024-01-01 10:00:00.1234560"], TIMESTAMP),
    ],
)
def test_what_text_is_learned_to_be(values: list[Any], dtype: pl.DataType) -> None:
    assert resolve(learned(values)) == dtype


def test_decimals_of_one_scale_are_a_key_and_others_stay_text() -> None:
    assert resolve(learned(["1.10", "2.25"]), key=True) == pl.Decimal(38, 2)
    assert resolve(learned(["1.1", "1.10"]), key=True) == pl.String()
    assert resolve(learned(["1", "1.0"]), key=True) == pl.String()


@pytest.mark.parametrize(
    ("left", "right", "dtype"),
    [
        (pl.Series([1], dtype=pl.Int8), pl.Series([1], dtype=pl.UInt32), pl.Int64()),
        (pl.Series([2**53]), pl.Series([0.5]), pl.Float64()),
        (pl.Series([2**53 + 1]), pl.Series([0.5]), pl.String()),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), pl.Series([1]), pl.Decimal(38, 0)),
        (pl.Series([2**63], dtype=pl.UInt64), pl.Series([-(2**63)]), pl.Decimal(38, 0)),
        (pl.Series(["0.25"]), pl.Series([0.5]), pl.Float64()),
        (pl.Series(["0.12345678901234567"]), pl.Series([0.5]), pl.String()),
        (pl.Series([date(2024, 1, 1)]), pl.Series(["2024-01-01 01:00"]), TIMESTAMP),
        (pl.Series([True]), pl.Series(["false"]), pl.Boolean()),
        (pl.Series([True]), pl.Series([1]), pl.String()),
        (pl.Series(["1.5"]).cast(pl.Decimal(10, 1)), pl.Series([1]), pl.Decimal(38, 1)),
        (pl.Series([b"x"]), pl.Series([b"y"]), pl.Binary()),
        (pl.Series([[1]]), pl.Series([1]), pl.String()),
        (pl.Series([None], dtype=pl.Int64), pl.Series(["x"]), pl.String()),
        (pl.Series([0]).cast(pl.Datetime("ns")), pl.Series([None], dtype=pl.String), TIMESTAMP),
        (pl.Series([1], dtype=pl.Int64).cast(pl.Datetime("ns")), pl.Series([None], dtype=pl.String), pl.String()),
    ],
)  # fmt: skip
def test_typed_and_text_loads_join(left: pl.Series, right: pl.Series, dtype: pl.DataType) -> None:
    assert resolve(join(learned(left, left.dtype), learned(right, right.dtype))) == dtype


def test_names_of_the_contract() -> None:
    assert sql_type("decimal(18, 2)") == pl.Decimal(18, 2)
    assert sql_type("uint64") == pl.Decimal(20, 0)
    assert sql_type("timestamptz") == TIMESTAMP


def test_nested_values_become_json() -> None:
    frame = pl.DataFrame({"c": [{"a": [1, None]}, None], "l": [[1, 2], None]})
    got = frame.select(*(as_text(pl.col(n), t).alias(n) for n, t in frame.schema.items()))
    assert got.rows() == [('{"a":[1,null]}', "[1,2]"), (None, None)]
