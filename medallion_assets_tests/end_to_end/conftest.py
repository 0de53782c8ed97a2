"""One empty project per test, current directory included."""

from pathlib import Path

import pytest

from medallion_assets_tests.end_to_end.project import Project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.delenv("MEDALLION_ENV", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return Project(tmp_path)
