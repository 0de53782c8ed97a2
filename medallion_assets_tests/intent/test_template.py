"""Template fields, rendered for a partition."""

from datetime import date, datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from medallion_assets.intent.template import Field, fields, render
from medallion_assets.lake.window import Partition, Window

BERLIN = Partition(
    Window(datetime(2024, 3, 30, 23, tzinfo=timezone.utc), datetime(2024, 3, 31, 22, tzinfo=timezone.utc)),
    "2024-03-31",
    date(2024, 3, 31),
)


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("data/orders_{run_date}.csv", "data/orders_2024-03-31.csv"),
        ("{run_date:%Y/%m/%d}/*.csv", "2024/03/31/*.csv"),
        ("{window_start}", "2024-03-30T23:00:00Z"),
        ("{window_end}", "2024-03-31T22:00:00Z"),
        ("{window_start:%Y-%m-%dT%H:%M:%S%z}", "2024-03-31T00:00:00+0100"),
        ("{window_end:%H}", "00"),
        ("{window_start:epoch}", "1711839600"),
        ("{window_end:epoch_ms}", "1711922400000"),
        ("{{run_date}} {tenant}", "{run_date} acme"),
        ("${env:HOME}/$${x}/{run_date}", "${env:HOME}/$${x}/2024-03-31"),
        ("x[0-9]*", "x[0-9]*"),
    ],
)
def test_render(text: str, rendered: str) -> None:
    assert render(text, BERLIN, "Europe/Berlin", tenant="acme") == rendered


def test_fields() -> None:
    assert fields("{run_date:%Y}/{{x}}/{window_end:epoch}/${env:A}") == (
        Field("run_date", "%Y"),
        Field("window_end", "epoch"),
    )


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "}",
        "a}b",
        "{run_date",
        "{x}",
        "{run_date:epoch}",
        "{window_start:}}",
        "{tenant:%Y}",
        "{run_date:%Q}",
        "{run_date:%}",
        "{}",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        render(text, BERLIN, tenant="acme")


def test_tenant_without_one() -> None:
    with pytest.raises(PydanticCustomError, match="has no value here"):
        render("{tenant}", BERLIN)


@given(st.text())
def test_doubled_braces_give_any_text(text: str) -> None:
    doubled = text.replace("{", "{{").replace("}", "}}").replace("$", "_")
    assert render(doubled, BERLIN) == text.replace("$", "_")
