"""Files that are partitions: each once, behind those that were there before it, in its place for good."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from itertools import count

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import Batch, Store
from medallion_assets.lake.results import Ingested
from medallion_assets.plan.model import Calendar
from medallion_assets.runs.by_file import file_partition, file_partitions
from medallion_assets.runs.ingest import ingest
from medallion_assets.stores.memory import MemoryStore
from medallion_assets_tests.runs.ingest_lake import NOW, FakeSource, StoppedClock, committed, plan_of, rows

CALENDAR = Calendar("file", date(2024, 1, 1), None, "Europe/Berlin")
NOON = datetime(2024, 3, 6, 12, tzinfo=timezone.utc)
MIDNIGHT = datetime(2024, 3, 5, 23, tzinfo=timezone.utc)
"""Of Berlin."""
EMPTY = Head(0, "0" * 64, ())
STEP = timedelta(microseconds=2)


def test_new_files_lie_behind_one_another_in_the_local_day() -> None:
    found = file_partitions(CALENDAR, EMPTY, ["b", "a", "b"], NOON)
    assert [(p.key, p.run_date, p.window.start) for p in found] == [
        ("a", date(2024, 3, 6), MIDNIGHT),
        ("b", date(2024, 3, 6), MIDNIGHT + STEP),
    ]
    assert all(p.window.end - p.window.start == timedelta(microseconds=1) for p in found)
    assert file_partition(CALENDAR, EMPTY, "c", NOON).window == found[0].window


PLAN = replace(plan_of(path="*.csv", load="incremental"), calendar=Calendar("file", date(2024, 1, 1), None, "UTC"))
TODAY = datetime(2024, 1, 10, tzinfo=timezone.utc)


def load(store: Store, name: str, *ids: str, before: Callable[[int], None] = lambda _: None) -> Ingested:
    asked = file_partition(PLAN.calendar, head(store), name, NOW)
    source = FakeSource([Batch(rows(*ids))], files=(name,), before=before)
    return ingest(PLAN, asked, source=source, store=store, clock=StoppedClock(), run_id="r")


def head(store: Store) -> Head:
    return CommitLog(store, PLAN.bronze.path).head()


def places(store: Store) -> list[tuple[str, int]]:
    """Files and their places in the day, in order."""
    found = file_partitions(PLAN.calendar, head(store), (), NOW)
    return [(p.key, (p.window.start - TODAY) // STEP) for p in found]


def test_a_file_that_is_loaded_again_keeps_its_place() -> None:
    store = MemoryStore()
    load(store, "b", "1"), load(store, "a", "2"), load(store, "c", "3")
    assert places(store) == [("b", 0), ("a", 1), ("c", 2)]
    assert not load(store, "a", "2").written
    assert load(store, "a", "22").written
    assert places(store) == [("b", 0), ("a", 1), ("c", 2)]
    assert committed(store, PLAN) == ["1", "22", "3"]


def test_two_runs_of_two_files_at_once_lose_none() -> None:
    store = MemoryStore()
    load(store, "a", "1")
    turns = count()

    def meanwhile(_: int) -> None:
        if not next(turns):
            load(store, "other", "2")

    done = load(store, "mine", "3", before=meanwhile)
    assert (done.partition.key, done.commit.load.partition) == ("mine", "mine")
    assert places(store) == [("a", 0), ("other", 1), ("mine", 2)]
    assert committed(store, PLAN) == ["1", "2", "3"]


def test_two_runs_of_one_file_at_once_are_one_load() -> None:
    store = MemoryStore()
    turns = count()

    def meanwhile(_: int) -> None:
        if not next(turns):
            load(store, "a", "1")

    assert not load(store, "a", "1", before=meanwhile).written
    assert committed(store, PLAN) == ["1"]
