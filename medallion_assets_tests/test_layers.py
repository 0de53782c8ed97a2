"""The layers hold because import-linter says so; here it is made to say no."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package and of the contracts."""
    shutil.copytree(
        ROOT / "medallion_assets", tmp_path / "medallion_assets", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


def lint(house: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as main; main()", "--no-cache"],
        cwd=house, env=os.environ | {"PYTHONPATH": str(house)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_the_house_stands(house: Path) -> None:
    assert "0 broken" in lint(house)


def test_a_breach_of_every_contract_is_found(house: Path) -> None:
    package = house / "medallion_assets"
    for module, line in {
        "lake/ids.py": "import medallion_assets.plan.model",
        "checks/rules.py": "import dagster",
        "plan/calendar.py": "import yaml",
        "silver/scd1.py": "import medallion_assets.silver.scd2",
    }.items():
        with (package / module).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    said = lint(house)
    assert "4 broken" in said, said
