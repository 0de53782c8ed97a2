"""Servers that any test may ask for; no test is about time."""

import signal

import pytest
from hypothesis import Phase, settings

from medallion_assets_tests.services.fixtures import (
    azure_server,
    java,
    kafka_server,
    mariadb_server,
    moto,
    postgres_server,
    s3_server,
)

__all__ = ["azure_server", "java", "kafka_server", "mariadb_server", "moto", "postgres_server", "s3_server"]

settings.register_profile("untimed", deadline=None)
# For mutants: that an example fails is enough, nobody reads it.
settings.register_profile("unshrunk", deadline=None, phases=[Phase.explicit, Phase.generate])
settings.load_profile("untimed")


if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # In a shell's background. Dagster gives SIGTERM the same handler, and a server of a test would not end.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: nothing long begins when the other worker has nothing left."""
    items.sort(key=lambda item: "torture" not in item.path.parts)


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorded run says in the environment where Dagster lives; the next test is not to find it there."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
