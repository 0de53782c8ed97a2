"""A silver table on the bronze of another intent: one load, two owners, two tables."""

import dagster as dg
import pytest

from medallion_assets.orchestration.definitions import load_definitions
from medallion_assets_tests.end_to_end.project import Project, day

ORDERS = """
system: shop
table: orders
source: {type: file, path: "data/orders_{run_date}.csv"}
load: full
partitions: {start: 2024-01-01}
silver: {model: scd_type_1, keys: id}
"""
HISTORY = """
system: finance
table: order_history
source: {type: bronze, dataset: shop.orders}
silver: {model: scd_type_2, keys: id}
checks: [{rule: range, columns: amount, min: 0, on_failure: quarantine}]
quarantine: {max_rows: 10}
"""

UNCHECKED = HISTORY[: HISTORY.index("checks")]


@pytest.fixture
def shop(project: Project) -> Project:
    project.write("intents/history.yaml", HISTORY)
    project.write("intents/orders.yaml", ORDERS)
    project.write(f"data/orders_{day(0)}.csv", "id,amount\n1,10\n2,-1\n")
    project.write(f"data/orders_{day(1)}.csv", "id,amount\n1,11\n2,5\n")
    return project


def versions(project: Project) -> list[tuple[object, ...]]:
    rows = project.silver("finance", "order_history").sort("id", "effective_from")
    return rows.select("id", "amount", "is_current").rows()


BOTH = [(1, 10, False), (1, 11, True), (2, 5, True)]


@pytest.mark.parametrize("recorded", [(), ("--dagster",)])
def test_one_load_feeds_the_tables_of_two_intents(shop: Project, recorded: tuple[str, ...]) -> None:
    shop.medallion("run", *recorded, "--from", day(0), "--to", day(1)).succeeded()
    assert versions(shop) == BOTH
    assert shop.silver("shop", "orders").sort("id").select("id", "amount").rows() == [(1, 11), (2, 5)]
    assert len(shop.commits("shop", "orders")) == 2
    assert not (shop.root / "lake/bronze/system=finance").exists()

    again = shop.medallion("run", *recorded, "finance.order_history", "--date", day(1)).succeeded()
    assert "nothing new, 3 rows" in again.output
    shop.medallion("verify", "--silver").succeeded()
    shown = shop.medallion("quarantine", "show", "finance.order_history").succeeded().output
    assert "range_amount" in shown
    assert "-1" in shown


def test_it_absorbs_what_is_there_and_says_when_nothing_is(shop: Project) -> None:
    nothing = shop.medallion("run", "finance.order_history")
    assert nothing.exit_code == 3
    assert "SLV-007" in nothing.output
    shop.medallion("run", "shop.orders", "--date", day(0)).succeeded()
    shop.medallion("run", "finance.order_history").succeeded()
    assert versions(shop) == [(1, 10, True)]


@pytest.mark.parametrize("recorded", [(), ("--dagster",)])
def test_bronze_that_must_not_be_used_is_not(shop: Project, recorded: tuple[str, ...]) -> None:
    shop.write("intents/orders.yaml", ORDERS + "checks: [{rule: range, columns: amount, min: 0, at: bronze}]\n")
    done = shop.medallion("run", *recorded, "--date", day(0))
    assert done.exit_code == 4
    assert "range_amount" in done.output
    assert not (shop.root / "lake/silver/domain=finance").exists()
    assert not (shop.root / "lake/silver/domain=shop").exists()


def test_dagster_shows_the_second_table_below_the_bronze_of_the_first(shop: Project) -> None:
    graph = load_definitions(shop.root).get_repository_def().asset_graph
    history = dg.AssetKey(["silver", "finance", "order_history"])
    assert graph.get(history).parent_keys == {dg.AssetKey(["bronze", "shop", "orders"])}
    assert dg.AssetKey(["bronze", "finance", "order_history"]) not in graph.get_all_asset_keys()
    assert graph.get(history).partitions_def == graph.get(dg.AssetKey(["bronze", "shop", "orders"])).partitions_def


@pytest.mark.parametrize("change", ["load: full\n", "checks: [{rule: not_null, columns: id, at: bronze}]\n"])
def test_what_belongs_to_the_intent_that_loads_is_refused_here(shop: Project, change: str) -> None:
    shop.write("intents/history.yaml", UNCHECKED + change)
    done = shop.medallion("validate")
    assert done.exit_code == 1
    assert "INT-031" in done.output


def test_a_model_that_cannot_be_made_of_these_loads_is_refused(shop: Project) -> None:
    versions = "load: {pattern: current_history, interval: {start: since, end: until}}"
    shop.write("intents/orders.yaml", ORDERS.replace("load: full", versions))
    shop.write("intents/history.yaml", UNCHECKED.replace("scd_type_2", "full_merge_dedupe"))
    done = shop.medallion("validate")
    assert done.exit_code == 1
    assert "INT-032" in done.output
