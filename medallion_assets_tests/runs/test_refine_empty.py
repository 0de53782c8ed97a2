"""A source that begins with an empty list: no rows and no columns, and the table waits for the next partition."""

from pathlib import Path

import polars as pl
import pytest

from medallion_assets.runs.refine import refine
from medallion_assets.tables.delta import DeltaTable
from medallion_assets_tests.silver.lake import CDC, Lake, plan_of

ROWS = pl.DataFrame({"id": ["7", "8"], "at": ["2024-01-02", "2024-01-02"], "v": ["a", "b"], "op": ["I", "I"]})
MODELS = [
    ("{model: scd_type_1, keys: id}", "full"),
    ("{model: scd_type_1, keys: id, order_by: at, delete_mode: tombstone}", "full"),
    ("{model: scd_type_2, keys: id, order_by: at, track: v, ignore_nulls: [v]}", "full"),
    ("{model: scd_type_2, keys: id, order_by: at}", CDC),
    ("{model: scd_type_2, keys: id, track_except: v, partition_by: [v]}", "incremental"),
    ("{model: event, keys: id, partition_by: [month(at)]}", "incremental"),
    ("{model: event}", "incremental"),
    ("{model: periodic_snapshot}", "full"),
]
CONTRACTS = [
    "",
    "columns: {id: int64, v: string}",
    "checks: [{rule: not_null, columns: v, on_failure: drop}]",
    "schema_mode: strict\ncolumns: {id: int64, at: date, v: string, op: string}",
]


@pytest.mark.parametrize(("silver", "load"), MODELS)
@pytest.mark.parametrize("more", CONTRACTS)
def test_an_empty_beginning_is_an_empty_table(tmp_path: Path, silver: str, load: str, more: str) -> None:
    lake, table = Lake(plan_of(silver, load, more)), DeltaTable(str(tmp_path / "t"), {}, "app")

    def run() -> int:
        return refine(
            lake.plan, lake.plan.silvers[0], store=lake.store, table=table,
            quarantine_store=lake.store,
        ).rows  # fmt: skip

    lake.commit("2024-01-01")
    assert (run(), table.scan().collect().height) == (0, 0)
    lake.commit("2024-01-02", ROWS)
    assert (run(), sorted(table.scan().collect()["id"].to_list())) == (2, [7, 8])
    lake.commit("2024-01-03")
    assert run() == (0 if load == "full" and "scd_type_1, keys: id}" in silver else 2)


@pytest.mark.parametrize("model", ["scd_type_1", "scd_type_2"])
@pytest.mark.parametrize("order", ["", ", order_by: at"])
def test_tombstones_need_no_attributes(model: str, order: str) -> None:
    lake = Lake(plan_of(f"{{model: {model}, keys: id{order}, delete_mode: tombstone}}", "full"))
    columns = ["id", "at"] if order else ["id"]
    lake.commit("2024-01-02", ROWS.select(columns))
    lake.commit("2024-01-03", ROWS.select(columns).head(1))
    done = lake.build().rows
    assert done.filter(pl.col("is_deleted"))["id"].to_list() == [8]
