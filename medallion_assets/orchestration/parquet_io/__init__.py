"""IO managers for assets of your own: Parquet on local disk, S3 or Azure, checksummed, range-aware, without pickle."""

from medallion_assets.orchestration.parquet_io.base import ParquetIOManager
from medallion_assets.orchestration.parquet_io.local import LakeParquetIOManager, LocalParquetIOManager

__all__ = ["LakeParquetIOManager", "LocalParquetIOManager", "ParquetIOManager"]
