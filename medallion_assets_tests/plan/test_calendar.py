"""Windows of run date: the same as Dagster's, gapless, and exact across changes of the clock."""

from datetime import date, datetime, timedelta, timezone
from itertools import pairwise

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.errors import ConfigError
from medallion_assets.plan.calendar import partition_at, partition_of, partitions_between
from medallion_assets.plan.model import Cadence, Calendar

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "America/Havana", "Asia/Kathmandu")
DAILY = Calendar("daily", date(2024, 1, 1), None, "UTC")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type, misc]


def dagster_calendar(calendar: Calendar, end: date) -> dg.TimeWindowPartitionsDefinition:
    hour = "-00:00" if calendar.cadence == "hourly" else ""
    start, stop = calendar.start.isoformat() + hour, end.isoformat() + hour
    zone = calendar.timezone
    match calendar.cadence:
        case "hourly":
            return dg.HourlyPartitionsDefinition(start_date=start, end_date=stop, timezone=zone)
        case "weekly":
            return dg.WeeklyPartitionsDefinition(start_date=start, end_date=stop, timezone=zone)
        case "monthly":
            return dg.MonthlyPartitionsDefinition(start_date=start, end_date=stop, timezone=zone)
    return dg.DailyPartitionsDefinition(start_date=start, end_date=stop, timezone=zone)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cadence", ["hourly", "daily", "weekly", "monthly"])
@pytest.mark.parametrize("start", [date(2024, 3, 6), date(2024, 9, 1), date(2024, 10, 20)])
def test_keys_and_windows_are_dagsters(cadence: Cadence, zone: str, start: date) -> None:
    end = start + timedelta(days=70 if cadence != "hourly" else 20)
    calendar = Calendar(cadence, start, end, zone)
    theirs = dagster_calendar(calendar, end)
    ours = partitions_between(calendar, start, end)
    assert [p.key for p in ours] == theirs.get_partition_keys()
    for partition in ours:
        window = theirs.time_window_for_partition_key(partition.key)
        assert (partition.window.start.timestamp(), partition.window.end.timestamp()) == (
            window.start.timestamp(),
            window.end.timestamp(),
        )
        assert partition_of(calendar, partition.key) == partition


