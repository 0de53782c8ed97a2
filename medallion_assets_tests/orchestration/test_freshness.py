"""Ages that a schedule allows."""

from datetime import timedelta

import dagster as dg
import pytest

from medallion_assets.orchestration.freshness import freshness_of
from medallion_assets_tests.silver.lake import plan_of


@pytest.mark.parametrize(
    ("cron", "longest"),
    [
        ("0 * * * *", timedelta(hours=1)),
        ("0 6 * * 1-5", timedelta(days=3)),
        ("30 5 1 * *", timedelta(days=31)),
        ("*/15 8-17 * * *", timedelta(hours=14, minutes=15)),
    ],
)
def test_an_asset_may_miss_its_longest_gap_and_an_hour(cron: str, longest: timedelta) -> None:
    plan = plan_of("{model: scd_type_1, keys: id}", "full", f'schedule: "{cron}"')
    hour = timedelta(hours=1)
    assert freshness_of(plan) == dg.FreshnessPolicy.time_window(
        warn_window=longest + hour, fail_window=2 * longest + hour
    )


def test_without_a_schedule_nothing_is_expected() -> None:
    assert freshness_of(plan_of("{model: scd_type_1, keys: id}", "full")) is None
