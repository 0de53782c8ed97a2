"""What every engine does, whatever the models ask of it."""

import sys
from collections.abc import Callable
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from medallion_assets.engines.duckdb import DuckDBEngine
from medallion_assets.engines.spark import SparkEngine
from medallion_assets.errors import ConfigError, StorageError
from medallion_assets.lake.ports import Engine
from medallion_assets_tests.engines.frames import NAMES, awkward
from medallion_assets_tests.services.process import free_port


def same(left: pl.DataFrame, right: pl.DataFrame) -> None:
    assert_frame_equal(left, right, check_exact=True)


def test_rows_come_back_as_they_went_in(engine: Engine) -> None:
    rows = awkward()
    same(engine.evaluate(engine.frame(rows).sort("n")), rows)
    assert engine.evaluate(engine.frame(rows.clear())).schema == rows.schema


def test_files_are_read_as_the_rows_that_were_written(engine: Engine, tmp_path: Path) -> None:
    rows, folder = awkward(), tmp_path / "a [1] *?=x"
    folder.mkdir()
    files = [folder / f"n={i}.parquet" for i in range(3)]
    for file, part in zip(files, rows.iter_slices(10), strict=True):
        part.write_parquet(file)
    same(engine.evaluate(engine.scan(files).sort("n")), rows)


