"""Reading back exactly what was committed, and nothing that was not."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from medallion_assets.bronze.reader import Verified, frames, quarantined, scan, verify
from medallion_assets.errors import Corrupt, StorageError
from medallion_assets.lake.manifest import Column, Commit
from medallion_assets.lake.ports import Store
from medallion_assets.stores.local import LocalStore
from medallion_assets.stores.memory import MemoryStore
from medallion_assets_tests.bronze.faults import FaultStore
from medallion_assets_tests.bronze.loads import PATH, days
from medallion_assets_tests.bronze.parts import commit_parts, store_load


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "odd [name] *" / "dt=2020-01-01") if request.param == "local" else MemoryStore()


def ids(*values: str) -> pl.DataFrame:
    return pl.DataFrame({"id": list(values)}, schema={"id": pl.String})


def test_rows_come_with_their_address(store: Store) -> None:
    one = commit_parts(store, days(1), ids("a", "b"), ids(), ids("c"))
    two = commit_parts(store, days(2), ids("d"))
    expected = pl.DataFrame(
        {"id": ["a", "b", "c", "d"], "_commit": [1, 1, 1, 2], "_part": [1, 1, 3, 1], "_row": [0, 1, 0, 0]}
    )
    assert_frame_equal(scan(store, PATH, [one, two]).collect(), expected)
    assert_frame_equal(scan(store, PATH, [one, two]).collect(engine="streaming"), expected)
    assert_frame_equal(scan(store, PATH, [two]).collect(), expected.tail(1))
    assert_frame_equal(scan(store, PATH, [two, one]).collect(), pl.concat([expected.tail(1), expected.head(3)]))


def test_a_filter_does_not_move_the_addresses(store: Store) -> None:
    commits = [commit_parts(store, days(d), ids("a", "b", "c"), ids("d", "b"), attempt=str(d)) for d in (1, 2)]
    found = scan(store, PATH, commits).filter(pl.col("id") == "b").select("_row", "_commit", "_part").collect()
    assert found.rows() == [(1, 1, 1), (1, 1, 2), (1, 2, 1), (1, 2, 2)]
    assert scan(store, PATH, commits).filter(pl.col("_commit") == 2, pl.col("_row") == 2).collect().rows() == [
        ("c", 2, 1, 2)
    ]
    assert scan(store, PATH, commits).select(pl.len()).collect().item() == 10


def test_a_column_that_a_load_lacks_is_null_and_the_order_is_first_seen(store: Store) -> None:
    one = commit_parts(store, days(1), pl.DataFrame({"b": ["1"], "a": ["2"]}))
    two = commit_parts(store, days(2), pl.DataFrame({"c": [3], "a": ["4"]}))
    assert_frame_equal(
        scan(store, PATH, [one, two]).drop("_commit", "_part", "_row").collect(),
        pl.DataFrame({"b": ["1", None], "a": ["2", "4"], "c": [None, 3]}),
    )


def test_parts_of_one_load_may_differ_in_columns(store: Store) -> None:
    one = commit_parts(store, days(1), pl.DataFrame({"a": ["1"]}), pl.DataFrame({"a": ["2"], "b": [[1, 2]]}))
    assert_frame_equal(
        scan(store, PATH, [one]).select("a", "b").collect(), pl.DataFrame({"a": ["1", "2"], "b": [None, [1, 2]]})
    )


def test_two_types_of_a_column_are_for_silver_to_join(store: Store) -> None:
    commits = [
        commit_parts(store, days(1), pl.DataFrame({"a": [1]})),
        commit_parts(store, days(2), pl.DataFrame({"a": ["x"]})),
    ]
    with pytest.raises(StorageError, match="'a' is Int64 in commit 1 and String in commit 2") as caught:
        scan(store, PATH, commits)
    assert caught.value.code == "BRZ-013"
    found = [(commit.n, frame.select("a").collect()) for commit, frame in frames(store, PATH, commits)]
    assert [n for n, _ in found] == [1, 2]
    assert_frame_equal(found[0][1], pl.DataFrame({"a": [1]}))
    assert_frame_equal(found[1][1], pl.DataFrame({"a": ["x"]}))


def test_an_empty_load_has_its_columns(store: Store) -> None:
    one = commit_parts(store, days(1), pl.DataFrame(schema={"a": pl.String, "b": pl.Int32}))
    found = scan(store, PATH, [one]).collect()
    assert found.height == 0
    assert found.schema == {"a": pl.String, "b": pl.Int32, "_commit": pl.Int64, "_part": pl.Int64, "_row": pl.Int64}


TYPES: dict[str, pl.DataType] = {
    "s": pl.String(),
    "i": pl.Int64(),
    "d": pl.Date(),
    "t": pl.Datetime("us", "UTC"),
    "n": pl.Datetime("ms"),
    "m": pl.Decimal(10, 2),
    "b": pl.Boolean(),
}


def test_a_load_without_parts_has_its_columns_by_name(store: Store) -> None:
    schema = tuple(Column(name, str(type_)) for name, type_ in {**TYPES, "l": pl.List(pl.Int8())}.items())
    load = replace(store_load(store, days(1), []), schema=schema)
    found = scan(store, PATH, [Commit(1, "p", load, "s")]).drop("_commit", "_part", "_row").collect()
    assert found.schema == {**TYPES, "l": pl.Null()}
    more = commit_parts(store, days(2), pl.DataFrame({"l": [[1]]}, schema={"l": pl.List(pl.Int8())}))
    both = scan(store, PATH, [Commit(1, "p", load, "s"), more]).collect()
    assert both.select(*TYPES, "l").rows() == [(*[None] * 7, [1])]


def test_no_loads_are_no_rows(store: Store) -> None:
    assert scan(store, PATH, []).collect().schema == {"_commit": pl.Int64, "_part": pl.Int64, "_row": pl.Int64}


def test_a_dt_in_the_path_does_not_become_a_column(store: Store) -> None:
    one = commit_parts(store, days(1), ids("a"))
    assert scan(store, PATH, [one]).collect_schema().names() == ["id", "_commit", "_part", "_row"]


def test_refused_rows_are_read_back(store: Store) -> None:
    bad = pl.DataFrame({"reason": ["ragged"], "detail": ["3 cells"], "file": ["x.csv"], "line": [7], "raw": ["a,b,c"]})
    load = store_load(store, days(1), [ids("a")], bad)
    assert_frame_equal(quarantined(store, PATH, load), bad)
    none = store_load(store, days(2), [ids("a")])
    assert quarantined(store, PATH, none).schema == bad.schema
    assert load.quarantine is not None
    store.delete(f"{PATH}/{load.quarantine.path}")
    assert [f.code for f in verify(store, PATH, load)] == ["BRZ-010"]
    with pytest.raises(Corrupt):
        quarantined(store, PATH, load)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), min_size=1, max_size=5))
def test_scan_is_the_frames_one_after_the_other(sizes: list[list[int]]) -> None:
    store = MemoryStore()
    commits = [
        commit_parts(store, days(day), *(ids(*(f"{day}.{p}.{i}" for i in range(n))) for p, n in enumerate(parts)))
        for day, parts in enumerate(sizes, 1)
    ]
    expected = [
        (f"{day}.{p}.{i}", day, p + 1, i)
        for day, parts in enumerate(sizes, 1)
        for p, n in enumerate(parts)
        for i in range(n)
    ]
    assert scan(store, PATH, commits).collect().rows() == expected
    assert [row for _, f in frames(store, PATH, commits) for row in f.collect().rows()] == expected


# ---------------------------------------------------------------- damage


def part_path(commit: Commit, ordinal: int = 1) -> str:
    return f"{PATH}/{commit.load.parts[ordinal - 1].path}"


def flip(store: Store, path: str, at: int) -> None:
    raw = bytearray(store.get(path))
    raw[at % len(raw)] ^= 1 << (at % 8)
    store.put(path, bytes(raw))


Damage = Callable[[Store, str], None]
DAMAGES: list[tuple[str, Damage, str]] = [
    ("deleted", lambda s, p: s.delete(p), "BRZ-010"),
    ("truncated", lambda s, p: s.put(p, s.get(p)[:-1]), "BRZ-011"),
    ("emptied", lambda s, p: s.put(p, b""), "BRZ-011"),
    ("grown", lambda s, p: s.put(p, s.get(p) + b"\0"), "BRZ-011"),
    ("one bit flipped", lambda s, p: flip(s, p, 9), "BRZ-012"),
    ("zeroed", lambda s, p: s.put(p, bytes(len(s.get(p)))), "BRZ-012"),
]


@pytest.mark.parametrize(("damage", "code"), [d[1:] for d in DAMAGES], ids=[d[0] for d in DAMAGES])
def test_damage_is_found_before_a_row_is_used(store: Store, damage: Damage, code: str) -> None:
    commit = commit_parts(store, days(1), ids("a"), ids("b"))
    sound = commit_parts(store, days(2), ids("c"))
    damage(store, part_path(commit, 2))
    (fault,) = verify(store, PATH, commit.load)
    assert (fault.code, fault.path) == (code, commit.load.parts[1].path)
    with pytest.raises(Corrupt) as caught:
        scan(store, PATH, [sound, commit])
    assert caught.value.code == code
    assert commit.load.parts[1].path in str(caught.value)
    assert "commit 1, partition 2024-01-01" in str(caught.value)
    with pytest.raises(Corrupt):
        list(frames(store, PATH, [sound, commit]))
    assert verify(store, PATH, sound.load) == ()


def test_two_parts_exchanged_are_found(store: Store) -> None:
    commit = commit_parts(store, days(1), ids("a"), ids("b"))
    one, two = store.get(part_path(commit, 1)), store.get(part_path(commit, 2))
    assert len(one) == len(two)
    store.put(part_path(commit, 1), two)
    store.put(part_path(commit, 2), one)
    assert [f.code for f in verify(store, PATH, commit.load)] == ["BRZ-012", "BRZ-012"]


def test_every_flipped_bit_is_found() -> None:
    store = MemoryStore()
    commit = commit_parts(store, days(1), ids("a"))
    for at in range(commit.load.parts[0].bytes):
        flip(store, part_path(commit), at)
        assert [f.code for f in verify(store, PATH, commit.load)] == ["BRZ-012"]
        flip(store, part_path(commit), at)


def test_many_faults_are_counted_not_recited() -> None:
    store = MemoryStore()
    commit = commit_parts(store, days(1), *(ids(str(i)) for i in range(8)))
    for i in range(1, 9):
        store.delete(part_path(commit, i))
    with pytest.raises(Corrupt, match=r"is missing \(and 3 more\)\."):
        scan(store, PATH, [commit])


def test_one_run_hashes_a_part_once_unless_it_changed(store: Store) -> None:
    commit = commit_parts(store, days(1), ids("a"), ids("b"))
    counted = FaultStore(store, lambda *_: None)

    def reads() -> int:
        return sum(what == "get_range" for what, _ in counted.count.operations)

    verified = Verified()
    scan(counted, PATH, [commit], verified)
    assert reads() == 2
    assert verify(counted, PATH, commit.load, verified) == ()
    assert reads() == 2
    time.sleep(0.02)  # a file system's clock ticks every few milliseconds
    flip(store, part_path(commit), 9)
    assert [f.code for f in verify(counted, PATH, commit.load, verified)] == ["BRZ-012"]
    scan_again = verify(counted, PATH, commit.load)
    assert [f.code for f in scan_again] == ["BRZ-012"]


def test_a_large_part_is_hashed_in_pieces(store: Store) -> None:
    frame = pl.DataFrame({"x": pl.int_range(1_500_000, eager=True)})
    commit = commit_parts(store, days(1), frame.sample(fraction=1, shuffle=True, seed=1))
    assert commit.load.parts[0].bytes > 4 * 2**20
    assert verify(store, PATH, commit.load) == ()


def test_many_loads_are_one_scan(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    loads = [store_load(store, days(d), [ids("a", "b")], attempt=str(d)) for d in range(1, 501)]
    commits = [Commit(n, "p", load, "s") for n, load in enumerate(loads, 1)]
    assert scan(store, PATH, commits).select(pl.len()).collect().item() == 1000
    assert scan(store, PATH, commits).collect()["_commit"].n_unique() == 500
