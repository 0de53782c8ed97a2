"""A function of the project as a source, through the command line."""

import sys
from pathlib import Path

import polars as pl
import pytest

from medallion_assets_tests.end_to_end.project import Project, day

INTENT = """
system: crm
table: accounts
source: {type: python, function: "feeds.crm:accounts", args: {region: "${env:REGION}", on: "{run_date}"}}
load: full
partitions: {start: 2024-01-01}
silver: {model: scd_type_2, keys: id, order_by: seen}
"""
FEED = """
from decimal import Decimal

from feeds.values import name_of


def accounts(window, region, on):
    yield {"id": 1, "name": name_of(region), "seen": window.start, "credit": Decimal("1.10"), "tags": ["a", 2]}
    yield [{"id": 2, "name": None, "seen": on + "T00:00:00Z", "credit": 9223372036854775808}]
"""


@pytest.fixture(autouse=True)
def _forget_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "feeds" or name.startswith("feeds.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setenv("REGION", "s3cret-north")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


def _project(project: Project, feed: str = FEED, intent: str = INTENT) -> Project:
    project.write("intents/accounts.yaml", intent)
    project.write("feeds/__init__.py", "")
    project.write("feeds/values.py", "def name_of(region): return f'Ada of {region[7:]}'\n")
    project.write("feeds/crm.py", feed)
    return project


def _bronze(project: Project) -> pl.DataFrame:
    parts = sorted((project.root / "lake/bronze/system=crm/table=accounts").rglob("part-*.parquet"))
    return pl.concat([pl.read_parquet(part, hive_partitioning=False) for part in parts], how="diagonal")


def test_rows_of_a_function_become_text_in_bronze_and_history_in_silver(project: Project) -> None:
    before = list(sys.path)
    _project(project).medallion("run", "--date", day(0)).succeeded()

    assert _bronze(project).rows(named=True) == [
        {"id": "1", "name": "Ada of north", "seen": "2024-01-01T00:00:00Z", "credit": "1.10", "tags": '["a",2]'},
        {"id": "2", "name": None, "seen": "2024-01-01T00:00:00Z", "credit": "9223372036854775808", "tags": None},
    ]
    shown = project.medallion("show", "silver/crm/accounts", "--current").succeeded()
    assert "Ada of north" in shown.output
    assert sys.path == before


def test_frames_keep_their_types(project: Project) -> None:
    feed = """
import pandas as pd
import polars as pl
import pyarrow as pa


def accounts(window, region, on):
    frame = pl.DataFrame({"id": [1], "at": [window.start]}, schema={"id": pl.Int64, "at": pl.Datetime("us", "UTC")})
    yield frame
    yield frame.lazy().with_columns(id=pl.lit(2, pl.Int64))
    yield frame.with_columns(id=pl.lit(3, pl.Int64)).to_arrow()
    yield from frame.with_columns(id=pl.lit(4, pl.Int64)).to_arrow().to_batches()
    yield pa.table({"id": [5], "at": pa.array([window.start], pa.timestamp("us", "UTC"))})
    yield pd.DataFrame({"id": [6], "at": pd.Series([window.start]).dt.as_unit("us")})
"""
    _project(project, feed, INTENT.replace("seen", "at")).medallion("run", "--date", day(0)).succeeded()

    rows = _bronze(project)
    assert rows.schema == {"id": pl.Int64, "at": pl.Datetime("us", "UTC")}
    assert rows["id"].to_list() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("given", ["pl.DataFrame(rows)", "rows", "pl.DataFrame(rows).to_arrow()", "iter(rows)"])
def test_one_thing_may_be_returned(project: Project, given: str) -> None:
    feed = f"""
import polars as pl


def accounts(window, region, on):
    rows = [dict(id=str(n), seen=on) for n in range(3)]
    return {given}
"""
    _project(project, feed).medallion("run", "--date", day(0)).succeeded()

    assert _bronze(project).rows() == [("0", "2024-01-01"), ("1", "2024-01-01"), ("2", "2024-01-01")]


def test_a_cursor_reaches_the_function_as_bounds(project: Project) -> None:
    feed = """
def accounts(window, region, on):
    assert (window.column, window.partition) == ("seen", "2024-01-02"), window
    assert (window.lower, window.upper) == ("2024-01-02T00:00:00.000000Z", "2024-01-03T00:00:00.000000Z"), window
    return [dict(id=n, seen=f"2024-01-0{n}T12:00:00Z") for n in (1, 2, 3)]
"""
    intent = INTENT.replace("load: full", "load: {pattern: incremental, cursor: {column: seen}}")
    _project(project, feed, intent).medallion("run", "--date", day(1)).succeeded()

    assert _bronze(project).rows() == [("2", "2024-01-02T12:00:00Z")]


@pytest.mark.parametrize(
    ("feed", "exit_code", "code", "said"),
    [
        ("def other(window): ...", 1, "SRC-114", "feeds.crm has no function accounts"),
        ("accounts = 3", 1, "SRC-114", "feeds.crm has no function accounts"),
        ("import nowhere", 1, "SRC-114", "ModuleNotFoundError: No module named 'nowhere'"),
        ("def accounts(window): return []", 2, "SRC-115", "unexpected keyword argument 'region'"),
        (
            "def accounts(window, region, on):\n    yield {'id': 1, 'seen': on}\n    raise OSError('lost ' + region)",
            2,
            "SRC-115",
            "OSError: lost ***",
        ),
        ("def accounts(window, region, on): return None", 2, "SRC-116", "Item 1 is nothing"),
        ("def accounts(window, region, on): yield 5", 2, "SRC-116", "Item 1 is of type int"),
        ("def accounts(window, region, on): yield {'id': object()}", 2, "SRC-116", "Row 1 cannot be written as JSON"),
    ],
)
def test_what_is_no_source_is_an_error_with_its_place_and_leaves_nothing(
    project: Project, feed: str, exit_code: int, code: str, said: str
) -> None:
    failed = _project(project, feed).medallion("run", "--date", day(0))

    text = " ".join(failed.output.split())
    assert failed.exit_code == exit_code, failed.output
    assert code in text
    assert said in text
    assert "s3cret" not in failed.output
    assert project.commits("crm", "accounts") == []
    assert not list((project.root / "lake").rglob("*.parquet"))


def test_an_error_of_the_function_names_its_line(project: Project) -> None:
    feed = "def accounts(window, region, on):\n    yield {'id': 1, 'seen': on}\n    1 / 0\n"
    failed = _project(project, feed).medallion("run", "--date", day(0))

    assert "crm.py:3" in failed.output


def test_a_generator_is_closed_when_the_run_fails(project: Project) -> None:
    feed = """
from pathlib import Path


def accounts(window, region, on):
    try:
        yield {"id": 1, "seen": on}
        yield object()
    finally:
        Path("closed").touch()
"""
    assert _project(project, feed).medallion("run", "--date", day(0)).exit_code == 2
    assert Path("closed").exists()


def test_without_a_template_an_older_day_is_refused(project: Project) -> None:
    refused = _project(project, intent=INTENT.replace(', on: "{run_date}"', "")).medallion("run", "--date", day(0))

    assert refused.exit_code == 1
    assert "PLN-007" in refused.output
