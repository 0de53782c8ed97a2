"""Keys that repeat and versions that cannot be right, against a direct reading of the definition."""

from datetime import date

import narwhals as nw
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from medallion_assets.checks.tables import duplicates, interval_faults

VERSIONS = {"k": pl.String, "effective_from": pl.Int64, "effective_to": pl.Int64, "is_current": pl.Boolean}


def faults(rows: list[tuple[str, int | None, int | None, bool]]) -> list[tuple[object, ...]]:
    frame = pl.LazyFrame(rows, schema=VERSIONS, orient="row")
    found = interval_faults(nw.from_native(frame), ["k"]).to_native().collect()
    return sorted(found.rows(), key=str)


def test_duplicates_are_the_keys_with_their_counts_and_null_equals_nothing() -> None:
    frame = pl.LazyFrame({"a": [1, 1, 2, None, None, 3, 3, 3], "b": ["x", "x", "x", "y", "y", "z", "z", None]})
    found = duplicates(nw.from_native(frame), ["a", "b"]).to_native().collect().sort("a")
    expected = pl.DataFrame({"a": [1, 3], "b": ["x", "z"], "_rows": [2, 2]})
    assert_frame_equal(found, expected, check_dtypes=False)


def test_composite_keys_are_not_joined_text() -> None:
    frame = pl.LazyFrame({"a": ["x", "x-"], "b": ["-y", "y"]})
    assert duplicates(nw.from_native(frame), ["a", "b"]).to_native().collect().is_empty()


def test_versions_that_follow_one_another_with_a_gap_are_right() -> None:
    assert faults([("a", 1, 3, False), ("a", 3, 5, False), ("a", 9, None, True), ("b", 1, 2, False)]) == []


def test_each_fault_is_found_where_it_is() -> None:
    assert faults([("a", 1, 4, False), ("a", 3, None, True)]) == [("a", 1, False, True, False)]
    assert faults([("a", 2, 2, False)]) == [("a", 2, True, False, False)]
    assert faults([("a", None, 2, False)]) == [("a", None, True, False, False)]
    assert faults([("a", 1, None, False)]) == [("a", 1, False, False, True)]
    assert faults([("a", 1, 2, True)]) == [("a", 1, False, False, True)]
    assert faults([("a", 1, None, True), ("a", 2, None, True)]) == [("a", 1, False, True, False)]


def test_two_versions_of_one_start_overlap() -> None:
    assert faults([("a", 1, None, True), ("a", 1, None, True)]) == [("a", 1, False, True, False)]


def test_dates_are_intervals_too() -> None:
    frame = pl.LazyFrame(
        {"k": [1, 1], "effective_from": [date(2024, 1, 1), date(2024, 1, 5)], "effective_to": [date(2024, 1, 6), None]}
    ).with_columns(is_current=pl.col("effective_to").is_null())
    found = interval_faults(nw.from_native(frame), ["k"]).to_native().collect()
    assert found.rows() == [(1, date(2024, 1, 1), False, True, False)]


Version = st.tuples(st.sampled_from("ab"), st.integers(0, 6), st.one_of(st.none(), st.integers(0, 6)))


@given(st.lists(Version, max_size=8))
def test_no_fault_means_that_at_no_instant_two_versions_hold(rows: list[tuple[str, int, int | None]]) -> None:
    found = faults([(k, start, end, end is None) for k, start, end in rows])
    empty = any(end is not None and end <= start for _, start, end in rows)
    held = [[k for k, start, end in rows if start <= at and (end is None or at < end)] for at in range(8)]
    twice = any(len(keys) != len(set(keys)) for keys in held)
    assert bool(found) == (empty or twice)
