from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.bronze.decide import EMPTY, decide, follow, live_of
from medallion_assets.errors import Conflict, StorageError
from medallion_assets.lake.manifest import Commit, Head, Load, Pattern
from medallion_assets_tests.bronze.loads import days, load_of


def head_of(*loads: Load) -> Head:
    return follow(EMPTY, [Commit(n, "p", load, f"sha{n}") for n, load in enumerate(loads, 1)])


def decided(
    load: Load, head: Head, seen: int | None = None, *, claims: tuple[str, ...] = (), force: bool = False
) -> object:
    result = decide(load, head, head.n if seen is None else seen, claims=claims, force=force)
    return result.n if isinstance(result, Commit) else result


def test_a_new_window_replaces_nothing() -> None:
    assert decided(load_of(days(2)), head_of(load_of(days(1)), load_of(days(3)))) == ()


def test_the_same_content_needs_no_commit_unless_forced() -> None:
    head = head_of(load_of(days(1)), load_of(days(2)))
    assert decided(load_of(days(1)), head) == 1
    assert decided(load_of(days(1)), head, force=True) == (1,)


def test_other_content_replaces() -> None:
    head = head_of(load_of(days(1)), load_of(days(2)), replace(load_of(days(1), "two"), replaces=(1,)))
    assert decided(load_of(days(1), "three"), head) == (3,)
    assert decided(load_of(days(1), "one"), head) == (3,)  # back to the first content: still a new load


def test_a_load_of_the_window_made_beside_me_is_enough() -> None:
    head = head_of(load_of(days(1)), load_of(days(2), "theirs"))
    assert decided(load_of(days(2), "mine"), head, seen=1) == 2
    assert decided(load_of(days(2), "mine"), head, seen=1, force=True) == 2
    assert decided(load_of(days(2), "mine"), head, seen=2) == (2,)


def test_a_full_load_stands_beside_changes_of_its_window() -> None:
    head = head_of(load_of(days(1), pattern="cdc"))
    assert decided(load_of(days(1), pattern="full"), head) == ()
    assert decided(load_of(days(1, 7), pattern="full"), head) == ()
    both = head_of(load_of(days(1), pattern="cdc"), load_of(days(1), pattern="full"))
    assert decided(load_of(days(1), "two", pattern="cdc"), both) == (1,)
    assert decided(load_of(days(1), "two", pattern="full"), both) == (2,)
    found = [live_of(both, pattern, days(1)) for pattern in ("cdc", "incremental", "full")]
    assert [c.n for c in found if c] == [1, 1, 2]
    assert live_of(both, "full", days(2)) is None


def test_another_pattern_of_changes_replaces_also_with_the_same_content() -> None:
    head = head_of(load_of(days(1), pattern="incremental"))
    assert decided(load_of(days(1), pattern="cdc"), head) == (1,)


def test_no_rows_of_other_columns_are_other_content() -> None:
    head = head_of(load_of(days(1)))
    assert decided(replace(load_of(days(1)), schema=()), head) == (1,)


def test_a_wider_window_replaces_those_inside_it() -> None:
    head = head_of(load_of(days(1)), load_of(days(2)), load_of(days(9)))
    assert decided(load_of(days(1, 7)), head) == (1, 2)
    wider_same = head_of(load_of(days(1)), load_of(days(1, 7)))
    assert decided(load_of(days(1, 7)), wider_same, seen=2) == (1, 2)


@pytest.mark.parametrize("window", [days(3), days(7, 9), days(1, 6)])
def test_a_window_that_would_cut_another_is_refused(window: object) -> None:
    head = head_of(load_of(days(1, 7)))
    assert hasattr(window, "start")
    with pytest.raises(StorageError, match="overlaps commit 1") as caught:
        decided(load_of(window), head)  # type: ignore[arg-type]
    assert caught.value.code == "BRZ-005"


def test_claimed_files_belong_to_the_first() -> None:
    head = head_of(load_of(days(1), pattern="incremental", files=("a", "b")))
    mine = load_of(days(2), pattern="incremental", files=("b", "c"))
    assert decided(mine, head, seen=1, claims=("b", "c")) == ()  # known when the ledger was read
    assert decided(mine, head, seen=0) == ()  # files that belong to a date by name are nobody's claim
    with pytest.raises(Conflict, match=r"Commit 1 \(2024-01-01\) took source files .*: b\.") as caught:
        decided(mine, head, seen=0, claims=("b", "c"))
    assert caught.value.code == "BRZ-006"
    assert caught.value.retryable


patterns: list[Pattern] = ["full", "incremental", "cdc"]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 6), st.integers(0, 3), st.sampled_from("abc"), st.sampled_from(patterns), st.integers(0, 3)
        ),
        max_size=25,
    )
)
def test_live_windows_never_overlap_whatever_is_loaded(steps: list[tuple[int, int, str, Pattern, int]]) -> None:
    head = EMPTY
    for first, length, content, pattern, behind in steps:
        load = load_of(days(first, first + length), content, pattern=pattern)
        try:
            result = decide(load, head, max(0, head.n - behind), claims=(), force=False)
        except StorageError:  # BRZ-005
            continue
        if isinstance(result, tuple):
            assert set(result) <= {c.n for c in head.live}
            head = follow(head, [Commit(head.n + 1, "p", replace(load, replaces=result), "s")])
        else:
            assert result.load.window == load.window
        for full in (True, False):
            lane = sorted(c.load.window for c in head.live if (c.load.pattern == "full") == full)
            assert all(a.end <= b.start for a, b in pairwise(lane))
