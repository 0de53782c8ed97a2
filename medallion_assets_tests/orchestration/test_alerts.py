"""The sensor that tells: once, until it is over, whatever the channel does."""

from pathlib import Path

import dagster as dg
import pytest

from medallion_assets.alerts.message import Message
from medallion_assets.alerts.send import NotSent
from medallion_assets_tests.orchestration.ticking import Desk

ORDERS = """
system: shop
table: orders
partitions: {start: 2024-01-01}
source: {type: file, path: "data/orders_{run_date}.csv"}
load: full
schedule: "0 6 * * *"
silver: {model: scd_type_1, keys: id}
checks: [{rule: range, columns: amount, min: 0, on_failure: warn}]
alerts: [{channel: team, when: [run_failed, run_succeeded, check_failed, late, recovered]}]
"""
KEYS = ["bronze/shop/orders", "silver/shop/orders"]


class Team:
    """What the channel got; ``down``: it takes nothing."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self.down = False

    def __call__(self, channel: object, message: Message, resolve: object) -> None:
        if self.down:
            raise NotSent("the channel answered 500")
        self.got.append((message.event, message.subject))

    def take(self) -> list[tuple[str, str]]:
        got, self.got = self.got, []
        return got


@pytest.fixture
def team(monkeypatch: pytest.MonkeyPatch) -> Team:
    team = Team()
    monkeypatch.setattr("medallion_assets.orchestration.alerts.send", team)
    return team


@pytest.fixture
def desk(tmp_path: Path, instance: dg.DagsterInstance) -> Desk:
    (tmp_path / "platform.yaml").write_text("channels: {team: {type: slack, url: 'http://127.0.0.1:9/x'}}\n")
    desk = Desk(tmp_path, {"orders": ORDERS}, instance)
    desk.clock.time = desk.clock.time.replace(hour=6, minute=30)
    return desk


def _load(desk: Desk, day: str, amount: str) -> bool:
    desk.write(f"data/orders_{day}.csv", f"id,amount\n1,{amount}\n")
    selection = [dg.AssetKey.from_user_string(key) for key in KEYS]
    job = desk.defs.resolve_implicit_job_def_def_for_assets(selection)
    assert job is not None
    done = job.execute_in_process(
        instance=desk.instance, asset_selection=selection, partition_key=day, raise_on_error=False
    )
    return done.success


def _tick(desk: Desk) -> None:
    desk.sense("alerts")


CHECK = ("silver/shop/orders range_amount 2024-01-03", "range_amount")


def test_a_failed_check_is_told_once_and_taken_back_when_it_is_over(desk: Desk, team: Team) -> None:
    _load(desk, "2024-01-03", "-1")
    _tick(desk)
    assert team.take() == []  # what was before the sensor is not told

    _load(desk, "2024-01-03", "-2")
    _tick(desk)
    assert team.take() == [("check_failed", CHECK[0]), ("run_succeeded", "run 2024-01-03")]
    _load(desk, "2024-01-03", "-3")
    _tick(desk)
    assert team.take() == [("run_succeeded", "run 2024-01-03")]
    _load(desk, "2024-01-03", "3")
    _tick(desk)
    assert team.take() == [("recovered", CHECK[0]), ("run_succeeded", "run 2024-01-03")]


def test_a_failed_run_is_told_once_and_taken_back(desk: Desk, team: Team) -> None:
    _load(desk, "2024-01-03", "1")
    _tick(desk)
    team.take()
    for _ in range(2):
        assert not _load(desk, "2024-01-03", '"')
        _tick(desk)
    assert team.take() == [("run_failed", "run 2024-01-03")]
    _load(desk, "2024-01-03", "1")
    _tick(desk)
    assert team.take() == [("run_succeeded", "run 2024-01-03"), ("recovered", "run 2024-01-03")]


def test_a_late_partition_is_told_an_hour_after_its_schedule(desk: Desk, team: Team) -> None:
    _tick(desk)
    assert team.take() == []
    desk.clock.later(3600)
    _tick(desk)
    _tick(desk)
    assert team.take() == [("late", "partition 2024-01-03")]
    _load(desk, "2024-01-03", "1")
    _tick(desk)
    assert ("recovered", "partition 2024-01-03") in team.take()


def test_what_a_channel_does_not_take_is_tried_at_five_ticks(desk: Desk, team: Team) -> None:
    _tick(desk)
    team.down = True
    assert _load(desk, "2024-01-03", "-2")
    for _ in range(3):
        _tick(desk)
    team.down = False
    _tick(desk)
    assert team.take() == [("check_failed", CHECK[0]), ("run_succeeded", "run 2024-01-03")]

    team.down = True
    _load(desk, "2024-01-03", "3")
    for _ in range(6):
        _tick(desk)
    team.down = False
    _tick(desk)
    assert team.take() == []


def test_an_unknown_channel_stops_nothing(tmp_path: Path, instance: dg.DagsterInstance, team: Team) -> None:
    desk = Desk(tmp_path, {"orders": ORDERS}, instance)
    _tick(desk)
    assert _load(desk, "2024-01-03", "-1")
    _tick(desk)
    assert team.take() == []


def test_without_alerts_there_is_no_sensor(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    desk = Desk(tmp_path, {"orders": ORDERS[: ORDERS.index("alerts")]}, instance)
    assert [sensor.name for sensor in desk.defs.sensors or []] == ["lost_runs"]
