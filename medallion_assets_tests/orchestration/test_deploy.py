"""The examples for production are what Dagster's own schema takes; cloud launchers are not tried here."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema

from medallion_assets.orchestration.requests import Target
from medallion_assets_tests.sources.reading import day
from medallion_assets_tests.sources.test_source import plan_of

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(DEPLOY.glob("dagster.*.yaml"))


def test_there_are_examples() -> None:
    assert [file.name for file in FILES] == ["dagster.docker.yaml", "dagster.kubernetes.yaml"]


def _fits(fields: Any, given: Any) -> None:
    make: Any = dg.Shape
    result = validate_config(make(fields), given)
    assert result.success, result.errors


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_fits_the_schema_of_dagster(file: Path) -> None:
    given = yaml.safe_load(file.read_text("utf-8"))
    known = dagster_instance_config_schema()
    _fits({name: field for name, field in known.items() if name in given}, given)
    assert set(given) <= set(known)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_secret_is_written_down(file: Path) -> None:
    database = yaml.safe_load(file.read_text("utf-8"))["storage"]["postgres"]["postgres_db"]
    assert isinstance(database["password"], dict)


def test_cloud_logs_are_configured_as_their_classes_want() -> None:
    from dagster_aws.s3.compute_log_manager import S3ComputeLogManager
    from dagster_azure.blob.compute_log_manager import AzureBlobComputeLogManager

    kinds: dict[str, Any] = {"kubernetes": S3ComputeLogManager, "docker": AzureBlobComputeLogManager}
    for name, kind in kinds.items():
        config = yaml.safe_load((DEPLOY / f"dagster.{name}.yaml").read_text("utf-8"))["compute_logs"]["config"]
        _fits(kind.config_type(), config)


@pytest.mark.parametrize(("place", "tag"), [("connection: shop", "shop"), ("url: 'sqlite:///x.db'", None)])
def test_a_run_that_is_asked_for_says_where_it_reads(place: str, tag: str | None) -> None:
    plan = plan_of(f"{{type: database, {place}}}")
    request = Target(plan, (dg.AssetKey("orders"),)).request([day()], "key", {})
    assert request.tags.get("medallion/connection") == tag
