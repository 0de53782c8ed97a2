"""Silver tables as plain Parquet: the rows that Delta has, through every command."""

import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from medallion_assets_tests.end_to_end.project import Project, day

KEYED = "keys: id, order_by: at"
MODELS = {
    "scd_type_1": KEYED,
    "scd_type_2": f"{KEYED}, delete_mode: tombstone, partition_by: kind",
    "full_merge_dedupe": KEYED,
    "incremental_merge": KEYED,
    "derived_event": KEYED,
    "event": "keys: [id, at]",
    "periodic_snapshot": "partition_by: kind",
}
ORDERS = """
system: shop
table: orders
source: {type: file, path: "data/{run_date}.csv"}
load: LOAD
partitions: {start: 2024-01-01}
retention: {silver: 2h}
columns: {at: timestamp, amount: "decimal(9,2)", lines: json}
silver:
"""
DAYS = [
    "id,at,amount,kind,lines\n1,2024-01-01T01:00:00Z,1.50,a,[]\n2,2024-01-01T02:00:00Z,,b,\n",
    'id,at,amount,kind,lines\n1,2024-01-02T01:00:00Z,2.50,a,[1]\n3,2024-01-02T02:00:00Z,3,"c/d",\n',
    "id,at,amount,kind,lines\n3,2024-01-03T02:00:00Z,4,,\n4,2024-01-03T03:00:00Z,0,a,{}\n",
]


def shop(project: Project, load: str, models: Sequence[str]) -> None:
    """A table of every model in both formats, after three runs, of which the last is late; the same after each."""
    project.write(
        "intents/orders.yaml",
        ORDERS.replace("LOAD", load)
        + "".join(
            f"  - {{entity: {model}_{format_}, model: {model}, format: {format_}, {MODELS[model]}}}\n"
            for model in models
            for format_ in ("delta", "parquet")
        ),
    )
    for n, text in enumerate(DAYS):
        project.write(f"data/{day(n)}.csv", text)
    for n in (0, 2, 1):
        project.medallion("run", "--date", day(n), "--allow-deletes").succeeded()
        for model in models:
            rows = read(project, f"{model}_parquet")
            expected = project.silver("shop", f"{model}_delta").select(rows.columns)
            assert_frame_equal(rows.cast(expected.schema), expected, check_row_order=False)


def folder(project: Project, entity: str) -> Path:
    return project.root / f"lake/silver/domain=shop/entity={entity}/v1"


def read(project: Project, entity: str) -> pl.DataFrame:
    """As somebody does who has read the documentation: of the newest folder, or of snapshots of each, what its
    metadata names.
    """
    told = sorted(folder(project, entity).glob("load_date=*/_metadata.json"))
    chosen = told if entity.startswith("periodic_snapshot") else told[-1:]
    files = [path.parent / file for path in chosen for file in json.loads(path.read_text())["files"]]
    return pl.concat(pl.read_parquet(file, hive_partitioning=False) for file in files)


def test_both_formats_hold_the_same_rows_of_every_model(project: Project) -> None:
    shop(project, "full", list(MODELS))


def test_both_formats_hold_the_same_rows_where_loads_change_a_few(project: Project) -> None:
    shop(project, "incremental", ["scd_type_2", "event", "periodic_snapshot"])
    project.medallion("verify", "--silver").succeeded()
    assert "nothing new" in project.medallion("run", "--date", day(1)).succeeded().output
    assert {row["written"] for row in json.loads(project.medallion("rebuild", "--json").succeeded().output)} == {False}
    assert len(json.loads(project.medallion("optimize", "--json").succeeded().output)) == 6
    old = json.loads(project.medallion("vacuum", "--grace", "0s", "--delete", "--json").succeeded().output)
    assert any(name.startswith("load_date=2024-01-01/current/") for name in old["silver/shop/event_parquet"])
    project.medallion("verify", "--silver").succeeded()


@pytest.fixture
def orders(project: Project) -> Project:
    project.write(
        "intents/orders.yaml",
        ORDERS.replace("LOAD", "full") + "  {model: scd_type_2, format: parquet, keys: id, order_by: at, exports: csv}",
    )
    for n, rows in enumerate(DAYS):
        project.write(f"data/{day(n)}.csv", rows)
    project.medallion("run", "--from", day(0), "--to", day(1)).succeeded()
    return project


def test_damage_is_found_and_mended(orders: Project) -> None:
    rows = read(orders, "orders")
    (file,) = folder(orders, "orders").glob("load_date=2024-01-02/current/*.parquet")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    done = orders.medallion("verify", "--silver")
    assert (done.exit_code, "was committed" in done.output) == (4, True)
    assert orders.medallion("show", "silver/shop/orders").exit_code == 3
    (answer,) = json.loads(orders.medallion("rebuild", "--json").succeeded().output)
    assert (answer["written"], answer["changed"]) == (True, rows.height)
    orders.medallion("verify", "--silver").succeeded()
    assert_frame_equal(read(orders, "orders"), rows, check_row_order=False)

    copy = folder(orders, "orders") / "load_date=2024-01-02/_metadata.json"
    before = copy.read_text()
    copy.unlink()
    assert str(copy.relative_to(orders.root / "lake")) in orders.medallion("repair").succeeded().output
    assert copy.read_text() == before


def test_it_is_shown_and_exported(orders: Project) -> None:
    shown = orders.medallion("show", "silver/shop/orders", "--current", "--json").succeeded().output
    assert {row["id"] for row in json.loads(shown)["rows"]} == {1, 3}
    parts = list((orders.root / "lake/exports/csv/silver/domain=shop/entity=orders/v1").glob("*.csv"))
    assert len(parts) == 1
    assert pl.read_csv(parts[0]).height == read(orders, "orders").height == 4
    assert "2 commits" not in orders.medallion("status").succeeded().output


def test_a_table_does_not_change_its_format(orders: Project) -> None:
    text = (orders.root / "intents/orders.yaml").read_text()
    orders.write("intents/orders.yaml", text.replace("format: parquet", "format: delta"))
    done = orders.medallion("run", "--date", day(2))
    assert (done.exit_code, "SLV-014" in done.output, "format parquet" in done.output) == (3, True, True)
    orders.write("intents/orders.yaml", text.replace("format: parquet", "format: delta, version: 2"))
    orders.medallion("run", "--date", day(2)).succeeded()
    orders.write("intents/orders.yaml", text.replace("format: parquet", "format: parquet, version: 2"))
    assert "format delta" in orders.medallion("run", "--date", day(2)).output
    orders.write("intents/orders.yaml", text)
    orders.medallion("run", "--date", day(2)).succeeded()
    orders.medallion("verify", "--silver").succeeded()


def test_there_is_no_sql_for_it(orders: Project) -> None:
    done = orders.medallion("ddl", "shop.orders", "--dialect", "duckdb")
    assert (done.exit_code, "CLI-016" in done.output) == (1, True)
    assert orders.medallion("ddl", "--dialect", "duckdb").exit_code == 0
