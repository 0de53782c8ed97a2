"""The dashboard: what was recorded of checks, by day."""

import dagster as dg
import pytest

from medallion_assets.orchestration.definitions import build_definitions
from medallion_assets_tests.orchestration.lakes import ScriptedProject
from medallion_assets_tests.orchestration.runs import run

DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")


@pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")
def test_the_dashboard_shows_every_dataset_and_day_that_was_judged(
    project: ScriptedProject, instance: dg.DagsterInstance
) -> None:
    defs = build_definitions(project)
    project.script.broken = {("schema_drift", DAYS[1])}
    run(defs, instance, ["bronze/retail/orders", "silver/sales/orders"], [DAYS[0], DAYS[2]])
    project.script.broken = {("unique_keys", None)}
    run(defs, instance, ["bronze/retail/shops", "silver/retail/shops"])

    done = run(defs, instance, ["quality/dashboard"])

    assert done.success
    (found,) = instance.fetch_materializations(dg.AssetKey(["quality", "dashboard"]), limit=1).records
    assert found.asset_materialization is not None
    metadata = {name: value.value for name, value in found.asset_materialization.metadata.items()}
    text = str(metadata["quality"])
    assert "| retail.shops |" in text
    assert "unique_keys" in text
    assert "| retail.orders |" in text
    assert "web.clicks" not in text
    assert "data:image/png;base64," in text
    assert metadata["failed"] == 1
    assert metadata["score/retail.orders"] < 100  # type: ignore[operator] # a float
    page = project.memory.get("quality/index.html").decode()
    assert all(day in page for day in DAYS)


def test_a_later_verdict_replaces_an_earlier_one(project: ScriptedProject, instance: dg.DagsterInstance) -> None:
    defs = build_definitions(project)
    project.script.broken = {("schema_drift", DAYS[0])}
    run(defs, instance, ["bronze/retail/orders", "silver/sales/orders"], DAYS[:1])
    project.script.broken = set()
    run(defs, instance, ["bronze/retail/orders", "silver/sales/orders"], DAYS[:1])
    run(defs, instance, ["quality/dashboard"])
    (found,) = instance.fetch_materializations(dg.AssetKey(["quality", "dashboard"]), limit=1).records
    assert found.asset_materialization is not None
    assert found.asset_materialization.metadata["score"].value == 100
