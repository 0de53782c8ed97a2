"""A running example and a Chromium to look at it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from medallion_assets_tests.browser.server import Ui, example_ui

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def ui() -> Iterator[Ui]:
    with example_ui() as running:
        yield running


@pytest.fixture
def page(tmp_path: Path) -> "Iterator[Page]":
    """One tab of a browser with an empty profile."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path / "profile"),
            executable_path=CHROMIUM,
            headless=True,
            args=FLAGS,
            viewport={"width": 1440, "height": 900},
            timezone_id="UTC",
        )
        context.set_default_timeout(60_000)
        yield context.pages[0]
        context.close()
