"""The shell around the commands: usage, errors nobody foresaw, imports, the process itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from medallion_assets import __version__
from medallion_assets.cli.app import main
from medallion_assets.cli.ui import dagster_home
from medallion_assets.errors import ConfigError
from medallion_assets_tests.cli.conftest import CITIES, Lake


def process(*command: str, cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if name not in ("DAGSTER_HOME", "MEDALLION_ENV")}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=False, env={**clean, **variables}
    )


def test_without_a_command_the_help_is_shown(lake: Lake) -> None:
    done = lake.run()
    assert done.code == 0
    for command in ("validate", "plan", "run", "status", "show", "ui", "schema"):
        assert f"\n  {command} " in done.out


def test_the_version(lake: Lake) -> None:
    assert lake.run("--version").out == f"medallion-assets {__version__}\n"
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    assert f'\nversion = "{__version__}"\n' in pyproject


@pytest.mark.parametrize("arguments", [("nonsense",), ("run", "--nonsense"), ("show",), ("show", "a", "--limit", "0")])
def test_a_wrong_command_line_is_exit_code_1(lake: Lake, arguments: tuple[str, ...]) -> None:
    done = lake.run(*arguments)
    assert (done.code, done.out, done.err.split()[0]) == (1, "", "CLI-006")


def test_an_error_nobody_foresaw_has_no_traceback_but_on_request(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("medallion_assets.project.Project.ingest", broken)
    done = lake.run("run", "cities")
    assert (done.code, "Traceback" in done.err) == (1, False)
    assert "geo.cities: failed\nCLI-009  medallion\n  ZeroDivisionError: oh\n" in done.err
    assert "ZeroDivisionError: oh" in lake.run("run", "cities", "--debug").err.split("Traceback")[1]
    monkeypatch.setattr("medallion_assets.project.Project.load", broken)
    assert lake.run("validate").err.startswith("CLI-009  medallion\n  ZeroDivisionError: oh\n")
    assert "Traceback" in lake.run("validate", "--debug").err


def test_debug_shows_where_an_error_comes_from(lake: Lake) -> None:
    lake.write("intents/cities.yaml", "system: Bad Name\n")
    done = lake.run("validate", "--debug")
    assert (done.code, "Traceback" in done.err) == (1, True)


def test_an_interrupt_is_exit_code_130(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("medallion_assets.project.Project.ingest", interrupted)
    done = lake.run("run", "cities")
    assert (done.code, done.err) == (130, "Interrupted. What was committed stays; run it again to go on.\n")


def test_validate_and_plan_import_neither_dagster_nor_polars(tmp_path: Path) -> None:
    for number in range(10):
        text = CITIES.replace("table: cities", f"table: cities_{number}")
        (tmp_path / "intents").mkdir(exist_ok=True)
        (tmp_path / f"intents/{number}.yaml").write_text(text, "utf-8")
    for command in ("validate", "plan"):
        script = (
            "import sys, json\n"
            "from medallion_assets.cli.app import main\n"
            f"code = main(['{command}'])\n"
            "print(json.dumps([code, sorted({m.partition('.')[0] for m in sys.modules})]))\n"
        )
        done = process("-c", script, cwd=tmp_path)
        code, modules = json.loads(done.stdout.splitlines()[-1])
        heavy = {"dagster", "polars", "narwhals", "numpy", "pandas", "pyarrow", "deltalake", "rich", "httpx", "duckdb"}
        assert (code, heavy & set(modules)) == (0, set()), done.stderr


def test_run_imports_neither_dagster_nor_pandas_nor_rich(lake: Lake) -> None:
    script = (
        "import sys, json\n"
        "from medallion_assets.cli.app import main\n"
        "code = main(['run', 'cities'])\n"
        "print(json.dumps([code, sorted({m.partition('.')[0] for m in sys.modules})]))\n"
    )
    done = process("-c", script, cwd=lake.root)
    code, modules = json.loads(done.stdout.splitlines()[-1])
    assert (code, {"dagster", "pandas", "rich", "duckdb"} & set(modules)) == (0, set()), done.stderr


def test_the_process_gives_the_exit_code(lake: Lake) -> None:
    done = process("-m", "medallion_assets.cli.app", "run", "shop.orders", "--date", "2024-01-02", cwd=lake.root)
    assert (done.returncode, "SRC-002" in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    assert process("-m", "medallion_assets.cli.app", "run", "cities", cwd=lake.root).returncode == 0


def test_a_reader_that_goes_away_is_no_error(lake: Lake) -> None:
    command = f"{sys.executable} -m medallion_assets.cli.app schema | head -c 10; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=lake.root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_dagster_home_is_made_below_the_project(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n# ours\n")
    home = dagster_home(tmp_path, {})
    assert home == tmp_path / ".dagster"
    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n# ours\n"
    (home / "dagster.yaml").write_text("# mine\n")
    assert dagster_home(tmp_path, {}) == home
    assert (home / "dagster.yaml").read_text() == "# mine\n"
    elsewhere = dagster_home(tmp_path, {"DAGSTER_HOME": str(tmp_path / "else")})
    assert (elsewhere, (elsewhere / "dagster.yaml").is_file()) == (tmp_path / "else", True)


def test_a_dagster_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / ".dagster").write_text("in the way")
    with pytest.raises(ConfigError, match="CLI-004"):
        dagster_home(tmp_path, {})


def test_ui_without_a_webserver_says_what_to_install(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medallion_assets.cli.ui.find_spec", lambda _: None)
    done = lake.run("ui")
    assert (done.code, "CLI-008" in done.err, "pip install 'medallion-assets[ui]'" in done.err) == (1, True, True)


def test_main_without_arguments_reads_the_command_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["medallion", "--version"])
    assert main() == 0
    assert __version__ in capsys.readouterr().out
