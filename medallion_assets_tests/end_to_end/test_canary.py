"""A secret in the environment is in nothing that is written or printed, also when the run that uses it fails."""

from pathlib import Path

import pytest

from medallion_assets_tests.end_to_end.project import Outcome, Project, day

CANARY = "canary-7f3a91c2-do-not-print"
INTENT = """
system: shop
table: orders
source: {type: file, path: "data/${env:SHOP_FOLDER}/orders_{run_date}.csv"}
load: full
silver: {model: scd_type_2, keys: id}
checks: [{rule: not_null, columns: name}]
partitions: {start: 2024-01-01}
"""
GOOD = "id,name\n1,a\n"
CONTENTS = pytest.mark.parametrize("content", [GOOD, 'id,name\n1,"a\n', None], ids=["good", "bad", "missing"])


def found_in(folder: Path) -> list[str]:
    """Files below ``folder`` that hold the secret."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(folder)) for path in files if CANARY.encode() in path.read_bytes())


def prepared(project: Project, monkeypatch: pytest.MonkeyPatch, content: str | None, folder: str) -> None:
    """A project whose source path holds ``folder`` by reference, in an environment full of secrets."""
    monkeypatch.setenv("SHOP_FOLDER", folder)
    monkeypatch.setenv("SHOP_TOKEN", CANARY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    project.write("platform.yaml", "policy: {env_allow: [SHOP_FOLDER]}\n")
    project.write("intents/orders.yaml", INTENT)
    if content is not None:
        project.write(f"data/{folder}/orders_{day(0)}.csv", content)


def everything(project: Project, *how: str) -> list[Outcome]:
    """The commands that print or write."""
    return [
        project.medallion("validate"),
        project.medallion("plan", "--json"),
        project.medallion("run", "--date", day(0), *how),
        project.medallion("status", "--json"),
    ]


@CONTENTS
def test_a_value_that_a_path_refers_to_is_not_printed(
    project: Project, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    prepared(project, monkeypatch, content, CANARY)
    outcomes = everything(project)
    assert (outcomes[2].exit_code == 0) is (content == GOOD), outcomes[2].output
    assert CANARY not in "".join(outcome.output for outcome in outcomes)


@CONTENTS
def test_the_environment_is_not_written(project: Project, monkeypatch: pytest.MonkeyPatch, content: str | None) -> None:
    prepared(project, monkeypatch, content, "plain")
    monkeypatch.setenv("DAGSTER_HOME", str(project.root / ".dagster"))
    project.write(".dagster/dagster.yaml", "telemetry: {enabled: false}\n")
    outcomes = everything(project, "--dagster")
    assert (outcomes[2].exit_code == 0) is (content == GOOD), outcomes[2].output
    assert (project.root / ".dagster/storage").exists()
    assert CANARY not in "".join(outcome.output for outcome in outcomes)
    assert found_in(project.root) == []


def test_a_value_that_a_path_refers_to_is_not_written(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared(project, monkeypatch, GOOD, CANARY)
    project.medallion("run", "--date", day(0)).succeeded()
    assert found_in(project.root / "lake") == []
