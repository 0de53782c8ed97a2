"""Scores, the picture, the page."""

import struct
import zlib
from datetime import datetime, timezone
from html.parser import HTMLParser

import pytest

from medallion_assets.lake.results import CheckResult, Severity
from medallion_assets.report.page import markdown, page, points
from medallion_assets.report.picture import heat_map
from medallion_assets.report.quality import WHOLE, Quality, Verdict, score

NOW = datetime(2024, 1, 5, 12, 30, tzinfo=timezone.utc)


def verdict(
    dataset: str, day: str, *, passed: bool, severity: Severity = "error", name: str = "rows", said: str = "Said."
) -> Verdict:
    check = CheckResult(name, "silver", passed, severity, said, day, facts={"failing": 3, "sample": "id=<7>"})
    return Verdict(dataset, f"silver/{dataset}", day, check)


GOOD = verdict("shop.a", "2024-01-01", passed=True)
BAD = verdict("shop.b", "2024-01-02", passed=False, name="unique", said="2 rows & <b>more</b>.")
WARNED = verdict("shop.b", "2024-01-01", passed=False, severity="warn")
TABLE = verdict("shop.b", WHOLE, passed=True)
QUALITY = Quality([TABLE, BAD, GOOD, WARNED], NOW)


def test_a_score_is_the_weighted_share_that_passed() -> None:
    assert score([]) is None
    assert score([GOOD, BAD]) == 50
    assert score([GOOD, WARNED]) == pytest.approx(100 / 1.5)
    assert QUALITY.score_of("shop.b") == pytest.approx(100 / 2.5)
    assert QUALITY.score == pytest.approx((100 + 40) / 2)


def test_datasets_and_days_are_in_order_and_the_worst_decides() -> None:
    assert QUALITY.days == ("2024-01-01", "2024-01-02", WHOLE)
    states = {name: {day: of.state for day, of in days.items()} for name, days in QUALITY.datasets.items()}
    assert states == {
        "shop.a": {"2024-01-01": "passed"},
        "shop.b": {"2024-01-01": "warned", "2024-01-02": "failed", WHOLE: "passed"},
    }


def test_almost_is_not_all() -> None:
    assert [points(s) for s in (None, 100.0, 99.99, 40.0)] == ["none", "100", "99.9", "40.0"]


def test_the_picture_is_a_png_of_the_cells() -> None:
    data = heat_map(QUALITY)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    assert (width, height, depth, kind) == (30, 20, 8, 3)
    start = data.index(b"IDAT") + 4
    length = struct.unpack(">I", data[start - 8 : start - 4])[0]
    pixels = zlib.decompress(data[start : start + length])
    rows = [pixels[n * 31 + 1 : (n + 1) * 31] for n in range(20)]
    assert [rows[5][x] for x in (5, 15, 25)] == [2, 3, 1]
    assert [rows[15][x] for x in (5, 15, 25)] == [1, 0, 0]


def test_the_picture_of_many_stays_small() -> None:
    many = [verdict(f"s.t{n}", f"2024-{m:02d}-{d:02d}", passed=(n * d) % 7 > 0)
            for n in range(100) for m in (1, 2, 3, 4, 5) for d in range(1, 29)]  # fmt: skip
    assert len(heat_map(Quality(many, NOW))) < 20_000


def test_markdown_shows_the_worst_first() -> None:
    text = markdown(QUALITY, "data:image/png;base64,xyz")
    assert text.splitlines()[0] == "**70.0** over 2 datasets, 2024-01-05 12:30 UTC"
    assert "](data:image/png;base64,xyz)" in text
    assert text.splitlines()[-2:] == [
        "| shop.b | 40.0 | 3 | 1 | 1 | 2024-01-02: unique |",
        "| shop.a | 100 | 1 | 0 | 0 |  |",
    ]


class Outline(HTMLParser):
    """Links, anchors, and what comes from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.tags.append(tag)
        self.links += [link for link in (said.get("href"), said.get("src")) if link]
        self.ids += [said["id"] or ""] if "id" in said else []


def test_the_page_is_whole_in_itself_and_every_link_leads_somewhere() -> None:
    text = page(QUALITY)
    found = Outline()
    found.feed(text)
    assert {link[1:] for link in found.links} <= set(found.ids)
    assert all(link.startswith("#") for link in found.links)
    assert len(found.ids) == len(set(found.ids))
    assert not {"script", "img", "link", "b"} & set(found.tags) - {"b"}
    assert "2 rows &amp; &lt;b&gt;more&lt;/b&gt;." in text
    assert "id=&lt;7&gt;" in text


def test_an_empty_lake_has_a_page() -> None:
    assert "0 datasets" in page(Quality([], NOW))
    assert heat_map(Quality([], NOW))
