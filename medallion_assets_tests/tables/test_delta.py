"""Delta tables: one commit a run, its state with it, races lost cleanly, every type kept."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from subprocess import run
from sys import executable
from time import time_ns
from typing import Any

import deltalake
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from medallion_assets.errors import Conflict, StorageError
from medallion_assets.lake.ports import TableState
from medallion_assets.lake.results import Compacted, Held
from medallion_assets.tables.delta import DeltaTable

ROWS = pl.DataFrame({"id": [1, 2, 3], "name": ["a", "ü", None], "is_current": [True, False, True]})


def state(n: int, **more: Any) -> TableState:
    return replace(TableState(n, bronze_sha256="h" * 64, intent="i", accounting={"rows": 3}, content="c"), **more)


def opened(folder: Path) -> DeltaTable:
    return DeltaTable(str(folder / "system=a" / "v1"), {}, "app")


def held_by(table: DeltaTable) -> pl.DataFrame:
    return table.scan().collect().sort("id")


def test_a_table_that_is_not_there_has_neither_version_nor_state(tmp_path: Path) -> None:
    table = opened(tmp_path)
    assert (table.version, table.state(), table.absorbed) == (None, None, None)
    with pytest.raises(StorageError, match="SLV-006"):
        table.scan()
    with pytest.raises(StorageError, match="SLV-006"):
        table.advance(state(1))


def test_rows_and_state_are_one_commit(tmp_path: Path) -> None:
    told = state(3, quarantine="q", quarantined_by_partition={"2024-01-01": 2}, held=(Held(2, "2024-01-02", 200, 150),))
    assert opened(tmp_path).replace(ROWS, told, partition_by=["is_current"]) == 0
    table = opened(tmp_path)
    assert table.state() == told
    assert table.absorbed == 3
    assert_frame_equal(held_by(table), ROWS)
    assert deltalake.DeltaTable(str(tmp_path / "system=a" / "v1")).transaction_version("app") == 3


def test_state_alone_moves_no_row(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.replace(ROWS, state(1))
    files = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")}
    assert table.advance(state(2)) == 1
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")} == files
    again = opened(tmp_path)
    assert (again.state(), again.absorbed) == (state(2), 2)
    assert_frame_equal(held_by(again), ROWS)


def test_an_older_version_can_be_read(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.replace(ROWS, state(1))
    table.replace(ROWS.head(1), state(2))
    assert_frame_equal(table.scan(0).collect().sort("id"), ROWS)
    assert held_by(table).height == 1


@pytest.mark.parametrize("n", [1, 2])
def test_a_run_at_or_below_the_table_is_refused(tmp_path: Path, n: int) -> None:
    opened(tmp_path).replace(ROWS, state(2))
    with pytest.raises(StorageError, match="SLV-003"):
        opened(tmp_path).replace(ROWS.head(1), state(n))
    with pytest.raises(StorageError, match="SLV-003"):
        opened(tmp_path).advance(state(n))
    assert_frame_equal(held_by(opened(tmp_path)), ROWS)


def test_another_intent_may_build_the_same_commit_again(tmp_path: Path) -> None:
    opened(tmp_path).replace(ROWS, state(2))
    opened(tmp_path).replace(ROWS.head(1), TableState(2, "h" * 64, "other", {}, "c"))
    assert held_by(opened(tmp_path)).height == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [("create", "replace"), *((a, b) for a in ("replace", "advance") for b in ("replace", "advance"))],
)
def test_the_loser_of_a_race_is_told_and_changes_nothing(tmp_path: Path, first: str, second: str) -> None:
    if first != "create":
        opened(tmp_path).replace(ROWS, state(1))
    slow, quick = opened(tmp_path), opened(tmp_path)
    if first == "advance":
        quick.advance(state(2))
    else:
        quick.replace(ROWS, state(2))
    with pytest.raises(Conflict, match="SLV-002"):
        slow.advance(state(3)) if second == "advance" else slow.replace(ROWS.head(1), state(3))
    slow.reload()
    assert slow.state() == state(2)
    assert_frame_equal(held_by(slow), ROWS)


def test_a_restored_table_has_no_state_but_remembers_what_it_absorbed(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.replace(ROWS, state(1))
    table.replace(ROWS.head(1), state(2))
    deltalake.DeltaTable(str(tmp_path / "system=a" / "v1")).restore(0)
    table.reload()
    assert (table.state(), table.absorbed) == (None, 2)
    table.replace(ROWS, state(2))
    assert table.state() == state(2)


def of_small_files(folder: Path) -> DeltaTable:
    """Three files a slice, of bronze commits 1 to 3, in a table that had others before."""
    table = opened(folder)
    table.replace(ROWS.head(1), state(0), partition_by=["is_current"])
    table.replace(ROWS, state(1), partition_by=["is_current"])
    for n in (2, 3):
        more = ROWS.with_columns(pl.col("id") + 10 * n)
        table.patch(table.matching(more.select("id")), more, state(n), by=["id"])
    return table


def test_joining_small_files_changes_neither_rows_nor_state(tmp_path: Path) -> None:
    table = of_small_files(tmp_path)
    rows, told = held_by(table), table.state()
    done = table.optimize()
    assert (done.files_before, done.files) == (6, 2)
    assert done.bytes < done.bytes_before
    again = opened(tmp_path)
    assert_frame_equal(held_by(again), rows)
    assert (again.state(), again.absorbed, again.version) == (told, 3, 4)
    assert again.optimize().files == 2
    assert again.version == 4

    more = ROWS.with_columns(pl.col("id") + 90)
    again.patch(again.matching(ROWS.select("id")), more, state(4), by=["id"])
    changed = [*range(21, 24), *range(31, 34), *range(91, 94)]
    assert held_by(opened(tmp_path))["id"].to_list() == changed
    assert_frame_equal(opened(tmp_path).scan(3).collect().sort("id"), rows)


def test_a_table_that_is_not_there_has_no_files_to_join(tmp_path: Path) -> None:
    assert opened(tmp_path).optimize() == Compacted(0, 0, 0, 0)


def test_files_that_a_run_took_away_meanwhile_are_not_joined(tmp_path: Path) -> None:
    of_small_files(tmp_path)
    slow, quick = opened(tmp_path), opened(tmp_path)
    quick.patch(quick.matching(ROWS.select("id")), ROWS.head(0), state(4), by=["id"])
    with pytest.raises(Conflict, match="SLV-002"):
        slow.optimize()
    assert opened(tmp_path).state() == state(4)
    assert held_by(opened(tmp_path))["id"].to_list() == [21, 22, 23, 31, 32, 33]


@pytest.mark.parametrize("upkeep", ["optimize", "vacuum"])
@pytest.mark.parametrize("run", ["advance", "patch"])
def test_upkeep_behind_a_run_that_it_did_not_see_leaves_the_state_to_the_run(
    tmp_path: Path, upkeep: str, run: str
) -> None:
    of_small_files(tmp_path)
    slow, quick = opened(tmp_path), opened(tmp_path)
    if run == "advance":
        quick.advance(state(4, content="newer"))
    else:
        quick.patch(quick.matching(ROWS.select("id").clear()), ROWS, state(4, content="newer"), by=["id"])
    rows = held_by(quick)
    slow.optimize() if upkeep == "optimize" else slow.vacuum(timedelta(), delete=True)
    for table in (slow, opened(tmp_path)):
        assert (table.state(), table.absorbed) == (state(4, content="newer"), 4)
        assert_frame_equal(held_by(table), rows)
    assert opened(tmp_path).version == quick.version + {"optimize": 1, "vacuum": 2}[upkeep]  # type: ignore[operator]


def test_what_no_version_names_is_a_days_old_before_it_goes(tmp_path: Path) -> None:
    table, folder = opened(tmp_path), tmp_path / "system=a" / "v1"
    table.replace(ROWS, state(1))
    for name, hours in (("part-young.parquet", 23), ("part-old.parquet", 25)):
        (folder / name).write_bytes(b"PAR1")
        when = time_ns() / 1e9 - hours * 3600
        os.utime(folder / name, (when, when))
    assert table.vacuum(timedelta()) == ("part-old.parquet",)
    assert table.vacuum(timedelta(), delete=True) == ("part-old.parquet",)
    assert sorted(p.name for p in folder.glob("part-*.parquet") if p.stat().st_size == 4) == ["part-young.parquet"]
    assert (table.state(), table.vacuum(timedelta(hours=26))) == (state(1), ())


@pytest.mark.parametrize("upkeep", ["optimize", "vacuum"])
def test_a_run_behind_upkeep_that_it_did_not_see_is_told(tmp_path: Path, upkeep: str) -> None:
    slow, quick = of_small_files(tmp_path), opened(tmp_path)
    gone, rows = slow.matching(ROWS.select("id")), held_by(quick)
    quick.optimize() if upkeep == "optimize" else quick.vacuum(timedelta(), delete=True)
    writes: list[Callable[[], int]] = [
        lambda: slow.patch(gone, ROWS, state(4), by=["id"]),
        lambda: slow.replace(ROWS, state(4), partition_by=["is_current"]),
        lambda: slow.advance(state(4)),
    ]
    for write in writes:
        with pytest.raises(Conflict, match="SLV-002"):
            write()
    assert_frame_equal(held_by(opened(tmp_path)), rows)


def test_upkeep_by_other_tools_changes_no_row_and_no_state(tmp_path: Path) -> None:
    table = of_small_files(tmp_path)
    theirs = deltalake.DeltaTable(str(tmp_path / "system=a" / "v1"))
    theirs.optimize.compact()
    theirs.vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert opened(tmp_path).state() == table.state()
    deltalake.write_deltalake(theirs, ROWS.head(1), mode="append")
    assert opened(tmp_path).state() is None


def test_the_state_outlives_its_entry_of_the_log(tmp_path: Path) -> None:
    """Delta drops entries after a month behind a checkpoint; a table may have nothing new for so long."""
    table = of_small_files(tmp_path)
    table.optimize()
    folder = tmp_path / "system=a" / "v1"
    deltalake.DeltaTable(str(folder)).create_checkpoint()
    for n in range(4):
        (folder / "_delta_log" / f"{n:020d}.json").unlink()
    assert opened(tmp_path).state() == state(3)


def test_every_type_is_kept_or_widened_without_loss(tmp_path: Path) -> None:
    when = datetime(2024, 1, 1, 1, 2, 3, 456789, tzinfo=timezone.utc)
    rows = pl.DataFrame(
        {
            "id": pl.Series([1, 2], dtype=pl.UInt32),
            "u8": pl.Series([255, None], dtype=pl.UInt8),
            "u64": pl.Series([2**64 - 1, None], dtype=pl.UInt64),
            "at": pl.Series([time(1, 2, 3, 4), None]),
            "took": pl.Series([timedelta(seconds=1), None], dtype=pl.Duration("us")),
            "nothing": pl.Series([None, None], dtype=pl.Null),
            "ns": pl.Series([when, None], dtype=pl.Datetime("ns", "Europe/Berlin")),
            "naive": pl.Series([when.replace(tzinfo=None), None], dtype=pl.Datetime("us")),
            "d": pl.Series([date(1, 1, 1), None]),
            "x": pl.Series([Decimal("-1.50"), None], dtype=pl.Decimal(38, 2)),
            "f": pl.Series([0.1, None], dtype=pl.Float32),
            "raw": pl.Series([b"\x00\xff", None]),
            "ok": pl.Series([True, None]),
        }
    )
    table = opened(tmp_path)
    table.replace(rows, state(1))
    expected = rows.with_columns(
        pl.col("id").cast(pl.Int64), pl.col("u8").cast(pl.Int16), pl.col("u64").cast(pl.Decimal(20, 0)),
        pl.Series("at", ["01:02:03.000004", None]), pl.col("took").cast(pl.Int64), pl.col("nothing").cast(pl.String),
        pl.col("ns").dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC")),
    )  # fmt: skip
    assert_frame_equal(held_by(table), expected)


def test_partition_values_of_every_kind_come_back(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "id": [1, 2, 3],
            "text": ["a/b=ü %", "", None],
            "day": [date(2024, 2, 29), None, date(2024, 3, 1)],
            "flag": [True, None, False],
        }
    )
    table = opened(tmp_path)
    table.replace(rows, state(1), partition_by=["text", "day", "flag"])
    # Delta itself takes an empty partition value for null.
    assert_frame_equal(held_by(table), rows.with_columns(pl.col("text").replace({"": None})))


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.replace(ROWS.clear(), state(1), partition_by=["is_current"])
    assert_frame_equal(held_by(opened(tmp_path)), ROWS.clear())


def test_columns_and_partitions_may_change(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.replace(ROWS, state(1), partition_by=["is_current"])
    other = ROWS.select("id", extra=pl.lit("x"))
    table.replace(other, state(2), partition_by=["extra"])
    assert_frame_equal(held_by(opened(tmp_path)), other)


def test_a_broken_log_is_said_to_be_one(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.replace(ROWS, state(1))
    log = tmp_path / "system=a" / "v1" / "_delta_log" / f"{0:020d}.json"
    log.write_text(json.dumps({"nonsense": 1}))
    with pytest.raises(StorageError, match="SLV-005"):
        opened(tmp_path)


def test_writing_and_reading_need_neither_pyarrow_nor_numpy(tmp_path: Path) -> None:
    code = f"""
import sys
import polars as pl
from medallion_assets.lake.ports import TableState
from medallion_assets.tables.delta import DeltaTable
table = DeltaTable({str(tmp_path / "t")!r}, {{}}, "app")
rows = pl.DataFrame({{"id": [1, 2], "f": [True, False]}})
table.replace(rows, TableState(1, "h", "i", {{}}, "c"), partition_by=["f"])
assert table.scan().collect().height == 2
print([m for m in ("pyarrow", "numpy", "pandas") if m in sys.modules])
"""
    assert run([executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_full_disk_is_an_error_of_ours(tmp_path: Path) -> None:
    """In a process of its own: the limit holds for every file that it writes."""
    script = f"""
import resource
import polars as pl
from medallion_assets.errors import StorageError
from medallion_assets.lake.ports import TableState
from medallion_assets.tables.delta import DeltaTable
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
table = DeltaTable({str(tmp_path / "t")!r}, {{}}, "app")
try:
    table.replace(pl.DataFrame({{"a": range(1000)}}), TableState(1, "0" * 64, "intent", {{}}, "content"))
except StorageError as error:
    print(error.code, "File too large" in str(error), "\\x1b" in str(error))
"""
    done = run([executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "SLV-005 True False\n", done.stderr
