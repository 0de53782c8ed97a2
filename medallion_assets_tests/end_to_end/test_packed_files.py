"""Packed files from the command line to silver."""

import bz2
import io
import zipfile

import polars as pl
import pytest

from medallion_assets_tests.end_to_end.project import Project, day

INTENT = """
system: shop
table: orders
source: {type: file, path: "data/orders_{run_date}.*"%s}
load: full
partitions: {start: 2024-01-01}
silver: {model: scd_type_1, keys: id}
"""
ROWS = b"id,name\n1,anna\n2,bert\n"


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("suffix", "data", "more"),
    [
        ("csv.bz2", bz2.compress(ROWS), ""),
        ("zip", zipped({"1.csv": b"id,name\n1,anna\n", "2.csv": b"id,name\n2,bert\n"}), ""),
        ("zip", zipped({"note.txt": b"of 2024\n\n", "o/rows.csv": ROWS}), ", member: 'o/*.csv'"),
        ("dat", zipped({"rows": ROWS}), ", format: csv, compression: zip"),
    ],
)
def test_rows_come_out_of_it(project: Project, suffix: str, data: bytes, more: str) -> None:
    project.write("intents/orders.yaml", INTENT % more)
    project.write(f"data/orders_{day(0)}.{suffix}", data)
    project.medallion("run", "--date", day(0)).succeeded()

    rows = project.silver("shop", "orders").select(pl.col("id").cast(pl.String), "name")
    assert sorted(rows.rows()) == [("1", "anna"), ("2", "bert")]


def test_a_damaged_member_leaves_nothing(project: Project) -> None:
    data = zipped({"1.csv": b"id,name\n1,anna\n", "2.csv": b"id,name\n2,bert\n"})
    project.write("intents/orders.yaml", INTENT % "")
    at = data.index(b"2.csv") + 8
    project.write(f"data/orders_{day(0)}.zip", data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
    failed = project.medallion("run", "--date", day(0))

    assert failed.exit_code == 2
    assert "SRC-007" in failed.output
    assert f"orders_{day(0)}.zip/2.csv" in failed.output
    assert project.commits("shop", "orders") == []
    assert not list((project.root / "lake").rglob("*.parquet"))
