"""The example intents on S3 and Azure: only platform.yaml changes, and every table is the local lake's."""

import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from medallion_assets.cli.app import main
from medallion_assets.lake.manifest import Commit
from medallion_assets.project import Project
from medallion_assets_tests.end_to_end.airports import sample
from medallion_assets_tests.forks import forks
from medallion_assets_tests.services.objects import AzureServer, S3Server

ROOT = Path(__file__).parents[2]
RANGE = ("--from", "2013-01-01", "--to", "2026-09-05")


def project(folder: Path, store: dict[str, object]) -> Path:
    """The examples, with every eighth airport."""
    shutil.copytree(ROOT / "intents", folder / "intents", ignore=shutil.ignore_patterns("airports"))
    sample(ROOT / "intents/data/airports", folder / "intents/data/airports")
    platform = {"stores": {"lake": store}, "defaults": {"partitions": {"start": "2013-01-01"}}}
    (folder / "platform.yaml").write_text(json.dumps(platform), "utf-8")  # JSON is YAML
    return folder


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = project(tmp_path_factory.mktemp("local"), {"type": "local", "root": "./lake"})
    assert main(["-C", str(root), "run", "--plain", *RANGE]) == 0
    return Project.load(root)


def everything(loaded: Project) -> tuple[dict[str, pl.DataFrame], dict[str, list[tuple[object, ...]]]]:
    """Every silver table, and what is committed of every dataset but what names an attempt or a time."""
    tables = {
        str(silver.entity): loaded.table(silver).scan().collect() for plan in loaded.plans for silver in plan.silvers
    }
    commits = {plan.name: [told(commit) for commit in loaded.head(plan).live] for plan in loaded.plans}
    return tables, commits


def told(commit: Commit) -> tuple[object, ...]:
    load = commit.load
    return (commit.n, load.partition, load.rows, load.content, load.schema, [part.sha256 for part in load.parts])


def same(loaded: Project, local: Project) -> None:
    (tables, commits), (local_tables, local_commits) = everything(loaded), everything(local)
    assert commits == local_commits
    assert tables.keys() == local_tables.keys()
    for name, table in tables.items():
        assert_frame_equal(table, local_tables[name], check_row_order=False)


@pytest.fixture(params=["s3", "azure"])
def store(request: pytest.FixtureRequest) -> dict[str, object]:
    server: S3Server | AzureServer = request.getfixturevalue(f"{request.param}_server")
    return server.store(f"synthetic/{uuid4().hex}")


def clear(loaded: Project) -> None:
    lake = loaded.store("lake")
    for info in list(lake.list("")):
        lake.delete(info.path)


@pytest.mark.service
def test_every_example_gives_the_same_lake(
    tmp_path: Path, store: dict[str, object], local: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project(tmp_path, store)
    assert main(["-C", str(root), "run", "--plain", *RANGE]) == 0, capsys.readouterr()
    loaded = Project.load(root)
    same(loaded, local)
    capsys.readouterr()
    assert main(["-C", str(root), "run", "--plain", *RANGE]) == 0
    assert "Nothing new" in capsys.readouterr().out
    assert main(["-C", str(root), "status", "--verify"]) == 0
    assert main(["-C", str(root), "doctor"]) == 0
    clear(loaded)


ORDERS = """
system: shop
table: orders
source: {type: file, path: "data/orders_{run_date}.csv"}
load: incremental
silver: {model: scd_type_2, keys: id, order_by: at}
"""


def _ingest_and_refine(root: str, key: str) -> int:
    loaded = Project.load(Path(root))
    plan = loaded.plan("shop.orders")
    done = loaded.ingest(plan, loaded.partition(plan, key))
    loaded.refine(plan, plan.silvers[0])
    return done.commit.n


@pytest.mark.service
def test_ten_runs_at_once_commit_one_after_another(tmp_path: Path, store: dict[str, object]) -> None:
    """Gapless numbers, every row once, and one table that has absorbed all: Delta's race has losers who try again."""
    root = project(tmp_path, store)
    shutil.rmtree(root / "intents")
    (root / "intents").mkdir()
    (root / "data").mkdir()
    (root / "intents/orders.yaml").write_text(ORDERS, "utf-8")
    days = [date(2024, 1, day).isoformat() for day in range(1, 11)]
    for n, day in enumerate(days):
        (root / f"data/orders_{day}.csv").write_text(f"id,at,name\n{n},{day},a\n99,{day},{n}\n", "utf-8")
    with ProcessPoolExecutor(10, mp_context=forks()) as pool:
        numbers = list(pool.map(_ingest_and_refine, [str(root)] * 10, days))
    loaded = Project.load(root)
    plan = loaded.plan("shop.orders")
    assert sorted(numbers) == list(range(1, 11))
    assert [commit.n for commit in loaded.head(plan).live] == list(range(1, 11))
    _ingest_and_refine(str(root), days[0])
    table = loaded.table(plan.silvers[0]).scan().collect().sort("id", "effective_from")
    assert table["id"].to_list() == [*range(10), *[99] * 10]
    assert table.filter(pl.col("id") == 99)["name"].to_list() == [str(n) for n in range(10)]
    assert table.filter(pl.col("id") == 99)["is_current"].to_list() == [False] * 9 + [True]
    clear(loaded)
