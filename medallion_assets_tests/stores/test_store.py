"""What every store does. Each adapter of conftest.py passes all of it."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from threading import Barrier

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medallion_assets.errors import AlreadyExists, NotFound, StorageError
from medallion_assets.lake.ports import ObjectInfo, Store
from medallion_assets.stores.memory import MemoryStore


def paths(store: Store, prefix: str) -> list[str]:
    return [o.path for o in store.list(prefix)]


def test_a_put_is_read_back_and_replaces(store: Store) -> None:
    store.put("a/b/c.bin", b"one")
    store.put("a/b/c.bin", b"three")
    assert store.get("a/b/c.bin") == b"three"
    assert paths(store, "a") == ["a/b/c.bin"]


def test_an_empty_object_is_an_object(store: Store) -> None:
    store.put("empty", b"")
    assert store.get("empty") == b""
    assert store.info("empty").bytes == 0
    assert store.get_range("empty", 0, 0) == b""


def test_put_if_absent_creates_once(store: Store) -> None:
    store.put_if_absent("a/x", b"first")
    with pytest.raises(AlreadyExists) as caught:
        store.put_if_absent("a/x", b"second")
    assert caught.value.code == "STO-004"
    assert store.url("a/x") in str(caught.value)
    assert store.get("a/x") == b"first"


def test_put_if_absent_sees_what_put_wrote_and_what_delete_removed(store: Store) -> None:
    store.put("x", b"put")
    with pytest.raises(AlreadyExists):
        store.put_if_absent("x", b"again")
    store.delete("x")
    store.put_if_absent("x", b"new")
    assert store.get("x") == b"new"


def test_of_twelve_racing_creators_one_wins(store: Store) -> None:
    for turn in range(20):
        together = Barrier(12)

        def create(who: int, turn: int = turn, together: Barrier = together) -> bool:
            together.wait()
            try:
                store.put_if_absent(f"race/{turn}", b"%d" % who * 1000)
            except AlreadyExists:
                return False
            return True

        with ThreadPoolExecutor(12) as pool:
            won = list(pool.map(create, range(12)))
        assert won.count(True) == 1
        assert store.get(f"race/{turn}") == b"%d" % won.index(True) * 1000


def test_racing_puts_leave_one_whole_object(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: store.put("one", bytes([i]) * 50_000), range(8)))
    data = store.get("one")
    assert len(data) == 50_000
    assert len(set(data)) == 1
    assert paths(store, "") == ["one"]


def test_ranges_are_exact_or_refused(store: Store) -> None:
    store.put("r", bytes(range(100)))
    assert store.get_range("r", 10, 5) == bytes(range(10, 15))
    assert store.get_range("r", 0, 100) == bytes(range(100))
    for start, length in [(99, 2), (101, 1), (-1, 5), (5, -1)]:
        with pytest.raises(StorageError) as caught:
            store.get_range("r", start, length)
        assert caught.value.code == "STO-012"


def test_info_says_size_and_time(store: Store) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=2)
    store.put("i/j", b"12345")
    info = store.info("i/j")
    assert info == ObjectInfo("i/j", 5, info.modified)
    assert before <= info.modified <= datetime.now(timezone.utc) + timedelta(seconds=2)
    assert info.modified.utcoffset() == timedelta(0)
    assert list(store.list("i")) == [info]


@pytest.mark.parametrize(
    "read",
    [
        lambda s, p: s.get(p),
        lambda s, p: s.info(p),
        lambda s, p: s.get_range(p, 0, 1),
    ],
)
def test_what_is_absent_is_not_found(store: Store, read: Callable[[Store, str], object]) -> None:
    store.put("there/x", b"")
    for path in ("not", "there", "there/y", "not/there/x"):
        with pytest.raises(NotFound) as caught:
            read(store, path)
        assert caught.value.code == "STO-003"
        assert store.url(path) in str(caught.value)


def test_deleting_what_is_absent_is_fine(store: Store) -> None:
    store.delete("no/such/object")
    store.put("d", b"")
    store.delete("d")
    store.delete("d")
    assert paths(store, "") == []


def test_list_is_by_path_at_any_depth_below_the_prefix_only(store: Store) -> None:
    names = ["a/b/1", "a/b-c", "a/b.d/2", "a/b/0/deep", "ab/3", "a/é", "a/Z"]
    for name in names:
        store.put(name, name.encode())
    assert paths(store, "a") == sorted(n for n in names if n.startswith("a/"))
    assert paths(store, "a/b") == ["a/b/0/deep", "a/b/1"]
    assert paths(store, "") == sorted(names)
    assert paths(store, "none") == []
    assert [o.bytes for o in store.list("ab")] == [4]


def test_list_goes_on_behind_a_path(store: Store) -> None:
    for name in ("log/1", "log/2", "log/3", "other"):
        store.put(name, b"")
    assert paths(store, "log") == ["log/1", "log/2", "log/3"]
    assert [o.path for o in store.list("log", "log/1")] == ["log/2", "log/3"]
    assert [o.path for o in store.list("log", "log/2.5")] == ["log/3"]
    assert list(store.list("log", "log/3")) == []


def test_nothing_is_left_unfinished_by_writes_that_ended(store: Store) -> None:
    store.put("a/b", b"1")
    later = datetime.now(timezone.utc) + timedelta(days=1)
    assert store.sweep("a", later, delete=True) == 0
    assert store.sweep("none", later, delete=True) == 0
    assert store.get("a/b") == b"1"


def test_list_of_an_empty_store(store: Store) -> None:
    assert paths(store, "") == []


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "a/../../x", "a/..", "./a", "a//b", "a/", "a\0b", "a\\..\\b", ".tmp-x", "a\udc80"],
)
def test_a_path_that_is_none_is_refused_everywhere(store: Store, path: str) -> None:
    for use in (store.get, store.info, store.delete):
        with pytest.raises(StorageError) as caught:
            use(path)
        assert caught.value.code == "STO-001"
    for write in (store.put, store.put_if_absent):
        with pytest.raises(StorageError) as caught:
            write(path, b"")
        assert caught.value.code == "STO-001"
    if path:
        with pytest.raises(StorageError) as caught:
            store.list(path)
        assert caught.value.code == "STO-001"


@pytest.mark.parametrize("name", ["a b", "ünï", "שלום", "🙂", "x" * 200, "-rf", "~", "dt=2024-01-01", "%2e%2e", "a;b"])
def test_odd_names_are_kept(store: Store, name: str) -> None:
    store.put(f"odd/{name}", b"1")
    assert paths(store, "odd") == [f"odd/{name}"]
    assert store.get(f"odd/{name}") == b"1"


def test_readers_with_their_own_access_are_told_how(store: Store) -> None:
    """By URL and options alone, Polars reads the object; what lies in this process needs neither."""
    whole = io.BytesIO()
    pl.DataFrame({"a": [1, 2]}).write_parquet(whole)
    store.put("deep/t.parquet", whole.getvalue())
    url = store.url("deep/t.parquet")
    if url.startswith("memory:"):
        assert dict(store.options) == {}
        return
    found = pl.scan_parquet(url, storage_options=dict(store.options) or None, hive_partitioning=False).collect()
    assert found.to_dict(as_series=False) == {"a": [1, 2]}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "create", "delete"]), st.sampled_from(["a", "b/c", "b/d"]), st.binary()),
        max_size=12,
    )
)
def test_any_sequence_of_changes_equals_a_dictionary(store: Store, steps: list[tuple[str, str, bytes]]) -> None:
    for path in paths(store, ""):
        store.delete(path)
    expected: dict[str, bytes] = {}
    for what, path, data in steps:
        if what == "put":
            store.put(path, data)
            expected[path] = data
        elif what == "delete":
            store.delete(path)
            expected.pop(path, None)
        elif path in expected:
            with pytest.raises(AlreadyExists):
                store.put_if_absent(path, data)
        else:
            store.put_if_absent(path, data)
            expected[path] = data
    assert {p: store.get(p) for p in paths(store, "")} == expected


def test_the_memory_store_has_its_own_clock() -> None:
    now = datetime(2024, 1, 1, tzinfo=timezone.utc)
    store = MemoryStore(now=lambda: now)
    store.put("x", b"")
    assert store.info("x").modified == now
