"""Parquet in a folder, or in a store of the project's platform.yaml."""

from pathlib import Path

import dagster as dg

from medallion_assets.lake.ports import Store
from medallion_assets.orchestration.parquet_io.base import ParquetIOManager
from medallion_assets.orchestration.resources import LakeResource
from medallion_assets.stores.local import LocalStore

__all__ = ["LakeParquetIOManager", "LocalParquetIOManager"]


class LocalParquetIOManager(ParquetIOManager):
    """Tables below ``base_dir``, flushed to disk before they count."""

    base_dir: str

    def open_store(self) -> Store:
        return LocalStore(Path(self.base_dir))


class LakeParquetIOManager(ParquetIOManager):
    """Tables in the store called ``store`` in platform.yaml: MinIO, Ceph, S3, Azure or a folder."""

    lake: dg.ResourceDependency[LakeResource]
    store: str = "lake"

    def open_store(self) -> Store:
        return self.lake.open().store(self.store)
