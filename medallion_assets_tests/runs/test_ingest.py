"""Ingest: one window, one load, or nothing."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from medallion_assets import __version__
from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.reader import quarantined, verify
from medallion_assets.bronze.repair import rebuild_copies
from medallion_assets.errors import CheckError, ConfigError, Conflict, Corrupt, ExtractionError, StorageError
from medallion_assets.lake.ports import Batch, Store
from medallion_assets.runs.ingest import ingest
from medallion_assets.stores.local import LocalStore
from medallion_assets.stores.memory import MemoryStore
from medallion_assets_tests.bronze.faults import FaultStore, unavailable
from medallion_assets_tests.runs.ingest_lake import (
    BAD,
    NOW,
    FakeSource,
    StoppedClock,
    code_of,
    committed,
    day,
    plan_of,
    rows,
    run,
)

BASE = "bronze/system=shop/table=orders"
FOLDER = f"{BASE}/pattern=full/dt=2024-01-01"


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "lake") if request.param == "local" else MemoryStore()


def data_files(store: Store) -> list[str]:
    return [o.path for o in store.list(BASE) if o.path.endswith(".parquet")]


def test_a_window_becomes_one_load(store: Store) -> None:
    source = FakeSource.of(rows("a", "b"), rows("c", "d"))
    plan = plan_of()
    done = run(store, source)
    load = done.commit.load
    assert (done.written, done.commit.n, done.dataset, done.partition) == (True, 1, plan.dataset, day(plan))
    assert done.checks == ()
    assert done.seconds > 0
    assert committed(store) == ["a", "b", "c", "d"]
    assert [p.rows for p in load.parts] == [3, 1]
    assert (load.pattern, load.partition, load.path) == ("full", "2024-01-01", "pattern=full/dt=2024-01-01")
    assert (load.window, load.run_id, load.rows, load.refused) == (day(plan).window, "run-1", 4, 0)
    assert (load.intent, load.code_version) == (plan.ingest_fingerprint, __version__)
    assert (load.started_at, load.finished_at) == (NOW, NOW)
    assert [f.path for f in load.source.files] == ["orders.csv"]
    assert all(load.attempt in p.path for p in load.parts)
    assert CommitLog(store, BASE).head().live == (done.commit,)
    (request,) = source.requests
    assert (request.partition, request.cursor, dict(request.ledger)) == (day(plan), None, {})


def test_the_same_content_again_writes_nothing_and_leaves_nothing(store: Store) -> None:
    first = run(store, FakeSource.of(rows("a")))
    before = [o.path for o in store.list("")]
    again = run(store, FakeSource.of(rows("a")))
    assert (again.written, again.commit) == (False, first.commit)
    assert [o.path for o in store.list("")] == before


def test_other_content_replaces(store: Store) -> None:
    run(store, FakeSource.of(rows("a")))
    second = run(store, FakeSource.of(rows("a", "b")))
    assert (second.written, second.commit.n, second.commit.load.replaces) == (True, 2, (1,))
    assert committed(store) == ["a", "b"]
    back = run(store, FakeSource.of(rows("a")))
    assert (back.commit.n, back.commit.load.replaces) == (3, (2,))
    assert committed(store) == ["a"]


def test_force_writes_the_same_content_again(store: Store) -> None:
    run(store, FakeSource.of(rows("a")))
    forced = run(store, FakeSource.of(rows("a")), force=True)
    assert (forced.written, forced.commit.n, forced.commit.load.replaces) == (True, 2, (1,))
    assert committed(store) == ["a"]


def test_an_empty_source_is_a_load_of_no_rows(store: Store) -> None:
    done = run(store, FakeSource.of(rows()))
    assert (done.written, done.commit.load.rows) == (True, 0)
    assert [c.name for c in done.commit.load.schema] == ["id"]
    assert committed(store) == []


def test_a_damaged_load_is_mended_by_loading_it_again(store: Store) -> None:
    first = run(store, FakeSource.of(rows("a")))
    store.delete(f"{BASE}/{first.commit.load.parts[0].path}")
    assert code_of(lambda: committed(store)) == "BRZ-010"
    second = run(store, FakeSource.of(rows("a")))
    assert (second.written, second.commit.load.replaces) == (True, (1,))
    assert committed(store) == ["a"]


def test_windows_stand_side_by_side(store: Store) -> None:
    for n in (3, 1, 2):
        run(store, FakeSource.of(rows(str(n))), key=f"2024-01-0{n}")
    assert committed(store) == ["1", "2", "3"]
    assert CommitLog(store, BASE).head().n == 3


# ---------------------------------------------------------------- refused rows


def test_no_refused_row_is_tolerated_by_default(store: Store) -> None:
    run(store, FakeSource.of(rows("old")))
    before = [o.path for o in store.list("")]
    bad = tuple(replace(BAD, line=n) for n in range(7, 15))
    with pytest.raises(CheckError) as caught:
        run(store, FakeSource([Batch(rows("a"), bad[:1]), Batch(rows(), bad[1:])]))
    text = str(caught.value)
    assert caught.value.code == "CHK-010"
    assert "8 of 9 rows could not be read, and max_rows is 0" in text
    assert "orders.csv:7  ragged: 3 cells where 1 is expected" in text
    assert "… and 3 more" in text
    assert "quarantine: {max_rows: 8}" in text
    assert "intents/orders.yaml:" in text
    assert "a,b,c" not in text  # a row's own text may be personal
    assert [o.path for o in store.list("")] == before


def test_refused_rows_within_the_limit_are_kept_beside(store: Store) -> None:
    plan = plan_of(more="quarantine: {max_rows: 1}")
    done = run(store, FakeSource([Batch(rows("a"), (BAD,))]), plan)
    load = done.commit.load
    assert (load.rows, load.refused) == (1, 1)
    assert committed(store) == ["a"]
    assert quarantined(store, BASE, load).rows() == [
        ("ragged", "3 cells where 1 is expected", "orders.csv", 7, "a,b,c")
    ]
    assert verify(store, BASE, load) == ()
    assert code_of(lambda: run(store, FakeSource([Batch(rows("a"), (BAD, BAD))]), plan)) == "CHK-010"


@pytest.mark.parametrize(
    ("limits", "bad", "code"),
    [
        ("{max_fraction: 0.5}", 1, ""),
        ("{max_fraction: 0.5}", 2, "CHK-010"),
        ("{max_fraction: 0.5, max_rows: 0}", 1, "CHK-010"),
        ("{max_rows: 5, max_fraction: 0.1}", 1, "CHK-010"),
        ("{max_rows: 5}", 5, ""),
    ],
)
def test_only_the_limits_that_are_given_bind(limits: str, bad: int, code: str) -> None:
    plan = plan_of(more=f"quarantine: {limits}")
    source = FakeSource([Batch(rows("a"), (BAD,) * bad)])
    assert code_of(lambda: run(MemoryStore(), source, plan)) == code


def test_other_refused_rows_are_other_content(store: Store) -> None:
    plan = plan_of(more="quarantine: {max_rows: 9}")
    run(store, FakeSource([Batch(rows("a"), (BAD,))]), plan)
    again = run(store, FakeSource([Batch(rows("a"), (BAD,))]), plan)
    other = run(store, FakeSource([Batch(rows("a"), (replace(BAD, line=8),))]), plan)
    assert (again.written, other.written) == (False, True)


# ---------------------------------------------------------------- contract and calendar


def test_a_strict_contract_wants_its_columns() -> None:
    contract = "columns: {key: {type: string, source_names: [id, ID]}, price: int64}\nschema_mode: "
    with pytest.raises(CheckError, match="The source lacks price") as caught:
        run(MemoryStore(), FakeSource.of(rows("a")), plan_of(more=contract + "strict"))
    assert caught.value.code == "CHK-012"
    for mode in ("lenient", "auto"):
        assert run(MemoryStore(), FakeSource.of(rows("a")), plan_of(more=contract + mode)).written
    full = pl.DataFrame({"ID": ["1"], "price": ["2"]})
    assert run(MemoryStore(), FakeSource.of(full), plan_of(more=contract + "strict")).written
    more = full.with_columns(pl.lit("x").alias("colour"))
    with pytest.raises(CheckError, match="The source has colour, which `columns` does not name"):
        run(MemoryStore(), FakeSource.of(more), plan_of(more=contract + "strict"))


def test_a_column_by_the_name_of_an_address_is_refused() -> None:
    source = FakeSource.of(pl.DataFrame({"id": ["a"], "_row": ["7"]}))
    assert code_of(lambda: run(MemoryStore(), source)) == "CHK-015"


def test_a_source_that_is_read_now_gives_only_the_current_partition() -> None:
    plan, store = plan_of(path="orders.csv"), MemoryStore()
    source = FakeSource.of(rows("a"))
    with pytest.raises(ConfigError, match="can only be read as it is now") as caught:
        run(store, source, plan, "2024-01-09")
    assert caught.value.code == "PLN-007"
    assert source.requests == []
    assert dict(run(store, source, plan, "2024-01-10").commit.load.source.facts) == {}
    restated = run(store, source, plan, "2024-01-09", restate=True)
    assert restated.commit.load.source.facts["restated"] == "true"


# ---------------------------------------------------------------- files that belong to whoever sees them first

CHANGES = "{pattern: incremental}"


def test_the_ledger_holds_files_of_other_partitions() -> None:
    plan, store = plan_of(path="in/*.csv", load=CHANGES), MemoryStore()
    run(store, FakeSource([Batch(rows("a"))], files=["1.csv"]), plan, "2024-01-09", restate=True)
    source = FakeSource([Batch(rows("b"))], files=["1.csv", "2.csv"])
    done = run(store, source, plan, "2024-01-10")
    ((path, (partition, fact)),) = source.requests[0].ledger.items()
    assert (path, partition, fact.path) == ("1.csv", "2024-01-09", "1.csv")
    assert [f.path for f in done.commit.load.source.files] == ["2.csv"]
    run(store, source, plan, "2024-01-10")
    assert list(source.requests[1].ledger) == ["1.csv"]  # its own files it reads again


def test_a_file_taken_by_another_partition_meanwhile_is_passed_over_the_second_time() -> None:
    plan, store = plan_of(path="in/*.csv", load=CHANGES), MemoryStore()

    def race(_: int) -> None:
        if CommitLog(store, BASE).head().n == 0:
            run(store, FakeSource([Batch(rows("theirs"))], files=["1.csv"]), plan, "2024-01-09", restate=True)

    source = FakeSource([Batch(rows("mine"))], files=["1.csv", "2.csv"], before=race)
    done = run(store, source, plan, "2024-01-10")
    assert [sorted(r.ledger) for r in source.requests] == [[], ["1.csv"]]
    assert [f.path for f in done.commit.load.source.files] == ["2.csv"]
    assert len(data_files(store)) == 2  # the first attempt took its parts away


def test_a_race_for_files_that_never_ends_is_an_error_to_try_again() -> None:
    plan, store = plan_of(path="in/*.csv", load=CHANGES), MemoryStore()
    turn = iter(range(1, 9))

    def race(_: int) -> None:
        n = next(turn)
        other = FakeSource([Batch(rows(str(n)))], files=[f"{n}.csv"])
        run(store, other, plan, f"2024-01-0{n}", restate=True)

    source = FakeSource([Batch(rows("mine"))], files=[f"{n}.csv" for n in range(1, 9)], before=race)
    with pytest.raises(Conflict) as caught:
        run(store, source, plan, "2024-01-10")
    assert caught.value.code == "BRZ-006"
    assert len(source.requests) == 3


# ---------------------------------------------------------------- races, failures of the source, slow loads


def test_the_same_window_loaded_beside_me_is_enough(store: Store) -> None:
    def race(_: int) -> None:
        run(store, FakeSource.of(rows("theirs")))

    done = run(store, FakeSource([Batch(rows("mine"))], before=race))
    assert (done.written, done.commit.n) == (False, 1)
    assert committed(store) == ["theirs"]
    assert len(data_files(store)) == 1


def test_another_window_loaded_beside_me_only_takes_the_number(store: Store) -> None:
    def race(_: int) -> None:
        run(store, FakeSource.of(rows("theirs")), key="2024-01-02")

    done = run(store, FakeSource([Batch(rows("mine"))], before=race))
    assert (done.written, done.commit.n) == (True, 2)
    assert committed(store) == ["mine", "theirs"]


def test_a_source_that_fails_changes_nothing(store: Store) -> None:
    run(store, FakeSource.of(rows("old")))
    before = [o.path for o in store.list("")]

    def fail(i: int) -> None:
        if i == 2:
            raise ExtractionError("SRC-001", "The line went dead.")

    batches = [Batch(rows("a", "b", "c")), Batch(rows("d", "e", "f")), Batch(rows("g"))]
    assert code_of(lambda: run(store, FakeSource(batches, before=fail))) == "SRC-001"
    assert [o.path for o in store.list("")] == before
    assert run(store, FakeSource(batches)).written


def test_a_load_slower_than_the_grace_is_begun_again_and_then_given_up() -> None:
    times = iter(datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(days=4 * i) for i in range(1000))
    store = MemoryStore(now=lambda: next(times))
    source = FakeSource.of(rows("a", "b", "c"), rows("d"))
    with pytest.raises(Conflict) as caught:
        run(store, source)
    assert caught.value.code == "BRZ-014"
    assert len(source.requests) == 3
    assert list(store.list("")) == []


def test_a_part_that_the_store_shortened_is_not_committed() -> None:
    memory = MemoryStore()

    class Short(FaultStore):
        def put_if_absent(self, path: str, data: bytes) -> None:
            super().put_if_absent(path, data[:-1] if path.endswith(".parquet") else data)

        def put(self, path: str, data: bytes) -> None:
            super().put(path, data[:-1] if path.endswith(".parquet") else data)

    with pytest.raises(Corrupt) as caught:
        run(Short(memory, lambda *_: None), FakeSource.of(rows("a")))
    assert caught.value.code == "BRZ-011"
    assert CommitLog(memory, BASE).head().n == 0


def test_parts_say_least_and_greatest_of_keys_unless_personal() -> None:
    frame = pl.DataFrame({"id": ["b", "a"], "mail": ["x@y", "z@y"], "other": ["1", "2"]})
    silver = "silver: {model: scd_type_1, keys: [key, mail]}"
    contract = "columns: {key: {source_names: id}, mail: {type: string, pii: true}}"
    (part,) = run(MemoryStore(), FakeSource.of(frame), plan_of(more=f"{silver}\n{contract}")).commit.load.parts
    assert (dict(part.minimum), dict(part.maximum)) == ({"id": "a"}, {"id": "b"})


def test_progress_says_what_and_how_far() -> None:
    told: list[tuple[str, int]] = []
    plan = plan_of()
    ingest(
        plan,
        day(plan),
        source=FakeSource.of(rows("a"), rows("b")),
        store=MemoryStore(),
        clock=StoppedClock(),
        run_id="r",
        progress=lambda what, n: told.append((what, n)),
    )
    assert told[-1] == ("ingest shop.orders 2024-01-01", 2)


# ---------------------------------------------------------------- copies for people and tools


def test_the_copies_say_what_the_commit_says(store: Store) -> None:
    plan = plan_of(more="quarantine: {max_rows: 9}")
    done = run(store, FakeSource([Batch(rows("a", "b", "c", "d"), (BAD,))]), plan)
    load = done.commit.load
    checksums = json.loads(store.get(f"{FOLDER}/_checksums.json"))
    assert (checksums["algorithm"], checksums["n"]) == ("sha256", 1)
    assert [(f["path"], f["bytes"], f["rows"], f["sha256"]) for f in checksums["files"]] == [
        (p.path.removeprefix("pattern=full/dt=2024-01-01/"), p.bytes, p.rows, p.sha256)
        for p in [*load.parts, load.quarantine]
        if p is not None
    ]
    metadata = json.loads(store.get(f"{FOLDER}/_metadata.json"))
    assert metadata | {"schema_sha256": "", "source": {}} == {
        "n": 1,
        "system": "shop",
        "table": "orders",
        "pattern": "full",
        "partition": "2024-01-01",
        "run_date": "2024-01-01",
        "window": {"start": "2024-01-01T00:00:00+00:00", "end": "2024-01-02T00:00:00+00:00"},
        "run_id": "run-1",
        "rows": 4,
        "refused": 1,
        "parts": 2,
        "columns": [{"name": "id", "type": "String"}],
        "schema_sha256": "",
        "content_sha256": load.content,
        "cursor": {"before": None, "after": None},
        "source": {},
        "replaces": [],
        "started_at": NOW.isoformat(),
        "finished_at": NOW.isoformat(),
        "config_sha256": plan.ingest_fingerprint,
        "code_version": __version__,
    }
    assert metadata["source"]["files"][0]["path"] == "orders.csv"


def copies(store: Store) -> dict[str, bytes]:
    return {
        o.path: store.get(o.path) for o in store.list(BASE) if o.path.endswith(("_metadata.json", "_checksums.json"))
    }


def test_lost_or_edited_copies_come_back_with_the_next_run_or_repair(store: Store) -> None:
    run(store, FakeSource.of(rows("a")))
    run(store, FakeSource.of(rows("b")), key="2024-01-02")
    expected = copies(store)
    assert len(expected) == 4

    def spoil() -> None:
        store.delete(f"{FOLDER}/_metadata.json")
        store.put(f"{FOLDER}/_checksums.json", b"{}")

    spoil()
    assert not run(store, FakeSource.of(rows("a"))).written
    assert copies(store) == expected
    spoil()
    assert rebuild_copies(store, BASE) == (f"{FOLDER}/_checksums.json", f"{FOLDER}/_metadata.json")
    assert copies(store) == expected
    assert rebuild_copies(store, BASE) == ()


def test_copies_name_the_newest_load_also_when_it_appears_while_they_are_written() -> None:
    memory = MemoryStore()
    raced = False

    def race(_: int, operation: str, path: str) -> None:
        nonlocal raced
        if operation == "put" and path.endswith("_metadata.json") and not raced:
            raced = True
            run(memory, FakeSource.of(rows("newer")))

    run(FaultStore(memory, race), FakeSource.of(rows("older")))
    assert CommitLog(memory, BASE).head().n == 2
    assert {json.loads(data)["n"] for data in copies(memory).values()} == {2}


def test_copies_that_cannot_be_written_do_not_undo_a_commit() -> None:
    memory = MemoryStore()
    store = FaultStore(
        memory, lambda _, what, path: ("before", unavailable()) if what == "put" and "_c" in path else None
    )
    assert run(store, FakeSource.of(rows("a"))).written
    assert committed(memory) == ["a"]


def test_an_error_of_the_store_is_passed_on_with_its_words() -> None:
    store = FaultStore(MemoryStore(), lambda _, what, __: ("before", unavailable()) if what == "list" else None)
    with pytest.raises(StorageError, match=r"No answer\."):
        run(store, FakeSource.of(rows("a")))
