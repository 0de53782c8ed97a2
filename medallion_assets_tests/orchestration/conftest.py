import warnings
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from medallion_assets_tests.orchestration.lakes import ScriptedProject, scripted


@pytest.fixture
def project(tmp_path: Path) -> ScriptedProject:
    return scripted(tmp_path)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(autouse=True)
def no_previews() -> Iterator[None]:
    """Our own loader silences these; here it must be the loader that does, so they fail a test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", dg.BetaWarning)
        warnings.simplefilter("error", dg.PreviewWarning)
        yield
