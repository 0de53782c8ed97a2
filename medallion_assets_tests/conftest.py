"""Servers that any test may ask for; no test is about time."""

import pytest
from hypothesis import settings

from medallion_assets_tests.services.fixtures import (
    azure_server,
    kafka_server,
    mariadb_server,
    moto,
    postgres_server,
    s3_server,
)

__all__ = ["azure_server", "kafka_server", "mariadb_server", "moto", "postgres_server", "s3_server"]

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorded run says in the environment where Dagster lives; the next test is not to find it there."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
