"""Spark is started once for all tests of a process."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socket import create_connection

import pytest

from medallion_assets.engines.duckdb import DuckDBEngine
from medallion_assets.engines.polars import PolarsEngine
from medallion_assets.engines.spark import SparkEngine
from medallion_assets.lake.ports import Engine
from medallion_assets_tests.services.process import free_port, program

QUICK = {
    "spark.driver.memory": "1g",
    # Plans of frames so small are compiled longer than they run.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
}


@pytest.fixture(scope="session")
def spark(java: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A master: engines beside this one share its JVM."""
    first = SparkEngine("local[2]", tmp_path_factory.mktemp("spark"), QUICK)
    yield "local[2]"
    first.close()


@pytest.fixture
def spark_connect(java: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a Spark Connect server."""
    import pyspark

    port = free_port()
    settings = {
        **QUICK, "spark.connect.grpc.binding.address": "127.0.0.1", "spark.connect.grpc.binding.port": str(port),
        "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false",
        "spark.local.dir": str(tmp_path / "server"),
    }  # fmt: skip
    command: list[str | Path] = [
        Path(pyspark.__file__).parent / "bin/spark-submit", "--master", "local[2]",
        "--class", "org.apache.spark.sql.connect.service.SparkConnectServer",
        *(word for key, value in settings.items() for word in ("--conf", f"{key}={value}")), "spark-internal",
    ]  # fmt: skip

    def answers() -> bool:
        with suppress(OSError), create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    with program(command, tmp_path / "server.log", ready=answers):
        yield f"sc://127.0.0.1:{port}"


@pytest.fixture(params=["polars", "duckdb", pytest.param("spark", marks=pytest.mark.service)])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    scratch = tmp_path / "scratch"
    made: Engine
    match request.param:
        case "duckdb":
            made = DuckDBEngine(2**28, scratch)
        case "spark":
            made = SparkEngine(request.getfixturevalue("spark"), scratch)
        case _:
            made = PolarsEngine()
    yield made
    made.close()
    # What an engine wrote is gone with it.
    assert not scratch.exists() or not [*scratch.iterdir()]
