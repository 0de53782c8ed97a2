"""Row rules on every kind of column: which rows break them, with and without the schema."""

from datetime import date, datetime, timezone
from decimal import Decimal

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.checks.rules import bound, meaning, moves_rows, violation
from medallion_assets.errors import ConfigError
from medallion_assets.intent.check import Check, Expression, InSet, NotNull, Range, Regex, RowCount


def broken(rule: Check, values: pl.Series, *, typed: bool) -> list[bool]:
    frame = nw.from_native(pl.LazyFrame({"a": values}))
    expression = violation(rule, frame.collect_schema() if typed else None)
    return frame.select(broken=expression).to_native().collect()["broken"].to_list()


def of(low: float | str | None = None, high: float | str | None = None, *, exclusive: bool = False) -> Range:
    return Range(rule="range", columns=("a",), min=low, max=high, exclusive=exclusive)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type, misc]


def naive(*parts: int) -> datetime:
    return utc(*parts).replace(tzinfo=None)


NUMBERS: list[tuple[pl.Series, Range, list[bool]]] = [
    (pl.Series([None, 0, 1, 5, 6]), of(1, 5), [False, True, False, False, True]),
    (pl.Series([None, 0, 1, 5, 6]), of(1, 5, exclusive=True), [False, True, True, True, True]),
    (pl.Series([1, 2**63 + 1, None], dtype=pl.UInt64), of(-1, 10), [False, True, False]),
    (pl.Series([1.5, float("inf"), None]), of(high="1.5"), [False, True, False]),
    (pl.Series([1.5, float("nan"), None]), of(low=0), [False, True, False]),
    (pl.Series([Decimal("1.50"), Decimal("1.51"), None]), of(high="1.50"), [False, True, False]),
    (pl.Series(["007", " 8 ", "1e1", "x", "", "-3", None]), of(0, 9), [False, False, True, True, True, True, False]),
    (pl.Series([None, None], dtype=pl.Int8), of(1, 2), [False, False]),
]

TIMES: list[tuple[pl.Series, Range, list[bool]]] = [
    (pl.Series([date(2024, 1, 1), date(2024, 1, 3), None]), of("2024-01-02"), [True, False, False]),
    (pl.Series([naive(2024, 1, 2), naive(2024, 1, 2, 1), None]), of(high="2024-01-02"), [False, True, False]),
    (pl.Series([utc(2024, 1, 2), utc(2024, 1, 2, 0, 0, 1)]), of(high="2024-01-02T01:00:00+01:00"), [False, True]),
    (pl.Series([utc(2024, 1, 2), utc(2024, 1, 3)]), of("2024-01-02 00:00:00", exclusive=True), [True, False]),
    (pl.Series([naive(2024, 1, 2), naive(2024, 1, 3)]), of("2024-01-02T12:00:00Z"), [True, False]),
    (
        pl.Series(["2024-01-02", "2024-01-02T00:00", "2024-01-02 00:00:00.500", "2024-01-02T00:00:00Z", "soon", None]),
        of(high="2024-01-02"),
        [False, False, True, False, True, False],
    ),
]


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "untyped"])
@pytest.mark.parametrize(("values", "rule", "expected"), NUMBERS + TIMES)
def test_range(values: pl.Series, rule: Range, expected: list[bool], typed: bool) -> None:
    assert broken(rule, values, typed=typed) == expected


@given(
    st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40))), st.integers(-9, 9), st.integers(-9, 9), st.booleans()
)
def test_range_of_whole_numbers_is_pythons_comparison(
    values: list[int | None], low: int, high: int, exclusive: bool
) -> None:
    def inside(value: int) -> bool:
        return low < value < high if exclusive else low <= value <= high

    expected = [value is not None and not inside(value) for value in values]
    series = pl.Series(values, dtype=pl.Int64)
    rule = of(low, high, exclusive=exclusive)
    assert broken(rule, series, typed=True) == expected
    assert broken(rule, series, typed=False) == expected
    assert broken(rule, series.cast(pl.String), typed=True) == expected


