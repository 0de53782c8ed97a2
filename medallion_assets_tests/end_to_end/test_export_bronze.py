"""The parts of bronze as CSV."""

import hashlib
import json
from pathlib import Path

import pytest

from medallion_assets_tests.end_to_end.project import Project, day

ORDERS = """
system: shop
table: orders
source: {type: file, path: "data/{run_date}.csv"}
load: {pattern: incremental, formats: [parquet, csv], chunk: {rows: 2}}
partitions: {start: 2024-01-01}
quarantine: {max_rows: 1}
silver: {model: scd_type_1, keys: id}
"""
FIRST, SECOND = 'id,name\n1,ann\n2,\n3,"b,c"\n', "id,name\n4,dan\n"


@pytest.fixture
def shop(project: Project) -> Project:
    project.write("intents/orders.yaml", ORDERS)
    project.write(f"data/{day(0)}.csv", FIRST + "5,too,many\n")
    project.write(f"data/{day(1)}.csv", SECOND)
    project.medallion("run", "--from", day(0), "--to", day(1)).succeeded()
    return project


def folder(project: Project) -> Path:
    return project.root / "lake/exports/csv/bronze/system=shop/table=orders"


def exported(project: Project) -> list[str]:
    """What each part says that the index names, in order; each is named after one of Parquet. Nothing else is there."""
    index = json.loads((folder(project) / "_export.json").read_text())
    there = {str(p.relative_to(folder(project))) for p in folder(project).rglob("*") if p.is_file()}
    assert there == {"_export.json", *(part["path"] for part in index["parts"])}
    bronze = project.root / "lake/bronze/system=shop/table=orders"
    texts = []
    for part in index["parts"]:
        data = (folder(project) / part["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (part["bytes"], part["sha256"])
        assert (bronze / part["path"]).with_suffix(".parquet").is_file()
        texts.append(data.decode())
    return texts


DAY_0 = ['id,name\n1,ann\n2,""\n', 'id,name\n3,"b,c"\n']


def test_every_part_has_a_copy_that_a_reader_of_csv_understands(shop: Project) -> None:
    assert exported(shop) == [*DAY_0, SECOND]
    before = {path: path.stat().st_mtime_ns for path in folder(shop).rglob("*")}
    shop.medallion("run", "--date", day(0)).succeeded()
    assert {path: path.stat().st_mtime_ns for path in folder(shop).rglob("*")} == before


def test_what_is_replaced_goes(shop: Project) -> None:
    shop.write(f"data/{day(0)}.csv", "id,name\n9,new\n")
    shop.medallion("run", "--date", day(0)).succeeded()
    assert sorted(exported(shop)) == sorted(["id,name\n9,new\n", SECOND])


def test_what_is_lost_is_mended(shop: Project) -> None:
    for path in folder(shop).rglob("*.csv"):
        path.write_text("spoiled")
    (folder(shop) / "_export.json").unlink()
    (folder(shop) / "stray.csv").write_text("left by a kill")
    shop.medallion("repair").succeeded()
    assert exported(shop) == [*DAY_0, SECOND]


def test_expunged_rows_are_in_no_copy(shop: Project) -> None:
    shop.medallion("expunge", "shop.orders", "--keys", "3", "--live", "--delete").succeeded()
    assert exported(shop) == [DAY_0[0], SECOND]
