"""A person's way through the UI: see the graph, load one day by clicking, watch the checks turn green."""

import re

import pytest
from playwright.sync_api import Page, expect

from medallion_assets_tests.browser.server import ROOT, Ui

pytestmark = pytest.mark.browser

IMAGES = ROOT / "docs" / "images"
DAY = "2013-01-11"
RUN_MS = 120_000
BRONZE, SILVER = "bronze/nyc/flights", "silver/aviation/flights"


def test_a_day_is_loaded_from_the_asset_page_and_its_checks_turn_green(ui: Ui, page: Page) -> None:
    for asset, checks in ((BRONZE, 2), (SILVER, 7)):
        _expect_partitions(ui, page, asset, materialized=10)
        _materialize(ui, page, asset, DAY)
        _expect_partitions(ui, page, asset, materialized=11)
        _expect_checks_of(ui, page, asset, checks)
    _shoot(ui, page, f"/assets/{SILVER}?view=checks", "checks.png", "This is a blocking asset check")
    _shoot(ui, page, f"/assets/{SILVER}?view=partitions&partition={DAY}", "partitions.png", "quarantined_in_partition")
    _shoot(ui, page, f"/assets/{SILVER}", "asset.png", "Flight number of the carrier")


def test_the_graph_shows_bronze_and_silver_of_every_intent(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/asset-groups")
    for group in ("aviation", "entertainment", "geography", "nyc"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    _shoot(ui, page, "/locations/medallion/asset-groups/nyc/lineage", "graph.png", "3 / 3 Passed")


def test_a_failed_check_says_what_to_do(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/assets/silver/entertainment/movies?view=checks&checkDetail=released_by_2011")
    expect(page.get_by_text("correct them where they come from").first).to_be_visible()


def _materialize(ui: Ui, page: Page, asset: str, key: str) -> None:
    """Ask for one partition in the dialog behind the button of the asset's page."""
    page.goto(f"{ui.url}/assets/{asset}")
    page.get_by_role("button", name="Materialize").first.click()
    dialog = page.get_by_role("dialog")
    keys = dialog.get_by_role("textbox").first
    keys.fill(key)
    keys.press("Enter")
    expect(dialog.get_by_text("1 partition", exact=True)).to_be_visible()
    dialog.get_by_role("button", name="Launch").click()
    expect(dialog).to_be_hidden()


def _expect_partitions(ui: Ui, page: Page, asset: str, *, materialized: int) -> None:
    page.goto(f"{ui.url}/assets/{asset}?view=partitions")
    expect(page.get_by_text(f"Materialized ({materialized})")).to_be_visible(timeout=RUN_MS)


def _expect_checks_of(ui: Ui, page: Page, asset: str, checks: int) -> None:
    """Every check has passed, and the one on show is of the day that was just loaded."""
    page.goto(f"{ui.url}/assets/{asset}?view=checks")
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(checks, timeout=RUN_MS)
    expect(page.get_by_text(DAY).first).to_be_visible()


def _shoot(ui: Ui, page: Page, path: str, name: str, shows: str) -> None:
    """Store what a page looks like once it shows a text."""
    page.goto(f"{ui.url}{path}")
    expect(page.get_by_text(shows).first).to_be_visible()
    page.wait_for_timeout(1_500)  # graphs and icons settle
    IMAGES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=IMAGES / name)


def test_the_dashboard_is_materialised_and_shows_every_dataset(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/assets/quality/dashboard")
    page.get_by_role("button", name="Materialize").first.click()
    expect(page.get_by_text("Launched run").first).to_be_visible(timeout=RUN_MS)
    page.goto(f"{ui.url}/assets/quality/dashboard?view=events")
    expect(page.get_by_text("verdicts").first).to_be_visible(timeout=RUN_MS)
    expect(page.locator("td", has_text=re.compile("^nyc.flights$"))).to_be_visible()
    expect(page.locator("img[src^='data:image/png']").first).to_be_visible()
    page.wait_for_timeout(1_000)
    page.screenshot(path=IMAGES / "dashboard.png")


def test_a_file_dropped_into_a_folder_is_loaded_by_the_sensor(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/assets/bronze/inbox/drops?view=events")
    expect(page.get_by_text("1 part", exact=False).or_(page.get_by_text("partition_row_count")).first).to_be_visible(
        timeout=RUN_MS
    )
    _shoot(ui, page, "/locations/medallion/sensors/files_every_30_s", "sensor.png", "files_every_30_s")


def test_a_backfill_of_five_days_runs_as_one(ui: Ui, page: Page) -> None:
    page.goto(f"{ui.url}/assets/{BRONZE}")
    page.get_by_role("button", name="Materialize").first.click()
    dialog = page.get_by_role("dialog")
    keys = dialog.get_by_role("textbox").first
    keys.fill("[2013-01-12...2013-01-16]")
    keys.press("Enter")
    expect(dialog.get_by_text("5 partitions", exact=True)).to_be_visible()
    expect(dialog.get_by_text("Backfills all partitions in a single run.")).to_be_visible()
    page.screenshot(path=IMAGES / "backfill.png")
    dialog.get_by_role("button", name="Launch backfill").click()
    expect(dialog).to_be_hidden()
    page.goto(f"{ui.url}/runs?view=backfills")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=RUN_MS)
    page.goto(f"{ui.url}/assets/{BRONZE}?view=partitions")
    expect(page.get_by_text(re.compile(r"Materialized \(1[56]\)"))).to_be_visible(timeout=RUN_MS)
