"""Files in stores of platform.yaml, from the command line to silver: the lake stays where it is."""

import json
import re
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from medallion_assets_tests.end_to_end.project import Project, day

INTENT = """
system: retail
table: orders
source: {type: file, store: landing, path: "orders/{run_date}/*.csv"}
load: full
partitions: {start: 2024-01-01}
silver: {model: scd_type_2, keys: id}
"""
SERVICES = ("moto", pytest.param("s3", marks=pytest.mark.service), pytest.param("azure", marks=pytest.mark.service))


@pytest.fixture(params=SERVICES)
def landing(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """A store as platform.yaml spells it, with the files of two days."""
    files = {
        f"orders/{day(0)}/1.csv": b"id,name\n1,anna\n", f"orders/{day(0)}/2.csv": b"id,name\n2,bert\n",
        f"orders/{day(1)}/1.csv": b"id,name\n1,anne\n2,bert\n", f"orders/{day(1)}/note.txt": b"no table\n\n",
    }  # fmt: skip
    if request.param == "azure":
        from azure.storage.blob import ContainerClient

        server = request.getfixturevalue("azure_server")
        key = {"account_name": server.account, "account_key": server.key}
        with ContainerClient(server.endpoint, server.container, credential=key) as container:
            for name, data in files.items():
                container.upload_blob(f"landing/{name}", data, overwrite=True)
        yield server.store("landing")
        return
    import boto3

    spec = (
        {**request.getfixturevalue("moto"), "prefix": "landing"}
        if request.param == "moto"
        else request.getfixturevalue("s3_server").store("landing")
    )
    client = boto3.client(
        "s3", endpoint_url=spec["endpoint_url"], aws_access_key_id=spec["access_key"],
        aws_secret_access_key=spec["secret_key"], region_name="us-east-1",
    )  # fmt: skip
    for name, data in files.items():
        client.put_object(Bucket=spec["bucket"], Key=f"landing/{name}", Body=data)
    yield spec


def platform(project: Project, stores: dict[str, Any], **more: object) -> None:
    lake = {"type": "local", "root": "./lake", "boundary": "onprem"}
    project.write("platform.yaml", json.dumps({"stores": {"lake": lake, **stores}, **more}))  # JSON is YAML


def history(project: Project) -> list[tuple[object, ...]]:
    rows = project.silver("retail", "orders").sort("id", "effective_from")
    return rows.select(pl.col("id").cast(pl.String), "name", "is_current").rows()


def test_days_of_a_bucket_become_history(
    project: Project, landing: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "key" if landing["type"] == "azure" else "secret_key"
    monkeypatch.setenv("LANDING_SECRET", str(landing[secret]))
    platform(project, {"landing": {**landing, secret: "${env:LANDING_SECRET}"}})
    project.write("intents/orders.yaml", INTENT)
    ran = project.medallion("run", "--from", day(0), "--to", day(4)).succeeded()

    assert history(project) == [("1", "anna", False), ("1", "anne", True), ("2", "bert", True)]
    first, second = project.commits("retail", "orders")
    assert re.findall(r'"path": ?"(orders/[^"]+)"', first.read_text()) == [f"orders/{day(0)}/{n}.csv" for n in (1, 2)]
    if landing["secret_key" if landing["type"] == "s3" else "key"] != "s":
        for text in (ran.output, first.read_text(), second.read_text()):
            assert str(landing[secret]) not in text


def test_a_day_without_files_names_where_it_looked(project: Project, landing: dict[str, Any]) -> None:
    platform(project, {"landing": landing})
    project.write("intents/orders.yaml", INTENT)
    failed = project.medallion("run", "--date", day(3))

    assert failed.exit_code == 2
    assert "SRC-002" in failed.output
    assert f"://{landing.get('bucket') or landing.get('container')}/landing/orders/{day(3)}/*.csv" in failed.output


def test_a_folder_outside_the_project_as_a_store(project: Project) -> None:
    outside = project.root.parent / f"{project.root.name}-landing"
    (outside / "orders" / day(0)).mkdir(parents=True)
    (outside / "orders" / day(0) / "1.csv").write_text("id,name\n1,anna\n")
    platform(project, {"landing": {"type": "local", "root": str(outside), "boundary": "onprem"}})
    project.write("intents/orders.yaml", INTENT)
    project.medallion("run", "--date", day(0)).succeeded()

    assert history(project) == [("1", "anna", True)]


@pytest.mark.parametrize("boundary", [{}, {"boundary": "cloud"}])
def test_a_store_beyond_the_boundary_is_refused_before_anything_is_read(
    project: Project, boundary: dict[str, str]
) -> None:
    store = {"type": "s3", "bucket": "b", "endpoint_url": "http://127.0.0.1:9", **boundary}
    platform(project, {"landing": store}, policy={"storage_scope": "onprem"})
    project.write("intents/orders.yaml", INTENT)
    refused = project.medallion("run", "--date", day(0))

    assert refused.exit_code == 1
    assert "PLT-051" in refused.output


def test_a_store_that_platform_lacks_is_said_by_the_plan(project: Project) -> None:
    project.write("intents/orders.yaml", INTENT)
    failed = project.medallion("run", "--date", day(0))

    assert failed.exit_code == 1
    assert "platform.yaml has no store `landing`" in failed.output
