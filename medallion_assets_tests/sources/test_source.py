"""The file source as a whole: which files a partition gets, encodings, several files, the plan's source."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.parse import parse_project
from medallion_assets.intent.platform import Platform
from medallion_assets.intent.source import Bronze
from medallion_assets.lake.manifest import FileFact
from medallion_assets.lake.ports import Request
from medallion_assets.plan.compile import compile_plans
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.sources.open import Surroundings, open_source
from medallion_assets_tests.sources.reading import day, read

INTENT = """
system: retail
table: orders
source: {source}
load: {load}
"""


def plan_of(source: str, load: str = "full") -> DatasetPlan:
    text = INTENT.replace("{source}", source).replace("{load}", load)
    (plan,) = compile_plans(parse_project({"intents/orders.yaml": text}, Platform()), Platform())
    return plan


def test_several_files_keep_their_own_columns(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("id,lid\n2,x\n")
    (tmp_path / "a.csv").write_text("id\n1\n")
    got = read(tmp_path, "*.csv")
    assert got.rows.to_dicts() == [{"id": "1", "lid": None}, {"id": "2", "lid": "x"}]
    assert [(fact.path, fact.rows) for fact in got.files] == [("a.csv", 1), ("b.csv", 1)]


def test_one_empty_file_among_several_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    (tmp_path / "b.csv").write_text("")
    with pytest.raises(ExtractionError, match=r"b\.csv") as caught:
        read(tmp_path, "*.csv")
    assert caught.value.code == "SRC-009"


def test_an_empty_file_of_changes_is_a_window_without_rows(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")
    got = read(tmp_path, "a.jsonl", whole=False)
    assert (got.rows.height, [fact.rows for fact in got.files]) == (0, [0])


def test_the_value_of_a_reference_is_not_in_the_facts(tmp_path: Path) -> None:
    (tmp_path / "team-7").mkdir()
    (tmp_path / "team-7" / "a.csv").write_text("id\n1\n")
    plan = plan_of('{type: file, path: "${env:TEAM}/*.csv"}')
    with open_source(plan, Surroundings(tmp_path, {"${env:TEAM}": "team-7"}.__getitem__, {}, {})).read(
        Request(day())
    ) as reading:
        assert [row for batch in reading for row in batch.rows.rows()] == [("1",)]
        assert [fact.path for fact in reading.facts.files] == ["${env:TEAM}/a.csv"]


def test_a_name_that_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text("id\n1\n")
    with pytest.raises(ExtractionError) as caught:
        read(tmp_path, "a.dat")
    assert caught.value.code == "SRC-022"
    assert read(tmp_path, "a.dat", type="csv").table == [("1",)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "UTF-16", "utf-16-le", "utf-32", "latin-1", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes(("größe,b\n" + "ü,1\n" * 100_000).encode(encoding))
    got = read(tmp_path, "a.csv", type="csv", encoding=encoding)
    assert got.rows.columns == ["größe", "b"]
    assert got.table == [("ü", "1")] * 100_000


def test_the_mark_of_another_encoding_says_which(tmp_path: Path) -> None:
    for encoding in ("utf-16", "utf-32"):
        (tmp_path / "a.csv").write_bytes("a,b\n".encode(encoding))
        with pytest.raises(ExtractionError, match=f"encoding to {encoding}") as caught:
            read(tmp_path, "a.csv")
        assert caught.value.code == "SRC-011"


def test_bytes_that_the_encoding_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n" + b"1,2\n" * 99_998 + b"x,\x81\n")
    with pytest.raises(ExtractionError, match=r"a\.csv:100000") as caught:
        read(tmp_path, "a.csv", type="csv", encoding="cp1252")
    assert caught.value.code == "SRC-011"
    (tmp_path / "a.csv").write_bytes("a,b\n".encode("utf-16-le") + b"\n")
    with pytest.raises(ExtractionError) as caught:
        read(tmp_path, "a.csv", type="csv", encoding="utf-16-le")
    assert caught.value.code == "SRC-011"


def test_an_encoding_nobody_knows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n")
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, "a.csv", type="csv", encoding="utf-9")
    assert caught.value.code == "SRC-011"


# ------------------------------------------------------------------ the ledger


def test_new_files_go_to_this_partition_and_held_ones_stay(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.csv").write_text(f"x\n{name}\n")
    facts = {fact.path: fact for fact in read(tmp_path, "*.csv").files}
    ledger = {"a.csv": ("2024-01-30", facts["a.csv"]), "b.csv": ("2024-01-31", facts["b.csv"])}
    assert read(tmp_path, "*.csv", whole=False, ledger=ledger).table == [("b",), ("c",)]
    assert read(tmp_path, "*.csv", whole=True, ledger=ledger).table == [("a",), ("b",), ("c",)]


def test_a_path_with_the_run_date_needs_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "2024-01-31.csv").write_text("x\n1\n")
    fact = read(tmp_path, "*.csv").files[0]
    ledger = {"2024-01-31.csv": ("2024-01-30", fact)}
    assert read(tmp_path, "{run_date}.csv", whole=False, ledger=ledger).table == [("1",)]


def test_no_new_file_is_an_empty_load(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    fact = read(tmp_path, "a.csv").files[0]
    got = read(tmp_path, "*.csv", whole=False, ledger={"a.csv": ("2024-01-30", fact)})
    assert (got.rows.shape, got.files) == ((0, 0), ())


def test_a_held_file_that_was_only_touched_stays(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    fact = read(tmp_path, "a.csv").files[0]
    os.utime(tmp_path / "a.csv", ns=(5, 5))
    assert read(tmp_path, "*.csv", whole=False, ledger={"a.csv": ("2024-01-30", fact)}).files == ()


@pytest.mark.parametrize("text", ["x\n2\n", "x\n1\n2\n"])
def test_a_held_file_that_changed_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    fact: FileFact = read(tmp_path, "a.csv").files[0]
    (tmp_path / "a.csv").write_text(text)
    os.utime(tmp_path / "a.csv", ns=(5, 5))
    with pytest.raises(ExtractionError) as caught:
        read(tmp_path, "*.csv", whole=False, ledger={"a.csv": ("2024-01-30", fact)})
    assert caught.value.code == "SRC-018"
    assert "Load 2024-01-30 again" in str(caught.value)


# ------------------------------------------------------------------ open_source


def test_the_source_of_a_plan(tmp_path: Path) -> None:
    (tmp_path / "o_2024-01-31.csv").write_text("id\n7\n")
    source = open_source(plan_of('{type: file, path: "o_{run_date}.csv"}'), Surroundings(tmp_path, str, {}, {}))
    with source.read(Request(day())) as reading:
        rows = [row for batch in reading for row in batch.rows.rows()]
        assert rows == [("7",)]
        assert [fact.path for fact in reading.facts.files] == ["o_2024-01-31.csv"]


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    plan = replace(plan_of("{type: file, path: a.csv}"), source=Bronze(type="bronze", dataset="s.t"))
    with pytest.raises(ConfigError, match="Source type `bronze`") as caught:
        open_source(plan, Surroundings(tmp_path, str, {}, {}))
    assert caught.value.code == "SRC-001"


def test_a_reading_that_is_left_early_ends_its_thread_and_closes_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n" + b"1,2\n" * (5 << 20))
    before = len(list(Path("/proc/self/fd").iterdir()))
    source = open_source(plan_of("{type: file, path: a.csv}"), Surroundings(tmp_path, str, {}, {}))
    with source.read(Request(day())) as reading:
        batches = iter(reading)
        assert [next(batches).rows.height > 0 for _ in range(2)] == [False, True]
        assert any(thread.name.startswith("csv-ahead") for thread in threading.enumerate())
    assert not any(thread.name.startswith("csv-ahead") for thread in threading.enumerate())
    assert len(list(Path("/proc/self/fd").iterdir())) == before
