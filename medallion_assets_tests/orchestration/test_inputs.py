"""A user's own asset, downstream of ours, takes rows as its parameter says."""

from collections.abc import Callable

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

from medallion_assets.orchestration.definitions import build_definitions, quiet
from medallion_assets.orchestration.handles import BronzeHandle, SilverHandle
from medallion_assets.orchestration.partitions import partitions_of
from medallion_assets_tests.orchestration.lakes import ScriptedProject
from medallion_assets_tests.orchestration.runs import failure_text, run

DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")
ALL = [f"{day}/{n}" for day in DAYS for n in (1, 2)]


def ids(rows: object) -> list[str]:
    match rows:
        case pl.LazyFrame():
            return rows.collect()["order_id"].to_list()
        case pl.DataFrame():
            return rows["order_id"].to_list()
        case pa.Table():
            return [str(v) for v in rows["order_id"].to_pylist()]
        case pads.Dataset():
            return [str(v) for v in rows.to_table()["order_id"].to_pylist()]
        case pd.DataFrame():
            return [str(v) for v in rows["order_id"]]
        case BronzeHandle() | SilverHandle():
            return rows.scan().collect()["order_id"].to_list()
        case _:
            raise AssertionError(type(rows))


def seen_by(project: ScriptedProject, instance: dg.DagsterInstance, asset: dg.AssetsDefinition) -> object:
    defs = dg.Definitions.merge(build_definitions(project), dg.Definitions(assets=[asset]))
    assert run(defs, instance, ["bronze/retail/orders", "silver/sales/orders"], [DAYS[0], DAYS[-1]]).success
    result = run(defs, instance, [asset.key.to_user_string()])
    assert result.success, failure_text(result)
    return result.output_for_node(asset.key.path[-1])


def _lazy(orders: pl.LazyFrame) -> list[str]:
    return ids(orders)


def _frame(orders: pl.DataFrame) -> list[str]:
    return ids(orders)


def _table(orders: pa.Table) -> list[str]:
    return ids(orders)


def _dataset(orders: pads.Dataset) -> list[str]:
    return ids(orders)


def _pandas(orders: pd.DataFrame) -> list[str]:
    return ids(orders)


def _plain(orders):  # type: ignore[no-untyped-def]
    assert isinstance(orders, pl.LazyFrame)
    return ids(orders)


def _bronze_handle(orders: BronzeHandle) -> list[str]:
    assert (orders.rows, orders.partitions) == (6, DAYS)
    return ids(orders)


def _silver_handle(orders: SilverHandle) -> list[str]:
    assert str(orders.entity) == "silver/sales/orders"
    return ids(orders)


@pytest.mark.parametrize("body", [_lazy, _frame, _table, _dataset, _pandas, _plain, _silver_handle])
def test_silver_by_annotation(
    project: ScriptedProject, instance: dg.DagsterInstance, body: Callable[[object], list[str]]
) -> None:
    ins = {"orders": dg.AssetIn(key=["silver", "sales", "orders"])}
    assert seen_by(project, instance, dg.asset(name="report", ins=ins)(body)) == ALL


@pytest.mark.parametrize("body", [_lazy, _frame, _table, _dataset, _pandas, _plain, _bronze_handle])
def test_bronze_by_annotation(
    project: ScriptedProject, instance: dg.DagsterInstance, body: Callable[[object], list[str]]
) -> None:
    ins = {"orders": dg.AssetIn(key=["bronze", "retail", "orders"])}
    assert seen_by(project, instance, dg.asset(name="report", ins=ins)(body)) == ALL


def in_partitions(
    project: ScriptedProject, instance: dg.DagsterInstance, key: list[str], days: tuple[str, ...]
) -> object:
    """What a daily asset downstream of ``key`` sees in a run of ``days``."""

    seen: list[list[str]] = []
    with quiet():

        @dg.asset(
            name="report",
            ins={"rows": dg.AssetIn(key=key)},
            partitions_def=partitions_of(project.plan("web.clicks").calendar),
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def report(rows: pl.LazyFrame) -> None:
            seen.append(ids(rows))

    defs = dg.Definitions.merge(build_definitions(project), dg.Definitions(assets=[report]))
    ours = ["bronze/web/clicks", "silver/web/clicks", "silver/web/clicks_by_day", "bronze/retail/orders"]
    assert run(defs, instance, [*ours, "silver/sales/orders"], [DAYS[0], DAYS[-1]]).success
    result = run(defs, instance, ["report"], days)
    assert result.success, failure_text(result)
    return seen[0]


@pytest.mark.parametrize(
    "key", [["bronze", "web", "clicks"], ["silver", "web", "clicks"], ["silver", "web", "clicks_by_day"]]
)
def test_a_partitioned_asset_gets_the_rows_of_its_partitions(
    project: ScriptedProject, instance: dg.DagsterInstance, key: list[str]
) -> None:
    assert in_partitions(project, instance, key, DAYS[1:2]) == ALL[2:4]
    assert in_partitions(project, instance, key, (DAYS[1], DAYS[2])) == ALL[2:]


def test_a_state_is_not_made_of_days(project: ScriptedProject, instance: dg.DagsterInstance) -> None:
    assert in_partitions(project, instance, ["silver", "sales", "orders"], DAYS[1:2]) == ALL


@pytest.mark.parametrize("key", [["bronze", "retail", "shops"], ["silver", "retail", "shops"]])
def test_what_was_never_built_says_so(project: ScriptedProject, instance: dg.DagsterInstance, key: list[str]) -> None:
    @dg.asset(name="report", ins={"rows": dg.AssetIn(key=key)})
    def report(rows: pl.LazyFrame) -> None:
        raise AssertionError

    defs = dg.Definitions.merge(build_definitions(project), dg.Definitions(assets=[report]))
    text = failure_text(run(defs, instance, ["report"]))
    assert "There is nothing in" in text
    assert "Fix: materialise it first." in text


def test_a_type_that_cannot_be_given_says_which_can(project: ScriptedProject, instance: dg.DagsterInstance) -> None:
    @dg.asset(name="report", ins={"rows": dg.AssetIn(key=["bronze", "retail", "shops"])})
    def report(rows: int) -> None:
        raise AssertionError

    defs = dg.Definitions.merge(build_definitions(project), dg.Definitions(assets=[report]))
    assert run(defs, instance, ["bronze/retail/shops"]).success
    text = failure_text(run(defs, instance, ["report"]))
    assert "bronze/retail/shops cannot be read as <class 'int'>" in text
    assert "annotate the parameter with pl.LazyFrame" in text


def test_the_io_manager_stores_nothing_for_others(project: ScriptedProject, instance: dg.DagsterInstance) -> None:
    @dg.asset(name="report", io_manager_key="lake_io")
    def report() -> int:
        return 1

    defs = dg.Definitions.merge(build_definitions(project), dg.Definitions(assets=[report]))
    assert "stores nothing" in failure_text(run(defs, instance, ["report"]))
