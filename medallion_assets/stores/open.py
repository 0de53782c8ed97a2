"""From a store's spec in platform.yaml to the store."""

from collections.abc import Callable
from pathlib import Path

from typing_extensions import assert_never

from medallion_assets.intent.platform import S3, Azure, Local
from medallion_assets.intent.platform import Store as StoreSpec
from medallion_assets.lake.ports import Store
from medallion_assets.stores.local import LocalStore

__all__ = ["open_store"]


def open_store(name: str, spec: StoreSpec, root: Path, resolve: Callable[[str], str] = str) -> Store:
    """The store called ``name``. ``root`` is the project's folder, against which a relative local root is read;
    ``resolve`` replaces references such as ``${env:LAKE}``.

    Nothing is created or contacted yet; a service is proven to honour conditional writes by its first creation. Raises
    ConfigError STO-019 (an extra is not installed), STO-020 (a credential is not given).
    """
    match spec:
        case Local():
            return LocalStore(root / Path(resolve(spec.root)).expanduser())
        case S3() | Azure():
            from medallion_assets.stores.probe import ProbedStore
            from medallion_assets.stores.services import open_azure, open_s3

            if isinstance(spec, S3):
                return ProbedStore(open_s3(name, spec, root, resolve))
            return ProbedStore(open_azure(name, spec, root, resolve))
    assert_never(spec)
