"""The same on files and a lake on disk: intents in, Delta out, judged as Dagster shows it."""

import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pyarrow.dataset as pads
import pytest

from medallion_assets.orchestration.definitions import build_definitions
from medallion_assets.orchestration.runner import execute
from medallion_assets.plan.calendar import partition_of
from medallion_assets.project import Project
from medallion_assets_tests.orchestration.lakes import write_project
from medallion_assets_tests.orchestration.runs import evaluations, failure_text, materializations, run

SHOPS = """
system: retail
table: shops
domain: sales
partitions: {cadence: daily, start: 2024-01-01, end: 2024-02-01}
source: {type: file, path: "data/shops_{run_date}.csv"}
load: full
columns: {id: {type: int64, nullable: false}}
silver: {model: scd_type_2, keys: id}
checks: [{rule: not_null, columns: name}]
"""
BRONZE, SILVER = "bronze/retail/shops", "silver/sales/shops"
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")


@pytest.fixture
def shops(tmp_path: Path) -> Project:
    root = write_project(tmp_path, {"shops": SHOPS})
    (root / "data").mkdir()
    for day, rows in zip(DAYS, ("1,Ann\n2,Bob\n", "1,Ann\n", "1,Anna\n2,Bob\n"), strict=True):
        (root / f"data/shops_{day}.csv").write_text(f"id,name\n{rows}")
    return Project.load(root, variables={})


def test_a_range_builds_the_history(shops: Project, instance: dg.DagsterInstance) -> None:
    seen: list[pl.DataFrame] = []

    @dg.asset(ins={"rows": dg.AssetIn(key=["silver", "sales", "shops"])})
    def report(rows: pl.LazyFrame) -> None:
        seen.append(rows.select("id", "name", "is_current").sort("id", "name").collect())

    defs = dg.Definitions.merge(build_definitions(shops), dg.Definitions(assets=[report]))
    result = run(defs, instance, [BRONZE, SILVER], [DAYS[0], DAYS[2]])
    assert result.success, failure_text(result)
    assert run(defs, instance, ["report"]).success

    expected = [(1, "Ann", False), (1, "Anna", True), (2, "Bob", False), (2, "Bob", True)]
    assert sorted(seen[0].rows()) == expected
    of = materializations(instance, BRONZE)
    assert [of[day]["dagster/partition_row_count"] for day in DAYS] == [2, 1, 2]
    assert str(of[DAYS[0]]["dagster/uri"]).endswith("lake/bronze/system=retail/table=shops/pattern=full/dt=2024-01-01")
    assert materializations(instance, SILVER)[DAYS[2]]["dagster/row_count"] == 4
    for asset, planned in ((BRONZE, shops.plan("retail.shops").checks), (SILVER, shops.plans[0].silvers[0].checks)):
        for check in planned:
            verdicts = evaluations(instance, asset, check.name)
            assert [v[:2] for v in verdicts] == [*((day, True) for day in DAYS), (None, True)], (check.name, verdicts)


def test_a_flipped_bit_in_bronze_stops_silver_and_loading_again_mends_it(
    shops: Project, instance: dg.DagsterInstance
) -> None:
    defs = build_definitions(shops)
    assert run(defs, instance, [BRONZE], DAYS[:1]).success
    (part,) = (shops.root / "lake/bronze").rglob("part-*.parquet")
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.chmod(0o644)
    part.write_bytes(data)

    silver_alone = run(defs, instance, [SILVER], DAYS[:1])
    again = run(defs, instance, [BRONZE, SILVER], DAYS[:1])

    assert not silver_alone.success
    assert part.name in failure_text(silver_alone)
    assert again.success, failure_text(again)
    assert materializations(instance, SILVER)[DAYS[0]]["dagster/row_count"] == 2


def test_a_missing_file_says_what_to_do(shops: Project, instance: dg.DagsterInstance) -> None:
    text = failure_text(run(build_definitions(shops), instance, [BRONZE, SILVER], ["2024-01-09"]))
    assert "SRC-002" in text
    assert "shops_2024-01-09.csv" in text


def test_a_row_that_breaks_a_rule_is_seen_on_its_table(shops: Project, instance: dg.DagsterInstance) -> None:
    (shops.root / f"data/shops_{DAYS[1]}.csv").write_text("id,name\n1,\n")
    shown = SHOPS.replace("columns: name}]", "columns: name, on_failure: warn}]").replace(
        "keys: id}", "keys: id, normalize: {empty_strings_as_null: true}}"
    )
    project = Project.load(write_project(shops.root, {"shops": shown}), variables={})
    assert run(build_definitions(project), instance, [BRONZE, SILVER], [DAYS[0], DAYS[1]]).success
    verdicts = evaluations(instance, SILVER, "not_null_name")
    assert verdicts[-1][1] is False


def test_loading_the_same_again_keeps_the_data_version(shops: Project, instance: dg.DagsterInstance) -> None:
    defs = build_definitions(shops)
    for _ in range(2):
        assert run(defs, instance, [BRONZE, SILVER], DAYS[:1]).success
    for key in (BRONZE, SILVER):
        records = instance.fetch_materializations(dg.AssetKey.from_user_string(key), limit=10).records
        found = [r.asset_materialization for r in records]
        assert len({(m.tags or {})["dagster/data_version"] for m in found if m is not None}) == 1
        assert [m.metadata["written"].value for m in found if m is not None] == [False, True]


def test_a_recorded_run_equals_a_plain_one(shops: Project, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    plan = shops.plan("retail.shops")
    done = execute(shops, [plan], {plan.name: [partition_of(plan.calendar, d) for d in (DAYS[0], DAYS[2])]}, instance)
    recorded = shops.table(plan.silvers[0]).scan().collect()
    assert done.success

    other = tmp_path / "plain"
    shutil.copytree(shops.root / "data", write_project(other, {"shops": SHOPS}) / "data")
    plain = Project.load(other, variables={})
    for day in (DAYS[0], DAYS[2]):
        plain.ingest(plan, partition_of(plan.calendar, day))
    plain.refine(plan, plan.silvers[0])
    built = plain.table(plan.silvers[0]).scan().collect()
    assert (
        recorded.sort("id", "effective_from")
        .drop("_bronze_part")
        .equals(built.sort("id", "effective_from").drop("_bronze_part"))
    )


def test_silver_as_an_arrow_dataset(shops: Project, instance: dg.DagsterInstance) -> None:
    counts: list[int] = []

    @dg.asset(ins={"rows": dg.AssetIn(key=["silver", "sales", "shops"])})
    def report(rows: pads.Dataset) -> None:
        counts.append(rows.count_rows())

    defs = dg.Definitions.merge(build_definitions(shops), dg.Definitions(assets=[report]))
    assert run(defs, instance, [BRONZE, SILVER], DAYS[:1]).success
    assert run(defs, instance, ["report"]).success
    assert counts == [2]
