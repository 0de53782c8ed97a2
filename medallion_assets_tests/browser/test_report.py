"""The quality report in a browser: readable in light and in dark, its cells lead to the checks behind them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from medallion_assets_tests.browser.server import ROOT
from medallion_assets_tests.browser.test_ui import IMAGES

pytestmark = pytest.mark.browser

INTENT = """
system: shop
table: orders
source: {type: file, path: "data/orders_{run_date}.csv"}
load: full
partitions: {start: 2024-01-01, end: 2024-02-01}
quarantine: {max_rows: 9}
silver: {model: scd_type_1, keys: id}
checks:
  - {rule: range, columns: amount, min: 0, at: bronze}
  - {rule: in_set, columns: state, values: [new, paid], at: bronze, on_failure: warn}
"""


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "intents").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "intents/orders.yaml").write_text(INTENT)
    (tmp_path / "intents/returns.yaml").write_text(INTENT.replace("table: orders", "table: returns"))
    for day in range(1, 21):
        amount, state = -1 if day == 13 else day, "lost" if day in (5, 6) else "paid"
        (tmp_path / f"data/orders_2024-01-{day:02d}.csv").write_text(f"id,amount,state\n1,{amount},{state}\n2,7,new\n")
    command = [sys.executable, "-m", "medallion_assets.cli.app", "-C", str(tmp_path)]
    subprocess.run([*command, "run", "--from", "2024-01-01", "--to", "2024-01-20"], capture_output=True, check=False)
    with subprocess.Popen([*command, "report", "--serve"], stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        yield next((m[0] for line in server.stdout if (m := re.search(r"http://\S+", line))), "")
        server.terminate()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_is_readable_and_leads_to_what_failed(address: str, page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    expect(page.get_by_role("heading", name="Data quality")).to_be_visible()
    for style in ("td.passed a", "td.warned a", "td.failed a"):
        assert _contrast(page, style) >= 4.5, style
    page.screenshot(path=IMAGES / f"report-{scheme}.png")

    page.get_by_label("shop.orders 2024-01-13: failed").click()
    expect(page.get_by_text("1 of 2 rows breaks the rule: amount is at least 0").first).to_be_in_viewport()
    assert {url.split("#")[0].rstrip("/") for url in asked} == {address.rstrip("/")}


def _contrast(page: Page, selector: str) -> float:
    """Of the text against its cell, as WCAG 2 has it."""
    colours = page.locator(selector).first.evaluate(
        "e => [getComputedStyle(e).color, getComputedStyle(e.parentElement).backgroundColor]"
    )
    light, dark = sorted((_luminance(c) for c in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(n) / 255 for n in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
