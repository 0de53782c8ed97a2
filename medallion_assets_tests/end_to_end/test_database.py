"""A table of a database through the command line: windows, since the last load, and what fails."""

import sqlite3
from contextlib import closing

import polars as pl
import pytest

from medallion_assets_tests.end_to_end.project import Project, day

PLATFORM = """
connections: {shop: {type: database, url: "${env:SHOP_URL}"}}
"""
INTENT = """
system: shop
table: orders
source: {type: database, connection: shop}
load: LOAD
partitions: {start: 2024-01-01}
silver: {model: scd_type_1, keys: id, order_by: updated_at}
"""
PARTITION = "{pattern: incremental, cursor: {column: updated_at}}"


@pytest.fixture(autouse=True)
def _url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_URL", "sqlite:///shop.db")


def _shop(project: Project, *rows: tuple[object, ...]) -> None:
    with closing(sqlite3.connect(project.root / "shop.db")) as database:
        database.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER, amount DECIMAL(10,2), updated_at DATETIME)")
        database.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
        database.commit()


def _project(project: Project, load: str) -> Project:
    project.write("platform.yaml", PLATFORM)
    project.write("intents/orders.yaml", INTENT.replace("LOAD", load))
    _shop(
        project,
        (1, 1.5, "2024-01-01 08:00:00"),
        (2, 2, "2024-01-01 23:59:59"),
        (1, 3.25, "2024-01-02 00:00:00"),
        (3, None, "2024-01-03 10:00:00"),
    )
    return project


def _silver(project: Project) -> list[tuple[object, ...]]:
    (table,) = (project.root / "lake/silver").rglob("_delta_log")
    return pl.read_delta(str(table.parent)).select("id", "amount").sort("id").rows()


def test_a_backfill_reads_each_day_its_own_rows(project: Project) -> None:
    _project(project, PARTITION)

    project.medallion("run", "--from", day(1), "--to", day(2)).succeeded()
    assert _silver(project) == [(1, 3.25), (3, None)]
    project.medallion("run", "--date", day(0)).succeeded()
    assert _silver(project) == [(1, 3.25), (2, 2.0), (3, None)]


def test_since_last_goes_on_where_it_ended(project: Project) -> None:
    _project(project, "{pattern: incremental, cursor: {column: updated_at, mode: since_last}}")

    project.medallion("run", "shop.orders").succeeded()
    _shop(project, (4, 4, "2024-01-03 10:00:00"), (2, 9, "2024-01-04 00:00:00"))
    project.medallion("run", "shop.orders").succeeded()
    project.medallion("run", "shop.orders").succeeded()

    assert _silver(project) == [(1, 3.25), (2, 9.0), (3, None), (4, 4.0)]
    assert len(project.commits("shop", "orders")) == 2


def test_a_column_of_several_kinds_is_read_again_and_loaded_once(project: Project) -> None:
    _project(project, "full")
    _shop(project, (5, "viel", "2024-01-05 00:00:00"), (6, 0.1 + 0.2, "2024-01-05 00:00:00"))

    project.medallion("run", "shop.orders").succeeded()

    (part,) = (project.root / "lake/bronze").rglob("part-*.parquet")
    amounts = pl.read_parquet(part, hive_partitioning=False)["amount"].to_list()
    assert amounts == ["1.5", "2", "3.25", None, "viel", "0.30000000000000004"]


def test_a_wrong_query_leaves_nothing(project: Project) -> None:
    _project(project, "full")
    intent = INTENT.replace("connection: shop", 'connection: shop, query: "DROP TABLE orders"')
    project.write("intents/orders.yaml", intent.replace("LOAD", "full"))

    failed = project.medallion("run", "shop.orders")

    assert (failed.exit_code, "SRC-121" in failed.output) == (1, True), failed.output
    assert project.commits("shop", "orders") == []


def test_a_connection_of_another_kind_is_refused(project: Project) -> None:
    _project(project, "full")
    project.write("platform.yaml", 'connections: {shop: {type: api, base_url: "https://shop.example.com"}}')

    failed = project.medallion("run", "shop.orders")

    assert (failed.exit_code, "PLT-050" in failed.output) == (1, True), failed.output
