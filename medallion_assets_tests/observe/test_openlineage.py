"""Events of lineage: as the specification wants them, and never in the way of a run."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from jsonschema import validate

from medallion_assets.errors import MedallionError
from medallion_assets.observe.openlineage import place, source_of
from medallion_assets.project import Project
from medallion_assets_tests.observe.schema import RUN_EVENT
from medallion_assets_tests.sources.api_server import Asked, Reply, serving

ORDERS = """
system: shop
table: orders
source: {type: file, path: "data/orders_{run_date}.csv"}
load: full
partitions: {start: 2024-01-01}
columns: {number: {type: int64, source_names: id}}
silver: {model: scd_type_2, keys: number}
"""
DAGSTER_RUN = "0b1f5a0e-3f8d-4b0e-9c55-7f3c2b1d4a6e"


def _project(root: Path, lineage: str, **variables: str) -> Project:
    (root / "intents").mkdir()
    (root / "intents/orders.yaml").write_text(ORDERS, "utf-8")
    (root / "platform.yaml").write_text(f"observability: {{lineage: {lineage}}}\n", "utf-8")
    (root / "data").mkdir()
    (root / "data/orders_2024-01-01.csv").write_text("id,name\n1,a\n2,b\n", "utf-8")
    return Project.load(root, variables=variables)


def _run(project: Project, day: str = "2024-01-01", run_id: str = DAGSTER_RUN) -> None:
    plan = project.plan("shop.orders")
    project.ingest(plan, project.partition(plan, day), run_id=run_id)
    project.refine(plan, plan.silvers[0], run_id=run_id)


def _events(root: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (root / "log/lineage.jsonl").read_text("utf-8").splitlines()]
    for event in found:
        validate(event, RUN_EVENT)
    return found


def _names(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["namespace"], one["name"]) for one in datasets]


def test_a_run_is_told_with_what_it_read_and_what_it_made(tmp_path: Path) -> None:
    _run(_project(tmp_path, "{file: log/lineage.jsonl, namespace: team}"))
    events = _events(tmp_path)
    assert [(e["eventType"], e["job"]["namespace"], e["job"]["name"]) for e in events] == [
        ("START", "team", "ingest.shop.orders"),
        ("COMPLETE", "team", "ingest.shop.orders"),
        ("START", "team", "refine.shop.orders.v1"),
        ("COMPLETE", "team", "refine.shop.orders.v1"),
    ]
    _, loaded, _, refined = events
    bronze = ("file", str(tmp_path / "lake/bronze/system=shop/table=orders"))
    silver = ("file", str(tmp_path / "lake/silver/domain=shop/entity=orders/v1"))
    assert _names(loaded["inputs"]) == [("file", "data/orders_{run_date}.csv")]
    assert _names(loaded["outputs"]) == _names(refined["inputs"]) == [bronze]
    assert _names(refined["outputs"]) == [silver]
    (made,) = loaded["outputs"]
    assert [f["name"] for f in made["facets"]["schema"]["fields"]] == ["id", "name"]
    statistics = made["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"] > 0) == (2, True)
    lineage = refined["outputs"][0]["facets"]["columnLineage"]["fields"]
    given = {"namespace": bronze[0], "name": bronze[1]}
    assert lineage["number"] == {"inputFields": [{**given, "field": "id"}]}
    assert lineage["name"] == {"inputFields": [{**given, "field": "name"}]}
    assert lineage["_run_date"] == {"inputFields": []}
    nominal = loaded["run"]["facets"]["nominalTime"]
    assert nominal["nominalStartTime"] == "2024-01-01T00:00:00+00:00"
    assert {e["run"]["facets"]["parent"]["run"]["runId"] for e in events} == {DAGSTER_RUN}
    ids = [e["run"]["runId"] for e in events]
    assert (ids[0] == ids[1], ids[2] == ids[3], ids[0] == ids[2]) == (True, True, False)


def test_a_failure_is_told_and_raised(tmp_path: Path) -> None:
    project = _project(tmp_path, "{file: log/lineage.jsonl}")
    with pytest.raises(MedallionError):
        _run(project, "2024-01-02")
    start, fail = _events(tmp_path)
    assert (start["eventType"], fail["eventType"]) == ("START", "FAIL")
    assert "SRC-002" in fail["run"]["facets"]["errorMessage"]["message"]


def test_without_a_place_nothing_is_told(tmp_path: Path) -> None:
    _run(_project(tmp_path, "{}"))
    assert not (tmp_path / "log").exists()


def test_a_receiver_gets_the_events_with_a_token_that_no_file_holds(tmp_path: Path) -> None:
    asked: list[Asked] = []

    def answer(one: Asked) -> Reply:
        asked.append(one)
        return Reply(201, b"")

    with serving(answer) as server:
        _run(_project(tmp_path, f'{{url: "{server.url}", token: "${{env:TOKEN}}"}}', TOKEN="s3cr3t"), run_id="r-1")
    assert [(one.method, one.path) for one in asked] == [("POST", "/api/v1/lineage")] * 4
    assert {one.headers["Authorization"] for one in asked} == {"Bearer s3cr3t"}
    for one in asked:
        event = json.loads(one.body)
        validate(event, RUN_EVENT)
        assert "parent" not in event["run"]["facets"]


def test_a_receiver_that_refuses_is_asked_once_a_minute_and_no_run_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[Asked] = []

    def answer(one: Asked) -> Reply:
        asked.append(one)
        return Reply(500, b"no")

    with serving(answer) as server, caplog.at_level(logging.WARNING, "medallion_assets.lineage"):
        _run(_project(tmp_path, f'{{url: "{server.url}"}}'))
    assert len(asked) == 1
    (record,) = caplog.records
    assert "the receiver answered 500" in record.getMessage()


@pytest.mark.parametrize(
    "lineage", ['{url: "http://127.0.0.1:9"}', '{url: "no address"}', '{url: "http://x", token: "${env:NONE}"}',
                "{file: platform.yaml/x}"],
)  # fmt: skip
def test_nothing_that_is_wrong_with_the_place_fails_a_run(
    tmp_path: Path, lineage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "medallion_assets.lineage"):
        _run(_project(tmp_path, lineage))
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("{type: file, path: 'a/*.csv', store: lake}", ("store://lake", "a/*.csv")),
        ("{type: api, base_url: 'https://u:p@crm.org/v1', path: /users}", ("https://crm.org", "/v1/users")),
        ("{type: api, connection: crm, path: /users}", ("connection://crm", "/users")),
        ("{type: database, connection: erp}", ("connection://erp", "orders")),
        ("{type: kafka, connection: bus, topic: t}", ("connection://bus", "t")),
        ("{type: python, function: 'feeds.crm:rows'}", ("python", "feeds.crm:rows")),
    ],
)  # fmt: skip
def test_sources_are_named_as_the_intent_names_them(tmp_path: Path, source: str, named: tuple[str, str]) -> None:
    (tmp_path / "intents").mkdir()
    text = f"system: shop\ntable: orders\nsource: {source}\nload: full\n"
    (tmp_path / "intents/orders.yaml").write_text(text, "utf-8")
    found = source_of(Project.load(tmp_path, variables={}).plan("shop.orders"))
    assert (found.namespace, found.name) == named


def test_places_are_named_as_the_standard_names_them() -> None:
    assert place("s3://bucket/silver/x") == ("s3://bucket", "silver/x")
    assert place("/data/lake") == ("file", "/data/lake")