def test_not_null_minds_null_and_nothing_else_in_any_of_its_columns() -> None:
    frame = nw.from_native(pl.LazyFrame({"a": [1.0, float("nan"), None], "b": ["", None, "x"]}))
    rule = NotNull(rule="not_null", columns=("a", "b"))
    assert frame.select(x=violation(rule)).to_native().collect()["x"].to_list() == [False, True, True]


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "untyped"])
def test_regex_searches_and_null_passes(typed: bool) -> None:
    rule = Regex(rule="regex", columns=("a",), pattern=r"b\d")
    assert broken(rule, pl.Series(["ab1c", "B1", "", None]), typed=typed) == [False, True, True, False]
    digits = Regex(rule="regex", columns=("a",), pattern=r"^\d{2}$")
    assert broken(digits, pl.Series([12, 123, None]), typed=typed) == [False, True, False]


@pytest.mark.parametrize(
    ("values", "allowed", "expected"),
    [
        (pl.Series(["US", "us", None, ""]), ("US", "CA"), [False, True, False, True]),
        (pl.Series([1, 2, None, 2**62 + 1]), ("1", "4611686018427387904", "x"), [False, True, False, True]),
        (pl.Series([1.0, 1.5, None]), ("1", "1.50"), [False, False, False]),
        (pl.Series([True, False, None]), ("true",), [False, True, False]),
        (pl.Series([utc(2024, 1, 1), utc(2024, 1, 2)]), ("2024-01-01",), [False, True]),
        (pl.Series([date(2024, 1, 1), date(2024, 1, 2)]), ("2024-01-01",), [False, True]),
    ],
)
def test_in_set_compares_as_the_column_does(values: pl.Series, allowed: tuple[str, ...], expected: list[bool]) -> None:
    assert broken(InSet(rule="in_set", columns=("a",), values=allowed), values, typed=True) == expected


def test_a_limit_is_a_number_a_date_or_a_timestamp() -> None:
    assert bound(3) == 3
    assert bound("-1.50") == Decimal("-1.50")
    assert bound("2024-01-31") == date(2024, 1, 31)
    assert bound("2024-01-31T08:30:00Z") == utc(2024, 1, 31, 8, 30)
    assert bound("2024-01-31T08:30:00+02:00") == utc(2024, 1, 31, 6, 30)
    with pytest.raises(ConfigError) as raised:
        bound("yesterday")
    assert raised.value.code == "CHK-001"
    assert "neither a number nor a date or timestamp" in str(raised.value)


def test_an_expression_and_a_where_are_columns_beside_the_row() -> None:
    frame = nw.from_native(pl.LazyFrame({"a": [None, None, 1], "w": [True, None, True], "h": [False, None, True]}))
    filtered = violation(NotNull(rule="not_null", columns=("a",), where="b = 1"), where="w")
    met = violation(Expression(rule="expression", expression="a > 0"), holds="h")
    rows = frame.select(filtered.alias("filtered"), met.alias("met")).to_native().collect()
    assert rows.to_dict(as_series=False) == {"filtered": [True, False, False], "met": [True, False, False]}


def test_a_rule_about_the_table_is_none_about_rows() -> None:
    with pytest.raises(ConfigError) as raised:
        violation(RowCount(rule="row_count", min=1))
    assert raised.value.code == "CHK-002"


@pytest.mark.parametrize(
    ("values", "limit"), [(pl.Series([date(2024, 1, 1)]), 5), (pl.Series([5]), "2024-01-01"), (pl.Series([True]), 5)]
)
def test_a_limit_of_another_kind_than_its_column_is_refused(values: pl.Series, limit: int | str) -> None:
    with pytest.raises(ConfigError) as raised:
        broken(of(limit), values, typed=True)
    assert raised.value.code == "CHK-003"


def test_what_a_rule_means_and_whether_it_moves_rows() -> None:
    assert meaning(NotNull(rule="not_null", columns=("a",))) == "a is not null"
    assert meaning(of(0, 9)) == "a is at least 0 and at most 9"
    assert meaning(of(0, exclusive=True)) == "a is more than 0"
    assert meaning(Regex(rule="regex", columns=("a", "b"), pattern="^x")) == "a, b are matching ^x"
    assert meaning(InSet(rule="in_set", columns=("a",), values=("x", "y"))) == "a is one of x, y"
    assert not moves_rows(of(1))
    assert moves_rows(NotNull(rule="not_null", columns=("a",), on_failure="quarantine"))
    assert moves_rows(NotNull(rule="not_null", columns=("a",), on_failure="drop"))
