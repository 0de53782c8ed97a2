"""A table that follows its loads one by one is, after each of them, what a reading of all of them gives."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count, dropwhile
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.lake.manifest import Pattern
from medallion_assets.lake.ports import TableState
from medallion_assets.lake.results import Refined
from medallion_assets.runs.build import build
from medallion_assets.runs.finished import TECHNICAL
from medallion_assets.runs.quarantine import silver_quarantine
from medallion_assets.runs.refine import refine
from medallion_assets.runs.room import Room
from medallion_assets.runs.scratch import Scratch
from medallion_assets.silver.content import content
from medallion_assets.tables.delta import DeltaTable
from medallion_assets_tests.silver.lake import CDC, Lake, plan_of
from medallion_assets_tests.silver.oracle import Loaded, Spec
from medallion_assets_tests.silver.test_envelope import FORMS, held
from medallion_assets_tests.silver.test_envelope import commit as in_envelopes
from medallion_assets_tests.silver.test_envelope import lake_of as events_lake
from medallion_assets_tests.silver.test_models import DAY, OTHERS, SPECS, commit, frame, planned, rows

QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEN: Counter[tuple[str, str]] = Counter()
"""Model and way."""


def refined(lake: Lake, table: DeltaTable) -> Refined:
    return refine(
        lake.plan,
        lake.plan.silvers[0],
        store=lake.store,
        table=table,
        quarantine_store=lake.store,
    )


def judged(lake: Lake, table: DeltaTable) -> TableState:
    """The table against a reading of everything. Returns its state."""
    silver, head = lake.plan.silvers[0], CommitLog(lake.store, lake.plan.bronze.path).head()
    with Scratch() as scratch:
        built = build(lake.plan, silver, head, store=lake.store, room=Room(), scratch=scratch)
    held = table.scan().collect()
    assert_frame_equal(held, built.rows, check_row_order=False)
    state = table.state()
    assert state is not None
    assert dict(state.accounting) == dict(built.accounting)
    assert state.content == content([built.rows], TECHNICAL)
    assert (state.columns, state.last_delete, state.truncated) == (built.columns, built.last_delete, built.truncated)
    assert dict(state.quarantined_by_partition) == dict(built.quarantined_by_partition)
    quarantine = silver_quarantine(state, lake.store)
    addresses = built.quarantine.select(pl.format("{}/{}/{}", "commit", "part", "row"))
    assert quarantine["address"].to_list() == addresses.to_series().to_list()
    return state


@st.composite
def streams(draw: st.DrawFn, *patterns: Pattern) -> list[Loaded]:
    """Days in any order, changes of one day also in several loads; later days mostly have later times."""
    days = draw(st.permutations(range(5)))
    if "full" not in patterns and draw(st.integers(0, 2)) == 0:
        days = draw(st.lists(st.integers(0, 2), min_size=5, max_size=5))
    if draw(st.booleans()):
        days = sorted(days)
    found, truncates = [], draw(st.integers(0, 3)) == 0
    for n, day in enumerate(days[: draw(st.integers(2, 5))], 1):
        pattern = draw(st.sampled_from(patterns))
        told = draw(st.lists(st.lists(rows(pattern), max_size=4), min_size=1, max_size=2))
        shift = timedelta(days=3 * day) if draw(st.booleans()) else timedelta(0)
        # One truncate decides the whole stream.
        told = [[row for row in part if truncates or row.get("op") != "T"] for part in told]
        parts = tuple(tuple({**row, "t": row["t"] + shift} for row in part) for part in told)
        refused = draw(st.sampled_from([0, 0, 0, 0, 1])) if pattern == "full" else 0
        found.append(Loaded(n, pattern, DAY + timedelta(days=day), parts, refused))
    return found


def followed(lake: Lake, found: list[Loaded], commit: Callable[[Lake, Loaded, bool], None] = commit) -> None:
    model = lake.plan.silvers[0].model
    with TemporaryDirectory() as folder:
        for number, load in enumerate(found):
            commit(lake, load, any(load.start == before.start for before in found[:number]))
            SEEN[model, refined(lake, DeltaTable(f"{folder}/t", {}, "app")).how] += 1
            judged(lake, DeltaTable(f"{folder}/t", {}, "app"))


@pytest.mark.parametrize("pattern", ["incremental", "cdc", "full"])
@QUICK
@given(data=st.data(), spec=st.sampled_from(SPECS))
def test_states(spec: Spec, pattern: Pattern, data: st.DataObject) -> None:
    followed(Lake(planned(spec, CDC)), data.draw(streams(pattern)))


PATTERNS: list[tuple[Pattern, ...]] = [("incremental",), ("cdc",), ("full",), ("full", "cdc")]


@pytest.mark.parametrize("spec", OTHERS, ids=lambda spec: f"{spec.model}-{spec.delete_mode}-{spec.ordered}")
@settings(QUICK, max_examples=8)
@given(data=st.data(), patterns=st.sampled_from(PATTERNS))
def test_other_keyed_models(spec: Spec, patterns: tuple[Pattern, ...], data: st.DataObject) -> None:
    followed(Lake(planned(spec, CDC)), data.draw(streams(*patterns)))


@QUICK
@given(data=st.data(), spec=st.sampled_from([*SPECS, *OTHERS]), forms=st.lists(st.sampled_from(FORMS), min_size=5))
def test_values_that_events_withhold(spec: Spec, forms: list[str], data: st.DataObject) -> None:
    # Without a row there would be no column.
    found = list(dropwhile(lambda load: not any(load.parts), data.draw(streams("cdc"))))
    columns = [["b"] if form == "structs" else ["a", "b"] for form in forms]
    found = [
        replace(load, parts=tuple(tuple(data.draw(held(row, some)) for row in part) for part in load.parts))
        for load, some in zip(found, columns, strict=False)
    ]
    followed(
        events_lake(spec), found,
        lambda lake, load, appends: in_envelopes(lake, load, forms[load.n - 1], tombstones=False, appends=appends),
    )  # fmt: skip


FACTS = [
    "{model: event, keys: k, exclude: t}",
    "{model: event, exclude: t}",
    "{model: event, keys: [k, t], input_mode: replace_daily}",
    "{model: periodic_snapshot}",
]


@pytest.mark.parametrize("silver", FACTS)
@settings(QUICK, max_examples=6)
@given(data=st.data())
def test_facts(silver: str, data: st.DataObject) -> None:
    followed(Lake(plan_of(silver, "incremental")), data.draw(streams("incremental")))


def test_both_ways_were_gone() -> None:
    """The tests above prove little when all of their tables were built whole."""
    for model in {model for model, _ in SEEN}:  # none when this test runs alone
        assert SEEN[model, "changes"] > SEEN[model, "whole"] / 8, SEEN


RULES = """
quarantine: {max_rows: 100}
columns: {a: int64}
checks: [{rule: range, columns: a, max: 5, on_failure: quarantine}, {rule: in_set, columns: b, values: [x, y],
  on_failure: drop}]
