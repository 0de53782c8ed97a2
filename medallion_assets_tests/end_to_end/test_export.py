"""Silver tables as CSV."""

import hashlib
import json
from pathlib import Path

import pytest

from medallion_assets_tests.end_to_end.project import Project, day

ORDERS = """
system: shop
table: orders
source: {type: file, path: "data/{run_date}.jsonl"}
load: full
partitions: {start: 2024-01-01}
silver: {model: scd_type_1, keys: id, exports: csv}
"""


@pytest.fixture
def shop(project: Project) -> Project:
    project.write("intents/orders.yaml", ORDERS)
    project.rows(f"data/{day(0)}.jsonl", [{"id": 1, "name": "a,b", "at": "2024-01-01T00:00:00Z", "tags": ["x"]},
                                          {"id": 2, "name": "", "at": None, "tags": None}])  # fmt: skip
    return project


def folder(project: Project) -> Path:
    return project.root / "lake/exports/csv/silver/domain=shop/entity=orders/v1"


def exported(project: Project) -> str:
    """The parts that the index names, each of the size and hash that it says; nothing else is there."""
    index = json.loads((folder(project) / "_export.json").read_text())
    assert {path.name for path in folder(project).iterdir()} == {"_export.json", *(p["path"] for p in index["parts"])}
    text = ""
    for part in index["parts"]:
        data = (folder(project) / part["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (part["bytes"], part["sha256"])
        text += data.decode()
    return text


@pytest.mark.parametrize("recorded", [(), ("--dagster",)])
def test_what_the_table_holds_is_exported_once_a_version(shop: Project, recorded: tuple[str, ...]) -> None:
    shop.medallion("run", *recorded, "--date", day(0)).succeeded()
    assert exported(shop) == (
        "id,name,at,tags,_run_date,_bronze_part\n"
        '1,"a,b",2024-01-01T00:00:00.000000+00:00,"[""x""]",2024-01-01,1/1\n'
        '2,"",,,2024-01-01,1/1\n'
    )
    index = folder(shop) / "_export.json"
    written = index.stat().st_mtime_ns
    shop.medallion("run", *recorded, "--date", day(0)).succeeded()
    assert index.stat().st_mtime_ns == written

    shop.rows(f"data/{day(1)}.jsonl", [{"id": 1, "name": "c", "at": None, "tags": None}])
    shop.medallion("run", *recorded, "--date", day(1), "--allow-deletes").succeeded()
    assert exported(shop) == "id,name,at,tags,_run_date,_bronze_part\n1,c,,,2024-01-02,2/1\n"


def test_an_export_that_lost_a_part_is_made_again(shop: Project) -> None:
    shop.medallion("run", "--date", day(0)).succeeded()
    before = exported(shop)
    next(folder(shop).glob("*.csv")).unlink()
    shop.medallion("run", "--date", day(0)).succeeded()
    assert exported(shop) == before
