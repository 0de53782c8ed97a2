"""Calendars as Dagster partitions. Both sides name the same windows with the same keys; a test compares them."""

from functools import cache

import dagster as dg

from medallion_assets.plan.calendar import partition_of
from medallion_assets.plan.model import Calendar

__all__ = ["DATE", "EVERYTHING", "TENANT", "partitions_of", "run_dates", "with_tenants"]

EVERYTHING = "all"
"""Key of the one partition of a dataset of cadence none, which Dagster sees as an asset without partitions."""
DATE, TENANT = "date", "tenant"
"""Dimensions of the partitions of a dataset with tenants. Dagster writes them in the order of the alphabet."""


@cache
def with_tenants(calendar: Calendar, tenants: tuple[str, ...]) -> dg.PartitionsDefinition[str] | None:
    """Date by tenant; tenants alone for cadence none; as ``partitions_of`` when there are no tenants."""
    dates = partitions_of(calendar)
    if not tenants:
        return dates
    named = dg.StaticPartitionsDefinition(list(tenants))
    return named if dates is None else dg.MultiPartitionsDefinition({DATE: dates, TENANT: named})


@cache
def partitions_of(calendar: Calendar) -> dg.TimeWindowPartitionsDefinition | None:
    """The one shared object of this calendar; None for cadence none.

    Shared because Dagster compares and serialises a definition per asset otherwise: with 3,000 intents that is most
    of the load time. An open calendar includes the window that holds this moment, because sources that are read
    *now* load into it.
    """
    start, zone = calendar.start.isoformat(), calendar.timezone
    end = None if calendar.end is None else calendar.end.isoformat()
    ahead = 1 if end is None else 0
    match calendar.cadence:
        case "none":
            return None
        case "hourly":
            return dg.HourlyPartitionsDefinition(
                start_date=f"{start}-00:00",
                end_date=None if end is None else f"{end}-00:00",
                timezone=zone,
                end_offset=ahead,
            )
        case "daily":
            return dg.DailyPartitionsDefinition(start_date=start, end_date=end, timezone=zone, end_offset=ahead)
        case "weekly":
            return dg.WeeklyPartitionsDefinition(start_date=start, end_date=end, timezone=zone, end_offset=ahead)
        case "monthly":
            return dg.MonthlyPartitionsDefinition(start_date=start, end_date=end, timezone=zone, end_offset=ahead)


def run_dates(calendar: Calendar, keys: tuple[str, ...]) -> tuple[str, ...]:
    """The run dates (``YYYY-MM-DD``) of partitions, sorted."""
    return tuple(sorted({partition_of(calendar, key).run_date.isoformat() for key in keys}))
