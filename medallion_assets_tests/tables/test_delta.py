"""Delta tables: what other tools and upkeep do to them, and what Delta's own errors become."""

import json
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from subprocess import run
from sys import executable
from time import time_ns
from typing import Any
from urllib.parse import unquote

import deltalake
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from medallion_assets.errors import Conflict, Corrupt, StorageError
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import FILE
from medallion_assets.tables import delta
from medallion_assets.tables.delta import DeltaTable
from medallion_assets_tests.tables.lake import ROWS, held_by, state


def opened(folder: Path) -> DeltaTable:
    return DeltaTable(str(folder / "system=a" / "v1"), {}, "app")


def test_state_alone_moves_no_row(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.replace(Pieces.of(ROWS), state(1))
    files = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")}
    assert table.advance(state(2)) == 1
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")} == files
    again = opened(tmp_path)
    assert (again.state(), again.absorbed) == (state(2), 2)
    assert_frame_equal(held_by(again), ROWS)


def test_a_restored_table_has_no_state_but_remembers_what_it_absorbed(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.replace(Pieces.of(ROWS), state(1))
    table.replace(Pieces.of(ROWS.head(1)), state(2))
    deltalake.DeltaTable(str(tmp_path / "system=a" / "v1")).restore(0)
    table.reload()
    assert (table.state(), table.absorbed) == (None, 2)
    table.replace(Pieces.of(ROWS), state(2))
    assert table.state() == state(2)


def of_small_files(folder: Path) -> DeltaTable:
    """Three files a slice, of bronze commits 1 to 3, in a table that had others before."""
    table = opened(folder)
    table.replace(Pieces.of(ROWS.head(1)), state(0), partition_by=["is_current"])
    table.replace(Pieces.of(ROWS), state(1), partition_by=["is_current"])
    for n in (2, 3):
        more = ROWS.with_columns(pl.col("id") + 10 * n)
        table.patch(table.matching(more.select("id")), more, state(n), by=["id"])
    return table


def test_a_commit_holds_an_application_transaction(tmp_path: Path) -> None:
    opened(tmp_path).replace(Pieces.of(ROWS), state(3))
    assert deltalake.DeltaTable(str(tmp_path / "system=a" / "v1")).transaction_version("app") == 3


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
    table.replace(Pieces.of(ROWS), state(1))
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
        lambda: slow.replace(Pieces.of(ROWS), state(4), partition_by=["is_current"]),
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


@pytest.mark.parametrize("log", ['{"nonsense": 1}', "{bad"])
def test_a_broken_log_is_said_to_be_one(tmp_path: Path, log: str) -> None:
    table = opened(tmp_path)
    table.replace(Pieces.of(ROWS), state(1))
    (tmp_path / "system=a" / "v1" / "_delta_log" / f"{0:020d}.json").write_text(log)
    with pytest.raises(StorageError, match="SLV-005") as caught:
        opened(tmp_path)
    assert "<unknown>" not in str(caught.value)
    assert "move its folder away" in str(caught.value)


@pytest.mark.parametrize("damage", ["lost", "broken"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, damage: str) -> None:
    table = opened(tmp_path)
    table.replace(Pieces.of(ROWS), state(1))
    gone = table.matching(ROWS.select("id").head(1))
    for file in tmp_path.rglob("*.parquet"):
        file.unlink() if damage == "lost" else file.write_bytes(b"PAR1" + b"\xff" * 100 + file.read_bytes()[104:])
    with pytest.raises(Corrupt, match="SLV-015"):
        table.matching(ROWS.select("id"))
    with pytest.raises(Corrupt, match="SLV-015"):
        table.patch(gone, ROWS.clear(), state(2), by=["id"])


def test_writing_and_reading_need_neither_pyarrow_nor_numpy(tmp_path: Path) -> None:
    code = f"""
import sys
import polars as pl
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import TableState
from medallion_assets.tables import delta
from medallion_assets.tables.delta import DeltaTable
from medallion_assets_tests.tables.lake import ROWS, held_by, state
table = DeltaTable({str(tmp_path / "t")!r}, {{}}, "app")
rows = pl.DataFrame({{"id": [1, 2], "f": [True, False]}})
table.replace(Pieces.of(rows), TableState(1, "h", "i", {{}}, "c"), partition_by=["f"])
assert table.scan().collect().height == 2
print([m for m in ("pyarrow", "numpy", "pandas") if m in sys.modules])
"""
    assert run([executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("what", ["replace", "patch", "stream", "rewrite"])
def test_a_full_disk_is_an_error_of_ours(tmp_path: Path, what: str) -> None:
    """In a process of its own: the limit holds for every file that it writes."""
    script = f"""
import resource
from datetime import date
from pathlib import Path
import polars as pl
from medallion_assets.errors import StorageError
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import TableState
from medallion_assets.tables.delta import DeltaTable
rows = pl.DataFrame({{"a": range(1000), "b": "x", "c": 1.5}})
table = DeltaTable({str(tmp_path / "t")!r}, {{}}, "app")
pieces, by = Pieces.of(rows), []
if {what!r} == "patch":
    table.replace(Pieces.of(rows.head(9)), TableState(1, "0" * 64, "intent", {{}}, "content"))
    gone = table.matching(rows.select("a").head(1))
elif {what!r} == "stream":
    rows.write_parquet({str(tmp_path / "rows.parquet")!r})
    pieces = Pieces((Path({str(tmp_path / "rows.parquet")!r}),))
elif {what!r} == "rewrite":
    by = ["c"]
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
state = TableState(2, "0" * 64, "intent", {{}}, "content")
try:
    table.patch(gone, rows, state, by=["a"]) if {what!r} == "patch" else table.replace(pieces, state, partition_by=by)
except StorageError as error:
    print(error.code, "File too large" in str(error), "\x1b" in str(error))
"""
    done = run([executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "SLV-005 True False\n", done.stderr


def test_a_file_all_of_whose_rows_go_is_not_read(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.replace(Pieces.of(ROWS), state(1))
    gone = table.matching(pl.DataFrame())
    for file in tmp_path.rglob("*.parquet"):
        file.unlink()
    table.patch(gone, ROWS.head(1), state(2), by=["id"])
    assert_frame_equal(held_by(opened(tmp_path)), ROWS.head(1))


def test_a_table_may_lose_its_last_row(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.replace(Pieces.of(ROWS), state(1))
    table.patch(table.matching(pl.DataFrame()), ROWS.clear(), state(2), by=["id"])
    assert_frame_equal(held_by(opened(tmp_path)), ROWS.clear())


@pytest.mark.parametrize(("large", "files"), [(1, [[1], [11], [20]]), (1 << 30, [[1, 11, 20]])])
def test_large_files_are_written_each_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: int, files: list[list[int]]
) -> None:
    """What changes leaves the file of what does not."""
    table = opened(tmp_path)
    for n, ids in enumerate(([1, 2], [11, 12], [21, 22]), 1):
        rows = pl.DataFrame({"id": ids, "name": "a"})
        if n == 1:
            table.replace(Pieces.of(rows), state(n))
        else:
            table.patch(table.matching(rows.select("id")), rows, state(n), by=["id"])
    monkeypatch.setattr(delta, "_LARGE", large)
    gone = table.matching(pl.DataFrame({"id": [2, 12, 21, 22]}))
    table.patch(gone, pl.DataFrame({"id": [20], "name": ["b"]}), state(4), by=["id"])
    now = deltalake.DeltaTable(str(tmp_path / "system=a" / "v1")).file_uris()
    assert sorted(sorted(pl.read_parquet(file)["id"].to_list()) for file in now) == files
    assert opened(tmp_path).scan().collect()["id"].sort().to_list() == [1, 11, 20]


def test_what_memory_may_not_hold_is_not_given_to_deltalakes_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(deltalake, "write_deltalake")
    ROWS.write_parquet(tmp_path / "rows.parquet")
    table = opened(tmp_path)
    for n in (1, 2):
        table.replace(Pieces((tmp_path / "rows.parquet",)), state(n), partition_by=["is_current"])
        assert_frame_equal(held_by(opened(tmp_path)), ROWS)


@pytest.mark.parametrize("name", ["in order", "ä", "a#b", "a?b", "a+b"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    table = opened(tmp_path / name)
    table.replace(Pieces.of(ROWS), state(1), partition_by=["is_current"])
    gone = table.matching(ROWS.select("id").head(1))
    table.patch(gone, gone.drop(FILE).clear(), state(2), by=["id"])
    assert opened(tmp_path / name).scan().collect().height == ROWS.height - gone.height


def test_a_folder_that_delta_reads_as_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="SLV-005"):
        opened(tmp_path / "a%20b")


# ------------------------------------------------------------------------------------------------ what the log says


def log_of(tmp_path: Path, n: int) -> list[dict[str, Any]]:
    file = tmp_path / "system=a" / "v1" / "_delta_log" / f"{n:020d}.json"
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_log_says_between_what_the_values_of_a_file_lie(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "tiny": pl.Series([-128, 127, None, 5], dtype=pl.Int8),
            "big": pl.Series([-(2**63), 2**63 - 1, 0, 1]),
            "day": [date(1969, 12, 31), date(2024, 2, 29), None, date(2000, 1, 1)],
            "odd": pl.Series([-719529, 0, 1, 2], dtype=pl.Int32).cast(pl.Date),
            "none": pl.Series([None] * 4, dtype=pl.Int64),
            "x": [0.5, float("nan"), None, 1.0],
            "part": ["a", "a", "a", "b"],
        }
    )
    opened(tmp_path).replace(Pieces.of(rows), state(1), partition_by=["part"])
    stats = {
        add["partitionValues"]["part"]: json.loads(add["stats"])
        for add in (line["add"] for line in log_of(tmp_path, 0) if "add" in line)
    }
    assert stats["a"] == {
        "numRecords": 3,
        "minValues": {"tiny": -128, "big": -(2**63), "day": "1969-12-31"},
        "maxValues": {"tiny": 127, "big": 2**63 - 1, "day": "2024-02-29"},
        "nullCount": {"tiny": 1, "big": 0, "day": 1},
    }
    assert stats["b"]["minValues"] == stats["b"]["maxValues"] == {"tiny": 5, "big": 1, "day": "2000-01-01",
                                                                  "odd": "1970-01-03"}  # fmt: skip


def test_folders_are_named_as_other_tools_do(tmp_path: Path) -> None:
    rows = pl.DataFrame({"id": [1, 2, 3], "text": [None, "a b", "x" * 250]})
    table = opened(tmp_path)
    table.replace(Pieces.of(rows), state(1), partition_by=["text"])
    root = tmp_path / "system=a" / "v1"
    assert sorted(f.parent.name for f in root.rglob("*.parquet")) == ["text=__HIVE_DEFAULT_PARTITION__", "v1", "v1"]
    assert_frame_equal(held_by(table), rows)


@pytest.mark.parametrize("what", ["create", "replace", "rewrite", "patch", "advance", "optimize"])
def test_what_a_commit_names_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    table, by = opened(tmp_path), ["name", "is_current"]
    if what != "create":
        table.replace(Pieces.of(ROWS), state(1), partition_by=by)
        table.patch(table.matching(ROWS.select("id")).clear(), ROWS, state(2), by=["id"])
    synced = set()
    monkeypatch.setattr("os.fsync", lambda handle: synced.add(Path(f"/proc/self/fd/{handle}").resolve()))
    if what == "patch":
        table.patch(table.matching(ROWS.select("id")), ROWS, state(3), by=["id"])
    elif what == "advance":
        table.advance(state(3))
    elif what == "optimize":
        table.optimize()
    else:
        table.replace(Pieces.of(ROWS), state(3), partition_by=["is_current"] if what == "rewrite" else by)
    root = tmp_path / "system=a" / "v1"
    named = [root / unquote(line["add"]["path"]) for line in log_of(tmp_path, table.version or 0) if "add" in line]
    expected = {root, root / "_delta_log", root / "_delta_log" / f"{table.version:020d}.json"}
    for file in named:
        expected |= {file, *(folder for folder in file.parents if folder.is_relative_to(root))}
    assert len(named) == {"advance": 0, "rewrite": 2}.get(what, 3)
    assert expected <= synced


def test_a_table_that_takes_no_change_is_not_a_lost_race(tmp_path: Path) -> None:
    table = opened(tmp_path)
    table.replace(Pieces.of(ROWS), state(1))
    deltalake.DeltaTable(str(tmp_path / "system=a" / "v1")).alter.set_table_properties({"delta.appendOnly": "true"})
    table.reload()
    with pytest.raises(StorageError, match="append-only") as caught:
        table.replace(Pieces.of(ROWS.head(1)), state(2), again=True)
    assert caught.value.code == "SLV-005"


def test_what_parquets_readers_cannot_see_is_refused(tmp_path: Path) -> None:
    """As Spark leaves a table of which it deleted rows, or renamed a column."""
    opened(tmp_path).replace(Pieces.of(ROWS), state(1))
    features = ["deletionVectors"]
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}
    log = tmp_path / "system=a" / "v1" / "_delta_log" / f"{1:020d}.json"
    log.write_text(json.dumps({"protocol": protocol}) + "\n" + json.dumps({"commitInfo": {"operation": "DELETE"}}))
    with pytest.raises(StorageError, match="deletionVectors"):
        opened(tmp_path)
    (whole,) = (line["metaData"] for line in log_of(tmp_path, 0) if "metaData" in line)
    fields = json.loads(whole["schemaString"])
    for n, field in enumerate(fields["fields"], 1):
        field["metadata"] = {"delta.columnMapping.id": n, "delta.columnMapping.physicalName": f"col-{n}"}
    mapped = {**whole, "schemaString": json.dumps(fields), "configuration": {"delta.columnMapping.mode": "name"}}
    lines = [{"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}}, {"metaData": mapped}, {"commitInfo": {}}]
    log.write_text("\n".join(json.dumps(line) for line in lines))
    with pytest.raises(StorageError, match="columnMapping"):
        opened(tmp_path)


def test_a_store_that_does_not_answer_is_told_plainly() -> None:
    options = {
        "aws_endpoint_url": "http://127.0.0.1:9", "aws_allow_http": "true", "aws_access_key_id": "a",
        "aws_secret_access_key": "b", "aws_region": "us-east-1", "max_retries": "0", "retry_timeout": "1s",
    }  # fmt: skip
    with pytest.raises(StorageError, match="SLV-005") as caught:
        DeltaTable("s3://nowhere/t", options, "app")
    assert "\x1b" not in str(caught.value)


def test_two_columns_of_one_name_to_delta_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="SLV-004"):
        opened(tmp_path).replace(Pieces.of(pl.DataFrame({"v": [1], "V": [2]})), state(1))
