"""From a silver row to the file that it came from, and from a part to its rows; the columns and ages Dagster shows."""

import json
from datetime import timedelta

import dagster as dg
import pytest

from medallion_assets.orchestration.definitions import load_definitions
from medallion_assets_tests.end_to_end.project import Project, day

ORDERS = """
system: shop
table: orders
source: {type: file, path: "data/{run_date}/*.csv"}
load: {pattern: cdc, operation: {column: op}, chunk: {rows: 2}}
partitions: {start: 2024-01-01}
columns: {number: {type: int64, source_names: [id]}}
schedule: {cron: "0 6 * * *"}
silver: {model: scd_type_2, keys: number, order_by: at}
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.write("intents/orders.yaml", ORDERS)
    header = "id,at,what,op\n"
    project.write(f"data/{day(0)}/a.csv", header + "1,2024-01-01,new,I\n2,2024-01-01,new,I\n")
    project.write(f"data/{day(0)}/b.csv", header + "3,2024-01-01,new,I\n")
    project.write(f"data/{day(1)}/c.csv", header + "1,2024-01-02,paid,U\n4,2024-01-02,new,I\n")
    project.medallion("run", "--from", day(0), "--to", day(1)).succeeded()
    return project


def told(project: Project, *arguments: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        project.medallion("lineage", "silver/shop/orders", *arguments, "--json").succeeded().output
    )
    return found


def facts(origin: dict[str, object]) -> tuple[object, ...]:
    files = origin["files"]
    assert isinstance(files, list)
    names = [file["path"].rpartition("/")[2] for file in files]
    return origin["commit"], origin["partition"], origin["rows_of_part"], names


def test_every_version_of_a_row_knows_its_part_its_place_and_its_file(shop: Project) -> None:
    first, second = told(shop, "--row", "number=1")
    assert facts(first) == (1, day(0), [0], ["a.csv"])
    assert facts(second) == (2, day(1), [0], ["c.csv"])
    (unchanged,) = told(shop, "--row", "number=3")
    assert facts(unchanged) == (1, day(0), [0], ["b.csv"])
    part = shop.root / "lake/bronze/system=shop/table=orders" / str(unchanged["part"])
    assert part.is_file()

    shown = shop.medallion("lineage", "silver/shop/orders", "--row", "number=1").succeeded().output
    assert "a.csv" in shown
    assert "1/1" in shown
    assert shop.medallion("lineage", "silver/shop/orders", "--row", "number=9").output == "There is no such row.\n"


def test_a_part_knows_the_rows_that_have_their_values_since(shop: Project) -> None:
    output = shop.medallion("lineage", "silver/shop/orders", "--part", "1/1").succeeded().output
    assert "silver/shop/orders: 2 of 2 rows" in output
    output = shop.medallion("lineage", "silver/shop/orders", "--part", "2/1").succeeded().output
    assert "silver/shop/orders: 2 of 2 rows" in output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [((), "CLI-006"), (("--row", "a=1", "--part", "1/1"), "CLI-006"), (("--row", "id=1"), "CLI-014"),
     (("--row", "number"), "CLI-014")],
)  # fmt: skip
def test_what_names_no_row_is_refused(shop: Project, arguments: tuple[str, ...], code: str) -> None:
    done = shop.medallion("lineage", "silver/shop/orders", *arguments)
    assert done.exit_code == 1
    assert code in done.output


def test_dagster_shows_columns_and_ages(shop: Project) -> None:
    key = dg.AssetKey(["silver", "shop", "orders"])
    defs = load_definitions(shop.root)
    assert defs.resolve_asset_graph().get(key).freshness_policy == dg.FreshnessPolicy.time_window(
        warn_window=timedelta(hours=25), fail_window=timedelta(hours=49)
    )
    with dg.DagsterInstance.ephemeral() as instance:
        job = defs.resolve_implicit_job_def_def_for_assets([key])
        assert job is not None
        done = job.execute_in_process(instance=instance, asset_selection=[key], partition_key=day(1))
        (event,) = done.asset_materializations_for_node("refine__shop__orders")
    lineage = event.metadata["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    bronze = dg.AssetKey(["bronze", "shop", "orders"])
    assert {n: [(d.asset_key, d.column_name) for d in deps] for n, deps in lineage.deps_by_column.items()} == {
        "number": [(bronze, "id")],
        "at": [(bronze, "at")],
        "what": [(bronze, "what")],
        "effective_from": [(bronze, "at")],
        "effective_to": [(bronze, "at")],
        "is_current": [(bronze, "at")],
    }
