from collections.abc import Callable
from pathlib import Path

import pytest

from medallion_assets.lake.ports import Store
from medallion_assets.stores.local import LocalStore
from medallion_assets.stores.memory import MemoryStore

ADAPTERS: dict[str, Callable[[Path], Store]] = {
    "local": lambda folder: LocalStore(folder / "lake"),
    "memory": lambda _: MemoryStore(),
}
"""Every adapter passes the suite in test_store.py; a new one is one line here."""


@pytest.fixture(params=ADAPTERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return ADAPTERS[request.param](tmp_path)
