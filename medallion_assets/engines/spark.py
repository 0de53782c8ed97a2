"""Silver models on Spark: for what is larger than a machine."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from shutil import rmtree
from socket import create_connection
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import narwhals as nw
import polars as pl

from medallion_assets.engines.carried import needs_package, plain, refuse, stored
from medallion_assets.errors import StorageError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType, StructType

__all__ = ["SparkEngine"]

_PIECE = 1_000_000
"""Rows of a file, and so of a batch."""
_PORT = 15002
"""Of a Spark Connect server whose URL names none."""
_SETTINGS = {
    # Days and instants as they are: no zone but UTC, no calendar but the one, no type of twelve bytes.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.caseSensitive": "true",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.files.maxRecordsPerFile": str(_PIECE),
}
"""Of the session: they decide what the rows are."""
_HERE = {
    # A driver that answers to this machine alone, and shows nothing.
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.driver.maxResultSize": "0",
    # Adaptive execution joins small ones, and does not split large ones.
    "spark.sql.shuffle.partitions": "16",
}
"""Of a Spark that is started here."""


class SparkEngine:
    """Evaluates narwhals lazy frames that wrap Spark's.

    ``url``: ``sc://…`` of a Spark Connect server, or a master: ``local[*]`` starts Spark in a JVM beside this process.
    ``scratch``: a folder that Spark's machines see under the same path; rows go there and come from there as Parquet.
    ``settings``: of a Spark that is started here, over those of this module.

    Raises ConfigError SLV-017 when PySpark is not installed, StorageError SLV-018 when Spark does not answer or start.
    """

    def __init__(self, url: str, scratch: Path, settings: Mapping[str, str] | None = None) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._folder = Path(mkdtemp(prefix="spark-", dir=scratch)).absolute()
        self._numbers = count(1)
        self._kept: dict[int, DataFrame] = {}
        """Those whose rows lie in files of ours, by identity."""
        try:
            self._session, self._own = _session(url, self._folder, settings or {})
        except ImportError as missing:
            rmtree(self._folder)
            raise needs_package(missing, "spark") from missing
        except StorageError:
            rmtree(self._folder)
            raise

    @property
    def name(self) -> str:
        return "spark"

    def frame(self, rows: pl.DataFrame) -> nw.LazyFrame[Any]:
        """Raises StorageError SLV-016."""
        refuse(rows.schema, "Spark", plain, ".`")
        file = self._folder / f"rows{next(self._numbers)}.parquet"
        rows.write_parquet(file, compression="lz4")
        return self._keep(self._read([file], _schema(rows.schema)))

    def scan(self, files: Sequence[Path]) -> nw.LazyFrame[Any]:
        """Raises StorageError SLV-016."""
        schema = stored(files[0])
        refuse(schema, "Spark", plain, ".`")
        return nw.from_native(self._read(files, _schema(schema)))

    def held(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        native = self._native(frame)
        if id(native) in self._kept:
            return frame
        return self._keep(self._read(self._written(native), native.schema))

    def evaluate(self, frame: nw.LazyFrame[Any]) -> pl.DataFrame:
        with _told():
            return pl.DataFrame(self._native(frame).toArrow())

    def batches(self, frame: nw.LazyFrame[Any]) -> Iterator[pl.DataFrame]:
        for file in self._written(self._native(frame)):
            yield pl.read_parquet(file, glob=False, hive_partitioning=False)
            file.unlink()

    def close(self) -> None:
        if self._own:
            self._session.stop()
        rmtree(self._folder, ignore_errors=True)

    def _native(self, frame: nw.LazyFrame[Any]) -> "DataFrame":
        native: DataFrame = nw.to_native(frame)
        return native

    def _written(self, frame: "DataFrame") -> list[Path]:
        """The files of the frame's rows, in its order."""
        folder = self._folder / f"frame{next(self._numbers)}"
        with _told():
            frame.write.parquet(str(folder), compression="snappy")  # its lz4 is not that of others
        return sorted(folder.glob("part-*.parquet"))

    def _keep(self, native: "DataFrame") -> nw.LazyFrame[Any]:
        self._kept[id(native)] = native
        return nw.from_native(native)

    def _read(self, files: Sequence[Path], schema: "StructType") -> "DataFrame":
        paths = [re.sub(r"([\\*?\[\]{}])", r"\\\1", str(file.absolute())) for file in files]
        return self._session.read.schema(schema).parquet(*paths)


def _session(url: str, folder: Path, more: Mapping[str, str]) -> "tuple[SparkSession, bool]":
    """A session, and whether it is the only one of its kind and to be stopped."""
    if url.startswith("sc://"):
        from pyspark.sql.connect.session import SparkSession as Remote

        _refuse_silent(url)
        with _told():
            return _set(Remote.builder.remote(url).create()), True
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    running = SparkContext._active_spark_context is not None
    builder = SparkSession.builder.master(url).appName("medallion")
    folders = {"spark.local.dir": str(folder / "spilled"), "spark.sql.warehouse.dir": str(folder / "none")}
    if not running:
        for key, value in {**_HERE, **folders, **more}.items():
            builder = builder.config(key, value)
    # One that runs already is somebody's: this session's settings are not to be theirs.
    with _told():
        return _set(builder.getOrCreate().newSession()), not running


def _refuse_silent(url: str) -> None:
    """PySpark would ask again for many minutes."""
    place = urlsplit(url)
    try:
        create_connection((place.hostname or "", place.port or _PORT), timeout=30).close()
    except OSError as error:
        raise StorageError(
            "SLV-018", f"Spark does not answer: {error}.", where=f"sc://{place.hostname}:{place.port or _PORT}",
            fix="start the server, or correct its address.",
        ) from error  # fmt: skip


@contextmanager
def _told() -> Iterator[None]:
    """Spark's errors as ours."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise StorageError(
            "SLV-018", f"Spark broke off: {str(error)[:500]}",
            fix="see Spark's own log; one that is started here needs Java 17 or later, and room in the scratch folder.",
        ) from error  # fmt: skip


def _set(session: Any) -> "SparkSession":
    for key, value in _SETTINGS.items():
        session.conf.set(key, value)
    found: SparkSession = session
    return found


def _schema(schema: pl.Schema) -> "StructType":
    from pyspark.sql.types import StructField, StructType

    return StructType([StructField(name, _type(dtype)) for name, dtype in schema.items()])


def _type(dtype: pl.DataType) -> "DataType":
    from pyspark.sql import types

    if isinstance(dtype, pl.Decimal):
        return types.DecimalType(dtype.precision, dtype.scale)
    if isinstance(dtype, pl.Datetime):
        return types.TimestampType() if dtype.time_zone else types.TimestampNTZType()
    kinds = {
        pl.Boolean: types.BooleanType, pl.String: types.StringType, pl.Binary: types.BinaryType,
        pl.Date: types.DateType, pl.Float32: types.FloatType, pl.Float64: types.DoubleType,
        pl.Int8: types.ByteType, pl.Int16: types.ShortType, pl.Int32: types.IntegerType, pl.Int64: types.LongType,
    }  # fmt: skip
    found: DataType = kinds[type(dtype)]()
    return found
