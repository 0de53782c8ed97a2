from datetime import date, datetime, timezone

import dagster as dg
import pytest

from medallion_assets.orchestration.partitions import partitions_of
from medallion_assets.plan.calendar import partitions_between
from medallion_assets.plan.model import Cadence, Calendar

START, END = date(2024, 3, 6), date(2024, 5, 20)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("cadence", ["hourly", "daily", "weekly", "monthly"])
def test_dagster_names_the_windows_of_the_calendar(cadence: Cadence, zone: str) -> None:
    calendar = Calendar(cadence, START, END, zone)
    definition = partitions_of(calendar)
    assert definition is not None
    ours = partitions_between(calendar, START, END)

    windows = [definition.time_window_for_partition_key(p.key) for p in ours]

    assert definition.get_partition_keys() == [p.key for p in ours]
    assert [(w.start, w.end) for w in windows] == [(p.window.start, p.window.end) for p in ours]


def test_an_open_calendar_holds_the_window_of_now() -> None:
    definition = partitions_of(Calendar("daily", START, None, "UTC"))
    assert definition is not None
    now = datetime(2024, 4, 1, 12, tzinfo=timezone.utc)
    assert definition.get_partition_keys(current_time=now)[-1] == "2024-04-01"


def test_equal_calendars_share_one_object() -> None:
    first = partitions_of(Calendar("daily", START, END, "UTC"))
    assert isinstance(first, dg.TimeWindowPartitionsDefinition)
    assert partitions_of(Calendar("daily", START, END, "UTC")) is first


def test_cadence_none_has_no_partitions() -> None:
    assert partitions_of(Calendar("none", START, None, "UTC")) is None
