"""Names of the owner's columns: every one works but those that start with two underscores, which can be renamed."""

from datetime import date

import polars as pl
import pytest

from medallion_assets.errors import StorageError
from medallion_assets_tests.silver.lake import Lake, plan_of, text

SCD2 = "{model: scd_type_2, keys: id, order_by: at}"


def told(name: str, *cells: str) -> pl.DataFrame:
    """``1 2024-01-01 x``: id, at and the column ``name``."""
    columns = ["id", "at", name]
    return text([dict(zip(columns, line.split(), strict=True)) for line in cells], columns)


@pytest.mark.parametrize(
    "name", ["base", "partition", "ties", "commit", "part", "row", "len", "index", "literal", "_x"]
)
def test_a_column_may_have_any_plain_name(name: str) -> None:
    lake = Lake(plan_of(SCD2, "incremental"))
    lake.commit("2024-01-01", told(name, "1 2024-01-01 10", "1 2024-01-02 0", "2 2024-01-01 x"))
    lake.commit("2024-01-02", told(name, "1 2024-01-03 7"))
    done = lake.build()
    shown = done.rows.sort("id", "at").select("id", "at", name, "_run_date", "_bronze_part").rows()
    assert shown == [
        (1, date(2024, 1, 1), "10", date(2024, 1, 1), "1/1"), (1, date(2024, 1, 2), "0", date(2024, 1, 1), "1/1"),
        (1, date(2024, 1, 3), "7", date(2024, 1, 2), "2/1"), (2, date(2024, 1, 1), "x", date(2024, 1, 1), "1/1"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["base", "partition", "ties", "commit", "len"])
@pytest.mark.parametrize("model", ["scd_type_1", "scd_type_2", "event"])
def test_a_key_may_have_any_plain_name(name: str, model: str) -> None:
    lake = Lake(plan_of(f"{{model: {model}, keys: {name}}}", "full"))
    lake.commit("2024-01-01", told(name, "1 2024-01-01 a", "1 2024-01-01 b", "2 2024-01-01 c"))
    lake.commit("2024-01-02", told(name, "1 2024-01-01 a", "1 2024-01-01 b"))
    assert sorted(lake.build().rows[name]) == (["a", "b"] if model == "scd_type_1" else ["a", "b", "c"])


def test_the_address_of_a_row_in_quarantine_is_its_own() -> None:
    lake = Lake(plan_of(SCD2, "incremental", "columns: {base: int64}\nquarantine: {max_rows: 9}"))
    lake.commit("2024-01-01", told("base", "1 2024-01-01 5", "1 2024-01-02 5.5"))
    assert lake.build().quarantine.rows() == [("too_wide", "base", "5.5", 1, 1, 1, "2024-01-01")]


@pytest.mark.parametrize("name", ["__pos", "__op", "__load", "__base", "__fault", "__commit", "__mine"])
def test_a_name_with_two_underscores_is_refused_and_renaming_is_the_way_out(name: str) -> None:
    lake = Lake(plan_of(SCD2, "incremental"))
    lake.commit("2024-01-01", told(name, "1 2024-01-01 x", "2 2024-01-01 y"))
    with pytest.raises(StorageError, match=r"SLV-012[\s\S]*source_names: " + name):
        lake.build()
    lake.plan = plan_of(SCD2, "incremental", f"columns: {{mine: {{source_names: {name}}}}}")
    assert lake.build().rows.select("id", "mine", "_bronze_part").rows() == [(1, "x", "1/1"), (2, "y", "1/1")]
    lake.plan = plan_of(f"{{model: scd_type_2, keys: id, order_by: at, exclude: [{name}]}}", "incremental")
    assert lake.build().rows.height == 2


@pytest.mark.parametrize("key", ["keys: __id, order_by: at", "keys: id, order_by: __at"])
def test_a_key_or_order_with_two_underscores_is_refused(key: str) -> None:
    lake = Lake(plan_of(f"{{model: scd_type_1, {key}}}", "incremental"))
    lake.commit(
        "2024-01-01", told("name", "1 2024-01-01 x").rename({"id": "__id"} if "__id" in key else {"at": "__at"})
    )
    with pytest.raises(StorageError, match="SLV-012"):
        lake.build()