"""


def day_of(number: int, *cells: tuple[int, int, str, str]) -> Loaded:
    """Rows (k, half day, a, b) of a day."""
    told = tuple({"k": k, "t": DAY + timedelta(hours=12 * half), "a": a, "b": b} for k, half, a, b in cells)
    return Loaded(number, "incremental", DAY + timedelta(days=number), (told,))


def committed(lake: Lake, load: Loaded, *, appends: bool = False) -> None:
    """With ``a`` as text."""
    told = [frame(tuple({**row, "a": None} for row in part), "incremental") for part in load.parts]
    texts = [pl.Series("a", [row["a"] for row in part], pl.String) for part in load.parts]
    parts = [f.with_columns(t) for f, t in zip(told, texts, strict=True)]
    lake.commit(load.start.date().isoformat(), *parts, appends=appends)


def test_rows_in_quarantine_and_dropped_ones_add_up(tmp_path: Path) -> None:
    lake = Lake(plan_of("{model: scd_type_2, keys: k, order_by: t}", "incremental", RULES))
    table = DeltaTable(str(tmp_path / "t"), {}, "app")
    days = [
        day_of(1, (1, 0, "1", "x"), (2, 0, "9", "x")),
        day_of(2, (1, 2, "7", "y"), (2, 2, "3", "z"), (3, 2, "2", "y")),
        day_of(3, (2, 1, "4", "x"), (1, 4, "8", "q")),
    ]
    for load, how in zip(days, ("whole", "changes", "changes"), strict=True):
        committed(lake, load)
        assert refined(lake, table).how == how
        judged(lake, table)
    state = judged(lake, table)
    assert {n: state.accounting[n] for n in ("quarantined", "filtered", "judged")} == {
        "quarantined": 3, "filtered": 1, "judged": 7,
    }  # fmt: skip
    assert dict(state.quarantined_by_partition) == {"2024-01-02": 1, "2024-01-03": 1, "2024-01-04": 1}


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([(1, 3, "1.5", "x")], "a column has another type"),
        ([(1, 3, "word", "x")], "it is text now"),
    ],
)
def test_what_does_not_fit_is_built_whole(tmp_path: Path, cells: list[tuple[int, int, str, str]], why: str) -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: k, order_by: t}", "incremental"))
    table = DeltaTable(str(tmp_path / "t"), {}, "app")
    for load, how in ((day_of(1, (1, 0, "1", "x")), "whole"), (day_of(2, *cells), "whole")):
        committed(lake, load)
        assert refined(lake, table).how == how, why
        judged(lake, table)


def test_a_partition_that_is_replaced_is_built_whole(tmp_path: Path) -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: k, order_by: t}", "incremental"))
    table = DeltaTable(str(tmp_path / "t"), {}, "app")
    days = (day_of(1, (1, 0, "1", "x")), day_of(2, (2, 2, "1", "x")), day_of(1, (1, 0, "2", "x")))
    for load, how in zip(days, ("whole", "changes", "whole"), strict=True):
        committed(lake, load)
        assert refined(lake, table).how == how
        judged(lake, table)


def test_only_files_that_hold_a_changed_row_are_written_again(tmp_path: Path) -> None:
    lake = Lake(plan_of("{model: scd_type_2, keys: k, order_by: t}", "incremental"))
    table = DeltaTable(str(tmp_path / "t"), {}, "app")
    for number in (1, 2):
        committed(lake, day_of(number, (number, 2 * number, "1", "x"), (number + 10, 2 * number, "1", "x")))
        refined(lake, table)
    before = set(tmp_path.rglob("*.parquet"))
    assert len(before) == 2  # each day's rows are a file
    committed(lake, day_of(3, (1, 6, "2", "x")))
    assert refined(lake, table).how == "changes"
    judged(lake, table)
    added = [pl.read_parquet(f, hive_partitioning=False) for f in set(tmp_path.rglob("*.parquet")) - before]
    assert sorted(f["k"].to_list() for f in added) == [[1], [1, 11]]  # the closed version; the file of day 1
    assert sum("remove" in line for line in newest_log(tmp_path).splitlines()) == 1


def newest_log(folder: Path) -> str:
    return max(folder.rglob("_delta_log/*.json")).read_text()


def test_the_loser_of_a_race_computes_again(tmp_path: Path) -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: k, order_by: t}", "incremental"))
    slow = DeltaTable(str(tmp_path / "t"), {}, "app")
    committed(lake, day_of(1, (1, 0, "1", "x")))
    refined(lake, slow)
    committed(lake, day_of(2, (1, 2, "2", "x"), (2, 2, "2", "x")))
    given, rivals = slow.matching, count()

    def raced(keys: pl.DataFrame) -> pl.DataFrame:
        if not next(rivals):
            committed(lake, day_of(3, (1, 4, "3", "x")))
            refined(lake, DeltaTable(str(tmp_path / "t"), {}, "app"))
        return given(keys)

    slow.matching = raced  # type: ignore[method-assign]
    done = refined(lake, slow)
    assert (done.how, done.bronze_n) == ("nothing", 3)
    judged(lake, slow)


def test_a_checksum_of_another_polars_is_computed_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: k, order_by: t}", "incremental"))
    table = DeltaTable(str(tmp_path / "t"), {}, "app")
    with monkeypatch.context() as patched:
        patched.setattr(pl, "__version__", "1.0.0")
        committed(lake, day_of(1, (1, 0, "1", "x")))
        assert refined(lake, table).content.startswith("1.0.0:")
    committed(lake, day_of(2, (1, 2, "2", "x")))
    assert refined(lake, table).how == "whole"
    judged(lake, table)


@pytest.mark.parametrize("model", ["scd_type_1", "scd_type_2"])
@pytest.mark.parametrize("mode", ["hard_delete", "tombstone", "ignore"])
def test_full_partitions_that_follow(tmp_path: Path, model: str, mode: str) -> None:
    lake = Lake(plan_of(f"{{model: {model}, keys: k, delete_mode: {mode}}}", "full"))
    table = DeltaTable(str(tmp_path / "t"), {}, "app")
    days = [range(120), range(20, 120), range(10, 130), range(30), range(5, 130)]
    # The fourth lacks too many keys: it is held, unless absences mean nothing.
    held = "changes" if mode == "ignore" else "whole"
    for number, (keys, how) in enumerate(
        zip(days, ("whole", "changes", "changes", held, held), strict=True), 1
    ):  # fmt: skip
        committed(lake, day_of(number, *((k, 0, str(k % (number + 3)), "x") for k in keys)))
        assert refined(lake, table).how == how
        state = judged(lake, table)
        assert bool(state.held) is (number > 3 and mode != "ignore")


def test_changes_between_full_partitions_need_only_the_last_two(tmp_path: Path) -> None:
    lake = Lake(plan_of("{model: derived_event, keys: k, order_by: t}", "full"))
    table = DeltaTable(str(tmp_path / "t"), {}, "app")
    for number, keys in enumerate(([1, 2, 3], [1, 3, 4], [2, 3, 4]), 1):
        committed(lake, day_of(number, *((k, 2 * number, str(k % (number + 3)), "x") for k in keys)))
        with without(lake, 1 if number == 3 else 0):
            assert refined(lake, table).how == ("changes" if number > 1 else "whole")
        judged(lake, table)


@contextmanager
def without(lake: Lake, *commits: int) -> Iterator[None]:
    """Without the parts of these commits."""
    paths = [part.path for c in lake.log.head().live if c.n in commits for part in c.load.parts]
    kept = {path: lake.store.get(path) for path in (f"{lake.plan.bronze.path}/{path}" for path in paths)}
    for path in kept:
        lake.store.delete(path)
    yield
    for path, data in kept.items():
        lake.store.put(path, data)


@pytest.mark.parametrize(("model", "pattern"), [("incremental_merge", "incremental"), ("full_merge_dedupe", "full")])
def test_a_new_partition_needs_no_other(tmp_path: Path, model: str, pattern: str) -> None:
    lake = Lake(plan_of(f"{{model: {model}, keys: k, order_by: t}}", pattern))
    table = DeltaTable(str(tmp_path / "t"), {}, "app")
    committed(lake, day_of(1, (1, 2, "1", "x"), (2, 2, "2", "x")))
    refined(lake, table)
    before = set(tmp_path.rglob("*.parquet"))
    committed(lake, day_of(2, (1, 4, "3", "x")))
    with without(lake, 1):
        assert refined(lake, table).how == "changes"
    judged(lake, table)
    added = [pl.read_parquet(f)["k"].to_list() for f in set(tmp_path.rglob("*.parquet")) - before]
    assert added == [[1]]


def test_a_load_that_adds_to_a_partition_needs_only_that(tmp_path: Path) -> None:
    lake = Lake(plan_of("{model: incremental_merge, keys: k, order_by: t}", "incremental"))
    table = DeltaTable(str(tmp_path / "t"), {}, "app")
    days = [
        day_of(1, (1, 2, "1", "x"), (2, 2, "2", "x")), day_of(2, (1, 4, "3", "x"), (2, 4, "4", "x")),
        day_of(2, (1, 5, "5", "x"), (2, 4, "4", "x"), (3, 4, "6", "x")),
    ]  # fmt: skip
    for number, load in enumerate(days):
        committed(lake, load, appends=number == 2)
        assert refined(lake, table).how == ("changes" if number else "whole")
    judged(lake, table)
    assert sorted(table.scan().select("k", "a", "_bronze_part").collect().rows()) == [
        (1, 1, "1/1"), (1, 5, "3/1"), (2, 2, "1/1"), (2, 4, "2/1"), (3, 6, "3/1"),
    ]  # fmt: skip


def test_a_key_that_is_only_in_quarantine_counts_for_the_guard(tmp_path: Path) -> None:
    rules = "quarantine: {max_rows: 1000}\nchecks: [{rule: in_set, columns: b, values: [x], on_failure: quarantine}]"
    lake = Lake(plan_of("{model: scd_type_1, keys: k}", "full", rules))
    table = DeltaTable(str(tmp_path / "t"), {}, "app")
    committed(lake, day_of(1, *((k, 0, "1", "x" if k < 150 else "bad") for k in range(400))))
    refined(lake, table)
    committed(lake, day_of(2, *((k, 0, "1", "x") for k in range(160))))  # of 400 keys 240 are gone, of 150 rows none
    assert refined(lake, table).how == "whole"
    assert judged(lake, table).held


def test_a_day_of_which_nothing_is_known_changes_nothing(tmp_path: Path) -> None:
    lake = Lake(plan_of("{model: derived_event, keys: k, order_by: t}", "incremental"))
    table = DeltaTable(str(tmp_path / "t"), {}, "app")
    committed(lake, day_of(1, (1, 0, "1", "x")))
    refined(lake, table)
    lake.commit("2024-01-03", pl.DataFrame())
    done = refined(lake, table)
    assert (done.how, done.written, done.bronze_n) == ("changes", False, 2)
    judged(lake, table)