def test_what_is_held_is_evaluated_then(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    rows = awkward()
    rows.write_parquet(file)
    held = engine.held(engine.scan([file]).filter(nw.col("n") < 5).with_columns((nw.col("n") * 2).alias("twice")))
    file.unlink()
    expected = rows.head(5).with_columns((pl.col("n") * 2).alias("twice"))
    same(engine.evaluate(held.sort("n")), expected)
    same(engine.evaluate(held.filter(nw.col("n") > 1).sort("n")), expected.tail(3))
    if engine.name != "polars":
        assert engine.held(held) is held
        assert engine.held(start := engine.frame(rows)) is start


def test_batches_are_the_rows_in_their_order_while_other_frames_are_evaluated(engine: Engine) -> None:
    n = pl.int_range(300_000)
    rows = pl.select(n=n, text=pl.concat_str(*(n.hash(seed) for seed in range(5)), separator=" "))
    frame = engine.held(engine.frame(rows.reverse()))
    found = []
    for piece in engine.batches(frame.sort("n").select("text", "n")):
        found.append(piece)
        assert engine.evaluate(frame.select(nw.col("n").max())).item() == 299_999
    same(pl.concat(found), rows.select("text", "n"))
    empty = [*engine.batches(frame.filter(nw.col("n") < 0))]
    assert [p.schema for p in empty] == [rows.schema] * len(empty)
    assert sum(p.height for p in empty) == 0
    assert empty


@pytest.mark.parametrize("column", [c for c in awkward().columns if c != "n"])
def test_order_groups_and_comparisons_are_those_of_polars(engine: Engine, column: str) -> None:
    if engine.name == "spark" and column not in ("float64", NAMES["text"], "wide", "bytes"):
        pytest.skip("nothing to be told apart, and each takes seconds")
    rows = awkward().select(column, "n")
    frame, here = engine.frame(rows), PolarsLike(rows)
    # Null first, NaN last and equal to itself, -0.0 and 0.0 one value, text by code point.
    assert engine.evaluate(frame.sort(column, "n"))["n"].to_list() == here.sorted()
    told = frame.with_columns(nw.col("n").min().over(column).alias("first"))
    assert engine.evaluate(told.sort("n"))["first"].to_list() == here.firsts()
    counted = frame.group_by(column).agg(nw.len().alias("rows"), nw.col("n").min().alias("first"))
    assert engine.evaluate(counted.sort("first"))["rows"].to_list() == here.counts()
    other = frame.select(nw.col(column).alias("other"), nw.col("n").alias("m"))
    equal = frame.join(other, how="cross").filter(nw.col(column) == nw.col("other")).select("n", "m")
    assert {*engine.evaluate(equal).rows()} == here.equal()
    joined = frame.join(frame.select(column, nw.col("n").alias("m")), on=column, how="inner").select("n", "m")
    assert {*engine.evaluate(joined).rows()} == here.equal()


class PolarsLike:
    """What Polars says of the rows."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.rows, self.column = rows, rows.columns[0]

    def sorted(self) -> list[Any]:
        return self.rows.sort(self.column, "n")["n"].to_list()

    def firsts(self) -> list[Any]:
        return self.rows.select(pl.col("n").min().over(self.column))["n"].to_list()

    def counts(self) -> list[Any]:
        groups = self.rows.group_by(self.column).agg(pl.len().alias("rows"), pl.col("n").min())
        return groups.sort("n")["rows"].to_list()

    def equal(self) -> set[Any]:
        pairs = self.rows.join(self.rows, how="cross", suffix="_other")
        return {*pairs.filter(pl.col(self.column) == pl.col(f"{self.column}_other")).select("n", "n_other").rows()}


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("x", [time(1)]),
        pl.Series("x", [timedelta(1)]),
        pl.Series("x", [[1]]),
        pl.Series("x", [{"a": 1}]),
        pl.Series("x", [None]),
        pl.Series("x", [1]).cast(pl.Datetime("ns")),
        pl.Series("x", [1]).cast(pl.Datetime("us", "Europe/Berlin")),
        pl.Series("x", ["a"], dtype=pl.Categorical),
        pl.Series("x", ["a"], dtype=pl.Enum(["b", "a"])),
        pl.Series("x", [1], dtype=pl.Int128),
    ],
    ids=lambda column: str(column.dtype),
)
def test_a_type_is_given_back_as_it_was_or_refused(engine: Engine, column: pl.Series, tmp_path: Path) -> None:
    rows, file = column.to_frame(), tmp_path / "rows.parquet"
    rows.write_parquet(file)
    if engine.name == "polars":
        same(engine.evaluate(engine.frame(rows)), rows)
        same(engine.evaluate(engine.scan([file])), rows)
        return
    with pytest.raises(StorageError, match="'x'") as refused:
        engine.frame(rows)
    assert refused.value.code == "SLV-016"
    with pytest.raises(StorageError, match="'x'"):
        engine.scan([file])


def test_names_that_differ_in_case_alone_are_two_or_refused(engine: Engine) -> None:
    rows = pl.DataFrame({"a": [1], "A": [2]})
    if engine.name != "duckdb":
        same(engine.evaluate(engine.frame(rows)), rows)
        return
    with pytest.raises(StorageError, match="'a' and 'A'") as refused:
        engine.frame(rows)
    assert refused.value.code == "SLV-016"


@pytest.mark.parametrize("name", ["a.b", "a`b", "*"])
def test_names_that_an_engine_reads_otherwise_are_columns_or_refused(engine: Engine, name: str) -> None:
    rows = pl.DataFrame({name: [1, 2]})
    if engine.name == "polars" or (engine.name == "duckdb" and name != "*"):
        same(engine.evaluate(engine.frame(rows).filter(nw.col(name) > 1).sort(name)), rows.tail(1))
        return
    with pytest.raises(StorageError, match="for another one") as refused:
        engine.frame(rows)
    assert refused.value.code == "SLV-016"


@pytest.mark.service
def test_spark_on_a_server_gives_the_same_rows(spark_connect: str, tmp_path: Path) -> None:
    engine, rows = SparkEngine(spark_connect, tmp_path / "scratch"), awkward()
    frame = engine.held(engine.frame(rows).with_columns(nw.col("n").shift(1).over(NAMES["text"], order_by="n")))
    shifted = rows.with_columns(pl.col("n").shift(1).over(NAMES["text"], order_by="n")).sort(rows.columns)
    same(engine.evaluate(frame.sort(*rows.columns)), shifted)
    same(pl.concat([*engine.batches(frame.sort(*rows.columns))]), shifted)
    engine.close()
    assert not [*(tmp_path / "scratch").iterdir()]


def test_a_spark_that_is_not_there_is_told_of_at_once(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="does not answer") as told:
        SparkEngine(f"sc://127.0.0.1:{free_port()}/;token=secret", tmp_path)
    assert told.value.code == "SLV-018"
    assert "secret" not in str(told.value)
    assert not [*tmp_path.iterdir()]


def test_duckdb_sorts_on_disk_what_its_memory_does_not_hold(tmp_path: Path) -> None:
    engine, n = DuckDBEngine(2**25, tmp_path, threads=1), 600_000
    rows = pl.select(k=pl.int_range(n).hash(), text=pl.format("text that cannot be packed {}", pl.int_range(n).hash(1)))
    pieces = engine.batches(engine.frame(rows).sort("k"))
    first = next(pieces)
    assert [*tmp_path.glob("*/spilled/*")]
    same(pl.concat([first, *pieces]), rows.sort("k"))
    engine.close()


@pytest.mark.parametrize("streamed", [False, True])
def test_duckdb_says_when_there_is_no_room(streamed: bool, tmp_path: Path) -> None:
    engine = DuckDBEngine(2**22, tmp_path, threads=1)
    rows = engine.frame(pl.select(n=pl.int_range(200_000)))
    much = rows.with_columns(nw.col("n").max().over("n").alias("m")).sort("m", "n")
    with pytest.raises(StorageError, match=r"engines\.memory") as told:
        [*engine.batches(much)] if streamed else engine.evaluate(much)
    assert told.value.code == "SLV-018"
    engine.close()


@pytest.mark.parametrize(
    ("package", "make", "extra"),
    [
        ("duckdb", lambda scratch: DuckDBEngine(2**28, scratch), "duckdb"),
        ("pyspark", lambda scratch: SparkEngine("local[1]", scratch), "spark"),
        ("pyspark.sql.connect.session", lambda scratch: SparkEngine("sc://127.0.0.1", scratch), "spark"),
    ],
)
def test_an_engine_that_is_not_installed_says_what_to_install(
    package: str, make: Callable[[Path], Engine], extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=rf'pip install "medallion-assets\[{extra}\]"') as told:
        make(tmp_path)
    assert told.value.code == "SLV-017"
    assert not [*tmp_path.iterdir()]
