from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import TypeAdapter

from medallion_assets.intent.platform import Azure
from medallion_assets.intent.platform import Store as StoreSpec
from medallion_assets.lake.ports import Store
from medallion_assets.stores.local import LocalStore
from medallion_assets.stores.memory import MemoryStore
from medallion_assets.stores.services import open_azure, open_s3

SPEC: TypeAdapter[StoreSpec] = TypeAdapter(StoreSpec)
ADAPTERS = ("local", "memory", "moto", pytest.param("s3", marks=pytest.mark.service),
            pytest.param("azure", marks=pytest.mark.service))  # fmt: skip
"""Every adapter passes the suite in test_store.py; a new one is one name here and one line below."""


def opened(spec: dict[str, object]) -> Store:
    """The service itself, without the probe's marker in its listings, below a prefix of its own."""
    parsed = SPEC.validate_python({**spec, "prefix": f"synthetic/{uuid4().hex}"})
    if isinstance(parsed, Azure):
        return open_azure("test", parsed, Path(), str)
    assert parsed.type == "s3"
    return open_s3("test", parsed, Path(), str)


@pytest.fixture(params=ADAPTERS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    make: dict[str, Callable[[], Store]] = {
        "local": lambda: LocalStore(tmp_path / "lake"),
        "memory": MemoryStore,
        "moto": lambda: opened(request.getfixturevalue("moto")),
        "s3": lambda: opened(request.getfixturevalue("s3_server").store()),
        "azure": lambda: opened(request.getfixturevalue("azure_server").store()),
    }
    found = make[request.param]()
    yield found
    if request.param in ("s3", "azure"):
        for info in list(found.list("")):
            found.delete(info.path)
