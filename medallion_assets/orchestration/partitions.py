"""Calendars as Dagster partitions. Both sides name the same windows with the same keys; a test compares them."""

from collections.abc import Sequence
from functools import cache

import dagster as dg

from medallion_assets.plan.model import Calendar, DatasetPlan

__all__ = [
    "DATE", "EVERYTHING", "TENANT", "definition_of", "is_partitioned", "know_files", "partitions_of",
]  # fmt: skip

EVERYTHING = "all"
"""Key of the one partition of a dataset of cadence none, which Dagster sees as an asset without partitions."""
DATE, TENANT = "date", "tenant"
"""Dimensions of the partitions of a dataset with tenants. Dagster writes them in the order of the alphabet."""


def definition_of(plan: DatasetPlan, tenants: tuple[str, ...]) -> dg.PartitionsDefinition[str] | None:
    """Files, of a plan whose partitions they are; else date by tenant, tenants alone for cadence none, or dates."""
    return dg.DynamicPartitionsDefinition(name=_files(plan)) if plan.by_file else _with_tenants(plan.calendar, tenants)


def know_files(instance: dg.DagsterInstance, plan: DatasetPlan, keys: Sequence[str]) -> None:
    """Tell Dagster of files of a plan whose partitions they are, before it is asked to load them."""
    if plan.by_file:
        instance.add_dynamic_partitions(_files(plan), list(keys))


def _files(plan: DatasetPlan) -> str:
    """Under which name Dagster keeps the files that it was told of."""
    return f"files of {plan.name}"


def is_partitioned(plan: DatasetPlan) -> bool:
    """Whether runs of its assets have partitions."""
    return plan.by_file or plan.dataset.tenant is not None or partitions_of(plan.calendar) is not None


@cache
def _with_tenants(calendar: Calendar, tenants: tuple[str, ...]) -> dg.PartitionsDefinition[str] | None:
    dates = partitions_of(calendar)
    if not tenants:
        return dates
    named = dg.StaticPartitionsDefinition(list(tenants))
    return named if dates is None else dg.MultiPartitionsDefinition({DATE: dates, TENANT: named})


@cache
def partitions_of(calendar: Calendar) -> dg.TimeWindowPartitionsDefinition | None:
    """The one shared object of this calendar; None for cadences none and file.

    Shared because Dagster compares and serialises a definition per asset otherwise: with 3,000 intents that is most
    of the load time. An open calendar includes the window that holds this moment, because sources that are read
    *now* load into it.
    """
    start, zone = calendar.start.isoformat(), calendar.timezone
    end = None if calendar.end is None else calendar.end.isoformat()
    ahead = 1 if end is None else 0
    match calendar.cadence:
        case "none" | "file":
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
