"""The files at the project's root that Dagster reads: valid by its own schema, and what they mean."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.config import dagster_instance_config
from dagster._core.workspace.load import location_origins_from_yaml_paths

from medallion_assets_tests.orchestration.lakes import ORDERS, write_project

ROOT = Path(__file__).parents[2]


def test_dagster_yaml_is_valid_and_says_what_we_rely_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    dagster_instance_config(str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert instance.global_op_concurrency_default_limit == 1
        assert "Sqlite" in type(instance.event_log_storage).__name__
        assert instance.root_directory == str(tmp_path)


def test_the_workspace_is_one_code_location_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, as the webserver and the daemon load it."""
    from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin
    from dagster._core.test_utils import instance_for_test

    monkeypatch.setenv("MEDALLION_PROJECT", str(write_project(tmp_path / "project", {"orders": ORDERS})))
    (origin,) = location_origins_from_yaml_paths([str(ROOT / "workspace.yaml")])
    assert isinstance(origin, ManagedGrpcPythonEnvCodeLocationOrigin)
    with (
        instance_for_test(temp_dir=str(_home(tmp_path))) as instance,
        origin.create_single_location(instance) as location,
    ):
        (repository,) = location.get_repositories().values()
        keys = {key.to_user_string() for key in repository.asset_graph.materializable_asset_keys}
        checks = {key.name for key in repository.asset_graph.asset_check_keys}
    assert location.name == "medallion"
    assert keys == {"bronze/retail/orders", "silver/sales/orders", "quality/dashboard"}
    assert {"checksum", "accounting", "unique_keys"} <= checks


def test_the_example_intents_load() -> None:
    from medallion_assets.orchestration.definitions import load_definitions

    defs = load_definitions(ROOT)
    dg.Definitions.validate_loadable(defs)
    keys = {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}
    assert {"bronze/airportsdata/airports", "silver/geography/airports", "silver/aviation/flights"} <= keys


def _home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home
