"""Bronze on a store that loses answers, delivers late, lists stale and stops at any operation, with several writers.

The source of each day grows, because a fault that loses or doubles rows can hide behind one that does not.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from medallion_assets.bronze import commit
from medallion_assets.bronze.audit import audit
from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.garbage import Keep, sweep
from medallion_assets.errors import MedallionError, StorageError
from medallion_assets.lake.ports import Batch
from medallion_assets_tests.bronze.simulated import LATEST, Killed, SimStore
from medallion_assets_tests.runs.ingest_lake import FakeSource, committed, plan_of, rows, run

PATH = plan_of().bronze.path
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")
GRACE = 2 * LATEST
CALM = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def source(day: str, size: int) -> FakeSource:
    ids = [f"{day}#{n}" for n in range(size)]
    return FakeSource([Batch(rows(*ids[n : n + 2])) for n in range(0, max(1, size), 2)])


class Bronze(RuleBasedStateMachine):
    """Writers load days of growing sources, in one another's way; the garbage collector runs among them."""

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        self.store = SimStore(seed)
        self.sizes = dict.fromkeys(DAYS, 1)
        self.loaded: set[str] = set()
        """Days that a load said are committed."""
        self.least = dict.fromkeys(DAYS, 0)
        """Rows of each day that a load has promised."""

    @rule(day=st.sampled_from(DAYS), more=st.integers(1, 5))
    def grow(self, day: str, more: int) -> None:
        self.sizes[day] += more

    @rule(day=st.sampled_from(DAYS), rate=st.sampled_from([0.0, 0.02, 0.1, 0.3]))
    def load(self, day: str, rate: float) -> None:
        self._faulty(rate, lambda: self._load(day))

    @rule(day=st.sampled_from(DAYS), other=st.sampled_from(DAYS), at=st.integers(1, 30),
          rate=st.sampled_from([0.0, 0.05]))  # fmt: skip
    def race(self, day: str, other: str, at: int, rate: float) -> None:
        """Another writer loads a day, whole, before operation ``at`` of this one."""
        turns = count(1)

        def between() -> None:
            if next(turns) == at:
                self.store.between = lambda: None
                with suppress(StorageError, Killed):
                    self._load(other)

        self.store.between = between
        self._faulty(rate, lambda: self._load(day))
        self.store.between = lambda: None

    @rule(day=st.sampled_from(DAYS), at=st.integers(4, 14), length=st.integers(1, 12))
    def load_into_an_outage(self, day: str, at: int, length: int) -> None:
        """For some operations no answer comes, whatever takes effect: also of every try of one commit."""
        turns = count(1)

        def between() -> None:
            self.store.rate = 1.0 if at <= next(turns) < at + length else 0.0

        self.store.between, self.store.kills = between, False
        self._faulty(0.0, lambda: self._load(day))
        self.store.between, self.store.kills = lambda: None, True

    @rule(minutes=st.integers(1, 30))
    def wait(self, minutes: int) -> None:
        self.store.pass_time(timedelta(minutes=minutes))

    @rule(rate=st.sampled_from([0.0, 0.1]))
    def collect(self, rate: float) -> None:
        keep = Keep(GRACE, timedelta(0), absorbed=2**31)
        self._faulty(rate, lambda: sweep(self.store, PATH, keep, delete=True))

    @precondition(lambda self: any(self.loaded))
    @rule()
    def everything_is_there(self) -> None:
        """After the storm: load every day once without a fault, and the lake is the sources, row for row."""
        self.store.pass_time(LATEST)
        for day in DAYS:
            self._load(day)
        assert committed(self.store) == [f"{day}#{n}" for day in DAYS for n in range(self.sizes[day])]
        head = CommitLog(self.store, PATH).head()
        self.store.pass_time(GRACE)
        sweep(self.store, PATH, Keep(GRACE, timedelta(0), absorbed=head.n), delete=True)
        named = {f"{PATH}/{part.path}" for c in head.live for part in c.load.parts}
        kept = {info.path for info in self.store.list(PATH) if info.path.endswith(".parquet")}
        # A replaced part may stay: its replacement's time is the writers' clock, which stands still.
        assert named <= kept

    @invariant()
    def what_is_committed_is_whole_and_no_row_is_lost_or_doubled(self) -> None:
        if not hasattr(self, "store"):
            return
        assert audit(self.store, PATH).faults == ()
        found = committed(self.store) if CommitLog(self.store, PATH).head().n else []
        assert len(found) == len(set(found))
        for day in DAYS:
            of_day = [name for name in found if name.startswith(day)]
            assert of_day == [f"{day}#{n}" for n in range(len(of_day))]
            assert self.least[day] <= len(of_day) <= self.sizes[day]

    def _load(self, day: str) -> None:
        size = self.sizes[day]
        run(self.store, source(day, size), key=day)
        self.loaded.add(day)
        self.least[day] = max(self.least[day], size)

    def _faulty(self, rate: float, work: Callable[[], object]) -> None:
        self.store.rate = rate
        try:
            work()
        except (MedallionError, Killed):
            assert self.store.faults
        finally:
            self.store.rate = 0.0


def test_rows_survive_any_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "_PAUSES_S", (0.0,) * 4)  # nobody has to wait for an answer here
    run_state_machine_as_test(
        Bronze, settings=settings(max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=CALM)
    )
