"""The servers as fixtures: started by the first test that asks for one, ended with the session."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import pytest

from medallion_assets_tests.services.databases import DatabaseServer, mariadb, postgres
from medallion_assets_tests.services.kafka import KafkaServer, kafka
from medallion_assets_tests.services.objects import AzureServer, S3Server, azurite, s3
from medallion_assets_tests.services.process import NotInstalled, find

__all__ = ["azure_server", "java", "kafka_server", "mariadb_server", "moto", "postgres_server", "s3_server"]

Server = TypeVar("Server")


def _running(start: Callable[[Path], AbstractContextManager[Server]]) -> Iterator[Server]:
    """In CI a server that does not start is a failure; elsewhere one that is not installed skips its tests."""
    with tempfile.TemporaryDirectory(prefix="medallion-") as folder:
        try:
            starting = start(Path(folder))
            server = starting.__enter__()
        except NotInstalled as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(missing))
        try:
            yield server
        finally:
            starting.__exit__(None, None, None)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    yield from _running(s3)


@pytest.fixture(scope="session")
def azure_server() -> Iterator[AzureServer]:
    yield from _running(azurite)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[DatabaseServer]:
    yield from _running(postgres)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[DatabaseServer]:
    yield from _running(mariadb)


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[KafkaServer]:
    yield from _running(kafka)


@pytest.fixture(scope="session")
def java() -> str:
    """The program that Spark runs in."""
    try:
        return find("java", "default-jre-headless")
    except NotInstalled as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def moto() -> Iterator[dict[str, object]]:
    """A bucket of moto's server, as platform.yaml spells it: it honours `If-None-Match` and checks no signature."""
    import boto3
    from moto.server import ThreadedMotoServer

    os.environ.setdefault("MOTO_PORT", "0")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found = {
        "type": "s3", "bucket": "mdf", "endpoint_url": f"http://{host}:{port}", "access_key": "k", "secret_key": "s",
        "path_style": True,
    }  # fmt: skip
    client = boto3.client(
        "s3", endpoint_url=found["endpoint_url"], aws_access_key_id="k", aws_secret_access_key="s",
        region_name="us-east-1",
    )  # fmt: skip
    client.create_bucket(Bucket="mdf")
    yield found
    server.stop()
