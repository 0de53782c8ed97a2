"""A table computed in shares of its keys, or on another engine, is the table that is computed at once in memory."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from medallion_assets.errors import StorageError
from medallion_assets.runs.build import Built
from medallion_assets.runs.groups import groups_of, live_of
from medallion_assets.runs.room import Room
from medallion_assets.runs.scratch import Scratch
from medallion_assets_tests.silver import test_envelope as envelope
from medallion_assets_tests.silver.lake import Lake, plan_of
from medallion_assets_tests.silver.oracle import Spec
from medallion_assets_tests.silver.test_models import MIXED, OTHERS, SPECS, lake_of, loads

QUICK = settings(
    max_examples=25, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
NO_ROOM = Room(memory=1)


@pytest.fixture
def cramped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows are many, there are at most three shares, and two keys are enough for the guard."""
    monkeypatch.setattr("medallion_assets.runs.reading.FEW", -1)
    monkeypatch.setattr("medallion_assets.runs.groups.FEW", 3)
    monkeypatch.setattr("medallion_assets.runs.groups._MANY", 3)
    monkeypatch.setattr("medallion_assets.runs.room._MOST_SHARES", 3)
    monkeypatch.setattr("medallion_assets.silver.guard.SMALL", 2)


def compare(lake: Lake, room: Room) -> Built:
    """Built in ``room`` as it is built in memory."""
    lake.room = Room()
    there = lake.build()
    lake.room = room
    here = lake.build()
    assert_frame_equal(here.rows, there.rows, check_row_order=False)
    assert here.accounting == there.accounting
    assert (here.held, here.last_delete, here.truncated) == (there.held, there.last_delete, there.truncated)
    assert (here.columns, here.learned, here.drift) == (there.columns, there.learned, there.drift)
    assert_frame_equal(here.quarantine, there.quarantine)
    assert here.quarantined_by_partition == there.quarantined_by_partition
    return here


@QUICK
@given(data=st.data(), spec=st.sampled_from([*SPECS, *OTHERS]))
def test_shares_give_what_memory_gives(cramped: None, spec: Spec, data: st.DataObject) -> None:
    found = data.draw(loads(MIXED))
    if found:
        built = compare(lake_of(spec, found), NO_ROOM)
        assert built.choice.engine == "polars"


@QUICK
@given(data=st.data(), spec=st.sampled_from([*SPECS, *OTHERS]))
def test_events_of_debezium_are_opened_piece_by_piece(cramped: None, spec: Spec, data: st.DataObject) -> None:
    found, forms = data.draw(envelope.changes(MIXED))
    if any(part for load in found for part in load.parts):
        lake = envelope.lake_of(spec)
        for load, form in zip(found, forms, strict=True):
            envelope.commit(lake, load, form, tombstones=True)
        compare(lake, NO_ROOM)


CURRENT = "{model: scd_type_1, keys: id, order_by: at}"


def of_rows(rows: int) -> Lake:
    lake = Lake(plan_of(CURRENT, "incremental"))
    lake.commit("2024-01-01", pl.DataFrame({"id": range(rows), "at": range(rows), "name": ["a name"] * rows}))
    return lake


def test_the_choice_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medallion_assets.runs.reading.FEW", 10)
    lake = of_rows(20_000)
    assert lake.build().choice.why == "it fits in memory"
    choice = compare(lake, Room(memory=2**22)).choice
    assert (choice.engine, choice.shares) == ("polars", 3)
    assert choice.why == "about 11 MiB are needed, 4 MiB allowed: 3 shares of the keys, kept on disk"
    choice = compare(lake, Room("duckdb", "platform.yaml", 2**28)).choice
    assert (choice.engine, choice.shares, choice.why) == ("duckdb", 1, "platform.yaml asks for it; it fits in memory")


@pytest.mark.parametrize(
    ("most", "least", "highest"),
    [(None, 20_000, 20_000), (1, 1_000, 1_000), (2**18, 2**18 // 50, 2**18 // 22), (2**40, 20_000, 20_000)],
)
def test_pieces_follow_the_memory_allowed(
    monkeypatch: pytest.MonkeyPatch, most: int | None, least: int, highest: int
) -> None:
    """A row is 22 bytes and its address."""
    monkeypatch.setattr("medallion_assets.runs.groups.FEW", 1_000)
    lake = of_rows(20_000)
    commits = lake.log.head().live
    loads = [live_of(commit, ()) for commit in commits]
    (group,) = groups_of(lake.store, lake.plan.bronze.path, commits, loads, verified=None, most=most)
    heights = [some.collect().height for some in group.pieces()]
    assert least <= max(heights) <= highest
    assert sum(heights) == 20_000


def test_rows_with_their_own_validity_stay_with_polars(cramped: None) -> None:
    lake = Lake(plan_of("{model: scd_type_2, keys: id}", "{pattern: current_history, interval: {start: s, end: e}}"))
    starts, ends = [f"2024-01-0{n}" for n in (1, 3, 1)], ["2024-01-02", None, "2024-01-09"]
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1", "1", "2"], "s": starts, "e": ends, "name": ["a", "b", "c"]}))
    for room in (NO_ROOM, Room("duckdb", memory=1)):
        assert compare(lake, room).choice.engine == "polars"


def test_a_full_disk_is_said_to_be_one(cramped: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lake = of_rows(10)
    lake.room = NO_ROOM
    gone = tmp_path / "gone"
    monkeypatch.setattr(Scratch, "folder", gone)
    with pytest.raises(StorageError, match="SLV-019") as raised:
        lake.build()
    assert str(gone) in str(raised.value)
