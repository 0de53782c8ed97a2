"""Held loads and their approvals against the oracle, where two keys are enough to be guarded."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medallion_assets.runs.build import Built
from medallion_assets_tests.silver.lake import Lake
from medallion_assets_tests.silver.oracle import Answer, Loaded, Row, Spec, oracle
from medallion_assets_tests.silver.test_models import DAY, MIXED, commit, lake_of, loads

QUICK = settings(
    max_examples=60, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)  # fmt: skip
SPECS = [
    Spec(model, delete_mode=mode, small=2)
    for model in ("scd_type_1", "scd_type_2")
    for mode in ("hard_delete", "tombstone", "erase", "ignore")
]


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medallion_assets.silver.guard.SMALL", 2)


def row(k: int, day: int, op: str = "U", hour: int = 0) -> Row:
    return {"k": k, "t": DAY + timedelta(days=day, hours=hour), "a": 1, "b": "x", "op": op}


def full(n: int, day: int, *keys: int, approved: bool = False) -> Loaded:
    rows = tuple(row(k, 0) for k in keys)
    return Loaded(n, "full", DAY + timedelta(days=day), (rows,), approved=approved)


def cdc(n: int, day: int, *rows: Row, approved: bool = False) -> Loaded:
    return Loaded(n, "cdc", DAY + timedelta(days=day), (rows,), approved=approved)


def approve(lake: Lake, found: list[Loaded]) -> None:
    """Commits of the same load may have another number here than there: they are known by window and pattern."""
    wanted = {(x.start, x.pattern) for x in found if x.approved}
    live = [c for c in lake.log.head().live if (c.load.window.start, c.load.pattern) in wanted]
    if live:
        lake.approve(*(c.n for c in live))


def told(built: Built) -> list[tuple[int, int, int]]:
    return [(h.n, h.keys, h.missing) for h in built.held]


def compare(spec: Spec, found: list[Loaded]) -> Answer:
    lake = lake_of(spec, found)
    approve(lake, found)
    built, expected = lake.build(), oracle(found, spec)
    assert told(built) == expected.held
    assert built.rows.to_dicts() == [{c: r.get(c) for c in built.rows.columns} for r in expected.rows]
    account = built.accounting
    assert (account["events"], account["duplicates"], account["filtered"]) == (
        expected.events, expected.duplicates, expected.filtered
    )  # fmt: skip
    return expected


@pytest.mark.usefixtures("guarded")
@QUICK
@given(data=st.data(), spec=st.sampled_from(SPECS))
def test_what_is_held_and_what_is_approved_is_what_the_oracle_says(spec: Spec, data: st.DataObject) -> None:
    found = [replace(x, approved=data.draw(st.booleans())) for x in data.draw(loads(MIXED))]
    if found:
        compare(replace(spec, fraction=data.draw(st.sampled_from([0.5, 0.5, 0.0, 1.0]))), found)


@pytest.mark.usefixtures("guarded")
@QUICK
@given(data=st.data(), spec=st.sampled_from(SPECS))
def test_neither_arrival_nor_the_time_of_the_approval_leaves_a_trace(spec: Spec, data: st.DataObject) -> None:
    found = [replace(x, approved=data.draw(st.booleans())) for x in data.draw(loads(MIXED))]
    one, other = lake_of(spec, found), lake_of(spec, [])
    if not found:
        return
    approve(one, found)
    order = data.draw(st.permutations(found))
    for load in order:
        commit(other, load)
        if data.draw(st.booleans()):
            approve(other, found)
    approve(other, found)
    expected, built = one.build(), other.build()
    assert built.rows.drop("_bronze_part").to_dicts() == expected.rows.drop("_bronze_part").to_dicts()
    assert built.accounting == expected.accounting
    assert [h.partition for h in built.held] == [h.partition for h in expected.held]


@pytest.mark.usefixtures("guarded")
def test_an_approved_load_is_the_measure_for_the_next() -> None:
    spec = Spec("scd_type_1", small=2)
    held = compare(spec, [full(1, 0, 1, 2, 3, 4), full(2, 1, 1), full(3, 2, 1, 2, 3)])
    assert (held.held, [r["k"] for r in held.rows]) == ([(2, 4, 3)], [1, 2, 3])
    approved = compare(spec, [full(1, 0, 1, 2, 3, 4), full(2, 1, 1, 2, approved=True), full(3, 2, 1)])
    assert (approved.held, [r["k"] for r in approved.rows]) == ([], [1])


@pytest.mark.usefixtures("guarded")
def test_a_held_load_is_no_measure_for_the_next() -> None:
    found = compare(Spec("scd_type_1", small=2), [full(1, 0, 1, 2, 3, 4), full(2, 1, 1), full(3, 2, 1)])
    assert (found.held, [r["k"] for r in found.rows]) == ([(2, 4, 3), (3, 4, 3)], [1, 2, 3, 4])


@pytest.mark.usefixtures("guarded")
def test_an_approval_names_a_commit_and_not_what_replaces_it() -> None:
    lake = lake_of(Spec("scd_type_1"), [full(1, 0, 1, 2, 3), full(2, 1, 1)])
    lake.approve(2)
    assert told(lake.build()) == []
    commit(lake, full(4, 1, 2))
    assert told(lake.build()) == [(4, 3, 2)]


@pytest.mark.usefixtures("guarded")
def test_a_truncate_in_two_steps_is_guarded_as_one() -> None:
    before = cdc(1, 0, row(1, 0), row(2, 0), row(3, 0))
    twice = cdc(2, 1, row(0, 1, "T"), row(0, 1, "T", 1), row(1, 1, "I", 2))
    assert compare(Spec("scd_type_1", small=2), [before, twice]).held == [(2, 3, 2)]
    assert [r["k"] for r in compare(Spec("scd_type_1", small=2), [before, replace(twice, approved=True)]).rows] == [1]
