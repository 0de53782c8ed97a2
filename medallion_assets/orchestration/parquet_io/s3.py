"""Parquet in S3 with the credentials of dagster-aws. Imported by those who use it: boto3 costs a second."""

from pathlib import Path

import dagster as dg
from dagster_aws.s3 import S3Resource

from medallion_assets.intent.platform import S3
from medallion_assets.lake.ports import Store
from medallion_assets.orchestration.parquet_io.base import ParquetIOManager
from medallion_assets.stores.services import open_s3

__all__ = ["S3ParquetIOManager"]


class S3ParquetIOManager(ParquetIOManager):
    """Tables in ``bucket``, reached as ``s3_resource`` says: keys, session token, region, endpoint, TLS."""

    s3_resource: dg.ResourceDependency[S3Resource]
    bucket: str

    def open_store(self) -> Store:
        given = self.s3_resource
        spec = S3.model_validate(
            {
                "type": "s3",
                "bucket": self.bucket,
                "region": given.region_name,
                "endpoint_url": given.endpoint_url,
                "access_key": given.aws_access_key_id,
                "secret_key": given.aws_secret_access_key,
                "session_token": given.aws_session_token,
                "path_style": given.endpoint_url is not None,
                "verify_tls": given.verify is not False,
            }
        )
        return open_s3(self.bucket, spec, Path(), str)
