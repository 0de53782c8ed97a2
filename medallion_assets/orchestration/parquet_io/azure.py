"""Parquet in Azure with the credentials of dagster-azure. Imported by those who use it."""

from pathlib import Path

import dagster as dg
from dagster_azure.adls2 import ADLS2Key, ADLS2Resource, ADLS2SASToken

from medallion_assets.intent.platform import Azure
from medallion_assets.lake.ports import Store
from medallion_assets.orchestration.parquet_io.base import ParquetIOManager
from medallion_assets.stores.services import open_azure

__all__ = ["ADLS2ParquetIOManager"]


class ADLS2ParquetIOManager(ParquetIOManager):
    """Tables in ``container``, reached with the key, SAS token or default credential of ``adls2``."""

    adls2: dg.ResourceDependency[ADLS2Resource]
    container: str
    endpoint_url: str | None = None
    """Of another service than Azure's own, such as Azurite."""

    def open_store(self) -> Store:
        match self.adls2.credential:
            case ADLS2Key(key=key):
                credential = {"credential": "key", "key": key}
            case ADLS2SASToken(token=token):
                credential = {"credential": "sas", "sas": token}
            case _:
                credential = {"credential": "default"}
        spec = Azure.model_validate(
            {
                "type": "azure",
                "account": self.adls2.storage_account,
                "container": self.container,
                "endpoint_url": self.endpoint_url,
                **credential,
            }
        )
        return open_azure(self.container, spec, Path(), str)