@pytest.mark.parametrize("cadence", ["hourly", "daily", "weekly", "monthly"])
@settings(max_examples=60, deadline=None)
@given(zone=st.sampled_from(ZONES), day=st.dates(date(2021, 1, 1), date(2030, 1, 1)), seconds=st.integers(0, 86_399))
def test_an_instant_lies_in_the_window_of_its_partition(cadence: Cadence, zone: str, day: date, seconds: int) -> None:
    calendar = Calendar(cadence, date(2020, 1, 1), None, zone)
    instant = datetime(day.year, day.month, day.day, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    partition = partition_at(calendar, instant)
    assert partition.window.start <= instant < partition.window.end
    assert partition_of(calendar, partition.key) == partition


def test_windows_leave_no_gap_over_a_year_of_clock_changes() -> None:
    for zone in ZONES:
        calendar = Calendar("hourly", date(2024, 1, 1), date(2025, 1, 1), zone)
        hours = partitions_between(calendar, date(2024, 1, 1), date(2024, 12, 31))
        assert all(a.window.end == b.window.start for a, b in pairwise(hours))
        assert len({p.path for p in hours}) == len(hours) == 366 * 24


def test_a_day_of_berlin_starts_at_its_own_midnight() -> None:
    calendar = Calendar("daily", date(2024, 1, 1), None, "Europe/Berlin")
    spring = partition_of(calendar, "2024-03-31")
    assert (spring.window.start, spring.window.end) == (utc(2024, 3, 30, 23), utc(2024, 3, 31, 22))
    autumn = partition_of(calendar, date(2024, 10, 27))
    assert (autumn.window.start, autumn.window.end) == (utc(2024, 10, 26, 22), utc(2024, 10, 27, 23))
    assert (autumn.key, autumn.run_date, autumn.path) == ("2024-10-27", date(2024, 10, 27), "dt=2024-10-27")


def test_the_hour_that_comes_twice_has_two_keys_and_utc_folders() -> None:
    calendar = Calendar("hourly", date(2024, 10, 27), None, "Europe/Berlin")
    first, second = partition_of(calendar, "2024-10-27-02:00"), partition_of(calendar, "2024-10-27-02:00+0100")
    assert (first.window.start, second.window.start) == (utc(2024, 10, 27, 0), utc(2024, 10, 27, 1))
    assert (first.path, second.path) == ("dt=2024-10-27/hour=00", "dt=2024-10-27/hour=01")
    with pytest.raises(ConfigError, match="PLN-001"):
        partition_of(Calendar("hourly", date(2024, 3, 1), None, "Europe/Berlin"), "2024-03-31-02:00")


def test_cadence_none_has_one_partition_for_every_date() -> None:
    calendar = Calendar("none", date(2024, 1, 1), None, "America/New_York")
    every = partition_of(calendar, "all")
    assert (every.key, every.path) == ("all", "dt=2024-01-01")
    assert (every.window.start, every.window.end) == (utc(2024, 1, 1, 5), utc(9999, 12, 31))
    assert partition_of(calendar, "2013-01-05") == every
    assert partition_at(calendar, utc(2030, 1, 1)) == every
    assert partitions_between(calendar, date(2013, 1, 1), date(2013, 1, 2)) == (every,)


def test_a_week_starts_on_sunday_and_a_month_on_the_first() -> None:
    weekly = Calendar("weekly", date(2024, 1, 1), None, "UTC")
    assert partition_of(weekly, date(2024, 1, 10)).key == "2024-01-07"
    monthly = Calendar("monthly", date(2024, 1, 1), None, "UTC")
    assert partition_of(monthly, "2024-02-29").key == "2024-02-01"
    assert [p.key for p in partitions_between(monthly, date(2024, 1, 31), date(2024, 3, 1))] == [
        "2024-01-01",
        "2024-02-01",
        "2024-03-01",
    ]


def test_outside_says_where_the_calendar_starts_and_ends() -> None:
    calendar = Calendar("daily", date(2024, 1, 1), date(2024, 2, 1), "UTC")
    for instant in (utc(2023, 12, 31), utc(2024, 2, 1)):
        with pytest.raises(ConfigError) as caught:
            partition_at(calendar, instant)
        with pytest.raises(ConfigError, match="PLN-002"):
            partition_of(calendar, instant.date())
        assert caught.value.code == "PLN-002"
        assert "daily from 2024-01-01 to 2024-02-01 (exclusive) in UTC" in str(caught.value)
    assert len(partitions_between(calendar, date(2020, 1, 1), date(2030, 1, 1))) == 31
    with pytest.raises(ConfigError, match=r"2020-01-01 to 2020-12-31 is outside .* from 2024-01-01 without an end"):
        partitions_between(DAILY, date(2020, 1, 1), date(2020, 12, 31))


@pytest.mark.parametrize(
    "text", ["", "2024", "2024-1-5", "2024-02-30", "all", "2024-01-01-00:00", "20240101", "01.02.2024"]
)
def test_what_is_no_date_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        partition_of(DAILY, text)
    assert caught.value.code == "PLN-001"
    assert "2024-01-31" in caught.value.problem.fix


def test_an_hourly_dataset_needs_the_hour() -> None:
    calendar = Calendar("hourly", date(2024, 1, 1), None, "UTC")
    for asked in ("2024-01-31", date(2024, 1, 31), "2024-01-31-24:00", "2024-01-31-13:30"):
        with pytest.raises(ConfigError, match="PLN-001"):
            partition_of(calendar, asked)
    with pytest.raises(ConfigError, match="PLN-001"):
        partition_of(Calendar("none", date(2024, 1, 1), None, "UTC"), "everything")
