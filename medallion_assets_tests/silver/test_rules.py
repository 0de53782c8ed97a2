"""Single rules of silver that a random stream rarely meets."""

from datetime import datetime, timedelta

from medallion_assets_tests.silver.oracle import Loaded, Row, Spec
from medallion_assets_tests.silver.test_models import DAY, compare

NOON = timedelta(hours=12)


def row(k: int, t: datetime, a: int, op: str = "U") -> Row:
    return {"k": k, "t": t, "a": a, "b": "x", "op": op}


def test_of_a_full_and_a_changed_row_of_one_window_and_clock_the_change_is_later() -> None:
    full = Loaded(2, "full", DAY, ((row(1, DAY + NOON, 1),),))
    change = Loaded(1, "cdc", DAY, ((row(1, DAY + NOON, 2),),))
    assert [r["a"] for r in compare(Spec("scd_type_1"), [change, full]).rows] == [2]


def test_a_truncate_erases_keys_that_an_absence_had_ended() -> None:
    before = Loaded(1, "cdc", DAY, ((row(1, DAY, 1), row(2, DAY, 1)),))
    absent = Loaded(2, "full", DAY + timedelta(days=1), ((row(2, DAY, 1),),))
    cut = Loaded(3, "cdc", DAY + timedelta(days=2), ((row(0, DAY + timedelta(days=2), 0, "T"),),))
    erase = Spec("scd_type_2", delete_mode="erase")
    assert [r["k"] for r in compare(erase, [before, absent]).rows] == [1, 2]
    assert compare(erase, [before, absent, cut]).rows == []


def test_an_absence_closes_and_a_return_opens_again_with_a_gap() -> None:
    days = [DAY + timedelta(days=i) for i in range(3)]
    loads = [Loaded(i + 1, "full", day, ((row(1, DAY, 1),) if i != 1 else (),)) for i, day in enumerate(days)]
    spans = [(r["effective_from"], r["effective_to"]) for r in compare(Spec(), loads).rows]
    assert spans == [(days[0], days[1]), (days[2], None)]


def test_what_arrives_late_before_a_full_load_changes_only_the_history_before_it() -> None:
    full = Loaded(1, "full", DAY + timedelta(days=1), ((row(1, DAY, 1),),))
    late = Loaded(2, "cdc", DAY, ((row(1, DAY, 5), row(2, DAY, 5)),))
    spans = [(r["k"], r["a"], r["effective_to"]) for r in compare(Spec(), [full, late]).rows]
    assert spans == [(1, 5, full.start), (1, 1, None), (2, 5, full.start)]


def test_without_an_order_of_the_source_the_greater_row_decides() -> None:
    loads = [Loaded(1, "cdc", DAY, ((row(1, DAY, 2), row(1, DAY, 1)),))]
    assert [r["a"] for r in compare(Spec("scd_type_1"), loads).rows] == [1]
    assert [r["a"] for r in compare(Spec("scd_type_1", positional=False), loads).rows] == [2]


def test_a_delete_ends_what_ignore_nulls_carries_on() -> None:
    changes = (row(1, DAY, 5), {**row(1, DAY + NOON, 0, "D"), "a": None}, {**row(1, DAY + 2 * NOON, 0), "a": None})
    for mode in ("hard_delete", "tombstone"):
        spec = Spec("scd_type_2", delete_mode=mode, ignore_nulls=True)
        *_, last = compare(spec, [Loaded(1, "cdc", DAY, (changes,))]).rows
        assert (last["a"], last["effective_from"]) == (None, DAY + 2 * NOON)
