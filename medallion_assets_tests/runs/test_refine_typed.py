"""Columns of typed sources: nothing of a value is lost on the way, and what does not fit is in quarantine."""

from datetime import time

import polars as pl
import pytest

from medallion_assets.errors import CheckError
from medallion_assets_tests.silver.lake import Lake, plan_of

BYTES = pl.DataFrame({"id": [1, 2, 3], "b": [b"\xff\x00", b"ab", None]})
GOOD = "quarantine: {max_rows: 9}"


@pytest.mark.parametrize("more", ["", "columns: {t: time}"])
def test_times_of_day_that_differ_below_a_second_are_different_keys(more: str) -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: t}", "full", more))
    lake.commit("2024-01-01", pl.DataFrame({"t": [time(1, 2, 3, 4), time(1, 2, 3, 5), time(1, 2, 3)], "v": [1, 2, 3]}))
    assert lake.build().rows["t"].to_list() == ["01:02:03", "01:02:03.000004", "01:02:03.000005"]


@pytest.mark.parametrize("model", ["scd_type_1", "scd_type_2", "event"])
def test_a_key_may_be_of_bytes(model: str) -> None:
    lake = Lake(plan_of(f"{{model: {model}, keys: b}}", "incremental", GOOD))
    lake.commit("2024-01-01", BYTES)
    done = lake.build()
    assert sorted(done.rows["b"]) == [b"ab", b"\xff\x00"]
    assert done.quarantine.select("reason", "column", "value").rows() == [("null_key", "b", None)]


def test_bytes_that_are_no_text_are_not_lost_in_a_column_of_text() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id}", "incremental", GOOD))
    lake.commit("2024-01-01", BYTES)
    lake.commit("2024-01-02", pl.DataFrame({"id": [4], "b": ["text"]}))
    done = lake.build()
    assert done.rows.select("id", "b").rows() == [(2, "ab"), (3, None), (4, "text")]
    assert done.quarantine.select("reason", "column", "value", "row").rows() == [("uncastable", "b", "ff00", 0)]


def test_bytes_that_are_no_text_are_rescued_where_the_contract_says_text() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id}", "incremental", f"columns: {{b: string}}\n{GOOD}"))
    lake.commit("2024-01-01", BYTES)
    lake.commit("2024-01-02", pl.DataFrame({"id": [4], "b": ["text"]}))
    done = lake.build()
    assert done.rows.select("id", "b", "_rescued").rows() == [
        (1, None, '{"b":"ff00"}'), (2, "ab", None), (3, None, None), (4, "text", None)
    ]  # fmt: skip
    assert done.quarantine.height == 0


def test_a_rule_may_move_a_row_of_bytes() -> None:
    rule = "checks: [{rule: not_null, columns: b, on_failure: quarantine}]"
    lake = Lake(plan_of("{model: scd_type_1, keys: id}", "incremental", f"{GOOD}\n{rule}"))
    lake.commit("2024-01-01", BYTES)
    assert lake.build().rows["id"].to_list() == [1, 2]


def test_durations_and_structs_of_bytes_are_text() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: d}", "full"))
    lengths = pl.Series([1, -5]).cast(pl.Duration("us"))
    lake.commit("2024-01-01", pl.DataFrame({"d": lengths, "s": [{"b": b"\xff"}, None]}))
    assert lake.build().rows.select("d", "s").rows() == [("-PT0.000005S", None), ("PT0.000001S", '{"b":"ff"}')]


@pytest.mark.parametrize("place", ["keys: t", "keys: id, order_by: t"])
def test_a_named_timestamp_finer_than_microseconds_is_in_quarantine(place: str) -> None:
    lake = Lake(plan_of(f"{{model: scd_type_1, {place}}}", "incremental", f"columns: {{t: timestamp}}\n{GOOD}"))
    fine = pl.Series([1000, 1001, 2500]).cast(pl.Datetime("ns"))
    lake.commit("2024-01-01", pl.DataFrame({"t": fine, "id": [1, 2, 3]}))
    done = lake.build()
    assert done.rows["id"].to_list() == [1]
    assert [r[:3] for r in done.quarantine.rows()] == [
        ("uncastable", "t", "1970-01-01T00:00:00.000001001"), ("uncastable", "t", "1970-01-01T00:00:00.000002500")
    ]  # fmt: skip


WHOLE, DAY, TRUTH, TENTH, FINER, WORD = "9", "2024-01-01", "true", "1.0", "1.50", "x"
KINDS = {
    WHOLE: "a whole number", DAY: "a date", TRUTH: "true or false", TENTH: "a decimal of scale 1",
    FINER: "a decimal of scale 2", WORD: "text",
}  # fmt: skip


@pytest.mark.parametrize(
    ("place", "one", "other"),
    [
        *(("keys: c", WHOLE, other) for other in (DAY, TRUTH, TENTH, FINER, WORD)),
        ("keys: c", TENTH, FINER), ("keys: c", DAY, TRUTH), ("keys: c", WORD, DAY),
        *(("keys: id, order_by: c", WHOLE, other) for other in (DAY, TRUTH, WORD)),
    ],
)  # fmt: skip
def test_a_key_or_order_that_becomes_text_must_be_text_in_every_load(place: str, one: str, other: str) -> None:
    lake = Lake(plan_of(f"{{model: scd_type_1, {place}}}", "incremental"))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1"], "c": [one]}))
    lake.commit("2024-01-02", pl.DataFrame({"id": ["1"], "c": [other]}))
    with pytest.raises(CheckError, match="CHK-011") as caught:
        lake.build()
    assert str(caught.value).startswith("CHK-011  silver/shop/orders\n  'c' is ")
    for day, kind in (("2024-01-01", one), ("2024-01-02", other)):
        assert f"{KINDS[kind]} in partition {day}" in str(caught.value)
    lake.plan = plan_of(f"{{model: scd_type_1, {place}}}", "incremental", "columns: {c: string}")
    assert lake.build().rows.height == (2 if place == "keys: c" else 1)


def test_a_key_that_is_text_in_every_load_is_text() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: c}", "incremental"))
    for day in (1, 2):
        lake.commit(f"2024-01-0{day}", pl.DataFrame({"c": [WHOLE, TRUTH, TENTH]}))
    assert lake.build().rows["c"].to_list() == [TENTH, WHOLE, TRUTH]


def test_a_strict_contract_says_where_a_value_does_not_fit_and_keeps_it_to_itself() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id}", "full", "schema_mode: strict\ncolumns: {id: int64, v: int32}"))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1"], "v": ["1"]}))
    lake.commit("2024-01-02", pl.DataFrame({"id": ["1", "2"], "v": ["1", "seven"]}))
    with pytest.raises(CheckError, match="CHK-012") as caught:
        lake.build()
    assert "the first: uncastable v" in caught.value.problem.what
    assert "seven" not in caught.value.problem.what
    assert caught.value.problem.where == "intents/orders.yaml:2  shop.orders 2024-01-02 (commit 2, part 1, row 1)"


def test_a_strict_contract_says_which_partition_has_other_columns() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id}", "full", "schema_mode: strict\ncolumns: {id: int64}"))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1"], "v": ["1"]}))
    with pytest.raises(CheckError, match="CHK-012") as caught:
        lake.build()
    assert caught.value.problem.where == "intents/orders.yaml:2  shop.orders 2024-01-01"
