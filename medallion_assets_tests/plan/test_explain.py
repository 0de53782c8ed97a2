"""What ``medallion plan`` says of the 25 examples, to the letter; and that no secret is in it."""

import json
from pathlib import Path

import pytest

from medallion_assets.intent.parse import parse_project
from medallion_assets.intent.platform import Platform
from medallion_assets.plan.compile import compile_plans
from medallion_assets.plan.explain import describe, plan_json
from medallion_assets.plan.mask import masked
from medallion_assets_tests.plan.golden import EXAMPLES, FOLDER, plans, text


def test_there_are_25_examples_and_a_golden_text_for_each() -> None:
    assert len(EXAMPLES) == 25
    assert {file.stem for file in FOLDER.glob("*.txt")} == {example.stem for example in EXAMPLES}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_plan_of_an_example(example: Path) -> None:
    assert text(example) == (FOLDER / f"{example.stem}.txt").read_text("utf-8")


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_json_of_a_plan_is_stable_and_whole(example: Path) -> None:
    for plan, again in zip(plans(example), plans(example), strict=True):
        written = json.dumps(plan_json(plan), sort_keys=True)
        assert written == json.dumps(plan_json(again), sort_keys=True)
        assert json.loads(written)["ingest_fingerprint"] == plan.ingest_fingerprint
        assert set(plan_json(plan)) == set(plan.__dataclass_fields__)


def test_secrets_written_out_are_masked_and_references_stay() -> None:
    document = """
    system: s
    table: t
    source:
      type: api
      base_url: "https://me:hunter22@api.example.com"
      headers: {Authorization: Bearer abcdef, X-Trace: "yes", Cookie: "${env:COOKIE}"}
      auth: {type: oauth2_client_credentials, token_url: "https://t", client_id: i, client_secret: verysecret}
    """
    platform = Platform()
    (plan,) = compile_plans(parse_project({"intents/a.yaml": document}, platform), platform)
    said = json.dumps(plan_json(plan)) + repr(describe(plan))
    for secret in ("hunter22", "abcdef", "verysecret"):
        assert secret not in said
    assert "${env:COOKIE}" in said
    assert "https://me:***@api.example.com" in said


def test_masking_leaves_what_is_no_secret() -> None:
    value = {"url": "https://h/p?x=1", "token": "Bearer ${env:T}", "n": 1, "list": ["postgres://u:${env:P}@h/d"]}
    assert masked(value) == value
    assert masked({"token": "x${env:T}", "password": ["a"]}) == {"token": "***", "password": ["***"]}
