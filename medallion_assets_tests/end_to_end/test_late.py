"""Rows that come too late for the window they come with, through the command line."""

import pytest

from medallion_assets_tests.end_to_end.project import Project, day

EVENTS = """
system: web
table: clicks
source: {type: file, path: "data/clicks_{run_date}.csv"}
load: {pattern: incremental, late_data: LATE}
partitions: {start: 2024-01-01, timezone: Europe/Berlin}
quarantine: {max_rows: 10}
silver: {model: event, keys: id}
"""
ROWS = """id,at
1,2024-01-09T22:59:59Z
2,2024-01-09T23:00:00Z
3,2024-01-11T10:00:00Z
4,
5,2024-01-13T10:00:00Z
"""
"""The window of day 10 begins at 2024-01-10T23:00:00Z: a day of lateness reaches to row 2."""


@pytest.fixture
def web(project: Project) -> Project:
    project.write(f"data/clicks_{day(10)}.csv", ROWS)
    return project


def loaded(project: Project, late: str) -> tuple[int, str]:
    project.write("intents/clicks.yaml", EVENTS.replace("LATE", late))
    done = project.medallion("run", "--date", day(10))
    return done.exit_code, done.output


def ids(project: Project) -> list[int]:
    return sorted(project.silver("web", "clicks")["id"].to_list())


def test_warn_keeps_every_row_and_says_how_many_are_late(web: Project) -> None:
    code, said = loaded(web, "{mode: warn, max_lateness: 1d, column: at}")
    assert (code, ids(web)) == (0, [1, 2, 3, 4, 5])
    assert "Warning  web.clicks 2024-01-11  late_data: 1 rows came too late and were loaded" in said


def test_drop_leaves_them_out_and_says_so(web: Project) -> None:
    code, said = loaded(web, "{mode: drop, max_lateness: 1d, column: at}")
    assert (code, ids(web)) == (0, [2, 3, 4, 5])
    assert "late_data: 1 rows came too late and were dropped" in said


def test_quarantine_keeps_them_aside_whole(web: Project) -> None:
    code, said = loaded(web, "{mode: quarantine, max_lateness: 1d, column: at}")
    assert (code, ids(web)) == (0, [2, 3, 4, 5])
    assert "late_data: 1 rows came too late and are in quarantine" in said
    shown = web.medallion("quarantine", "show", "web.clicks").succeeded().output
    assert "at is before 2024-01-09T23:00:00+00:00" in shown
    assert '{"id":"1","at":"2024-01-09T22:59:59Z"}' in shown


def test_fail_commits_nothing(web: Project) -> None:
    code, said = loaded(web, "{mode: fail, max_lateness: 1d, column: at}")
    assert code == 4
    assert "CHK-017" in said
    assert "first in row 0" in said
    assert web.commits("web", "clicks") == []


def test_rows_within_the_lateness_and_without_a_time_pass(web: Project) -> None:
    code, said = loaded(web, "{mode: fail, max_lateness: 2d, column: at}")
    assert (code, ids(web)) == (0, [1, 2, 3, 4, 5])
    assert "late_data" not in said


@pytest.mark.parametrize(("column", "code"), [("gone", "SRC-112"), ("id", "SRC-111")])
def test_a_column_that_is_no_time_is_an_error(web: Project, column: str, code: str) -> None:
    exit_code, said = loaded(web, f"{{mode: warn, column: {column}}}")
    assert exit_code == 2
    assert code in said


def test_the_order_of_silver_tells_when_no_column_is_named(web: Project) -> None:
    intent = EVENTS.replace("LATE", "{mode: drop, max_lateness: 1d}")
    ordered = intent.replace("{model: event, keys: id}", "{model: scd_type_1, keys: id, order_by: seen}")
    web.write("intents/clicks.yaml", ordered + "columns: {seen: {source_names: [at], type: timestamp}}\n")
    web.medallion("run", "--date", day(10)).succeeded()
    assert ids(web) == [2, 3, 5]
