from pathlib import Path

import dagster as dg
import pytest

from medallion_assets.orchestration.definitions import build_definitions, load_definitions, quiet
from medallion_assets.orchestration.translator import MedallionTranslator, PlannedAsset
from medallion_assets_tests.orchestration.lakes import ORDERS, ScriptedProject, scripted, write_project

BRONZE = dg.AssetKey(["bronze", "retail", "orders"])
SILVER = dg.AssetKey(["silver", "sales", "orders"])


def specs(defs: dg.Definitions) -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in defs.resolve_all_asset_specs()}


def test_an_intent_is_two_ops_with_their_checks(project: ScriptedProject) -> None:
    defs = build_definitions(project)
    dg.Definitions.validate_loadable(defs)

    found = {a.op.name: ({k.to_user_string() for k in a.keys}, a.op.pool) for a in _assets(defs)}
    assert found == {
        "ingest__retail__orders": ({"bronze/retail/orders"}, "medallion.retail.orders"),
        "refine__retail__orders": ({"silver/sales/orders"}, "medallion.retail.orders"),
        "ingest__retail__shops": ({"bronze/retail/shops"}, "medallion.retail.shops"),
        "refine__retail__shops": ({"silver/retail/shops"}, "medallion.retail.shops"),
        "ingest__web__clicks": ({"bronze/web/clicks"}, "medallion.web.clicks"),
        "refine__web__clicks": ({"silver/web/clicks", "silver/web/clicks_by_day"}, "medallion.web.clicks"),
        "quality__dashboard": ({"quality/dashboard"}, None),
    }


def test_checks_are_specs_of_their_asset_with_its_partitions(project: ScriptedProject) -> None:
    defs = build_definitions(project)
    assets = {a.op.name: a for a in _assets(defs)}
    orders = [*assets["ingest__retail__orders"].check_specs, *assets["refine__retail__orders"].check_specs]
    found = {(c.asset_key.to_user_string(), c.name): (c.blocking, c.partitions_def is not None) for c in orders}
    assert found == {
        ("bronze/retail/orders", "checksum"): (True, True),
        ("bronze/retail/orders", "schema_drift"): (False, True),
        ("silver/sales/orders", "accounting"): (True, True),
        ("silver/sales/orders", "unique_keys"): (True, True),
        ("silver/sales/orders", "intervals"): (True, True),
        ("silver/sales/orders", "schema_drift"): (False, True),
        ("silver/sales/orders", "not_null_email"): (False, True),
    }


def test_the_silver_spec_says_all_that_the_plan_says(project: ScriptedProject) -> None:
    spec = specs(build_definitions(project))[SILVER]
    with quiet():
        place = dg.LocalFileCodeReference(
            file_path=str(project.root / "intents/orders.yaml"), line_number=1, label="intents/orders.yaml"
        )
        places = dg.CodeReferencesMetadataValue(code_references=[place])
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(
                "order_id", "string", "Number on the receipt", dg.TableColumnConstraints(nullable=False), tags={}
            ),
            dg.TableColumn("email", "string", None, dg.TableColumnConstraints(nullable=True), tags={"pii": ""}),
        ]
    )
    assert (spec.group_name, spec.description) == ("sales", "Orders, one row per change.")
    assert spec.kinds == {"silver", "deltalake"}
    assert [dep.asset_key for dep in spec.deps] == [BRONZE]
    assert (spec.owners, spec.tags["source"]) == (["team:sales"], "shop")
    assert dict(spec.metadata) == {
        "dagster/table_name": "silver.sales.orders",
        "dagster/code_references": places,
        "dagster/column_schema": schema,
        "dagster/io_manager_key": "lake_io",
        "model": "scd_type_2",
        "keys": "order_id",
        "order_by": "",
        "store": "lake",
        "path": "silver/domain=sales/entity=orders/v1",
        "classification": "internal",
        "owners": "Ann of the second floor",
        "tag_note": "free text, with a comma",
        "medallion/dataset": "retail.orders",
        "medallion/entity": "silver/sales/orders/v1",
    }


def test_the_bronze_spec(project: ScriptedProject) -> None:
    spec = specs(build_definitions(project))[BRONZE]
    assert (spec.group_name, spec.kinds, list(spec.deps)) == ("sales", {"bronze", "parquet", "file"}, [])
    assert (spec.metadata["pattern"], spec.metadata["dagster/table_name"]) == ("full", "bronze.retail.orders")
    assert isinstance(spec.partitions_def, dg.DailyPartitionsDefinition)


def test_a_translator_renames_and_the_lake_still_finds_its_data(project: ScriptedProject) -> None:
    class Ours(MedallionTranslator):
        def get_asset_spec(self, asset: PlannedAsset) -> dg.AssetSpec:
            spec = super().get_asset_spec(asset)
            return spec.replace_attributes(key=spec.key.with_prefix("lake"), group_name="ours", metadata={})

    found = specs(build_definitions(project, Ours()))
    silver = found[dg.AssetKey(["lake", "silver", "sales", "orders"])]
    assert [dep.asset_key.to_user_string() for dep in silver.deps] == ["lake/bronze/retail/orders"]
    assert silver.group_name == "ours"
    assert silver.metadata["medallion/entity"] == "silver/sales/orders/v1"


