"""The JSON Schemas accept what the models accept, and refuse what an editor should underline."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from medallion_assets.intent.base import thaw
from medallion_assets.intent.parse import documents
from medallion_assets.intent.schema import json_schemas
from medallion_assets.intent.tree import to_data

SCHEMAS = json_schemas()
EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.yaml"))
ORDERS = "system: retail\ntable: orders\nsource: {type: file, path: orders.csv}\n"


def errors(text: str, schema: str = "intent") -> list[str]:
    validator = Draft7Validator(dict(SCHEMAS[schema]))
    found = [error for node in documents("x.yaml", text) for error in validator.iter_errors(thaw(to_data(node)))]
    return sorted("/".join(map(str, error.absolute_path)) for error in found)


def parts(schema: object) -> Iterator[dict[str, object]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from parts(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from parts(value)


@pytest.mark.parametrize("name", ["intent", "base"])
def test_they_are_schemas_for_editors(name: str) -> None:
    Draft7Validator.check_schema(dict(SCHEMAS[name]))
    whole = json.loads(json.dumps(SCHEMAS[name]))
    assert all("oneOf" not in part and part.get("type") != "null" for part in parts(whole))
    assert whole["definitions"]["IntentPart"]["properties"]["entity"]["description"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path: Path) -> None:
    assert errors(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("table: orders\nsource: {type: file, path: a}\n", [""]),
        (ORDERS + "colums: {}\n", [""]),
        (ORDERS + "load: fulll\n", ["load"]),
        (ORDERS + "load: cdc\n", ["load"]),
        (ORDERS + "load: {pattern: cdc}\n", ["load"]),
        (ORDERS + "silver: {model: scd_type_1, keys: id, track: a}\n", ["silver"]),
        (ORDERS + "silver: {keys: id}\n", ["silver"]),
        (ORDERS + "silver: {entity_kind: event, track: a}\n", ["silver"]),
        (ORDERS + "silver: [{model: event}, {model: scd_type_2}]\n", ["silver/1"]),
        (ORDERS + "schema_mode: loose\n", ["schema_mode"]),
        (ORDERS + "sensor: {interval: 60}\n", ["sensor/interval"]),
        (ORDERS + "partitions: {start: 2024}\n", ["partitions/start"]),
        (ORDERS + "checks: [{rule: range, columns: a, threshold: 2}]\n", ["checks/0/threshold"]),
        ("system: a\ntable: b\nsource: {type: postgress}\n", ["source/type"]),
    ],
)
def test_wrong(text: str, places: list[str]) -> None:
    assert errors(text) == places


@pytest.mark.parametrize(
    "text",
    [
        ORDERS + "silver: {entity_kind: state, keys: id, track: a}\n",
        ORDERS + "silver: {entity_kind: state, history_mode: scd1, keys: id, ignore_nulls: [a]}\n",
        ORDERS + "silver: {profile: snapshot}\nowners: me\ntags: [a]\n",
        ORDERS + "columns: {a: string, b: {type: int, default: 0}}\nschedule: '@daily'\n",
    ],
)
def test_right(text: str) -> None:
    assert errors(text) == []


def test_nothing_is_required_of_what_extends() -> None:
    part = "source: {timeout: 5m}\nload: {chunk: {rows: 5}}\nsilver: {order_by: a}\n"
    assert errors(part) == ["", "", "load", "silver", "source"]
    assert errors(part + "extends: _base.yaml\n") == []
    assert errors(part, "base") == []
    assert errors(part + "colums: {}\n", "base") == [""]
