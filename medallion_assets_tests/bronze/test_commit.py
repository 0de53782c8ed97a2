"""The commit log: publishing, racing, losing answers, and finding what was tampered with."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from medallion_assets.bronze.codec import encode
from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.decide import EMPTY
from medallion_assets.errors import Conflict, Corrupt, StorageError, StoreUnavailable
from medallion_assets.lake.manifest import Approval
from medallion_assets.lake.ports import Store
from medallion_assets.stores.local import LocalStore
from medallion_assets.stores.memory import MemoryStore
from medallion_assets_tests.bronze.faults import FaultStore, disk_full, unavailable
from medallion_assets_tests.bronze.loads import PATH, days, load_of


def log_of(store: Store) -> CommitLog:
    return CommitLog(store, PATH, sleep=lambda _: None)


def filled(n: int, store: Store | None = None) -> MemoryStore:
    memory = MemoryStore()
    log = log_of(memory if store is None else store)
    head = log.head()
    for day in range(1, n + 1):
        log.publish(load_of(days(day)), head)
        head = log.extend(head)
    return memory


def name(n: int) -> str:
    return f"{PATH}/_commits/{n:020d}.json"


def saved(n: int) -> str:
    return f"{PATH}/_checkpoints/{n:020d}.json"


def test_an_empty_log_has_an_empty_head() -> None:
    assert log_of(MemoryStore()).head() == EMPTY
    assert log_of(MemoryStore()).near(days(1)) == EMPTY


def test_commits_are_numbered_and_chained() -> None:
    store = filled(3)
    head = log_of(store).head()
    assert head.n == 3
    assert [c.n for c in head.live] == [1, 2, 3]
    assert [c.previous for c in head.live] == ["0" * 64, head.live[0].sha256, head.live[1].sha256]
    assert head.sha256 == head.live[2].sha256
    assert [c.load.window for c in head.live] == [days(1), days(2), days(3)]
    assert [o.path for o in store.list("")] == [name(1), name(2), name(3)]


def test_publishing_the_same_again_writes_nothing() -> None:
    store = filled(2)
    log = log_of(store)
    commit, written = log.publish(load_of(days(1), attempt="again"), log.head())
    assert (commit.n, written) == (1, False)
    assert log.head().n == 2


def test_other_content_supersedes_and_history_keeps_both() -> None:
    log = log_of(filled(2))
    commit, written = log.publish(load_of(days(1), "other"), log.head())
    assert (commit.n, written, commit.load.replaces) == (3, True, (1,))
    assert [c.n for c in log.head().live] == [2, 3]
    assert [c.n for c in log.commits()] == [1, 2, 3]


def test_another_window_won_the_number_so_mine_is_the_next() -> None:
    log = log_of(MemoryStore())
    seen = log.head()
    log.publish(load_of(days(1)), seen)
    commit, written = log.publish(load_of(days(2)), seen)
    assert (commit.n, written) == (2, True)
    head = log.head()
    assert [(c.n, c.load.window) for c in head.live] == [(1, days(1)), (2, days(2))]
    assert commit.load.parts == load_of(days(2)).parts


def test_this_window_won_so_there_is_nothing_to_do() -> None:
    log = log_of(MemoryStore())
    seen = log.head()
    first, _ = log.publish(load_of(days(1), "theirs"), seen)
    commit, written = log.publish(load_of(days(1), "mine"), seen)
    assert (commit, written) == (first, False)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("times", [1, 2, 4])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_neither_a_lost_nor_a_second_commit(n: int, times: int, when: str) -> None:
    memory = filled(n - 1)
    faults = 0

    def fails(_: int, operation: str, __: str) -> tuple[str, StorageError] | None:
        nonlocal faults
        if operation == "put_if_absent" and faults < times:
            faults += 1
            return (when, unavailable()) if faults == 1 else ("before", unavailable())
        return None

    store = FaultStore(memory, fails)
    log = log_of(store)
    commit, written = log.publish(load_of(days(n)), log.head())
    assert (commit.n, written) == (n, True)
    assert log_of(memory).head().n == n
    assert faults == times


def test_a_late_answer_while_another_wins_the_number() -> None:
    """The put is answered with a time-out and did not arrive; meanwhile another window takes the number."""
    memory = MemoryStore()
    other = log_of(memory)

    def fails(i: int, operation: str, _: str) -> tuple[str, StorageError] | None:
        if operation == "put_if_absent" and other.head().n == 0:
            other.publish(load_of(days(9)), other.head())
            return "before", unavailable()
        return None

    log = log_of(FaultStore(memory, fails))
    commit, written = log.publish(load_of(days(1)), EMPTY)
    assert (commit.n, written) == (2, True)
    assert [c.load.window for c in other.head().live] == [days(9), days(1)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_outcome_that_stays_unknown_is_said_and_the_rerun_finds_out(when: str) -> None:
    memory = MemoryStore()
    first = True

    def fails(_: int, operation: str, __: str) -> tuple[str, StorageError] | None:
        nonlocal first
        if operation in {"put_if_absent", "get"}:
            kind, first = (when if first else "before"), False
            return kind, unavailable()
        return None

    with pytest.raises(StoreUnavailable) as caught:
        log_of(FaultStore(memory, fails)).publish(load_of(days(1)), EMPTY)
    assert caught.value.code == "BRZ-007"
    assert log_of(memory).head().n == (1 if when == "after" else 0)
    log = log_of(memory)
    commit, _ = log.publish(load_of(days(1), attempt="rerun"), log.head())
    assert commit.n == log.head().n == 1


def test_the_answer_to_whose_commit_it_is_may_be_lost_too() -> None:
    memory = MemoryStore()
    failed = {"put_if_absent": 0, "get": 0}

    def fails(_: int, operation: str, __: str) -> tuple[str, StorageError] | None:
        if operation in failed and failed[operation] < 1:
            failed[operation] += 1
            return "after", unavailable()
        return None

    commit, written = log_of(FaultStore(memory, fails)).publish(load_of(days(1)), EMPTY)
    assert (commit.n, written, failed) == (1, True, {"put_if_absent": 1, "get": 1})


def test_a_full_disk_leaves_the_head_where_it_was() -> None:
    memory = filled(1)
    store = FaultStore(memory, lambda _, name, __: ("before", disk_full()) if name == "put_if_absent" else None)
    log = log_of(store)
    with pytest.raises(StorageError) as caught:
        log.publish(load_of(days(2)), log.head())
    assert caught.value.code == "STO-005"
    assert log_of(memory).head().n == 1


def test_ten_racing_windows_are_ten_commits_without_a_gap(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    log = log_of(store)
    with ThreadPoolExecutor(10) as pool:
        made = list(pool.map(lambda day: log.publish(load_of(days(day)), EMPTY), range(1, 11)))
    assert sorted(c.n for c, written in made if written) == list(range(1, 11))
    head = log.head()
    assert sorted(c.load.window for c in head.live) == [days(d) for d in range(1, 11)]


def test_eight_racing_loads_of_one_window_are_one_commit() -> None:
    log = log_of(MemoryStore())
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: log.publish(load_of(days(1), f"content {i}"), EMPTY), range(8)))
    assert [written for _, written in made].count(True) == 1
    (live,) = log.head().live
    assert all(c == live for c, _ in made)


# ---------------------------------------------------------------- tampering


def forged(store: MemoryStore, n: int, previous: str | None = None) -> bytes:
    """Commit ``n`` with one more row, sealed anew as a forger would."""
    commit = next(c for c in log_of(store).head().live if c.n == n)
    return encode(n, previous or commit.previous, replace(commit.load, rows=commit.load.rows + 1), PATH)


def flip(store: MemoryStore, n: int) -> None:
    raw = bytearray(store.get(name(n)))
    raw[len(raw) // 2] ^= 4
    store.put(name(n), bytes(raw))


def swap(store: MemoryStore, n: int) -> None:
    one, two = store.get(name(n)), store.get(name(n + 1))
    store.put(name(n), two)
    store.put(name(n + 1), one)


TAMPERING: list[tuple[str, Callable[[MemoryStore], None], str, int]] = [
    ("bit flip in the middle", lambda s: flip(s, 2), "BRZ-001", 2),
    ("bit flip in the newest", lambda s: flip(s, 5), "BRZ-001", 5),
    ("truncated", lambda s: s.put(name(3), s.get(name(3))[:200]), "BRZ-001", 3),
    ("emptied", lambda s: s.put(name(3), b""), "BRZ-001", 3),
    ("edited and sealed anew", lambda s: s.put(name(2), forged(s, 2)), "BRZ-003", 3),
    ("first deleted", lambda s: s.delete(name(1)), "BRZ-004", 1),
    ("middle deleted", lambda s: s.delete(name(3)), "BRZ-004", 3),
    ("two exchanged", lambda s: swap(s, 2), "BRZ-003", 2),
    ("one repeated", lambda s: s.put(name(6), s.get(name(5))), "BRZ-003", 6),
    ("of another log", lambda s: s.put(name(4), forged(s, 4, "a" * 64)), "BRZ-003", 4),
]


@pytest.mark.parametrize(("tamper", "code", "n"), [t[1:] for t in TAMPERING], ids=[t[0] for t in TAMPERING])
def test_tampering_is_found_and_the_commit_named(tamper: Callable[[MemoryStore], None], code: str, n: int) -> None:
    store = filled(5)
    tamper(store)
    for read in (log_of(store).head, lambda: log_of(store).near(days(1)), lambda: list(log_of(store).commits())):
        with pytest.raises(Corrupt) as caught:
            read()
        assert caught.value.code == code
        assert f"{n:020d}.json" in str(caught.value)


def test_a_newer_format_is_refused_not_misread() -> None:
    store = filled(2)
    store.put(name(3), store.get(name(2)).replace(b'"format":1', b'"format":9'))
    with pytest.raises(StorageError, match="format 9") as caught:
        log_of(store).head()
    assert caught.value.code == "BRZ-002"


def test_nothing_is_published_on_a_damaged_log() -> None:
    store = filled(3)
    flip(store, 2)
    log = log_of(store)
    with pytest.raises(Corrupt):
        log.publish(load_of(days(9)), log.near(days(9)))
    assert len(list(store.list(""))) == 3


def test_other_files_beside_the_commits_are_nothing_to_us() -> None:
    store = filled(2)
    store.put(f"{PATH}/_commits/notes.txt", b"hello")
    store.put(f"{PATH}/_commits/7.json", b"{}")
    assert log_of(store).head().n == 2


# ---------------------------------------------------------------- checkpoints


@pytest.fixture(scope="module")
def long() -> MemoryStore:
    store = filled(204)
    log = log_of(store)
    log.publish(load_of(days(7), "newer"), log.head())
    return store


def copy_of(store: MemoryStore) -> MemoryStore:
    copy = MemoryStore()
    for o in store.list(""):
        copy.put(o.path, store.get(o.path))
    return copy


def near_equals_head(store: MemoryStore, day: int) -> bool:
    near, head = log_of(store).near(days(day)), log_of(store).head()
    overlapping = [[c for c in h.live if c.load.window == days(day)] for h in (near, head)]
    return (near.n, near.sha256) == (head.n, head.sha256) and overlapping[0] == overlapping[1]


def test_a_checkpoint_every_ten_commits_changes_nothing_but_the_cost(long: MemoryStore) -> None:
    """The last five are kept."""
    assert [o.path for o in long.list(f"{PATH}/_checkpoints")] == [saved(n) for n in range(160, 201, 10)]
    assert all(near_equals_head(long, day) for day in (1, 7, 100, 101, 200, 201, 204, 300))
    counted = FaultStore(long, lambda *_: None)
    head = log_of(counted).near(days(3))
    assert [c.n for c in head.live] == [3, 201, 202, 203, 204, 205]
    assert len([path for what, path in counted.count.operations if what == "get"]) == 1 + 1 + 1 + 5 + 1


Spoil = Callable[[MemoryStore], None]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s.delete(saved(200)),
        lambda s: [s.delete(o.path) for o in list(s.list(f"{PATH}/_checkpoints"))],
        lambda s: s.put(saved(200), s.get(saved(200))[:-1]),
        lambda s: s.put(saved(200), s.get(saved(200)).replace(b'"n":9', b'"n":8', 1)),
        lambda s: s.put(saved(200), s.get(saved(190))),
        lambda s: s.put(saved(200), b""),
        lambda s: s.put(saved(200), b"\xff\n"),
        lambda s: s.put(saved(200), s.get(saved(200)).replace(b'"format":1', b'"format":2', 1)),
    ],
)
def test_a_checkpoint_that_is_missing_or_damaged_is_never_needed(long: MemoryStore, spoil: Spoil) -> None:
    store = copy_of(long)
    spoil(store)
    assert all(near_equals_head(store, day) for day in (7, 9, 150, 204))


@pytest.mark.parametrize("n", [1, 50, 200])
def test_a_commit_deleted_below_the_checkpoint_is_found_by_readers(long: MemoryStore, n: int) -> None:
    store = copy_of(long)
    store.delete(name(n))
    with pytest.raises(Corrupt) as caught:
        log_of(store).head()
    assert caught.value.code == "BRZ-004"


@pytest.mark.parametrize("n", [200, 203])
def test_a_commit_deleted_at_the_checkpoint_or_behind_it_is_found_at_once(long: MemoryStore, n: int) -> None:
    store = copy_of(long)
    store.delete(name(n))
    with pytest.raises(Corrupt) as caught:
        log_of(store).near(days(7))
    assert caught.value.code == "BRZ-004"


def test_a_commit_edited_below_the_checkpoint_is_found_by_readers(long: MemoryStore) -> None:
    store = copy_of(long)
    store.put(name(50), forged(long, 50))
    with pytest.raises(Corrupt) as caught:
        log_of(store).head()
    assert caught.value.code == "BRZ-003"


def test_a_commit_that_a_checkpoint_leads_to_is_verified_against_it(long: MemoryStore) -> None:
    store = copy_of(long)
    store.put(name(50), forged(long, 50))
    with pytest.raises(Corrupt, match="not the one that the checkpoint names") as caught:
        log_of(store).near(days(50))
    assert caught.value.code == "BRZ-003"


def test_a_checkpoint_of_another_history_is_passed_over(long: MemoryStore) -> None:
    store = copy_of(long)
    store.put(name(200), forged(long, 200))
    with pytest.raises(Corrupt, match="Commit 201 follows another commit 200") as caught:
        log_of(store).near(days(1))
    assert caught.value.code == "BRZ-003"


def test_a_checkpoint_is_the_same_however_the_writer_came_to_it() -> None:
    """By one log object that looked each time, by new ones, and by one that never looked."""
    saves = []
    for fresh, looks in ((False, True), (True, True), (False, False)):
        store = MemoryStore()
        log, head = log_of(store), EMPTY
        for day in range(1, 101):
            log = log_of(store) if fresh else log
            content = "again" if day % 10 == 0 else "one"
            head = log.near(days(day)) if looks else log.extend(head)
            log.publish(load_of(days(max(1, day - 1)) if content == "again" else days(day), content), head)
        saves.append(store.get(saved(100)))
        assert near_equals_head(store, 9)
    assert saves[0] == saves[1] == saves[2]


def test_the_newest_commits_deleted_back_over_a_checkpoint_are_found(long: MemoryStore) -> None:
    store = copy_of(long)
    for n in range(195, 206):
        store.delete(name(n))
    with pytest.raises(Corrupt) as caught:
        log_of(store).near(days(1))
    assert caught.value.code == "BRZ-004"


def test_a_checkpoint_that_cannot_be_written_does_not_fail_the_commit() -> None:
    memory = filled(99)
    store = FaultStore(memory, lambda _, name, __: ("before", disk_full()) if name == "put" else None)
    log = log_of(store)
    commit, written = log.publish(load_of(days(100)), log.head())
    assert (commit.n, written) == (100, True)
    assert saved(100) not in [o.path for o in memory.list(f"{PATH}/_checkpoints")]


def test_the_thousandth_commit_asks_the_store_as_little_as_the_tenth() -> None:
    """The head, the commit, and the checkpoint that falls due at 1,000."""
    asked: list[str] = []

    def note(_: int, name: str, __: str) -> None:
        asked.append(name)

    store = FaultStore(MemoryStore(), note)
    log = log_of(store)

    def cost(day: int) -> int:
        asked.clear()
        log.publish(load_of(days(day)), log.near(days(day)))
        return len(asked)

    costs = [cost(day) for day in range(1, 1001)]
    assert max(costs[:10]) == costs[9]
    assert costs[999] <= costs[9] + 3, "the checkpoint before is read, too, and the oldest removed"
    assert max(costs[900:999]) <= max(costs[:10]) + 3


# ---------------------------------------------------------------- approvals


def approval(*commits: int) -> Approval:
    return Approval(commits, "run", datetime(2024, 1, 1, tzinfo=timezone.utc), "test")


def test_an_approval_is_an_entry_of_the_log_and_loads_nothing() -> None:
    store = filled(2)
    log = log_of(store)
    head = log.approve(approval(2), log.head())
    assert (head.n, {*head.approved}, [c.n for c in head.live]) == (3, {2}, [1, 2])
    assert head == log.head()
    log.publish(load_of(days(3)), head)
    assert (log.head().n, {*log.head().approved}) == (4, {2})
    flip(store, 3)
    with pytest.raises(Corrupt, match="BRZ-001"):
        log.head()


def test_what_is_approved_already_is_not_approved_again() -> None:
    log = log_of(filled(2))
    head = log.approve(approval(1, 2), log.head())
    assert log.approve(approval(2), head) == head


def test_a_load_that_was_replaced_cannot_be_approved() -> None:
    log = log_of(filled(2))
    seen = log.head()
    log.publish(load_of(days(2), "other"), seen)
    with pytest.raises(Conflict, match="Commit 2 is not live any more") as caught:
        log.approve(approval(2), seen)
    assert caught.value.code == "BRZ-041"


def test_approvals_and_loads_at_once_get_numbers_without_a_gap() -> None:
    store = filled(8)
    seen = log_of(store).head()

    def act(n: int) -> None:
        if n % 2:
            log_of(store).approve(approval(n), seen)
        else:
            log_of(store).publish(load_of(days(20 + n)), seen)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(1, 9)))
    head = log_of(store).head()
    assert (head.n, {*head.approved}, len(head.live)) == (16, {1, 3, 5, 7}, 12)


def test_an_approval_whose_answer_was_lost_is_found() -> None:
    memory = filled(1)
    lost = iter([("after", unavailable())])
    store = FaultStore(memory, lambda _, name, __: next(lost, None) if name == "put_if_absent" else None)
    head = log_of(store).approve(approval(1), log_of(memory).head())
    assert (head.n, {*head.approved}) == (2, {1})


def test_checkpoints_pass_over_approvals() -> None:
    store = filled(9)
    log = log_of(store)
    log.approve(approval(9), log.head())
    assert store.get(saved(10))
    near = log_of(store).near(days(9))
    assert (near.n, [c.n for c in near.live]) == (10, [9])
    log_of(store).publish(load_of(days(11)), near)
    assert log_of(store).head().approved == {9}


def test_a_checkpoint_holds_the_loads_on_both_sides_of_an_approval() -> None:
    store = filled(5)
    log = log_of(store)
    head = log.approve(approval(3), log.head())
    for day in range(6, 10):
        log.publish(load_of(days(day)), head)
        head = log.extend(head)
    assert store.get(saved(10))
    assert [[c.n for c in log_of(store).near(days(day)).live] for day in (5, 6, 9)] == [[5], [7], [10]]
