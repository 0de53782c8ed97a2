"""How old an asset may become, from the schedule that is meant to renew it."""

from datetime import timedelta
from functools import cache
from itertools import islice, pairwise

import dagster as dg

from medallion_assets.plan.model import DatasetPlan

__all__ = ["freshness_of"]

_GRACE = timedelta(hours=1)
"""What a run may take until it is done; alerts on late partitions wait as long."""
_FROM = 1_704_067_200.0
"""2024-01-01 UTC, a Monday: a fixed place to look at a cron from."""
_TICKS = 400
"""More than a year of days, so that the longest gap of a cron is among them."""


def freshness_of(plan: DatasetPlan) -> dg.FreshnessPolicy | None:
    """A warning once a tick of the schedule has brought nothing, a failure once two have; None without a schedule."""
    if plan.schedule is None:
        return None
    return _policy(plan.schedule.cron, plan.schedule.timezone or plan.calendar.timezone)


@cache
def _policy(cron: str, zone: str) -> dg.FreshnessPolicy:
    from dagster._utils.schedules import cron_string_iterator

    ticks = islice(cron_string_iterator(_FROM, cron, zone), _TICKS)
    longest = max(later - earlier for earlier, later in pairwise(ticks))
    return dg.FreshnessPolicy.time_window(warn_window=longest + _GRACE, fail_window=2 * longest + _GRACE)
