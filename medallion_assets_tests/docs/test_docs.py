"""The documentation is executed: its commands run, its intents validate, its list of errors is the list of errors."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medallion_assets.cli.app import app
from medallion_assets.codes import CODES
from medallion_assets.intent.parse import parse_platform, parse_project
from medallion_assets.intent.platform import Platform
from medallion_assets_tests.end_to_end.airports import sample

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "medallion_assets_tests"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)(?P<target>[^)#]+)")


def blocks(kind: str) -> list[tuple[str, str]]:
    """(page, text) of every fenced block of one kind."""
    found = []
    for page in PAGES:
        found += [(page.name, m["text"]) for m in BLOCK.finditer(page.read_text("utf-8")) if m["kind"] == kind]
    return found


def commands() -> list[str]:
    return [line for _, text in blocks("console") for line in text.splitlines() if line.startswith("medallion ")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which `make demo`'s intents have run, on two snapshots of every eighth airport."""
    root = tmp_path_factory.mktemp("demo")
    shutil.copytree(ROOT / "intents", root / "intents", ignore=shutil.ignore_patterns("airports"))
    sample(ROOT / "intents/data/airports", root / "intents/data/airports")
    shutil.copyfile(ROOT / "platform.yaml", root / "platform.yaml")
    for arguments in (
        ["nyc.airlines", "nyc.planes", "nyc.weather", "vega.movies"],
        ["nyc.flights", "--from", "2013-01-01", "--to", "2013-01-03"],
        ["airportsdata.airports", "--date", "2020-11-06"],
        ["airportsdata.airports", "--date", "2022-11-21"],
    ):
        result = CliRunner().invoke(app, ["-C", str(root), "run", *arguments])
        assert result.exit_code == 0, result.output
    return root


def test_there_is_something_to_execute() -> None:
    assert len(commands()) >= 8
    assert len(blocks("yaml")) >= 2


@pytest.mark.parametrize("command", commands())
def test_every_command_runs(command: str, demo: Path) -> None:
    arguments = shlex.split(command)[1:]
    result = CliRunner().invoke(app, ["-C", str(demo), *arguments])
    assert result.exit_code == 0, result.output
    assert result.output.strip()


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_every_intent_validates(page: str, text: str) -> None:
    (located,) = parse_project({f"intents/{page}.yaml": text}, Platform())
    assert located.intent.system == "retail"


def test_the_project_of_the_readme_runs(tmp_path: Path) -> None:
    """Its intent, its file and its command, in an empty folder."""
    (tmp_path / "intents").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "intents/orders.yaml").write_text(blocks("yaml")[0][1], "utf-8")
    ((_, rows),) = blocks("csv data/orders_2026-11-20.csv")
    (tmp_path / "data/orders_2026-11-20.csv").write_text(rows, "utf-8")
    result = CliRunner().invoke(app, ["-C", str(tmp_path), "run", "--date", "2026-11-20"])
    assert result.exit_code == 0, result.output
    shown = CliRunner().invoke(app, ["-C", str(tmp_path), "show", "silver/retail/orders", "--json"])
    rows_shown = json.loads(shown.output)["rows"]
    assert [(row["order_id"], row["amount"], row["is_current"]) for row in rows_shown] == [
        (1, "10.50", True),
        (2, "7.25", True),
    ]


@pytest.mark.parametrize(("page", "text"), blocks("yaml platform"))
def test_every_platform_file_validates(page: str, text: str) -> None:
    assert parse_platform(text, name=page).environment == "dev"


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_every_python_block_compiles(page: str, text: str) -> None:
    compile(text, page, "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [m["target"] for m in LINK.finditer(page.read_text("utf-8"))]
    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_the_list_of_errors_is_complete() -> None:
    """docs/errors.md has one row a code, with its title, in the order of ``CODES``."""
    rows = re.findall(r"^\| ([A-Z]{3}-\d{3}) \| ([^|]+) \|", (ROOT / "docs/errors.md").read_text("utf-8"), re.MULTILINE)
    assert [(code, title.strip()) for code, title in rows] == list(CODES.items())


def test_every_error_is_raised_by_a_test() -> None:
    files = (p for p in TESTS.rglob("*") if p.suffix in (".py", ".txt", ".yaml"))
    text = "".join(p.read_text("utf-8") for p in files)
    assert [code for code in CODES if code not in text] == []


def test_the_function_of_the_page_on_sources_is_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    for name in [name for name in sys.modules if name.split(".")[0] == "feeds"]:
        monkeypatch.delitem(sys.modules, name)
    for kind in ("python feeds/crm.py", "yaml intents/accounts.yaml"):
        ((_, text),) = blocks(kind)
        target = tmp_path / kind.split()[1]
        target.parent.mkdir()
        target.write_text(text, "utf-8")
    result = CliRunner().invoke(app, ["-C", str(tmp_path), "run", "--date", "2026-11-20"])
    assert result.exit_code == 0, result.output
    shown = CliRunner().invoke(app, ["-C", str(tmp_path), "show", "silver/crm/accounts"])
    assert "2026-EU" in shown.output


def test_the_checks_of_the_page_on_intents_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    for kind in ("python rules.py", "yaml intents/payments.yaml"):
        ((_, text),) = blocks(kind)
        target = tmp_path / kind.split()[1]
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, "utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/payments_2026-11-20.csv").write_text(
        "id,order_id,kind,amount,paid_at,mail,customer\n"
        "1,7,online,5.00,2026-11-20T08:00:00Z,a@example.org,9\n"
        "2,7,refund,-5.00,2026-11-20T09:00:00Z,a@example.org,9\n"
        "3,8,refund,-1.00,2026-11-20T09:30:00Z,a@example.org,9\n"
    )
    result = CliRunner().invoke(app, ["-C", str(tmp_path), "run", "--date", "2026-11-20", "--json"])
    failed = json.loads(result.stdout)["failed_checks"]
    assert {check["check"]: check["facts"].get("sample") for check in failed} == {
        "references_customer": None,
        "custom": "order_id=8, amount=-1.00",
    }
    assert result.exit_code == 4
