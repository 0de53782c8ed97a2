"""A dataset loaded by its changes whose whole state is loaded now and then."""

import sqlite3

import pytest

from medallion_assets_tests.end_to_end.project import Project, day

ORDERS = """
system: shop
table: orders
source: {type: file, path: "changes/{run_date}.csv"}
load:
  pattern: incremental
  full_refresh: {every: 3d, source: {path: "whole/{run_date}.csv"}}
partitions: {start: 2024-01-01}
silver: {model: scd_type_1, keys: id, order_by: at}
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.write("intents/orders.yaml", ORDERS)
    for n in range(6):
        project.write(f"changes/{day(n)}.csv", f"id,at\n{n},{day(n)}T10:00:00Z\n")
    return project


def whole(project: Project, number: int, *ids: int) -> None:
    lines = "".join(f"{i},{day(i)}T10:00:00Z\n" for i in ids)
    project.write(f"whole/{day(number)}.csv", "id,at\n" + lines)


def ids(project: Project) -> list[int]:
    return sorted(project.silver("shop", "orders")["id"].to_list())


@pytest.mark.parametrize("recorded", [(), ("--dagster",)])
def test_it_is_loaded_when_it_is_time_and_there_and_what_it_lacks_is_deleted(
    shop: Project, recorded: tuple[str, ...]
) -> None:
    whole(shop, 2, 1)  # order 0 is gone by then
    whole(shop, 3, 1, 2)  # no three days later
    whole(shop, 5, 1, 3, 4)
    said = shop.medallion("run", *recorded, "--from", day(0), "--to", day(5)).succeeded().output
    assert [line.split(":")[0] for line in said.splitlines() if "whole state" in line] == [
        f"shop.orders {day(2)}, whole state", f"shop.orders {day(5)}, whole state"
    ]  # fmt: skip
    assert ids(shop) == [1, 3, 4, 5]
    again = shop.medallion("run", *recorded, "--from", day(0), "--to", day(5)).succeeded().output
    assert "whole state" not in again
    assert len(shop.commits("shop", "orders")) == 8
    shop.medallion("verify", "--silver").succeeded()


@pytest.mark.parametrize("recorded", [(), ("--dagster",)])
def test_it_can_be_asked_for(shop: Project, recorded: tuple[str, ...]) -> None:
    shop.medallion("run", *recorded, "--from", day(0), "--to", day(2)).succeeded()
    assert ids(shop) == [0, 1, 2]
    whole(shop, 1, 1)
    shop.medallion("run", *recorded, "--date", day(1), "--pattern", "full").succeeded()
    assert ids(shop) == [1, 2]
    missing = shop.medallion("run", *recorded, "--date", day(2), "--pattern", "full")
    assert missing.exit_code == 2
    assert "SRC-002" in missing.output


def test_a_table_that_can_only_be_read_now_is_refreshed_into_the_current_partition(project: Project) -> None:
    with sqlite3.connect(project.root / "shop.db") as base:
        base.execute("CREATE TABLE orders (id INTEGER, at TEXT)")
        base.executemany("INSERT INTO orders VALUES (?, ?)", [(1, "2024-01-01T10:00:00Z"), (2, "2024-01-02T10:00:00Z")])
    project.write(
        "intents/orders.yaml",
        ORDERS.replace(
            'type: file, path: "changes/{run_date}.csv"', 'type: database, url: "sqlite:///shop.db", table: orders'
        )
        .replace(', source: {path: "whole/{run_date}.csv"}', "")
        .replace("pattern: incremental", "pattern: incremental\n  cursor: {column: at}"),
    )  # fmt: skip
    first = project.medallion("run", "--from", day(0), "--to", day(1)).succeeded().output
    assert "whole state" not in first
    newest = project.medallion("run").succeeded().output
    assert newest.count("whole state: 2 rows") == 1
    assert project.medallion("run").succeeded().output.count("whole state") == 0
    with sqlite3.connect(project.root / "shop.db") as base:
        base.execute("DELETE FROM orders WHERE id = 1")
    project.medallion("run", "--pattern", "full").succeeded()
    assert ids(project) == [2]


def test_changes_alone_have_no_whole_state(shop: Project) -> None:
    shop.write("intents/orders.yaml", ORDERS.replace("full_refresh:", "# "))
    done = shop.medallion("run", "--date", day(1), "--pattern", "full")
    assert done.exit_code == 1
    assert "PLN-009" in done.output


def test_changes_are_no_whole_state(shop: Project) -> None:
    shop.write("intents/orders.yaml", ORDERS.replace(', source: {path: "whole/{run_date}.csv"}', ""))
    done = shop.medallion("validate")
    assert done.exit_code == 1
    assert "`source` is missing: what the intent reads are changes of a window" in done.output
