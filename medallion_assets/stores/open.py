"""From a store's spec in platform.yaml to the store."""

from collections.abc import Callable
from pathlib import Path

from typing_extensions import assert_never

from medallion_assets.errors import StorageError
from medallion_assets.intent.platform import S3, Azure, Local
from medallion_assets.intent.platform import Store as StoreSpec
from medallion_assets.lake.ports import Store
from medallion_assets.stores.local import LocalStore

__all__ = ["open_store"]


def open_store(name: str, spec: StoreSpec, root: Path, resolve: Callable[[str], str] = str) -> Store:
    """The store called ``name``. ``root`` is the project's folder, against which a relative local root is read;
    ``resolve`` replaces references such as ``${env:LAKE}``.

    Nothing is created or contacted yet. Raises StorageError STO-013 for a kind that this version cannot open.
    """
    match spec:
        case Local():
            return LocalStore(root / Path(resolve(spec.root)).expanduser())
        case S3() | Azure():
            raise StorageError(
                "STO-013",
                f"This version cannot open stores of type {spec.type}.",
                where=f"platform.yaml  stores.{name}",
                fix="Use a store of type local.",
            )
    assert_never(spec)
