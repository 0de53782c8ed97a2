"""What becomes of a table when its source changes under it, through the command line."""

import json

import polars as pl
import pytest

from medallion_assets_tests.end_to_end.project import Project, day

ORDERS = """
system: shop
table: orders
source: {type: file, path: "data/orders_{run_date}.csv"}
load: incremental
partitions: {start: 2024-01-01}
columns: {id: int64, amount: {type: int32, source_names: [amount, total]}}
quarantine: {max_rows: 10}
silver: {model: scd_type_1, keys: id, order_by: at}
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.write("intents/orders.yaml", ORDERS)
    project.write(f"data/orders_{day(0)}.csv", "id,amount,at\n1,10,2024-01-01\n")
    project.write(f"data/orders_{day(1)}.csv", "id,total,at\n2,n/a,2024-01-02\n3,5000000000,2024-01-02\n")
    return project


def rows(project: Project) -> list[tuple[object, ...]]:
    table = project.silver("shop", "orders").sort("id")
    return table.select("id", "amount", *(["_rescued"] if "_rescued" in table.columns else [])).rows()


def drift(project: Project, *arguments: str) -> tuple[str, list[dict[str, object]]]:
    """The summary of silver's check of drift, when it did not pass, and the changes of values that the run tells."""
    output = project.medallion("run", "--json", *arguments).output
    told = json.loads(output[output.index("{\n") :])
    failed = [c for c in told["failed_checks"] if (c["asset"], c["check"]) == ("silver/shop/orders", "schema_drift")]
    return failed[0]["summary"] if failed else "", told["drift"]


def test_lenient_rescues_what_fits_no_type_and_holds_what_fits_a_wider_one(shop: Project) -> None:
    said, found = drift(shop, "--from", day(0), "--to", day(1))
    assert rows(shop) == [(1, 10, None), (2, None, '{"amount":"n/a"}')]
    shown = shop.medallion("quarantine", "show", "shop.orders").succeeded().output
    assert "too_wide" in shown
    assert "`amount` has 1 value of another type than int32, kept as text in `_rescued`, first in 2024-01-02" in said
    assert found == [
        {
            "asset": "silver/shop/orders",
            "column": "amount",
            "kind": "rescued",
            "old": "int32",
            "new": "text",
            "first_partition": day(1),
            "rows": 1,
        }
    ]


def test_auto_widens_the_column_and_says_so(shop: Project) -> None:
    shop.write("intents/orders.yaml", ORDERS + "schema_mode: auto\n")
    shop.medallion("run", "--date", day(0)).succeeded()
    assert shop.silver("shop", "orders").schema["amount"] == pl.Int32
    said, found = drift(shop, "--date", day(1))
    assert rows(shop) == [(1, 10, None), (2, None, '{"amount":"n/a"}'), (3, 5_000_000_000, None)]
    assert "`amount` is int64 (was int32 in the contract), first in 2024-01-02" in said
    assert [(d["column"], d["kind"], d["old"], d["new"]) for d in found] == [
        ("amount", "widened", "int32", "int64"), ("amount", "rescued", "int64", "text")
    ]  # fmt: skip
    shop.medallion("verify", "--silver").succeeded()


def test_strict_writes_nothing_and_names_the_place(shop: Project) -> None:
    shop.write("intents/orders.yaml", ORDERS.replace("int32", "string") + "schema_mode: strict\n")
    done = shop.medallion("run", "--date", day(0))
    assert done.exit_code == 4
    assert "CHK-012" in done.output
    assert "at" in done.output


def test_the_same_column_under_its_new_name_is_no_drift(shop: Project) -> None:
    shop.write(f"data/orders_{day(1)}.csv", "id,total,at\n2,20,2024-01-02\n")
    said, found = drift(shop, "--from", day(0), "--to", day(1))
    assert rows(shop) == [(1, 10), (2, 20)]
    assert "amount" not in said
    assert found == []


@pytest.mark.parametrize(
    ("old", "new"), [("keys: id", "keys: amount"), ("order_by: at", "order_by: amount"), ("scd_type_1", "scd_type_2")]
)
def test_another_key_order_or_model_needs_a_rebuild(shop: Project, old: str, new: str) -> None:
    shop.medallion("run", "--date", day(0)).succeeded()
    before = shop.silver("shop", "orders")
    shop.write("intents/orders.yaml", ORDERS.replace(old, new))
    done = shop.medallion("run", "--date", day(0))
    assert done.exit_code == 3
    assert "SLV-014" in done.output
    assert shop.silver("shop", "orders").equals(before)
    shop.medallion("rebuild", "shop.orders").succeeded()
    shop.medallion("run", "--date", day(1)).succeeded()
    shop.medallion("verify", "--silver").succeeded()


def test_what_is_rescued_of_a_personal_column_is_shown_to_nobody(shop: Project) -> None:
    rule = "checks: [{rule: sql, query: 'SELECT id, _rescued FROM this WHERE amount IS NULL'}]\n"
    shop.write("intents/orders.yaml", ORDERS.replace("[amount, total]}", "[amount, total], pii: true}") + rule)
    done = shop.medallion("run", "--from", day(0), "--to", day(1))
    assert done.exit_code == 4
    assert "id=2, _rescued=***" in done.output
    assert "n/a" not in done.output
