"""What every kind of table does: one commit a run, its state with it, races lost cleanly, every type kept."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from medallion_assets.errors import Conflict, StorageError
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import FILE, Store, Table, TableState
from medallion_assets.lake.results import Compacted, Held
from medallion_assets.stores.local import LocalStore
from medallion_assets.stores.memory import MemoryStore
from medallion_assets.tables.delta import DeltaTable
from medallion_assets.tables.parquet import ParquetTable
from medallion_assets_tests.stores.conftest import opened as opened_store
from medallion_assets_tests.tables.lake import ROWS, held_by, state

Open = Callable[[], Table]
"""The same table, as it is now."""
Put = Callable[[pl.DataFrame], Pieces]
"""Rows as a run gives them to a table."""


@pytest.fixture(
    params=[
        # No Delta on moto: deltalake keeps the interpreter's lock while it waits for an answer of this very process.
        ("delta", "local"),
        ("parquet", "local"),
        ("parquet", "memory"),
        ("parquet", "moto"),
        *(
            pytest.param((format_, where), marks=pytest.mark.service)
            for format_ in ("delta", "parquet")
            for where in ("s3", "azure")
        ),
    ],
    ids=" on ".join,
)
def open_(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    format_, where = request.param
    if where == "local":
        store: Store = LocalStore(tmp_path)
    elif where == "memory":
        store = MemoryStore()
    elif where == "moto":
        store = opened_store(request.getfixturevalue("moto"))
    else:
        store = opened_store(request.getfixturevalue(f"{where}_server").store())
    path = f"system=a/v1-{uuid4().hex}"
    if format_ == "delta":
        return lambda: DeltaTable(store.url(path), store.options, "app")
    return lambda: ParquetTable(store, path, "scd_type_2")


@pytest.fixture(params=["memory", "files"])
def put(request: pytest.FixtureRequest, tmp_path: Path) -> Put:
    """Rows in memory, or in files since memory may not hold them."""

    def in_files(rows: pl.DataFrame) -> Pieces:
        files = tuple(tmp_path / f"{uuid4().hex}.parquet" for _ in range(2))
        for file, some in zip(files, (rows.head(1), rows.slice(1)), strict=True):
            some.write_parquet(file)
        return Pieces(files)

    return Pieces.of if request.param == "memory" else in_files


def test_a_table_that_is_not_there_has_neither_version_nor_state(open_: Open) -> None:
    table = open_()
    assert (table.version, table.state(), table.absorbed) == (None, None, None)
    with pytest.raises(StorageError, match="SLV-006"):
        table.scan()
    with pytest.raises(StorageError, match="SLV-006"):
        table.advance(state(1))


def test_rows_and_state_are_one_commit(open_: Open, put: Put) -> None:
    told = state(3, quarantine="q", quarantined_by_partition={"2024-01-01": 2}, held=(Held(2, "2024-01-02", 200, 150),))
    assert open_().replace(put(ROWS), told, partition_by=["is_current"]) == 0
    table = open_()
    assert table.state() == told
    assert table.absorbed == 3
    assert_frame_equal(held_by(table), ROWS)


def test_an_older_version_can_be_read(open_: Open, put: Put) -> None:
    table = open_()
    table.replace(put(ROWS), state(1))
    table.replace(put(ROWS.head(1)), state(2))
    assert_frame_equal(table.scan(0).collect().sort("id"), ROWS)
    assert held_by(table).height == 1


@pytest.mark.parametrize("n", [1, 2])
def test_a_run_at_or_below_the_table_is_refused(open_: Open, n: int) -> None:
    open_().replace(Pieces.of(ROWS), state(2))
    with pytest.raises(StorageError, match="SLV-003"):
        open_().replace(Pieces.of(ROWS.head(1)), state(n))
    with pytest.raises(StorageError, match="SLV-003"):
        open_().advance(state(n))
    assert_frame_equal(held_by(open_()), ROWS)


def test_another_intent_may_build_the_same_commit_again(open_: Open) -> None:
    open_().replace(Pieces.of(ROWS), state(2))
    open_().replace(Pieces.of(ROWS.head(1)), TableState(2, "h" * 64, "other", {}, "c"))
    assert held_by(open_()).height == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [("create", "replace"), *((a, b) for a in ("replace", "advance") for b in ("replace", "advance"))],
)
def test_the_loser_of_a_race_is_told_and_changes_nothing(open_: Open, put: Put, first: str, second: str) -> None:
    if first != "create":
        open_().replace(put(ROWS), state(1))
    slow, quick = open_(), open_()
    if first == "advance":
        quick.advance(state(2))
    else:
        quick.replace(put(ROWS), state(2))
    with pytest.raises(Conflict, match="SLV-002"):
        slow.advance(state(3)) if second == "advance" else slow.replace(put(ROWS.head(1)), state(3))
    slow.reload()
    assert slow.state() == state(2)
    assert_frame_equal(held_by(slow), ROWS)


def test_a_table_that_is_not_there_has_no_files_to_join(open_: Open) -> None:
    assert open_().optimize() == Compacted(0, 0, 0, 0)


def test_every_type_is_kept_or_widened_without_loss(open_: Open, put: Put) -> None:
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
    table = open_()
    table.replace(put(rows), state(1))
    expected = rows.with_columns(
        pl.col("id").cast(pl.Int64), pl.col("u8").cast(pl.Int16), pl.col("u64").cast(pl.Decimal(20, 0)),
        pl.Series("at", ["01:02:03.000004", None]), pl.col("took").cast(pl.Int64), pl.col("nothing").cast(pl.String),
        pl.col("ns").dt.convert_time_zone("UTC").cast(pl.Datetime("us", "UTC")),
    )  # fmt: skip
    assert_frame_equal(held_by(table), expected)


def test_partition_values_of_every_kind_come_back(open_: Open, put: Put) -> None:
    rows = pl.DataFrame(
        {
            "id": [1, 2, 3],
            "text": ["a/b=ü %", "", None],
            "day": [date(2024, 2, 29), None, date(2024, 3, 1)],
            "flag": [True, None, False],
        }
    )
    table = open_()
    table.replace(put(rows), state(1), partition_by=["text", "day", "flag"])
    # Delta itself takes an empty partition value for null.
    delta = isinstance(table, DeltaTable)
    assert_frame_equal(held_by(table), rows.with_columns(pl.col("text").replace({"": None})) if delta else rows)


def test_an_empty_table_has_its_columns(open_: Open, put: Put) -> None:
    table = open_()
    table.replace(put(ROWS.clear()), state(1), partition_by=["is_current"])
    assert_frame_equal(held_by(open_()), ROWS.clear())


def test_columns_and_partitions_may_change(open_: Open, put: Put) -> None:
    table = open_()
    table.replace(put(ROWS), state(1), partition_by=["is_current"])
    other = ROWS.select("id", extra=pl.lit("x"))
    table.replace(put(other), state(2), partition_by=["extra"])
    assert_frame_equal(held_by(open_()), other)


def test_partitions_may_go_with_their_column_or_without(open_: Open, put: Put) -> None:
    table = open_()
    table.replace(put(ROWS), state(1), partition_by=["is_current"])
    assert open_().partition_by == ("is_current",)
    table.replace(put(ROWS), state(2))
    assert open_().partition_by == ()
    assert_frame_equal(held_by(open_()), ROWS)
    table.replace(put(ROWS), state(3), partition_by=["is_current"])
    table.replace(put(ROWS.drop("is_current")), state(4))
    assert_frame_equal(held_by(open_()), ROWS.drop("is_current"))


def test_columns_may_change_where_partitions_stay(open_: Open, put: Put) -> None:
    table = open_()
    table.replace(put(ROWS), state(1), partition_by=["is_current"])
    other = ROWS.select(pl.col("id").alias("name"), "is_current", day=pl.lit(date(2024, 1, 1)))
    table.replace(put(other), state(2), partition_by=["is_current"])
    by = ["name", "is_current"]
    assert_frame_equal(open_().scan().collect().sort(by), other.sort(by))


def test_dates_may_be_of_any_year(open_: Open, put: Put) -> None:
    days = pl.Series([-719529, 0, 5_000_000], dtype=pl.Int32).cast(pl.Date)
    rows = pl.DataFrame({"id": [1, 2, 3], "name": "a", "is_current": True, "day": days})
    open_().replace(put(rows), state(1), partition_by=["is_current"])
    assert held_by(open_()).equals(rows)


VALUES = ["a b", "a/b", "a=b", "ü", "%20", "a%2Fb", "a+b", "a:b", "a#b?c&d", "'", "plain", "x" * 240, "", "None"]


def test_rows_change_where_partition_values_are_odd(open_: Open) -> None:
    """Also in files that joining wrote, whose folders are spelled otherwise."""
    rows = pl.DataFrame({"id": range(len(VALUES)), "text": VALUES, "v": "old"})
    if isinstance(open_(), DeltaTable):
        # Delta itself takes an empty value for null; joining files makes folders, which have no longer names.
        rows = rows.filter(pl.col("text").str.len_chars().is_between(1, 200))
    table = open_()
    table.replace(Pieces.of(rows), state(1), partition_by=["text"])
    expected = rows
    for n in (1, 2, 3):
        come = rows.with_columns(pl.col("id") + 100 * n)
        now = rows.with_columns(v=pl.lit(f"of {n}"))
        table.patch(table.matching(rows.select("id")).clear(), come, state(2 * n), by=["id"])
        table.optimize()
        table.patch(table.matching(rows.select("id")), now, state(2 * n + 1), by=["id"])
        expected = pl.concat([now, expected.filter(pl.col("id") >= 100), come])
        assert_frame_equal(held_by(open_()), expected.sort("id"))


def test_state_alone_moves_no_row(open_: Open) -> None:
    table = open_()
    table.replace(Pieces.of(ROWS), state(1))
    assert table.advance(state(2)) == 1
    again = open_()
    assert (again.state(), again.absorbed) == (state(2), 2)
    assert_frame_equal(held_by(again), ROWS)
    assert_frame_equal(again.scan(0).collect().sort("id"), ROWS)


@pytest.mark.parametrize("partition_by", [(), ("is_current",)])
def test_rows_go_and_come(open_: Open, put: Put, partition_by: tuple[str, ...]) -> None:
    table = open_()
    assert not open_().patchable
    table.replace(put(ROWS), state(1), partition_by=partition_by)
    assert table.patchable
    gone = table.matching(pl.DataFrame({"id": [2, 3, 9]}))
    assert_frame_equal(gone.drop(FILE).sort("id"), ROWS.filter(pl.col("id") > 1))
    come = pl.DataFrame({"id": [2, 4], "name": ["b", "d"], "is_current": [True, False]})
    assert table.patch(gone, come, state(2), by=["id"]) == 1
    expected = pl.DataFrame({"id": [1, 2, 4], "name": ["a", "b", "d"], "is_current": [True, True, False]})
    for one in (table, open_()):
        assert_frame_equal(held_by(one), expected)
        assert (one.state(), one.version) == (state(2), 1)
    assert_frame_equal(table.matching(pl.DataFrame()).drop(FILE).sort("id"), expected)
    with pytest.raises(StorageError, match="SLV-003"):
        table.patch(gone.clear(), come, state(2), by=["id"])


def test_joining_files_changes_no_row(open_: Open) -> None:
    table = open_()
    table.replace(Pieces.of(ROWS), state(1))
    table.patch(table.matching(pl.DataFrame({"id": [9]})), ROWS.with_columns(pl.col("id") + 3), state(2), by=["id"])
    rows = held_by(table)
    assert table.optimize().files == 1
    assert_frame_equal(held_by(open_()), rows)
    assert open_().state() == state(2)


def test_nothing_of_the_newest_version_is_taken_away(open_: Open) -> None:
    table = open_()
    assert table.vacuum(timedelta(), delete=True) == ()
    for n in range(1, 4):
        table.replace(Pieces.of(ROWS.with_columns(pl.col("id") + n)), state(n), partition_by=["is_current"])
    shown = table.vacuum(timedelta())
    assert shown
    assert table.vacuum(timedelta(hours=1)) == ()
    assert_frame_equal(table.scan(0).collect().sort("id"), ROWS.with_columns(pl.col("id") + 1))
    assert table.vacuum(timedelta(), delete=True) == shown
    assert_frame_equal(held_by(open_()), ROWS.with_columns(pl.col("id") + 3))
    assert open_().state() == state(3)
    table.reload()
    table.replace(Pieces.of(ROWS), state(4))
    assert_frame_equal(held_by(open_()), ROWS)
