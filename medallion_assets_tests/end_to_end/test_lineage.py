"""The columns and ages that Dagster shows of a project that has run."""

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
        "effective_to": [(bronze, "at"), (bronze, "op")],
        "is_current": [(bronze, "at"), (bronze, "op")],
    }
