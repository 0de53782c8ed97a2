"""The parts of bronze as CSV."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
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


NESTED = """
system: shop
table: orders
source: {type: file, path: "data/{run_date}.jsonl"}
load: {pattern: full, formats: csv}
partitions: {start: 2024-01-01}
silver: {model: scd_type_1, keys: id}
"""


def test_nulls_empty_texts_and_nested_values_are_told_apart(project: Project) -> None:
    """As in exports of silver; to ask for CSV alone is to ask for it beside Parquet."""
    project.write("intents/orders.yaml", NESTED)
    project.rows(f"data/{day(0)}.jsonl", [{"id": 1, "name": "a,b", "at": "2024-01-01T00:00:00Z", "tags": ["x"]},
                                          {"id": 2, "name": "", "at": None, "tags": None}])  # fmt: skip
    project.medallion("run", "--date", day(0)).succeeded()
    assert exported(project) == ['id,name,at,tags\n1,"a,b",2024-01-01T00:00:00Z,"[""x""]"\n2,"",,\n']


def test_a_run_killed_between_commit_and_copies_is_mended(shop: Project) -> None:
    shop.write(f"data/{day(2)}.csv", "id,name\n6,eve\n7,fay\n8,gus\n")
    before = exported(shop)
    deadly = (
        "import os, sys; from medallion_assets.stores.local import LocalStore\n"
        "from medallion_assets.cli.app import main\n"
        "put = LocalStore.put\n"
        "def die(self, path, data):\n"
        "    put(self, path, data)\n"
        "    if path.startswith('exports/'): os.kill(os.getpid(), 9)\n"
        "LocalStore.put = die; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", deadly, "--project", str(shop.root), "run", "--date", day(2)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert len(shop.commits("shop", "orders")) == 3
    shop.medallion("repair").succeeded()
    assert exported(shop) == [*before, "id,name\n6,eve\n7,fay\n", "id,name\n8,gus\n"]


def test_copies_that_cannot_be_written_are_no_reason_for_a_load_to_fail(shop: Project) -> None:
    shutil.rmtree(shop.root / "lake/exports/csv/bronze")
    shop.write("lake/exports/csv/bronze", "a file in the way")
    shop.write(f"data/{day(2)}.csv", "id,name\n6,eve\n")
    shop.medallion("run", "--date", day(2)).succeeded()
    assert shop.silver("shop", "orders").get_column("id").sort().to_list() == [1, 2, 3, 4, 6]
    assert shop.medallion("repair").exit_code == 3


@pytest.mark.parametrize("index", ["[1]", '{"parts": [1]}', '{"parts": [{"path": 1}]}', '{"parts": {}}', "\xff"])
def test_an_index_of_somebody_else_is_made_anew(shop: Project, index: str) -> None:
    (folder(shop) / "_export.json").write_bytes(index.encode("latin-1"))
    shop.medallion("run", "--date", day(0)).succeeded()
    assert exported(shop) == [*DAY_0, SECOND]


def test_a_part_that_is_lost_costs_no_other_its_copy(shop: Project) -> None:
    lost = shop.parts("shop", "orders")[0]
    lost.unlink()
    shutil.rmtree(folder(shop))
    shop.write(f"data/{day(2)}.csv", "id,name\n6,eve\n")
    shop.medallion("run", "--date", day(2)).succeeded()
    assert exported(shop) == [DAY_0[1], SECOND, "id,name\n6,eve\n"]
    failed = shop.medallion("repair")
    assert (failed.exit_code, "BRZ-010" in failed.output) == (3, True), failed.output


def test_no_copy_keeps_what_was_expunged_after_csv_left_the_intent(shop: Project) -> None:
    shop.write("intents/orders.yaml", ORDERS.replace(", csv]", "]"))
    shop.medallion("expunge", "shop.orders", "--keys", "3", "--live", "--delete").succeeded()
    assert [path for path in folder(shop).rglob("*") if path.is_file()] == []


def test_what_the_intent_asks_for_no_longer_goes_by_repair(shop: Project) -> None:
    shop.write("intents/orders.yaml", ORDERS.replace(", csv]", "]"))
    shop.medallion("repair").succeeded()
    assert [path for path in folder(shop).rglob("*") if path.is_file()] == []


def test_gc_takes_copies_without_a_load(shop: Project) -> None:
    stray = folder(shop) / "stray.csv"
    stray.write_text("left by a kill")
    shop.medallion("gc").succeeded()
    assert stray.is_file()
    shop.medallion("gc", "--delete").succeeded()
    assert exported(shop) == [*DAY_0, SECOND]
