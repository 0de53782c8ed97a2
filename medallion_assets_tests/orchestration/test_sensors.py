"""File sensors: what arrives is loaded once, whatever is restarted, lost or changed in between."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import pytest
from confluent_kafka import Producer
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.orchestration.requests import RANGE_END, RANGE_START
from medallion_assets_tests.orchestration.ticking import Desk, asked

ORDERS = """
system: retail
table: orders
partitions: {start: 2024-01-01}
source: {type: file, path: "data/orders_{run_date}.csv"}
load: full
sensor: {interval: 60s, settle: 30s}
silver: {model: scd_type_1, keys: id}
"""
EVENTS = """
system: web
table: events
partitions: {start: 2024-01-01}
source: {type: file, path: "in/*.csv"}
load: incremental
sensor: {interval: 60s, settle: 30s}
silver: {model: event, keys: id}
"""
PACKETS = """
system: web
table: packets
partitions: {cadence: file}
source: {type: file, path: "packets/*.csv"}
load: incremental
sensor: {interval: 60s, settle: 10s}
silver: {model: event, keys: id}
"""
STATE = """
system: web
table: state
partitions: {start: 2024-01-01}
source: {type: file, path: state.csv}
load: full
sensor: {interval: 5m, settle: 0s}
"""


@pytest.fixture
def desk(tmp_path: Path, instance: dg.DagsterInstance) -> Desk:
    return Desk(tmp_path, {"orders": ORDERS, "events": EVENTS}, instance)


def test_a_file_is_loaded_when_it_has_been_still(desk: Desk) -> None:
    assert desk.sense() == []
    desk.write("data/orders_2024-01-02.csv", "id,x\n1,a\n")
    assert desk.sense() == []
    desk.clock.later(29)
    assert desk.sense() == []
    desk.clock.later(1)
    requests = desk.sense()

    assert asked(requests) == [("retail.orders", "2024-01-02")]
    assert {key.to_user_string() for key in requests[0].asset_selection or []} == {
        "bronze/retail/orders",
        "silver/retail/orders",
    }
    assert desk.run(requests) == [True]
    desk.clock.later(60)
    assert desk.sense() == []
    assert desk.loaded("retail.orders") == ["2024-01-02"]


def test_a_file_that_is_still_written_waits(desk: Desk) -> None:
    desk.write("data/orders_2024-01-02.csv", "id,x\n1,a\n")
    desk.sense()
    desk.clock.later(25)
    desk.write("data/orders_2024-01-02.csv", "id,x\n1,a\n2,b\n")
    assert desk.sense() == []
    desk.clock.later(25)
    assert desk.sense() == []
    desk.clock.later(5)
    assert asked(desk.sense()) == [("retail.orders", "2024-01-02")]


def test_a_rewritten_file_is_loaded_again_and_a_removed_one_is_not(desk: Desk) -> None:
    desk.write("data/orders_2024-01-01.csv", "id,x\n1,a\n")
    desk.sense()
    desk.clock.later(30)
    desk.run(desk.sense())
    desk.write("data/orders_2024-01-01.csv", "id,x\n1,changed\n")
    desk.sense()
    desk.clock.later(30)
    again = desk.sense()
    assert asked(again) == [("retail.orders", "2024-01-01")]
    desk.run(again)
    (desk.root / "data/orders_2024-01-01.csv").unlink()
    desk.sense()
    desk.clock.later(30)
    assert desk.sense() == []


def test_new_files_without_a_date_go_to_the_partition_of_today(desk: Desk) -> None:
    desk.write("in/a.csv", "id,x\n1,a\n")
    desk.sense()
    desk.clock.later(30)
    first = desk.sense()
    assert asked(first) == [("web.events", "2024-01-04")]
    desk.project.ingest(desk.project.plan("web.events"), desk.project.current(desk.project.plan("web.events")))
    desk.write("in/b.csv", "id,x\n2,b\n")
    desk.clock.later(86400)
    desk.sense()
    desk.clock.later(30)
    assert asked(desk.sense()) == [("web.events", "2024-01-05")]


def test_a_lost_cursor_and_a_restart_ask_for_nothing_twice(desk: Desk) -> None:
    desk.write("data/orders_2024-01-01.csv", "id,x\n1,a\n")
    desk.sense()
    desk.clock.later(30)
    requests = desk.sense()
    desk.cursor = None  # before the run has begun
    desk.open()
    desk.sense()
    desk.clock.later(30)
    assert desk.sense() == []
    desk.run(requests)
    desk.cursor = "not a cursor"
    desk.sense()
    desk.clock.later(30)
    assert desk.sense() == []


def test_a_bad_file_is_asked_for_again_when_it_changes(desk: Desk) -> None:
    desk.write("data/orders_2024-01-01.csv", 'id,x\n1,"broken\n')
    desk.sense()
    desk.clock.later(30)
    assert desk.run(desk.sense()) == [False]
    for _ in range(3):
        desk.clock.later(60)
        assert desk.sense() == []
    desk.write("data/orders_2024-01-01.csv", "id,x\n1,mended\n")
    desk.sense()
    desk.clock.later(30)
    assert desk.run(desk.sense()) == [True]


def test_what_cannot_be_listed_stops_no_other(desk: Desk) -> None:
    desk.write("in/a.csv", "id\n1\n")
    (desk.root / "data").mkdir()
    (desk.root / "data/orders_2024-01-01.csv").symlink_to("/etc/hostname")
    desk.sense()
    desk.clock.later(30)
    assert asked(desk.sense()) == [("web.events", "2024-01-04")]


def test_intervals_are_sensors_of_their_own(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    desk = Desk(tmp_path, {"orders": ORDERS, "events": EVENTS, "state": STATE}, instance)
    found = {s.name: s.minimum_interval_seconds for s in desk.defs.sensors or []}
    assert found == {"files_every_60_s": 60, "files_every_300_s": 300, "lost_runs": 30}

    desk.write("state.csv", "id\n1\n")
    requests = desk.sense("files_every_300_s")
    assert asked(requests) == [("web.state", "2024-01-04")]
    assert desk.run(requests) == [True]
    assert desk.sense("files_every_300_s") == []


def test_an_old_backlog_comes_in_portions(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    desk = Desk(tmp_path, {"orders": ORDERS.replace("2024-01-01", "2023-07-01").replace("30s", "0s")}, instance)
    days = [f"2023-{month:02d}-{day:02d}" for month in (7, 8, 9, 10, 11) for day in range(1, 31)]
    for day in days:
        desk.write(f"data/orders_{day}.csv", f"id,x\n1,{day}\n")
    first, second, third = desk.sense(), desk.sense(), desk.sense()

    assert (len(first), len(second), len(third)) == (100, 50, 0)
    assert sorted(partition for _, partition in asked([*first, *second]) if partition) == days


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["write", "rewrite", "tick", "run", "lose cursor", "restart", "wait"]), max_size=25))
def test_whatever_happens_every_file_is_loaded_once(steps: list[str]) -> None:
    with dg.DagsterInstance.ephemeral() as instance, _folder() as root:
        intents = {"orders": ORDERS.replace("settle: 30s", "settle: 10s"), "events": EVENTS, "packets": PACKETS}
        desk = Desk(root, intents, instance)
        waiting: list[dg.RunRequest] = []
        content: dict[str, str] = {}
        for number, step in enumerate(steps):
            day = f"2024-01-0{1 + number % 3}"
            if step == "write" or (step == "rewrite" and day in content):
                content[day] = f"{number}"
                desk.write(f"data/orders_{day}.csv", f"id,x\n1,{number}\n")
                desk.write(f"packets/{day}.csv", f"id,x\n1,{number}\n")
            elif step == "tick":
                waiting += desk.sense()
            elif step == "run":
                desk.run(waiting)
                waiting = []
            elif step == "lose cursor":
                desk.cursor = None
            elif step == "restart":
                desk.open()
            else:
                desk.clock.later(20)
        for _ in range(3):
            waiting += desk.sense()
            desk.run(waiting)
            waiting = []
            desk.clock.later(20)
        assert desk.sense() == []
        for name, key in (("retail.orders", "{}"), ("web.packets", "packets/{}.csv")):
            plan = desk.project.plan(name)
            live = desk.project.head(plan).live
            found = {c.load.partition: desk.project.scan_bronze(plan, [c]).collect()["x"].to_list() for c in live}
            assert found == {key.format(day): [text] for day, text in content.items()}


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(os.path.realpath(name))


def test_a_rewritten_file_asks_for_the_day_that_holds_it(desk: Desk) -> None:
    desk.write("in/a.csv", "id,x\n1,a\n")
    desk.write("in/b.csv", "id,x\n2,b\n")
    desk.sense()
    desk.clock.later(30)
    first = desk.sense()
    desk.run(first)
    day = first[0].partition_key
    desk.clock.later(86_400)
    desk.write("in/a.csv", "id,x\n1,A\n")
    desk.write("in/c.csv", "id,x\n3,c\n")
    assert desk.sense() == []
    desk.clock.later(30)
    requests = desk.sense()

    assert [name for name, _ in asked(requests)] == ["web.events", "web.events"]
    assert next(key for _, key in asked(requests)) == day
    desk.run(requests)
    assert desk.sense() == []


def test_messages_behind_the_last_load_are_asked_for_once(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    producer = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = producer.list_topics(timeout=30).brokers.values()
    intent = f"""
