"""Parquet keeps its types; a broken file is an error, whatever broke."""

import bz2
import gzip
import zipfile
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import zstandard
from polars.testing import assert_frame_equal

from medallion_assets.errors import ExtractionError
from medallion_assets_tests.sources.reading import read


def frame(rows: int = 120_000) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": range(rows),
            "price": [Decimal("1.10")] * rows,
            "at": [datetime(2024, 1, 31, tzinfo=timezone.utc)] * rows,
            "tags": [["a", None]] * rows,
            "none": pl.Series([None] * rows, dtype=pl.Int8),
        },
        schema_overrides={"price": pl.Decimal(10, 2)},
    )


def test_types_and_rows(tmp_path: Path) -> None:
    frame().write_parquet(tmp_path / "a.parquet", row_group_size=50_000)
    got = read(tmp_path, "a.parquet")
    assert_frame_equal(got.rows, frame())
    assert got.files[0].rows == 120_000
    assert got.files[0].bytes == (tmp_path / "a.parquet").stat().st_size


def test_a_decimal_that_nothing_holds_is_refused(tmp_path: Path) -> None:
    wide = pa.table({"id": [1], "n": pa.array([Decimal(10) ** 49], pa.decimal256(50, 0))})
    parquet.write_table(wide, tmp_path / "a.parquet")
    with pytest.raises(ExtractionError, match=r"n \(decimal256\(50, 0\)\)") as caught:
        read(tmp_path, "a.parquet")
    assert caught.value.code == "SRC-023"


def test_no_rows_have_a_schema(tmp_path: Path) -> None:
    frame(0).write_parquet(tmp_path / "a.parquet")
    assert_frame_equal(read(tmp_path, "a.parquet").rows, frame(0))


def test_first_bytes_win_over_the_suffix(tmp_path: Path) -> None:
    frame(3).write_parquet(tmp_path / "a.data")
    assert read(tmp_path, "a.data").rows.height == 3


@pytest.mark.parametrize("damage", ["cut", "head", "footer", "empty", "page"])
def test_damage(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(frame(1000).to_arrow(), path, compression="zstd", write_page_checksum=True)
    data = bytearray(path.read_bytes())
    match damage:
        case "cut":
            data = data[: len(data) // 2]
        case "head":
            data = data[100:]
        case "footer":
            data[-20:-10] = b"\xff" * 10
        case "empty":
            data = bytearray()
        case _:
            data[60] ^= 4  # found by the page's checksum alone
    path.write_bytes(data)
    with pytest.raises(ExtractionError) as caught:
        read(tmp_path, "a.parquet")
    assert caught.value.code == "SRC-017"


def test_files_whose_columns_differ_in_type(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame({"a": ["1"]}).write_parquet(tmp_path / "2.parquet")
    with pytest.raises(ExtractionError) as caught:
        read(tmp_path, "*.parquet")
    assert caught.value.code == "SRC-021"
    assert "Int64 in 1.parquet and String in 2.parquet" in str(caught.value)


@pytest.mark.parametrize("name", ["a.parquet.gz", "a.parquet.zst", "a.parquet.bz2", "a.parquet.zip"])
def test_inside_another_file(tmp_path: Path, name: str) -> None:
    frame().write_parquet(tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    match name.rpartition(".")[2]:
        case "gz":
            data = gzip.compress(data)
        case "zst":
            data = zstandard.compress(data)
        case "bz2":
            data = bz2.compress(data)
        case _:
            with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
                archive.writestr("inner.parquet", data)
            data = (tmp_path / "zip").read_bytes()
    (tmp_path / name).write_bytes(data)
    got = read(tmp_path, name)
    assert_frame_equal(got.rows, frame())
    assert [(fact.path, fact.bytes, fact.rows) for fact in got.files] == [(name, len(data), 120_000)]
