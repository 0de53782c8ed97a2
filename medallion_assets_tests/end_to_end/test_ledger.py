"""Files without a date in their path: loaded once, into the day that saw them first, and again when rewritten."""

import os
from datetime import datetime, timedelta, timezone

import polars as pl
import pytest

from medallion_assets.project import Project as Loaded
from medallion_assets_tests.end_to_end.project import Project, day

INTENT = """
system: web
table: events
source: {type: file, path: "in/*.csv"%s}
load: incremental
partitions: {start: 2024-01-01}
%s
silver: {model: event, keys: id}
"""
NOON = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)


class At:
    """A clock that stands at noon of a day."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> At:
    clock = At()
    monkeypatch.setattr("medallion_assets.project.SystemClock.now", lambda _: clock.time)
    return clock


@pytest.fixture
def web(project: Project, clock: At) -> Project:
    project.write("intents/events.yaml", INTENT % ("", ""))
    return project


def write(project: Project, name: str, text: str, age: timedelta = timedelta(hours=1), at: datetime = NOON) -> None:
    project.write(f"in/{name}", text)
    then = (at - age).timestamp()
    os.utime(project.root / "in" / name, (then, then))


def rows(project: Project) -> list[tuple[object, ...]]:
    """Id, text and day of every row of silver."""
    return project.silver("web", "events").select(pl.col("id").cast(pl.String), "text").sort("id").rows()


def held(project: Project) -> dict[str, list[str]]:
    """Files by the partition that holds them."""
    loaded = Loaded.load(project.root)
    return {
        commit.load.partition: [fact.path for fact in commit.load.source.files]
        for commit in loaded.head(loaded.plan("web.events")).live
    }


def test_each_file_is_loaded_once_by_the_day_that_saw_it_first(web: Project, clock: At) -> None:
    write(web, "a.csv", "id,text\n1,a\n")
    web.medallion("run").succeeded()
    write(web, "b.csv", "id,text\n2,b\n")
    clock.time += timedelta(days=1)
    web.medallion("run").succeeded()
    web.medallion("run").succeeded()

    assert held(web) == {day(0): ["in/a.csv"], day(1): ["in/b.csv"]}
    assert rows(web) == [("1", "a"), ("2", "b")]
    assert len(web.commits("web", "events")) == 2


def test_a_rewritten_file_replaces_its_partition_and_no_other(web: Project, clock: At) -> None:
    write(web, "a.csv", "id,text\n1,a\n9,old\n")
    write(web, "b.csv", "id,text\n2,b\n")
    web.medallion("run").succeeded()
    clock.time += timedelta(days=1)
    write(web, "a.csv", "id,text\n1,A\n")
    write(web, "c.csv", "id,text\n3,c\n")

    refused = web.medallion("run")
    assert refused.exit_code == 2
    assert "SRC-018" in refused.output
    assert f"--date {day(0)}" in refused.output

    web.medallion("run", "--date", day(0)).succeeded()
    assert held(web) == {day(0): ["in/a.csv", "in/b.csv"]}  # what is new belongs to the day that is now
    assert rows(web) == [("1", "A"), ("2", "b")]
    web.medallion("run").succeeded()
    assert held(web) == {day(0): ["in/a.csv", "in/b.csv"], day(1): ["in/c.csv"]}
    assert rows(web) == [("1", "A"), ("2", "b"), ("3", "c")]


def test_a_range_loads_again_what_was_rewritten_and_then_what_is_new(web: Project, clock: At) -> None:
    write(web, "a.csv", "id,text\n1,a\n")
    web.medallion("run").succeeded()
    write(web, "b.csv", "id,text\n2,b\n")
    clock.time += timedelta(days=1)
    web.medallion("run").succeeded()
    clock.time += timedelta(days=2)
    write(web, "a.csv", "id,text\n1,A\n", timedelta(minutes=1))
    write(web, "c.csv", "id,text\n3,c\n")
    (web.root / "in/b.csv").unlink()
    web.medallion("run", "--from", day(0), "--to", day(3)).succeeded()

    assert held(web) == {day(0): ["in/a.csv"], day(1): ["in/b.csv"], day(3): ["in/c.csv"]}
    assert rows(web) == [("1", "A"), ("2", "b"), ("3", "c")]


def test_a_day_that_holds_no_files_is_still_refused(web: Project, clock: At) -> None:
    write(web, "a.csv", "id,text\n1,a\n")
    clock.time += timedelta(days=2)
    refused = web.medallion("run", "--date", day(0))

    assert refused.exit_code == 1
    assert "PLN-007" in refused.output


def test_a_loaded_file_that_is_gone_costs_no_row(web: Project, clock: At) -> None:
    write(web, "a.csv", "id,text\n1,a\n")
    web.medallion("run").succeeded()
    (web.root / "in/a.csv").unlink()
    write(web, "b.csv", "id,text\n2,b\n")

    refused = web.medallion("run")
    assert refused.exit_code == 2
    assert "SRC-032" in refused.output
    assert rows(web) == [("1", "a")]
    clock.time += timedelta(days=1)
    web.medallion("run").succeeded()
    assert rows(web) == [("1", "a"), ("2", "b")]
    assert web.medallion("run", "--date", day(0)).exit_code == 2
    web.medallion("run", "--date", day(0), "--restate").succeeded()
    assert rows(web) == [("2", "b")]


# ------------------------------------------------------------------ files that may not be complete

SETTLING = "sensor: {interval: 60s, settle: 30s}"


def test_a_file_written_to_a_moment_ago_waits_for_the_next_run(project: Project, clock: At) -> None:
    project.write("intents/events.yaml", INTENT % ("", SETTLING))
    write(project, "a.csv", "id,text\n1,a\n", timedelta(seconds=30))
    write(project, "b.csv", "id,text\n2,", timedelta(seconds=29))
    project.medallion("run").succeeded()
    assert (rows(project), held(project)) == ([("1", "a")], {day(0): ["in/a.csv"]})

    write(project, "b.csv", "id,text\n2,b\n", timedelta(seconds=0))
    clock.time += timedelta(seconds=30)
    project.medallion("run").succeeded()
    assert (rows(project), held(project)) == ([("1", "a"), ("2", "b")], {day(0): ["in/a.csv", "in/b.csv"]})


def test_a_partition_is_not_replaced_by_a_file_that_may_not_be_complete(project: Project, clock: At) -> None:
    project.write("intents/events.yaml", INTENT % ("", SETTLING))
    write(project, "a.csv", "id,text\n1,a\n")
    project.medallion("run").succeeded()
    write(project, "a.csv", "id,text\n", timedelta(seconds=5))
    refused = project.medallion("run")

    assert refused.exit_code == 2
    assert "SRC-031" in refused.output
    assert "in/a.csv was written to 5 s ago, and sensor.settle is 30 s." in refused.output
    assert rows(project) == [("1", "a")]


def test_a_whole_state_waits_until_every_file_of_it_is_still(project: Project, clock: At) -> None:
    intent = INTENT.replace("load: incremental", "load: full").replace("event, keys", "scd_type_1, keys")
    project.write("intents/events.yaml", intent % ("", SETTLING))
    write(project, "a.csv", "id,text\n1,a\n")
    write(project, "b.csv", "id,text\n2,b\n", timedelta(seconds=1))
    assert "SRC-031" in project.medallion("run").output
    assert project.commits("web", "events") == []

    clock.time += timedelta(seconds=29)
    project.medallion("run").succeeded()
    assert rows(project) == [("1", "a"), ("2", "b")]


def test_a_file_from_the_future_is_not_waited_for(project: Project, clock: At) -> None:
    project.write("intents/events.yaml", INTENT % ("", SETTLING))
    write(project, "a.csv", "id,text\n1,a\n", timedelta(days=-400))
    project.medallion("run").succeeded()
    assert rows(project) == [("1", "a")]