def test_an_intent_that_is_not_enabled_is_left_out(tmp_path: Path) -> None:
    project = scripted(tmp_path, {"orders": ORDERS + "enabled: false\n"})
    assert specs(build_definitions(project)) == {}


def test_what_cannot_run_yet_is_shown_and_says_so(tmp_path: Path) -> None:
    rule = "{rule: references, columns: order_id, to: silver/sales/orders, on_failure: drop}"
    text = f"{ORDERS}  - {rule}\n"
    spec = specs(build_definitions(scripted(tmp_path, {"orders": text})))[SILVER]
    assert spec.description is not None
    assert "`drop` of check rule `references`" in spec.description


def test_a_dataset_on_anothers_bronze_has_no_ingest_of_its_own(tmp_path: Path) -> None:
    again = """
system: retail
table: orders_now
domain: sales
source: {type: bronze, dataset: retail.orders}
silver: {model: scd_type_1, keys: order_id}
"""
    found = specs(build_definitions(scripted(tmp_path, {"orders": ORDERS, "again": again})))
    assert {key.to_user_string() for key in found} == {
        "bronze/retail/orders",
        "silver/sales/orders",
        "silver/sales/orders_now",
        "quality/dashboard",
    }
    second = found[dg.AssetKey(["silver", "sales", "orders_now"])]
    assert [dep.asset_key for dep in second.deps] == [BRONZE]


def test_two_versions_of_a_table_are_two_assets(tmp_path: Path) -> None:
    text = ORDERS.replace(
        "silver: {model: scd_type_2, keys: order_id}",
        "silver: [{model: scd_type_2, keys: order_id}, {model: scd_type_2, keys: order_id, version: 2}]",
    )
    found = specs(build_definitions(scripted(tmp_path, {"orders": text})))
    assert dg.AssetKey(["silver", "sales", "orders_v2"]) in found
    assert SILVER in found


def test_a_broken_intent_takes_no_other_down_and_is_a_failed_check(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    broken = {"wrong/a": ORDERS.replace("load: full", "load: fuul"), "b": "system: x\n", "no": "extends: _base.yaml"}
    write_project(tmp_path, {"orders": ORDERS, "_base": "system: {", **broken})
    defs = load_definitions(tmp_path)

    found = specs(defs)
    names = {key.to_user_string() for key in found}
    assert names == {
        "bronze/retail/orders", "silver/sales/orders", "quality/dashboard",
        "broken/wrong/a", "broken/b", "broken/_base", "broken/no",
    }  # fmt: skip
    assert "intents/wrong/a.yaml:" in (found[dg.AssetKey(["broken", "wrong", "a"])].description or "")

    sensor = defs.resolve_sensor_def("broken_intents")
    first = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, definitions=defs))
    checks = [event for event in first.asset_events if isinstance(event, dg.AssetCheckEvaluation)]
    told = {e.asset_key.to_user_string(): (e.check_name, e.passed, e.description) for e in checks}
    assert told.keys() == {name for name in names if name.startswith("broken/")}
    name, passed, text = told["broken/wrong/a"]
    assert (name, passed) == ("valid", False)
    assert "Fix:" in (text or "")
    again = dg.build_sensor_context(instance=instance, cursor=first.cursor, definitions=defs)
    assert not sensor.evaluate_tick(again).asset_events


def test_two_intents_of_one_name_are_both_broken(tmp_path: Path) -> None:
    write_project(tmp_path, {"a": ORDERS, "b": ORDERS, "c": ORDERS.replace("table: orders", "table: other")})
    names = {key.to_user_string() for key in specs(load_definitions(tmp_path))}
    assert names >= {"bronze/retail/other"}
    assert "broken/a" in names or "broken/b" in names


def test_a_broken_platform_is_everybodys_and_says_every_problem(tmp_path: Path) -> None:
    write_project(tmp_path, {"orders": ORDERS})
    (tmp_path / "platform.yaml").write_text("stores: {lake: {type: lokal}}\n")
    with pytest.raises(dg.DagsterInvalidDefinitionError) as caught:
        load_definitions(tmp_path)
    assert "platform.yaml:1" in str(caught.value)
    assert "Fix:" in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="There are no intents below"):
        load_definitions(tmp_path)


def test_the_folder_is_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDALLION_PROJECT", str(write_project(tmp_path, {"orders": ORDERS})))
    assert set(specs(load_definitions())) == {BRONZE, SILVER, dg.AssetKey(["quality", "dashboard"])}


def _assets(defs: dg.Definitions) -> list[dg.AssetsDefinition]:
    return [a for a in defs.assets or [] if isinstance(a, dg.AssetsDefinition)]
