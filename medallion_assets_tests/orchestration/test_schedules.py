"""Schedules: the newest partition on time, and the gaps before it when the intent says so."""

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest

from medallion_assets_tests.orchestration.ticking import Desk, asked

ORDERS = """
system: retail
table: orders
partitions: {start: 2024-01-01}
source: {type: file, path: "data/orders_{run_date}.csv"}
load: full
schedule: {cron: "0 6 * * *", timezone: Europe/Berlin}
silver: {model: scd_type_1, keys: id}
"""
SHOPS = """
system: retail
table: shops
partitions: {cadence: none}
source: {type: file, path: data/shops.csv}
load: full
schedule: {cron: "0 6 * * *", timezone: Europe/Berlin}
"""
STATE = """
system: web
table: state
partitions: {start: 2024-01-01}
source: {type: file, path: data/state.csv}
load: full
schedule: "*/15 * * * *"
"""
SIX = datetime(2024, 1, 5, 5, tzinfo=timezone.utc)
NAME = "cron_0_6_every_every_every_Europe_by_Berlin"


@pytest.fixture
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """A schedule's context wants one that lasts."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home"))) as instance:
        yield instance


@pytest.fixture
def desk(tmp_path: Path, instance: dg.DagsterInstance) -> Desk:
    desk = Desk(tmp_path, {"orders": ORDERS, "shops": SHOPS, "state": STATE}, instance)
    desk.clock.time = SIX
    return desk


def test_one_schedule_for_each_cron_and_zone(desk: Desk) -> None:
    found = {s.name: (s.cron_schedule, s.execution_timezone) for s in desk.defs.schedules or []}  # type: ignore[union-attr]
    assert found == {
        NAME: ("0 6 * * *", "Europe/Berlin"),
        "cron_every_by_15_every_every_every_every_UTC": ("*/15 * * * *", "UTC"),
    }


def test_the_last_whole_day_the_gaps_and_what_has_no_days(desk: Desk) -> None:
    for day in ("2024-01-01", "2024-01-02", "2024-01-04"):
        desk.write(f"data/orders_{day}.csv", "id,x\n1,a\n")
    desk.write("data/shops.csv", "id\n1\n")
    requests = desk.schedule(NAME, SIX)

    assert asked(requests) == [
        ("retail.orders", "2024-01-01..2024-01-02"),
        ("retail.orders", "2024-01-04"),
        ("retail.shops", None),
    ]
    assert desk.run(requests) == [True, True, True]
    assert desk.loaded("retail.orders") == ["2024-01-01", "2024-01-02", "2024-01-04"]
    assert asked(desk.schedule(NAME, SIX)) == [("retail.orders", "2024-01-04"), ("retail.shops", None)]


def test_a_source_that_is_read_now_gets_the_current_day_alone(desk: Desk) -> None:
    (request,) = desk.schedule("cron_every_by_15_every_every_every_every_UTC", SIX)
    assert asked([request]) == [("web.state", "2024-01-05")]


def test_a_late_tick_is_about_its_own_time(desk: Desk) -> None:
    desk.write("data/orders_2024-01-03.csv", "id,x\n1,a\n")
    desk.clock.time = datetime(2024, 2, 1, tzinfo=timezone.utc)
    assert asked(desk.schedule(NAME, datetime(2024, 1, 4, 5, tzinfo=timezone.utc)))[0] == (
        "retail.orders",
        "2024-01-03",
    )


def test_gaps_are_left_alone_when_the_intent_says_so(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    text = ORDERS.replace("timezone: Europe/Berlin}", "timezone: Europe/Berlin, backfill_missing: false}")
    desk = Desk(tmp_path, {"orders": text}, instance)
    for day in ("2024-01-01", "2024-01-04"):
        desk.write(f"data/orders_{day}.csv", "id,x\n1,a\n")
    assert asked(desk.schedule(NAME, SIX)) == [("retail.orders", "2024-01-04")]


def test_gaps_that_are_being_filled_are_not_asked_for_again(desk: Desk) -> None:
    for day in ("2024-01-01", "2024-01-04"):
        desk.write(f"data/orders_{day}.csv", "id,x\n1,a\n")
    gap = desk.schedule(NAME, SIX)[0]
    job = desk.defs.resolve_implicit_job_def_def_for_assets(list(gap.asset_selection or []))
    assert job is not None
    desk.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=dict(gap.tags))

    assert asked(desk.schedule(NAME, SIX)) == [("retail.orders", "2024-01-04"), ("retail.shops", None)]


def test_one_dataset_that_fails_stops_no_other(desk: Desk) -> None:
    (desk.root / "data").mkdir()
    (desk.root / "data/orders_2024-01-04.csv").symlink_to("/etc/hostname")
    desk.write("data/shops.csv", "id\n1\n")
    assert asked(desk.schedule(NAME, SIX)) == [("retail.shops", None)]
