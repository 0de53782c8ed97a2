"""Tables as plain Parquet: the layout, its copies, checksums, lost answers, what a vacuum takes away."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from medallion_assets.errors import Conflict, Corrupt, StorageError, StoreUnavailable
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import Store
from medallion_assets.plan.model import Model
from medallion_assets.stores.local import LocalStore
from medallion_assets.stores.memory import MemoryStore
from medallion_assets.tables.parquet import ParquetTable
from medallion_assets_tests.tables.lake import ROWS, held_by, state

TABLE = "silver/v1"
DAY = "load_date=2024-01-02"


class Clock:
    """A store's clock and the table's."""

    def __init__(self) -> None:
        self.now = datetime(2024, 1, 1, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **span: float) -> None:
        self.now += timedelta(**span)


class Unsteady(MemoryStore):
    """Creations get no answer: ``lost`` of them arrive all the same, ``dropped`` of them do not."""

    def __init__(self, *, lost: int = 0, dropped: int = 0) -> None:
        super().__init__()
        self.lost, self.dropped = lost, dropped

    def put_if_absent(self, path: str, data: bytes) -> None:
        if self.dropped:
            self.dropped -= 1
            raise StoreUnavailable("STO-017", "no answer", where=path)
        super().put_if_absent(path, data)
        if self.lost:
            self.lost -= 1
            raise StoreUnavailable("STO-017", "no answer", where=path)


def opened(store: Store, model: Model = "scd_type_2", now: Callable[[], datetime] | None = None) -> ParquetTable:
    more = {} if now is None else {"now": now}
    return ParquetTable(store, TABLE, model, sleep=lambda _: None, **more)


def names(store: Store, below: str = "") -> list[str]:
    """Objects of the table, without what is different each time in the names of files."""
    found = [info.path.removeprefix(f"{TABLE}/") for info in store.list(TABLE)]
    return sorted(
        name if "/part-" not in name else "-".join(name.split("-")[:-1]) for name in found if name.startswith(below)
    )


def copy(store: Store, folder: str, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(store.get(f"{TABLE}/{folder}/{name}.json"))
    return found


def by_copies(root: Path, folder: str) -> pl.DataFrame:
    """The table for a reader who knows only the folder of a date."""
    files = json.loads((root / TABLE / folder / "_metadata.json").read_text())["files"]
    return pl.concat(pl.read_parquet(root / TABLE / folder / file) for file in files).sort("id")


def test_versions_lie_in_folders_by_date_and_by_whether_they_hold(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    table = opened(store)
    table.replace(Pieces.of(ROWS), state(1, load_date="2024-01-01"), partition_by=["is_current"])
    table.replace(Pieces.of(ROWS.head(2)), state(2), partition_by=["is_current"])
    assert names(store) == [
        "_commits/00000000000000000000.json",
        "_commits/00000000000000000001.json",
        "load_date=2024-01-01/_checksums.json",
        "load_date=2024-01-01/_metadata.json",
        "load_date=2024-01-01/current/part-00001-0",
        "load_date=2024-01-01/history/part-00002-0",
        f"{DAY}/_checksums.json",
        f"{DAY}/_metadata.json",
        f"{DAY}/current/part-00001-1",
        f"{DAY}/history/part-00002-1",
    ]
    current = pl.read_parquet(f"{tmp_path}/{TABLE}/{DAY}/current/*.parquet", hive_partitioning=False)
    assert_frame_equal(current, ROWS.head(1))
    assert_frame_equal(by_copies(tmp_path, DAY), ROWS.head(2))
    assert_frame_equal(by_copies(tmp_path, "load_date=2024-01-01"), ROWS)
    metadata = copy(store, DAY, "_metadata")
    assert {key: metadata[key] for key in ("version", "load_date", "model", "rows", "columns")} == {
        "version": 1, "load_date": "2024-01-02", "model": "scd_type_2", "rows": 2,
        "columns": [
            {"name": "id", "type": "long"}, {"name": "name", "type": "string"},
            {"name": "is_current", "type": "boolean"},
        ],
    }  # fmt: skip


def test_the_copies_of_a_date_name_one_whole_version_among_the_files_of_two(tmp_path: Path) -> None:
    table = opened(LocalStore(tmp_path))
    for n in (1, 2):
        table.replace(Pieces.of(ROWS.with_columns(pl.col("id") * n)), state(n), partition_by=["is_current"])
    assert len(list((tmp_path / TABLE / DAY).rglob("*.parquet"))) == 4
    assert_frame_equal(by_copies(tmp_path, DAY), ROWS.with_columns(pl.col("id") * 2))
    checksums = copy(LocalStore(tmp_path), DAY, "_checksums")
    files = checksums["files"]
    assert isinstance(files, list)
    for file in files:
        data = (tmp_path / TABLE / DAY / file["path"]).read_bytes()
        assert (len(data), sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
    assert sum(file["rows"] for file in files) == 3


def test_a_copy_of_a_day_stays_in_the_folder_of_its_day() -> None:
    store = MemoryStore()
    table = opened(store, "periodic_snapshot")
    days = [date(2024, 1, day) for day in (1, 2, 3)]
    rows = pl.DataFrame({"id": [1, 2, 3], "load_date": days})
    table.replace(Pieces.of(rows.head(2)), state(1), partition_by=["load_date"])
    first = {info.path for info in store.list(TABLE)}
    table.patch(table.matching(rows.select("id").clear()), rows.tail(1), state(2, load_date="2024-01-03"), by=["id"])
    assert {info.path for info in store.list(TABLE)} > first
    assert names(store, "load_date=") == [
        f"load_date=2024-01-0{day}/{name}"
        for day, part in ((1, "part-00001-0"), (2, "part-00002-0"), (3, "part-00001-1"))
        for name in ("_checksums.json", "_metadata.json", f"current/{part}")
    ]
    assert_frame_equal(held_by(opened(store, "periodic_snapshot")), rows)

    table.patch(table.matching(rows.select("id").tail(1)), rows.clear(), state(3), by=["id"])
    assert_frame_equal(held_by(table), rows.head(2))
    assert names(store, "load_date=2024-01-03") == ["load_date=2024-01-03/current/part-00001-1"]


def test_a_day_behind_the_newest_is_not_taken_for_it() -> None:
    store = MemoryStore()
    table = opened(store)
    table.replace(Pieces.of(ROWS), state(1, load_date="2024-01-09"))
    table.replace(Pieces.of(ROWS), state(2))
    assert [name for name in names(store) if name.endswith("_metadata.json")] == [f"{DAY}/_metadata.json"]


def test_other_partitions_are_folders_where_their_names_are_plain() -> None:
    store = MemoryStore()
    rows = ROWS.with_columns(country=pl.Series(["DE", None, "a/b"]))
    opened(store).replace(Pieces.of(rows), state(1), partition_by=["is_current", "country"])
    folders = {name.rpartition("/")[0] for name in names(store, DAY) if "/part-" in name}
    null = "__HIVE_DEFAULT_PARTITION__"
    assert folders == {f"{DAY}/current/country=DE", f"{DAY}/history/country={null}", f"{DAY}/current"}
    assert_frame_equal(held_by(opened(store)), rows)


def test_of_no_rows_there_is_a_file_with_the_columns(tmp_path: Path) -> None:
    opened(LocalStore(tmp_path)).replace(Pieces.of(ROWS.clear()), state(1, load_date=""), partition_by=["is_current"])
    assert_frame_equal(by_copies(tmp_path, "load_date=__HIVE_DEFAULT_PARTITION__"), ROWS.clear())


@pytest.mark.parametrize("kind", ["local", "memory"])
@pytest.mark.parametrize("damage", ["missing", "shorter", "bits"])
def test_a_file_that_is_not_as_it_was_written_is_told_before_a_row_of_it_is_used(
    tmp_path: Path, kind: str, damage: str
) -> None:
    store = LocalStore(tmp_path) if kind == "local" else MemoryStore()
    opened(store).replace(Pieces.of(ROWS), state(1))
    (path,) = [info.path for info in store.list(TABLE) if "/part-" in info.path]
    data = store.get(path)
    if damage == "missing":
        store.delete(path)
    else:
        store.put(path, data[:-1] if damage == "shorter" else bytes([*data[:9], data[9] ^ 1, *data[10:]]))
    table = opened(store)
    assert table.state() == state(1)
    assert table.scan().collect_schema() == ROWS.schema
    with pytest.raises(Corrupt, match="SLV-015"):
        table.scan().collect()
    with pytest.raises(Corrupt, match="SLV-015"):
        table.matching(ROWS.select("id"))
    table.replace(Pieces.of(ROWS), state(1), again=True)
    assert_frame_equal(held_by(opened(store)), ROWS)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"sha256": "x"}'])
def test_a_commit_that_is_not_as_it_was_written_is_told(damage: bytes) -> None:
    store = MemoryStore()
    table = opened(store)
    table.replace(Pieces.of(ROWS.head(1)), state(1))
    table.replace(Pieces.of(ROWS), state(2))
    path = f"{TABLE}/_commits/{1:020d}.json"
    store.put(path, damage or store.get(path).replace(b'"bronze_n": 2', b'"bronze_n": 3'))
    with pytest.raises(Corrupt, match="SLV-015"):
        opened(store)
    store.delete(path)
    assert opened(store).state() == state(1)
    assert_frame_equal(held_by(opened(store)), ROWS.head(1))


def test_a_lost_answer_is_not_a_lost_commit() -> None:
    store = Unsteady(lost=1)
    assert opened(store).replace(Pieces.of(ROWS), state(1)) == 0
    assert_frame_equal(held_by(opened(store)), ROWS)
    store = Unsteady(dropped=3)
    assert opened(store).replace(Pieces.of(ROWS), state(1)) == 0
    assert_frame_equal(held_by(opened(store)), ROWS)


def test_a_store_that_never_answers_has_no_new_version() -> None:
    store = Unsteady()
    table = opened(store)
    table.replace(Pieces.of(ROWS), state(1))
    store.dropped = 99
    with pytest.raises(StoreUnavailable):
        table.replace(Pieces.of(ROWS.head(1)), state(2))
    assert (table.version, opened(store).version) == (0, 0)
    assert_frame_equal(held_by(opened(store)), ROWS)


def test_equal_versions_of_two_writers_are_one_of_them() -> None:
    store = MemoryStore()
    slow, quick = opened(store), opened(store)
    quick.replace(Pieces.of(ROWS), state(1))
    with pytest.raises(Conflict, match="SLV-002"):
        slow.replace(Pieces.of(ROWS), state(1))


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_of_many_writers_one_makes_each_version(tmp_path: Path, kind: str) -> None:
    store = LocalStore(tmp_path) if kind == "local" else MemoryStore()

    def run(writer: int) -> list[int]:
        table, made = opened(store), []
        for _ in range(5):
            with suppress(Conflict):
                n = (table.absorbed or 0) + 1
                table.replace(Pieces.of(ROWS.with_columns(pl.lit(f"{writer}/{n}").alias("name"))), state(n))
                made.append(n)
            table.reload()
        return made

    with ThreadPoolExecutor(4) as pool:
        made = sorted(n for done in pool.map(run, range(4)) for n in done)
    assert made == list(range(1, len(made) + 1))
    table = opened(store)
    assert (table.version, table.absorbed) == (len(made) - 1, len(made))
    assert [table.scan(n).collect()["name"].n_unique() for n in range(len(made))] == [1] * len(made)
    assert copy(store, DAY, "_checksums")["version"] == len(made) - 1


def test_copies_written_late_are_those_of_the_newest_version() -> None:
    """Two runs commit to one folder; the first is slow to write its copies."""

    class Slow(MemoryStore):
        meanwhile: Callable[[], object] | None = None

        def put(self, path: str, data: bytes) -> None:
            if path.endswith("_checksums.json") and self.meanwhile is not None:
                run, self.meanwhile = self.meanwhile, None
                run()
            super().put(path, data)

    store = Slow()
    store.meanwhile = lambda: opened(store).replace(Pieces.of(ROWS.head(1)), state(2))
    first = opened(store)
    assert first.replace(Pieces.of(ROWS), state(1)) == 0
    assert first.version == 0
    assert (copy(store, DAY, "_metadata")["version"], copy(store, DAY, "_checksums")["version"]) == (1, 1)
    assert copy(store, DAY, "_metadata")["rows"] == 1


def test_copies_that_were_lost_are_written_again() -> None:
    store = MemoryStore()
    opened(store).replace(Pieces.of(ROWS), state(1))
    before = {name: store.get(f"{TABLE}/{DAY}/{name}") for name in ("_checksums.json", "_metadata.json")}
    store.put(f"{TABLE}/{DAY}/_checksums.json", b"{}")
    store.delete(f"{TABLE}/{DAY}/_metadata.json")
    assert opened(store).repair() == tuple(f"{TABLE}/{DAY}/{name}" for name in before)
    assert {name: store.get(f"{TABLE}/{DAY}/{name}") for name in before} == before
    assert opened(store).repair() == ()
    assert opened(MemoryStore()).repair() == ()


def test_a_vacuum_takes_what_only_old_versions_need() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    table = opened(store, now=clock)
    for n in (1, 2, 3):
        table.replace(Pieces.of(ROWS.with_columns(pl.col("id") * n)), state(n, load_date=f"2024-01-0{n}"))
        clock.passes(hours=1)
    table.advance(state(4))
    store.put(f"{TABLE}/{DAY}/current/part-crashed.parquet", b"PAR1")
    store.put(f"{TABLE}/_quarantine/x.parquet", b"PAR1")
    clock.passes(minutes=30)

    assert table.vacuum(timedelta(hours=3)) == ()
    shown = table.vacuum(timedelta(hours=2))  # version 0 was superseded two hours and a half ago
    assert [name.partition("-0000")[0] for name in shown] == [
        "_commits/00000000000000000000.json",
        *(f"load_date=2024-01-01/{name}" for name in ("_checksums.json", "_metadata.json", "current/part")),
    ]
    assert table.vacuum(timedelta(hours=2), delete=True) == shown
    assert table.vacuum(timedelta(hours=2)) == ()
    with pytest.raises(StorageError, match="SLV-006"):
        table.scan(0)
    assert_frame_equal(table.scan(1).collect().sort("id"), ROWS.with_columns(pl.col("id") * 2))

    clock.passes(days=1)
    gone = table.vacuum(timedelta(), delete=True)
    assert len([name for name in gone if name.startswith("_commits/")]) == 2
    assert f"{DAY}/current/part-crashed.parquet" in gone
    assert_frame_equal(held_by(opened(store)), ROWS.with_columns(pl.col("id") * 3))
    assert names(store) == [
        f"_commits/{3:020d}.json", "_quarantine/x.parquet", "load_date=2024-01-03/_checksums.json",
        "load_date=2024-01-03/_metadata.json", "load_date=2024-01-03/current/part-00001-2",
    ]  # fmt: skip
    assert opened(store).state() == state(4)


def test_a_vacuum_leaves_what_a_run_is_writing() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    table = opened(store, now=clock)
    table.replace(Pieces.of(ROWS), state(1))
    writing = f"{TABLE}/{DAY}/current/part-00001-1-abc.parquet"
    store.put(writing, b"PAR1")
    clock.passes(hours=23)
    assert table.vacuum(timedelta(), delete=True) == ()
    clock.passes(hours=2)
    assert table.vacuum(timedelta(days=2)) == ()
    assert table.vacuum(timedelta(), delete=True) == (writing.removeprefix(f"{TABLE}/"),)
