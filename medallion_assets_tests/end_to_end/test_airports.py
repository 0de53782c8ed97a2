"""Fourteen real snapshots of the world's airports, with deletes and revivals, by the bundled intent.

All airports in the days' order once; every eighth where the same is loaded again and again.
The expected table comes from ``airports.history``, a naive program that shares nothing with the package.
"""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from medallion_assets_tests.end_to_end.airports import COLUMNS, Version, history, sample, snapshots
from medallion_assets_tests.end_to_end.project import Project

INTENTS = Path(__file__).parents[2] / "intents"
DATA = INTENTS / "data" / "airports"
DAYS = [path.name.removeprefix("airports_").removesuffix(".csv.zst") for path in sorted(DATA.glob("*.csv.zst"))]
WHOLE = ("--from", DAYS[0], "--to", DAYS[-1])
TABLE = ("geography", "airports")
DATASET = ("airportsdata", "airports")


def copied(root: Path, data: Path) -> Project:
    """The bundled intent, its base and snapshots, in a project of their own."""
    (root / "intents/full").mkdir(parents=True)
    for name in ("_reference.yaml", "airports.yaml"):
        shutil.copy(INTENTS / "full" / name, root / "intents/full" / name)
    shutil.copytree(data, root / "intents/data/airports")
    return Project(root)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """All snapshots, loaded once in their order."""
    root = tmp_path_factory.mktemp("airports")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.delenv("DAGSTER_HOME", raising=False)
        project = copied(root, DATA)
        project.medallion("run", "airports", *WHOLE).succeeded()
        yield project


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sample, which has what makes the data a test."""
    folder = tmp_path_factory.mktemp("few") / "airports"
    sample(DATA, folder)
    assert judged(history(folder)) == (11_201, 33, 420)
    return folder


@pytest.fixture(scope="module")
def expected() -> list[Version]:
    return history(DATA)


def versions(table: pl.DataFrame) -> list[Version]:
    rows = table.select("icao", "effective_from", "effective_to", *COLUMNS).sort("icao", "effective_from").rows()
    return [Version(icao, start, end, attributes) for icao, start, end, *rest in rows for attributes in [tuple(rest)]]


def whole(table: pl.DataFrame) -> pl.DataFrame:
    """In one order, less the commit number, which counts the order of arrival."""
    return table.drop("_bronze_part").sort("icao", "effective_from")


def test_the_history_is_the_naive_programs(loaded: Project, expected: list[Version]) -> None:
    table = loaded.silver(*TABLE)
    assert versions(table) == expected
    assert table["is_current"].to_list() == table["effective_to"].is_null().to_list()


@pytest.mark.parametrize(
    ("engines", "why"),
    [
        ("{memory: 64MiB}", "64 MiB allowed: 9 shares of the keys, kept on disk"),
        ("{default: duckdb, memory: 512MiB}", "duckdb: platform.yaml asks for it"),
        pytest.param(
            "{default: spark, spark: 'local[2]'}", "spark: platform.yaml asks for it", marks=pytest.mark.service
        ),
    ],
)
def test_shares_and_engines_make_the_same_table(
    loaded: Project, expected: list[Version], engines: str, why: str, request: pytest.FixtureRequest
) -> None:
    if "spark" in engines:
        request.getfixturevalue("java")
    (loaded.root / "platform.yaml").write_text(f"engines: {engines}\n")
    try:
        done = loaded.medallion("rebuild", "airports", "--json").succeeded()
    finally:
        (loaded.root / "platform.yaml").unlink()
    assert why in done.output
    assert versions(loaded.silver(*TABLE)) == expected


def judged(expected: list[Version]) -> tuple[int, int, int]:
    """Versions, airports that came back, and airports that are gone."""
    ends: dict[str, datetime | None] = {}
    revived = 0
    for version in expected:
        revived += version.icao in ends and ends[version.icao] != version.start
        ends[version.icao] = version.end
    return len(expected), revived, sum(end is not None for end in ends.values())


def test_the_data_is_a_test_because_airports_vanish_and_come_back(expected: list[Version]) -> None:
    assert judged(expected) == (90_403, 277, 3_449)
    assert sum(len(airports) for _, airports in snapshots(DATA)) == 398_086


def test_a_second_run_writes_nothing_and_says_so(loaded: Project) -> None:
    commits, tables = loaded.commits(*DATASET), loaded.silver_versions(*TABLE)
    files = sorted((p, p.stat().st_mtime_ns) for p in (loaded.root / "lake").rglob("*") if p.is_file())
    again = loaded.medallion("run", "airports", *WHOLE).succeeded()
    assert "nothing" in again.output.lower()
    assert loaded.commits(*DATASET) == commits
    assert loaded.silver_versions(*TABLE) == tables
    assert sorted((p, p.stat().st_mtime_ns) for p in (loaded.root / "lake").rglob("*") if p.is_file()) == files


def test_days_in_another_order_give_the_same_table_row_for_row(project: Project, few: Path, tmp_path: Path) -> None:
    tables = []
    for name, order in (("ordered", [(0, 13)]), ("another", [(13, 13), (4, 8), (0, 0), (9, 12), (1, 3)])):
        loading = copied(tmp_path / name, few)
        for first, last in order:
            loading.medallion("run", "airports", "--from", DAYS[first], "--to", DAYS[last]).succeeded()
        tables.append(loading.silver(*TABLE))
    assert versions(tables[0]) == history(few)
    assert_frame_equal(whole(tables[1]), whole(tables[0]))


def test_a_deleted_part_is_found_before_silver_uses_it(project: Project, few: Path) -> None:
    copied(project.root, few)
    project.medallion("run", "airports", "--from", DAYS[0], "--to", DAYS[1]).succeeded()
    part = project.parts(*DATASET)[0]
    part.unlink()

    judged = project.medallion("status", "airports", "--verify", "--json")
    assert judged.exit_code == 4
    checksum = [line for line in judged.output.splitlines() if f"{part.name} is missing" in line]
    assert len(checksum) == 1, judged.output

    # A day that follows needs the table alone; who needs the part, does without no other way.
    project.medallion("run", "airports", "--date", DAYS[2]).succeeded()
    before = project.silver(*TABLE)
    rebuilt = project.medallion("rebuild", "airports")
    assert rebuilt.exit_code == 3
    assert "BRZ-010" in rebuilt.output
    assert f"{part.name} is missing." in rebuilt.output
    assert_frame_equal(project.silver(*TABLE), before)

    project.medallion("run", "airports", "--date", DAYS[0]).succeeded()
    project.medallion("verify", "--silver", "airports").succeeded()
    assert_frame_equal(project.silver(*TABLE).drop("_bronze_part"), before.drop("_bronze_part"), check_row_order=False)