system: web
table: clicks
partitions: {{start: 2024-01-01}}
source: {{type: kafka, brokers: ["{broker.host}:{broker.port}"], topic: clicks}}
load: incremental
sensor: {{interval: 60s}}
silver: {{model: event, keys: id}}
"""
    desk = Desk(tmp_path, {"clicks": intent}, instance)
    sensor = "messages_every_60_s"
    producer.produce("clicks", b'{"id": 1}')
    producer.flush(30)
    requests = desk.sense(sensor)
    assert asked(requests) == [("web.clicks", "2024-01-04")]
    assert desk.sense(sensor) == []
    assert desk.run(requests) == [True]
    assert desk.sense(sensor) == []

    producer.produce("clicks", b'{"id": 2}')
    producer.flush(30)
    assert desk.run(desk.sense(sensor)) == [True]
    assert desk.sense(sensor) == []
    assert desk.loaded("web.clicks") == ["2024-01-04", "2024-01-04"]


def test_every_file_is_a_partition_when_the_intent_says_so(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = str(tmp_path_factory.mktemp("home"))
    with dg.DagsterInstance.local_temp(home) as instance:  # schedules open theirs by reference
        desk = Desk(tmp_path, {"packets": PACKETS.replace("10s", "0s") + "schedule: 0 6 * * *\n"}, instance)
        desk.write("packets/b.csv", "id,x\n1,b\n")
        desk.write("packets/a.csv", "id,x\n2,a\n")
        requests = desk.sense()
        assert asked(requests) == [("web.packets", "packets/a.csv"), ("web.packets", "packets/b.csv")]
        assert instance.get_dynamic_partitions("files of web.packets") == ["packets/a.csv", "packets/b.csv"]
        assert desk.run(requests) == [True, True]
        assert desk.sense() == []

        desk.write("packets/c.csv", "id,x\n3,c\n")
        desk.write("packets/a.csv", "id,x\n2,other\n")
        due = desk.schedule("cron_0_6_every_every_every_UTC", desk.clock.now())
        assert asked(due) == [("web.packets", "packets/a.csv"), ("web.packets", "packets/c.csv")]
        assert desk.run(due) == [True, True]
        rows = desk.project.table(desk.project.plan("web.packets").silvers[0]).scan().collect()
        assert sorted(rows.select("id", "x").rows()) == [(1, "b"), (2, "other"), (3, "c")]


def test_a_backfill_of_files_is_one_run(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    desk = Desk(tmp_path, {"packets": PACKETS.replace("10s", "0s")}, instance)
    for name in "abc":
        desk.write(f"packets/{name}.csv", f"id,x\n{name},{name}\n")
    first = desk.sense()[0]
    tags = {RANGE_START: "packets/a.csv", RANGE_END: "packets/c.csv"}
    whole = dg.RunRequest(asset_selection=first.asset_selection, tags=tags)
    assert desk.run([whole]) == [True]
    assert desk.loaded("web.packets") == ["packets/a.csv", "packets/b.csv", "packets/c.csv"]
    wanted = dg.AssetKey(["silver", "web", "packets"])
    assert instance.get_materialized_partitions(wanted) == {f"packets/{name}.csv" for name in "abc"}
