from pathlib import Path

import pytest
from pydantic import TypeAdapter

from medallion_assets.errors import StorageError
from medallion_assets.intent.platform import Store as StoreSpec
from medallion_assets.stores.open import open_store

SPEC: TypeAdapter[StoreSpec] = TypeAdapter(StoreSpec)


def spec(text: str) -> StoreSpec:
    return SPEC.validate_json(text)


def test_a_relative_root_is_below_the_project(tmp_path: Path) -> None:
    store = open_store("lake", spec('{"type": "local", "root": "./lake"}'), tmp_path)
    assert store.url("a") == str(tmp_path / "lake" / "a")
    assert not (tmp_path / "lake").exists()


def test_an_absolute_root_and_a_reference(tmp_path: Path) -> None:
    local = spec('{"type": "local", "root": "${env:LAKE}"}')
    store = open_store("lake", local, Path("/elsewhere"), resolve=lambda _: str(tmp_path / "x"))
    assert store.url("a") == str(tmp_path / "x" / "a")


@pytest.mark.parametrize(
    "text", ['{"type": "s3", "bucket": "b"}', '{"type": "azure", "account": "a", "container": "c"}']
)
def test_what_is_not_built_says_so(tmp_path: Path, text: str) -> None:
    with pytest.raises(StorageError) as caught:
        open_store("far", spec(text), tmp_path)
    assert caught.value.code == "STO-013"
    assert "stores.far" in str(caught.value)
