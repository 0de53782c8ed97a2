"""Loads by a cursor column: what is asked for, what is kept, how far it came; and no row lost or doubled, whatever."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from medallion_assets.bronze import commit
from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.reader import frames
from medallion_assets.errors import ConfigError, Conflict, ExtractionError, MedallionError
from medallion_assets.intent.parse import parse_platform, parse_project
from medallion_assets.lake.manifest import Head, SourceFacts
from medallion_assets.lake.ports import Batch, Bounds, Reading, Request, Store
from medallion_assets.lake.results import Ingested
from medallion_assets.plan.calendar import partition_at, partition_of
from medallion_assets.plan.compile import compile_plans
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.runs.ingest import ingest
from medallion_assets.stores.memory import MemoryStore
from medallion_assets_tests.bronze.simulated import Killed, SimStore

NOON = datetime(2024, 1, 5, 12, tzinfo=timezone.utc)
Row = tuple[str | None, str]


def plan_of(cursor: str, more: str = "") -> DatasetPlan:
    platform = parse_platform(None)
    text = f"""
system: shop
table: orders
source: {{type: database, url: "sqlite:///x.db", table: orders}}
load: {{pattern: incremental, cursor: {cursor}, chunk: {{rows: 3}}}}
partitions: {{start: 2024-01-01}}
{more}
"""
    return compile_plans(parse_project({"intents/orders.yaml": text}, platform), platform)[0]


SINCE = "{column: at, mode: since_last}"


@dataclass
class Clock:
    at: datetime = NOON

    def now(self) -> datetime:
        return self.at


@dataclass
class Table:
    """A table that gives all of its rows, whatever is asked for; remembers what it was."""

    rows: list[Row] = field(default_factory=list)
    asked: list[Bounds | None] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def read(self, request: Request) -> Reading:
        self.asked.append(request.bounds)
        return _Reading(list(self.rows), self.before)


@dataclass
class _Reading:
    rows: Sequence[Row]
    before: Callable[[], None]

    def __enter__(self) -> "_Reading":  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, max(1, len(self.rows)), 4):
            part = self.rows[start : start + 4]
            yield Batch(pl.DataFrame(part, schema={"at": pl.String, "id": pl.String}, orient="row"))
        self.before()

    @property
    def facts(self) -> SourceFacts:
        return SourceFacts()

    @property
    def cursor(self) -> None:
        return None


def load(store: Store, table: Table, plan: DatasetPlan, clock: Clock, key: str | None = None) -> Ingested:
    partition = partition_at(plan.calendar, clock.at) if key is None else partition_of(plan.calendar, key)
    return ingest(plan, partition, source=table, store=store, clock=clock, run_id="run")


def head_of(store: Store, plan: DatasetPlan) -> Head:
    return CommitLog(store, plan.bronze.path).head()


def held(store: Store, plan: DatasetPlan) -> list[Row]:
    live = head_of(store, plan).live
    return [
        row for _, part in frames(store, plan.bronze.path, live) for row in part.select("at", "id").collect().rows()
    ]


def at(hour: int, minute: int = 0, day: int = 5) -> str:
    return f"2024-01-{day:02d}T{hour:02d}:{minute:02d}:00Z"


# ------------------------------------------------------------------ partition


def test_a_partition_is_its_window_whatever_the_source_gives() -> None:
    store, plan, clock = MemoryStore(), plan_of("{column: at}"), Clock()
    table = Table([(at(0, day=3), "a"), (at(23, 59, day=3), "b"), (at(0, day=4), "c"), (at(5, day=2), "d")])
    done = load(store, table, plan, clock, "2024-01-03")
    assert held(store, plan) == [(at(0, day=3), "a"), (at(23, 59, day=3), "b")]
    assert table.asked == [Bounds("at", "2024-01-03T00:00:00.000000Z", "2024-01-04T00:00:00.000000Z", nulls=True)]
    told = done.commit.load
    assert (told.cursor_before, told.cursor_after, told.appends) == (None, None, False)
    assert told.source.facts == {"cursor_outside": "2"}


def test_a_backfill_of_an_old_day_leaves_the_others_alone() -> None:
    store, plan, clock = MemoryStore(), plan_of("{column: at}"), Clock()
    table = Table([(at(1, day=4), "new")])
    load(store, table, plan, clock, "2024-01-04")
    table.rows.append((at(1, day=2), "old"))
    load(store, table, plan, clock, "2024-01-02")
    assert sorted(held(store, plan)) == [(at(1, day=2), "old"), (at(1, day=4), "new")]
    assert not load(store, table, plan, clock, "2024-01-02").written


def test_dates_and_naive_times_are_local() -> None:
    berlin = compile_plans(
        parse_project(
            {
                "intents/o.yaml": "{system: s, table: t, source: {type: database, url: 'sqlite:///x'},"
                " load: {pattern: incremental, cursor: {column: at}},"
                " partitions: {start: 2024-01-01, timezone: Europe/Berlin}}"
            },
            parse_platform(None),
        ),
        parse_platform(None),
    )[0]
    for rows, kept in (
        ([("2024-01-03", "a"), ("2024-01-04", "b")], ["a"]),
        ([("2024-01-03T00:00:00", "a"), ("2024-01-03T23:59:59", "b"), ("2024-01-04T00:00:00", "c")], ["a", "b"]),
        ([("2024-01-02T23:00:00Z", "a"), ("2024-01-03T23:00:00Z", "b")], ["a"]),
    ):
        store = MemoryStore()
        load(store, Table(list(rows)), berlin, Clock(), "2024-01-03")
        assert [name for _, name in held(store, berlin)] == kept


@pytest.mark.parametrize(("policy", "kept"), [("include", ["a", None]), ("drop", ["a"])])
def test_rows_without_a_value_go_by_the_policy(policy: str, kept: list[str | None]) -> None:
    plan, store = plan_of(f"{{column: at, on_null: {policy}}}"), MemoryStore()
    load(store, Table([(at(1), "a"), (None, "n")]), plan, Clock(), "2024-01-05")
    assert len(held(store, plan)) == len(kept)


def test_a_row_without_a_value_is_an_error_when_nothing_else_is_said() -> None:
    plan, store = plan_of("{column: at}"), MemoryStore()
    with pytest.raises(ExtractionError, match=r"SRC-113[\s\S]*1 rows have no at"):
        load(store, Table([(at(1), "a"), (None, "n")]), plan, Clock(), "2024-01-05")
    assert head_of(store, plan).n == 0


@pytest.mark.parametrize(
    ("rows", "cursor", "code"),
    [
        ([("soon", "a")], SINCE, "SRC-111"),
        ([("1", "a"), (at(1), "b")], SINCE, "SRC-111"),
        ([("1", "a")], "{column: at}", "SRC-111"),
        ([("1", "a")], "{column: when}", "SRC-112"),
    ],
)
def test_a_cursor_that_cannot_be_compared_is_refused(rows: list[Row], cursor: str, code: str) -> None:
    plan, store = plan_of(cursor), MemoryStore()
    with pytest.raises(ExtractionError) as caught:
        load(store, Table(rows), plan, Clock())
    assert caught.value.code == code
    assert head_of(store, plan).n == 0


# ------------------------------------------------------------------ since_last


def test_each_load_goes_on_where_the_last_ended() -> None:
    store, plan, clock = MemoryStore(), plan_of(SINCE), Clock()
    table = Table([(at(1), "a"), (at(2), "b")])
    first = load(store, table, plan, clock).commit.load
    assert (first.cursor_before, first.cursor_after, first.appends) == (None, "2024-01-05T02:00:00.000000Z", True)
    table.rows += [(at(2), "tie"), (at(3), "c")]
    second = load(store, table, plan, clock).commit.load
    assert (second.cursor_before, second.cursor_after) == (first.cursor_after, "2024-01-05T03:00:00.000000Z")
    assert second.source.facts == {"cursor_outside": "1", "cursor_held_already": "1"}
    assert held(store, plan) == [(at(1), "a"), (at(2), "b"), (at(2), "tie"), (at(3), "c")]
    again = load(store, table, plan, clock)
    assert (again.written, again.commit.n, head_of(store, plan).n) == (False, 2, 2)
    assert table.asked[1] == Bounds("at", first.cursor_after, "2024-01-05T12:00:00.000000Z", nulls=True)


def test_numbers_are_numbers_and_have_no_end() -> None:
    store, plan, clock = MemoryStore(), plan_of("{column: at, mode: since_last, initial: 5}"), Clock()
    table = Table([("4", "x"), ("9", "a"), ("10", "b")])
    assert load(store, table, plan, clock).commit.load.cursor_after == "10"
    table.rows += [("10.5", "c"), ("9", "late"), ("11", "d")]
    assert load(store, table, plan, clock).commit.load.cursor_after == "11"
    assert [name for _, name in held(store, plan)] == ["a", "b", "c", "d"]
    assert table.asked == [Bounds("at", "5", None, nulls=True), Bounds("at", "10", None, nulls=True)]


def test_a_row_that_was_committed_late_is_found_by_the_lookback_and_counted() -> None:
    store, plan, clock = MemoryStore(), plan_of("{column: at, mode: since_last, lookback: 2h}"), Clock()
    table = Table([(at(1), "a"), (at(5), "b")])
    load(store, table, plan, clock)
    table.rows += [(at(4), "late"), (at(5), "b"), (at(2), "too late")]
    facts = load(store, table, plan, clock).commit.load.source.facts
    assert facts == {"cursor_outside": "2", "cursor_held_already": "1", "cursor_late_found": "1"}
    # The second "b" is another row that looks the same: the source holds it twice.
    assert sorted(held(store, plan)) == [(at(1), "a"), (at(4), "late"), (at(5), "b"), (at(5), "b")]


def test_a_row_of_the_future_waits() -> None:
    store, plan, clock = MemoryStore(), plan_of(SINCE), Clock()
    table = Table([(at(11), "a"), (at(13), "future")])
    assert load(store, table, plan, clock).commit.load.cursor_after == "2024-01-05T11:00:00.000000Z"
    clock.at += timedelta(hours=2)
    load(store, table, plan, clock)
    assert [name for _, name in held(store, plan)] == ["a", "future"]


def test_an_empty_load_carries_the_cursor_on() -> None:
    store, plan, clock = MemoryStore(), plan_of("{column: at, mode: since_last, initial: 2024-01-01}"), Clock()
    assert load(store, Table([]), plan, clock).commit.load.cursor_after is None
    table = Table([(at(1), "a")])
    load(store, table, plan, clock)
    clock.at += timedelta(days=1)
    assert load(store, table, plan, clock).written is False
    assert load(store, Table([*table.rows, (at(1, day=6), "b")]), plan, clock).commit.load.partition == "2024-01-06"


def test_a_lookback_of_numbers_is_refused() -> None:
    store, plan, clock = MemoryStore(), plan_of("{column: at, mode: since_last, lookback: 1h}"), Clock()
    load(store, Table([("1", "a")]), plan, clock)
    with pytest.raises(ConfigError, match="SRC-110"):
        load(store, Table([("2", "a")]), plan, clock)


def test_of_two_runs_from_one_place_the_second_begins_again() -> None:
    store, plan, clock = MemoryStore(), plan_of(SINCE), Clock()
    rival = Table([(at(1), "a"), (at(2), "b")])
    turns = count()

    def overtake() -> None:
        if next(turns) == 0:
            load(store, rival, plan, clock)

    table = Table([*rival.rows, (at(3), "c")], before=overtake)
    done = load(store, table, plan, clock)
    assert (done.commit.n, done.commit.load.rows) == (2, 1)
    assert held(store, plan) == [(at(1), "a"), (at(2), "b"), (at(3), "c")]


def test_a_run_that_is_overtaken_for_ever_says_so() -> None:
    store, plan, clock = MemoryStore(), plan_of(SINCE), Clock()
    numbers = count()

    def overtake() -> None:
        load(store, Table([(at(1, n), str(n)) for n in range(next(numbers) + 1)]), plan, clock)

    with pytest.raises(Conflict, match="BRZ-040"):
        load(store, Table([(at(9), "never")], before=overtake), plan, clock)


class Growing(RuleBasedStateMachine):
    """A table that grows, also with ties, twins and rows that come late, is loaded by runs that fail and race."""

    lookback = timedelta(hours=1)

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        self.store = SimStore(seed)
        self.clock = Clock()
        self.table = Table()
        self.plan = plan_of("{column: at, mode: since_last, lookback: 1h}")
        self.names = count()

    @rule(minutes=st.integers(0, 60), twin=st.booleans())
    def insert(self, minutes: int, twin: bool) -> None:
        """Committed now, with a time of up to an hour ago."""
        name = "twin" if twin else str(next(self.names))
        moment = (self.clock.at - timedelta(minutes=minutes)).replace(second=0).isoformat()
        self.table.rows.append((moment, name))

    @rule(minutes=st.integers(1, 300))
    def wait(self, minutes: int) -> None:
        """Whoever loads at least as often as the lookback is long sees every row."""
        self._load()
        self.clock.at += timedelta(minutes=minutes)

    @rule(rate=st.sampled_from([0.0, 0.05, 0.2]))
    def load_badly(self, rate: float) -> None:
        self.store.rate = rate
        try:
            self._load()
        except (MedallionError, Killed):
            assert self.store.faults
        finally:
            self.store.rate = 0.0
            self.store.pass_time(timedelta(minutes=11))

    @rule(turn=st.integers(1, 12))
    def race(self, turn: int) -> None:
        turns = count(1)

        def between() -> None:
            if next(turns) == turn:
                self.store.between = lambda: None
                self._load()

        self.store.between = between
        self._load()
        self.store.between = lambda: None

    @invariant()
    def bronze_is_what_the_table_held(self) -> None:
        if not hasattr(self, "store") or not head_of(self.store, self.plan).n:
            return
        rest = list(self.table.rows)
        for row in held(self.store, self.plan):
            rest.remove(row)  # ValueError: doubled, or made up
        assert all(r[0] is not None for r in rest)

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        self.clock.at += timedelta(minutes=1)
        self._load()
        found: list[Any] = sorted(held(self.store, self.plan))
        assert found == sorted(self.table.rows)

    def _load(self) -> None:
        load(self.store, self.table, self.plan, self.clock)


def test_no_row_is_lost_or_doubled_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "_PAUSES_S", (0.0,) * 4)
    run_state_machine_as_test(
        Growing,
        settings=settings(
            max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
