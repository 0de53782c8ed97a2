"""refine: what it writes, what it does not, and what it refuses."""

from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from medallion_assets.errors import CheckError, Conflict, Corrupt, StorageError
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import TableState
from medallion_assets.lake.results import CheckResult, Held, Refined
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.runs.refine import refine
from medallion_assets.tables.delta import DeltaTable
from medallion_assets_tests.silver.lake import CDC, Lake, plan_of, text

SCD1 = "{model: scd_type_1, keys: id, order_by: at}"
SCD2 = "{model: scd_type_2, keys: id}"
COLUMNS = ["id", "at", "name"]


def rows(*cells: str) -> pl.DataFrame:
    """``1 2024-01-01 ann``: id, at, name; ``-`` is null, ``''`` empty."""
    told = [[None if c == "-" else "" if c == "''" else c for c in line.split()] for line in cells]
    return text([dict(zip(COLUMNS, line, strict=True)) for line in told], COLUMNS)


class Tables:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self, name: str = "t") -> DeltaTable:
        return DeltaTable(str(self.folder / name), {}, "app")

    def refine(self, lake: Lake, name: str = "t", plan: DatasetPlan | None = None, table: Any = None) -> Refined:
        plan = plan or lake.plan
        return refine(
            plan, plan.silvers[0], store=lake.store, table=table or self.open(name),
            quarantine_store=lake.store,
        )  # fmt: skip

    def read(self, name: str = "t", by: str = "id") -> list[tuple[Any, ...]]:
        frame = self.open(name).scan().collect()
        sort = [c for c in (by, "effective_from") if c in frame.columns]
        return frame.sort(sort).rows()


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return Tables(tmp_path)


def no_parts(lake: Lake) -> None:
    """Whoever reads a part now finds none."""
    for found in list(lake.store.list(lake.plan.bronze.path)):
        if found.path.endswith(".parquet"):
            lake.store.delete(found.path)


def test_a_first_run_makes_the_table(tables: Tables) -> None:
    lake = Lake(plan_of(SCD1, "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann", "2 2024-01-01 bob"), rows("1 2024-01-02 anna"))
    done = tables.refine(lake)
    assert (done.written, done.rows_in, done.events, done.rows, done.changed, done.bronze_n) == (True, 3, 3, 2, 2, 1)
    assert done.columns == (
        ("id", "Int64"), ("at", "Date"), ("name", "String"), ("_run_date", "Date"), ("_bronze_part", "String")
    )  # fmt: skip
    assert tables.read() == [
        (1, date(2024, 1, 2), "anna", date(2024, 1, 1), "1/2"),
        (2, date(2024, 1, 1), "bob", date(2024, 1, 1), "1/1"),
    ]


def test_a_second_run_reads_no_part_and_writes_nothing(tables: Tables) -> None:
    lake = Lake(plan_of(SCD1, "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann"))
    first = tables.refine(lake)
    no_parts(lake)
    again = tables.refine(lake)
    assert replace(again, seconds=0.0) == replace(first, seconds=0.0, written=False, changed=0, how="nothing")
    assert tables.open().version == 0


def test_an_equal_table_only_moves_its_state(tables: Tables) -> None:
    lake = Lake(plan_of(SCD1, "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann"))
    first = tables.refine(lake)
    lake.commit("2024-01-02", rows("1 2024-01-01 ann"))
    done = tables.refine(lake)
    assert (done.written, done.changed, done.duplicates, done.bronze_n, done.table_version) == (False, 0, 1, 2, 1)
    assert done.content == first.content
    state = tables.open().state()
    assert state is not None
    assert state.bronze_n == 2
    assert len(list(tables.folder.rglob("*.parquet"))) == 1


def test_changed_counts_rows_that_came_and_went(tables: Tables) -> None:
    lake = Lake(plan_of(SCD1, "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann", "2 2024-01-01 bob"))
    tables.refine(lake)
    lake.commit("2024-01-02", rows("1 2024-01-02 anna", "3 2024-01-02 cid"))
    assert tables.refine(lake).changed == 3


def test_arrival_in_any_order_gives_one_table(tables: Tables) -> None:
    days = {
        "2024-01-01": rows("01 - a", "02 - b"), "2024-01-02": rows("02 - b", "03 - c"), "2024-01-03": rows("01 - a")
    }  # fmt: skip
    contents = set()
    for name, order in {"up": [0, 1, 2], "down": [2, 1, 0], "mixed": [1, 2, 0]}.items():
        lake = Lake(plan_of(SCD2, "full"))
        for i in order:
            lake.commit(list(days)[i], list(days.values())[i])
            tables.refine(lake, name)
        contents.add(tables.refine(lake, name).content)
    assert len(contents) == 1
    shown = [r[:1] + r[2:6] for r in tables.read("down")]
    start = [datetime(2024, 1, d, tzinfo=timezone.utc) for d in (1, 2, 3)]
    assert shown == [
        ("01", "a", start[0], start[1], False), ("01", "a", start[2], None, True),
        ("02", "b", start[0], start[2], False), ("03", "c", start[1], start[2], False),
    ]  # fmt: skip


def test_a_replaced_load_leaves_no_trace(tables: Tables) -> None:
    lake, other = Lake(plan_of(SCD2, "full")), Lake(plan_of(SCD2, "full"))
    lake.commit("2024-01-01", rows("1 - wrong", "2 - b"))
    tables.refine(lake)
    lake.commit("2024-01-01", rows("1 - right"))
    other.commit("2024-01-01", rows("1 - right"))
    assert tables.refine(lake).content == tables.refine(other, "other").content
    assert tables.refine(lake).rows_in == 1


def test_another_intent_builds_the_table_again(tables: Tables) -> None:
    lake = Lake(plan_of(SCD1, "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann"))
    tables.refine(lake)
    plan = plan_of("{model: scd_type_1, keys: id, order_by: at, exclude: name}", "incremental")
    done = tables.refine(lake, plan=plan)
    assert (done.written, [c for c, _ in done.columns]) == (True, ["id", "at", "_run_date", "_bronze_part"])


def test_a_log_that_lost_its_newest_commits_is_refused(tables: Tables) -> None:
    lake = Lake(plan_of(SCD1, "incremental"))
    for day in (1, 2):
        lake.commit(f"2024-01-0{day}", rows(f"1 2024-01-0{day} ann"))
    tables.refine(lake)
    lake.store.delete(f"{lake.plan.bronze.path}/_commits/{2:020d}.json")
    with pytest.raises(StorageError, match="SLV-008"):
        tables.refine(lake)


@pytest.mark.parametrize("more", [0, 1])
def test_a_forked_log_is_refused(tables: Tables, more: int) -> None:
    lake, fork = Lake(plan_of(SCD1, "incremental")), Lake(plan_of(SCD1, "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann"))
    tables.refine(lake)
    for day in range(1, 2 + more):
        fork.commit(f"2024-01-0{day}", rows(f"1 2024-01-0{day} bob"))
    with pytest.raises(StorageError, match="SLV-009"):
        tables.refine(fork)


def test_nothing_ingested_is_said(tables: Tables) -> None:
    with pytest.raises(StorageError, match="SLV-007"):
        tables.refine(Lake(plan_of(SCD1, "incremental")))


def test_a_damaged_part_is_found_before_it_is_used(tables: Tables) -> None:
    lake = Lake(plan_of(SCD1, "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann"))
    part = next(o.path for o in lake.store.list(lake.plan.bronze.path) if o.path.endswith(".parquet"))
    data = bytearray(lake.store.get(part))
    data[len(data) // 2] ^= 1
    lake.store.put(part, bytes(data))
    with pytest.raises(Corrupt):
        tables.refine(lake)
    assert tables.open().version is None


class Raced:
    """A table of which others commit first, ``times`` times."""

    def __init__(self, table: DeltaTable, rival: Any, times: int) -> None:
        self.table, self.rival, self.times = table, rival, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)

    def replace(self, rows: Pieces, state: TableState, **how: Any) -> int:
        if self.times:
            self.times -= 1
            self.rival()
        return self.table.replace(rows, state, **how)


def test_the_loser_of_a_race_reads_again(tables: Tables) -> None:
    lake = Lake(plan_of(SCD1, "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann"))

    def rival() -> None:
        lake.commit("2024-01-02", rows("2 2024-01-02 bob"))
        tables.refine(lake)

    done = tables.refine(lake, table=Raced(tables.open(), rival, 1))
    assert (done.bronze_n, done.rows, done.written) == (2, 2, False)


def test_a_race_that_is_always_lost_ends(tables: Tables) -> None:
    lake = Lake(plan_of(SCD1, "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann"))

    def rival() -> None:
        raise Conflict("SLV-002", "Another run committed to the table first.")

    with pytest.raises(Conflict, match="SLV-002"):
        tables.refine(lake, table=Raced(tables.open(), rival, 99))


def test_after_a_restore_the_table_is_built_again(tables: Tables) -> None:
    import deltalake

    lake = Lake(plan_of(SCD1, "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann"))
    tables.refine(lake)
    lake.commit("2024-01-02", rows("1 2024-01-02 anna"))
    good = tables.refine(lake)
    deltalake.DeltaTable(str(tables.folder / "t")).restore(0)
    done = tables.refine(lake)
    assert (done.written, done.content) == (True, good.content)


# ------------------------------------------------------------------------------------------------ quarantine and rules

NAMED = "columns: {qty: {type: int32}, at: {type: timestamp}, name: {nullable: false}}\nquarantine: {max_rows: 9}"
MESSY = text(
    [
        {"id": "1", "at": "2024-01-01", "name": "ann", "qty": "7"},
        {"id": "2", "at": "2024-01-01", "name": "bob", "qty": "seven"},
        {"id": None, "at": "2024-01-01", "name": "cid", "qty": "1"},
        {"id": "4", "at": "soon", "name": "dan", "qty": "1"},
        {"id": "5", "at": None, "name": "eve", "qty": "1"},
        {"id": "6", "at": "2024-01-01", "name": None, "qty": ""},
        {"id": "7", "at": "2024-01-01", "name": "gil", "qty": "2147483648"},
    ],
    ["id", "at", "name", "qty"],
)


def test_rows_that_cannot_be_read_go_to_quarantine_with_reason_and_address(tables: Tables, tmp_path: Path) -> None:
    lake = Lake(plan_of(SCD1, "incremental", NAMED))
    lake.commit("2024-01-01", MESSY.head(3), MESSY.slice(3))
    done = tables.refine(lake)
    assert (done.rows_in, done.events, done.quarantined, done.rows) == (7, 2, 5, 2)
    assert done.quarantined_by_partition == {"2024-01-01": 5}
    assert done.quarantine is not None
    (tmp_path / "q").write_bytes(lake.store.get(done.quarantine))
    assert pl.read_parquet(tmp_path / "q").rows() == [
        ("null_key", "id", None, 1, 1, 2, "2024-01-01"),
        ("uncastable", "at", "soon", 1, 2, 0, "2024-01-01"),
        ("null_order_by", "at", None, 1, 2, 1, "2024-01-01"),
        ("null_value", "name", None, 1, 2, 2, "2024-01-01"),
        ("too_wide", "qty", "2147483648", 1, 2, 3, "2024-01-01"),
    ]
    again = tables.refine(lake)
    assert (again.quarantine, again.quarantined_by_partition) == (done.quarantine, done.quarantined_by_partition)


@pytest.mark.parametrize("limit", ["{max_rows: 4}", "{max_fraction: 70%}"])
def test_too_many_rows_in_quarantine_stop_the_run(tables: Tables, limit: str) -> None:
    lake = Lake(plan_of(SCD1, "incremental", NAMED.replace("{max_rows: 9}", limit)))
    lake.commit("2024-01-01", MESSY)
    with pytest.raises(CheckError, match="CHK-010") as caught:
        tables.refine(lake)
    assert "5 of 7 rows of partition 2024-01-01" in str(caught.value)
    assert tables.open().version is None


def test_rows_that_bronze_refused_count_with_them(tables: Tables) -> None:
    lake = Lake(plan_of(SCD1, "incremental", NAMED))
    lake.commit("2024-01-01", MESSY, refused=5)
    with pytest.raises(CheckError, match="CHK-010"):
        tables.refine(lake)


RULED = """
quarantine: {max_rows: 9}
checks:
  - {rule: in_set, name: known, columns: name, values: [ann, bob], on_failure: quarantine}
  - {rule: range, name: small, columns: id, max: 3, on_failure: drop}
"""


def test_rules_drop_and_quarantine_and_say_so(tables: Tables, tmp_path: Path) -> None:
    lake = Lake(plan_of(SCD1, "incremental", RULED))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann", "2 2024-01-01 cid", "9 2024-01-01 bob", "8 2024-01-01 dan"))
    done = tables.refine(lake)
    assert (done.rows_in, done.events, done.filtered, done.quarantined) == (4, 1, 1, 2)
    assert done.quarantine is not None
    (tmp_path / "q").write_bytes(lake.store.get(done.quarantine))
    assert pl.read_parquet(tmp_path / "q").select("reason", "column", "value").rows() == [
        ("known", "name", "cid"), ("known", "name", "dan")
    ]  # fmt: skip
    fix = "correct them where they come from and load the partition again."
    numbers = {"rows": 4, "failing": 2, "share": 0.5, "threshold": 0.0}
    known = CheckResult(
        "known", "silver", passed=False, severity="warn", blocking=False,
        summary="2 of 4 rows break the rule: name is one of ann, bob. First: name=cid, row=1/1/1; name=dan, row=1/1/3."
        f" Fix: `medallion quarantine show shop.orders` lists them; {fix}",
        facts={**numbers, "sample": "name=cid, row=1/1/1; name=dan, row=1/1/3"},
    )  # fmt: skip
    small = CheckResult(
        "small", "silver", passed=False, severity="warn", blocking=False,
        summary=f"2 of 4 rows break the rule: id is at most 3. First: id=9. Fix: they were dropped; {fix}",
        facts={**numbers, "sample": "id=9"},
    )  # fmt: skip
    assert done.checks == (known, small)
    # Dropped rows are nowhere; those in quarantine are shown also when nothing is new.
    unseen = replace(small, summary=small.summary.replace(" First: id=9.", ""), facts=numbers)
    assert tables.refine(lake).checks == (known, unseen)


@pytest.mark.parametrize("harm", ["lost", "damaged"])
def test_a_quarantine_that_cannot_be_read_costs_its_sample_only(tables: Tables, harm: str) -> None:
    lake = Lake(plan_of(SCD1, "incremental", RULED))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann", "2 2024-01-01 cid"))
    path = tables.refine(lake).quarantine
    assert path is not None
    lake.store.delete(path)
    if harm == "damaged":
        lake.store.put(path, b"PAR1")
    lake.commit("2024-01-02", rows("3 2024-01-02 bob"))
    for how in ("changes", "nothing"):
        done = tables.refine(lake)
        assert done.how == how
        assert [row[0] for row in tables.read()] == [1, 3]
        assert [(c.passed, c.facts["failing"], c.facts.get("sample")) for c in done.checks] == [
            (False, 1, None), (True, 0, None),
        ]  # fmt: skip


def test_samples_of_moved_rows_hide_what_is_personal(tables: Tables) -> None:
    hidden = "columns: {name: {pii: true}, id: {pii: true}}"
    lake = Lake(plan_of(SCD1, "incremental", RULED + hidden))
    lake.commit("2024-01-01", rows("2 2024-01-01 cid", "9 2024-01-01 bob"))
    told = {c.name: c.summary for c in tables.refine(lake).checks}
    assert "First: name=***, row=1/1/0." in told["known"]
    assert "First: id=***." in told["small"]
    lake.commit("2024-01-02", rows("3 2024-01-02 dan", "8 2024-01-02 bob"))
    done = tables.refine(lake)
    assert done.how == "changes"
    told = {c.name: c.summary for c in done.checks}
    assert "First: name=***, row=1/1/0; name=***, row=2/1/0." in told["known"]
    assert "First: id=***." in told["small"]


def test_a_key_whose_row_is_in_quarantine_stays_alive_in_a_full_load(tables: Tables) -> None:
    lake = Lake(plan_of(SCD2, "full", "columns: {name: {type: int64}}\nquarantine: {max_rows: 9}"))
    lake.commit("2024-01-01", rows("1 - 5", "2 - 6"))
    lake.commit("2024-01-02", rows("1 - 5.5"))
    done = tables.refine(lake)
    assert (done.absence_deletes, done.quarantined) == (1, 1)
    assert [(r[0], r[5]) for r in tables.read()] == [(1, True), (2, False)]


def test_the_first_load_without_a_key_ends_it_also_when_its_row_is_unusable_later(tables: Tables) -> None:
    lake = Lake(plan_of(SCD2, "full", "columns: {name: {type: int64}}\nquarantine: {max_rows: 9}"))
    for day, keys in enumerate((["1 - 5", "2 - 5"], ["2 - 5"], ["1 - 5.5", "2 - 5"], ["2 - 5"]), 1):
        lake.commit(f"2024-01-{day:02d}", rows(*keys))
    tables.refine(lake)
    ended = tables.open().scan().filter(pl.col("id") == 1).collect()
    assert ended["effective_to"].to_list() == [datetime(2024, 1, 2, tzinfo=timezone.utc)]


@pytest.mark.parametrize("name", ["what", "5.5"])
@pytest.mark.parametrize("mode", ["strict", "lenient"])
def test_a_delete_is_one_whatever_its_attributes(tables: Tables, mode: str, name: str) -> None:
    rules = (
        f"columns: {{id: int64, at: date, name: int64, op: string}}\nschema_mode: {mode}\nquarantine: {{max_rows: 9}}"
    )
    lake = Lake(plan_of(SCD1, CDC, rules))
    lake.commit("2024-01-01", rows("1 2024-01-01 5", "2 2024-01-01 5").with_columns(op=pl.lit("I")))
    lake.commit("2024-01-02", rows(f"1 2024-01-02 {name}").with_columns(op=pl.lit("D")))
    assert tables.refine(lake).quarantined == 0
    found = tables.open().scan().collect()
    assert (found["id"].to_list(), "_rescued" in found.columns) == ([2], False)


def test_the_slices_of_a_table_follow_the_intent(tables: Tables) -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id, partition_by: name}", "full"))
    lake.commit("2024-01-01", rows("1 - a", "2 - b"))
    tables.refine(lake)
    assert tables.open().partition_by == ("name",)
    bare = plan_of("{model: scd_type_1, keys: id}", "full")
    done = tables.refine(lake, plan=bare)
    assert (done.written, tables.open().partition_by) == (True, ())
    assert [(r[0], r[2]) for r in tables.read()] == [(1, "a"), (2, "b")]
    assert not tables.refine(lake, plan=bare).written


def test_a_table_is_sliced_by_columns_that_it_has(tables: Tables) -> None:
    lake = Lake(plan_of("{model: derived_event, keys: id, order_by: at, partition_by: name}", CDC))
    lake.commit("2024-01-01", rows("1 2024-01-01 a").with_columns(op=pl.lit("I")))
    with pytest.raises(StorageError, match="SLV-001"):
        tables.refine(lake)
    assert tables.open().version is None


@pytest.mark.parametrize("model", ["scd_type_1", "scd_type_2", "derived_event", "incremental_merge"])
def test_a_table_may_have_nothing_but_keys(tables: Tables, model: str) -> None:
    lake = Lake(plan_of(f"{{model: {model}, keys: id}}", CDC))
    lake.commit("2024-01-01", pl.DataFrame({"id": [1, 2], "op": ["I", "I"]}))
    lake.commit("2024-01-02", pl.DataFrame({"id": [2], "op": ["D"]}))
    tables.refine(lake)
    found = tables.open().scan().collect().sort("id", "_run_date")
    known = {"scd_type_1": [1], "scd_type_2": [1, 2], "derived_event": [1, 2, 2], "incremental_merge": [1, 2, 2]}
    assert found["id"].to_list() == known[model]
    if model == "derived_event":
        assert found["change_type"].to_list() == ["insert", "insert", "delete"]
        assert found["changed_columns"].to_list() == ["[]"] * 3
        assert found["before"].to_list() == [None, None, "{}"]
        assert found["after"].to_list() == ["{}", "{}", None]


def test_a_date_is_a_midnight_of_the_zone(tables: Tables) -> None:
    plan = plan_of("{model: scd_type_2, keys: id, order_by: at}", CDC, "columns: {at: {type: date}}")
    lake = Lake(replace(plan, calendar=replace(plan.calendar, timezone="Europe/Berlin")))
    lake.commit("2024-01-01", rows("1 2024-07-01 a").with_columns(op=pl.lit("I")))
    tables.refine(lake)
    starts = tables.open().scan().collect()["effective_from"].to_list()
    assert starts == [datetime(2024, 6, 30, 22, tzinfo=timezone.utc)]


@pytest.mark.parametrize("refused", [0, 1])
def test_a_full_load_that_may_lack_keys_deletes_none_and_says_so(tables: Tables, refused: int) -> None:
    lake = Lake(plan_of(SCD2, "full"))
    lake.commit("2024-01-01", rows("1 - a", "2 - b"))
    lake.commit("2024-01-02", rows("1 - a") if refused else rows("1 - a", "- - b"), refused=refused)
    done = tables.refine(lake)
    assert (done.absence_deletes, done.incomplete) == (0, 1)
    assert [r[5] for r in tables.read()] == [True, True]


# ------------------------------------------------------------------------------------------------ guard


def many(first: int, last: int) -> pl.DataFrame:
    return rows(*(f"{i} - x" for i in range(first, last)))


def test_a_full_load_that_lacks_too_many_keys_is_held(tables: Tables) -> None:
    lake = Lake(plan_of(SCD2, "full"))
    lake.commit("2024-01-01", many(0, 200))
    lake.commit("2024-01-02", many(0, 99))
    lake.commit("2024-01-03", many(0, 150))
    done = tables.refine(lake)
    assert done.held == (Held(2, "2024-01-02", 200, 101),)
    assert (done.rows_in, done.events, done.filtered, done.absence_deletes) == (449, 350, 99, 50)
    again = tables.refine(lake)
    assert (again.held, again.written) == (done.held, False)


@pytest.mark.parametrize(("keys", "left", "fraction"), [(99, 1, 0.5), (200, 100, 0.5), (200, 1, 1.0)])
def test_a_full_load_within_the_limits_is_not_held(tables: Tables, keys: int, left: int, fraction: float) -> None:
    lake = Lake(plan_of(f"{{model: scd_type_2, keys: id, max_delete_fraction: {fraction}}}", "full"))
    lake.commit("2024-01-01", many(0, keys))
    lake.commit("2024-01-02", many(0, left))
    done = tables.refine(lake)
    assert (done.held, done.absence_deletes) == ((), keys - left)


@pytest.mark.parametrize(("again", "held"), [(0, True), (90, True), (120, False)])
def test_a_truncate_is_guarded_in_the_same_way(tables: Tables, again: int, held: bool) -> None:
    def changes(day: int, op: str, first: int, last: int) -> pl.DataFrame:
        cells = [{"id": i, "at": f"2024-01-0{day}", "name": "x", "op": op} for i in range(first, last)]
        return text(cells, [*COLUMNS, "op"])

    lake = Lake(plan_of(SCD1, CDC))
    lake.commit("2024-01-01", changes(1, "I", 0, 200))
    cut = text([{"at": "2024-01-02", "op": "T"}], [*COLUMNS, "op"])
    lake.commit("2024-01-02", cut, changes(3, "I", 0, again))
    done = tables.refine(lake)
    assert done.held == ((Held(2, "2024-01-02", 200, 200 - again),) if held else ())
    assert done.rows == (200 if held else again)
    assert done.rows_in == done.events + done.duplicates + done.filtered + done.quarantined


# ------------------------------------------------------------------------------------------------ refusals


def test_ties_fail_when_asked(tables: Tables) -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id, order_by: at, on_tie: fail}", "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-01 ann", "1 2024-01-01 ann", "2 2024-01-01 bob", "2 2024-01-01 bo"))
    with pytest.raises(CheckError, match=r"CHK-013[\s\S]*id=2"):
        tables.refine(lake)
    kept = tables.refine(lake, plan=plan_of(SCD1, "incremental"))
    assert (kept.ties, kept.duplicates) == (1, 1)


def test_a_column_that_is_nowhere_is_named(tables: Tables) -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: nope}", "full"))
    lake.commit("2024-01-01", rows("1 - a"))
    with pytest.raises(StorageError, match=r"SLV-001[\s\S]*'nope'[\s\S]*at, id, name"):
        tables.refine(lake)


@pytest.mark.parametrize("key", ["track: [nope]", "ignore_nulls: [nope]", "partition_by: [nope]"])
def test_a_column_that_the_model_is_told_about_must_be_there(tables: Tables, key: str) -> None:
    lake = Lake(plan_of(f"{{model: scd_type_2, keys: id, {key}}}", "full"))
    lake.commit("2024-01-01", rows("1 - a"))
    with pytest.raises(StorageError, match=r"SLV-001[\s\S]*'nope'"):
        tables.refine(lake)


def test_two_columns_of_one_name_are_refused(tables: Tables) -> None:
    lake = Lake(plan_of(SCD2, "full", "columns: {name: {source_names: at}}"))
    lake.commit("2024-01-01", rows("1 - a"))
    with pytest.raises(StorageError, match="SLV-004"):
        tables.refine(lake)


def test_a_name_that_the_table_needs_is_refused(tables: Tables) -> None:
    lake = Lake(plan_of(SCD2, "full"))
    lake.commit("2024-01-01", rows("1 - a").rename({"name": "effective_to"}))
    with pytest.raises(StorageError, match="SLV-012"):
        tables.refine(lake)


def test_full_loads_among_changes_need_a_time(tables: Tables) -> None:
    lake = Lake(plan_of(SCD1, "incremental"))
    lake.commit("2024-01-01", rows("1 5 a"))
    lake.commit("2024-01-02", rows("1 6 a"), pattern="full")
    with pytest.raises(StorageError, match="SLV-010"):
        tables.refine(lake)


def test_a_key_that_is_a_number_one_day_and_text_the_next_asks_for_a_type(tables: Tables) -> None:
    lake = Lake(plan_of(SCD2, "full"))
    lake.commit("2024-01-01", rows("1 - a"))
    lake.commit("2024-01-02", rows("x1 - a"))
    with pytest.raises(
        CheckError, match=r"CHK-011[\s\S]*text in partition 2024-01-02 and a whole number in partition 2024-01-01"
    ):
        tables.refine(lake)
    named = plan_of(SCD2, "full", "columns: {id: string}")
    assert [r[0] for r in (tables.refine(lake, plan=named), tables.read())[1]] == ["1", "x1"]


@pytest.mark.parametrize("columns", ["{id: string, name: string}", "{id: string, at: string, name: string, more: date}",
                                     "{id: int64, at: string, name: int64}"])  # fmt: skip
def test_a_strict_contract_stops_at_the_first_difference(tables: Tables, columns: str) -> None:
    lake = Lake(plan_of(SCD2, "full", f"schema_mode: strict\ncolumns: {columns}"))
    lake.commit("2024-01-01", rows("1 - a"))
    with pytest.raises(CheckError, match="CHK-012"):
        tables.refine(lake)


# ------------------------------------------------------------------------------------------------ the other models


def test_periodic_snapshot_copies_each_partition(tables: Tables) -> None:
    lake = Lake(plan_of("{model: periodic_snapshot}", "full"))
    lake.commit("2024-01-02", rows("1 - a", "1 - a"))
    lake.commit("2024-01-01", rows("2 - b"))
    done = tables.refine(lake)
    assert (done.events, done.duplicates) == (3, 0)
    days = date(2024, 1, 1), date(2024, 1, 2)
    assert tables.read() == [
        (1, None, "a", days[1], days[1], "1/1"), (1, None, "a", days[1], days[1], "1/1"),
        (2, None, "b", days[0], days[0], "2/1"),
    ]  # fmt: skip


@pytest.mark.parametrize("late", [False, True])
def test_of_an_event_the_earliest_stands_also_when_it_comes_late(tables: Tables, late: bool) -> None:
    lake = Lake(plan_of("{model: event, keys: id}", "incremental"))
    days = [("2024-01-02", rows("1 - second", "2 - b")), ("2024-01-01", rows("1 - first", "1 - first"))]
    for day, part in days if late else days[::-1]:
        lake.commit(day, part)
        tables.refine(lake)
    done = tables.refine(lake)
    assert [r[2] for r in tables.read()] == ["first", "b"]
    assert (done.rows_in, done.events, done.duplicates, done.rows) == (4, 3, 1, 2)


def test_events_without_keys_are_whole_rows_and_slices_stand_alone(tables: Tables) -> None:
    for mode, expected in (("append_log", 2), ("replace_daily", 3)):
        lake = Lake(plan_of(f"{{model: event, input_mode: {mode}}}", "incremental"))
        lake.commit("2024-01-01", rows("1 - a", "1 - a", "2 - b"))
        lake.commit("2024-01-02", rows("1 - a"))
        assert tables.refine(lake, mode).rows == expected


def test_over_changes_every_row_is_an_event_with_its_operation(tables: Tables) -> None:
    lake = Lake(plan_of("{model: event, keys: [id, op]}", CDC))
    lake.commit("2024-01-01", rows("1 - a", "1 - b").with_columns(op=pl.Series(["I", "?"])))
    tables.refine(lake)
    assert [r[:4] for r in tables.read(by="op")] == [(1, None, "b", "?"), (1, None, "a", "I")]


def test_an_unknown_operation_goes_to_quarantine(tables: Tables) -> None:
    lake = Lake(plan_of(SCD1, CDC))
    ops = pl.Series(["i", "?", None, "D"])
    cells = ["1 2024-01-01 a", "2 2024-01-01 b", "3 2024-01-01 c", "4 2024-01-01 d"]
    lake.commit("2024-01-01", rows(*cells).with_columns(op=ops))
    done = tables.refine(lake)
    assert (done.quarantined, done.rows, [c for c, _ in done.columns][:3]) == (2, 1, COLUMNS)


def test_rows_marked_as_deleted_are_deletes(tables: Tables) -> None:
    load = "{pattern: incremental, deleted: {column: gone}}"
    lake = Lake(plan_of(SCD1, load))
    lake.commit("2024-01-01", rows("1 2024-01-01 a", "2 2024-01-01 b").with_columns(gone=pl.lit("false")))
    lake.commit("2024-01-02", rows("1 2024-01-02 -").with_columns(gone=pl.lit("True")))
    tables.refine(lake)
    assert [r[0] for r in tables.read()] == [2]


def test_partition_by_gives_columns_of_days_and_months(tables: Tables) -> None:
    silver = "{model: event, keys: id, partition_by: [day(at), month(at), name]}"
    lake = Lake(plan_of(silver, "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-31 a", "2 2024-02-01 -"))
    done = tables.refine(lake)
    assert [c for c, _ in done.columns][-2:] == ["at_day", "at_month"]
    assert [(r[-2], r[-1]) for r in tables.read()] == [(date(2024, 1, 31), "2024-01"), (date(2024, 2, 1), "2024-02")]
    with pytest.raises(StorageError, match=r"SLV-001[\s\S]*no time"):
        tables.refine(lake, "other", plan=plan_of(silver.replace("day(at)", "day(id)"), "incremental"))


def test_an_empty_text_to_partition_by_is_null_as_it_is_in_delta(tables: Tables) -> None:
    lake = Lake(plan_of("{model: scd_type_2, keys: id, order_by: at, track: name, partition_by: name}", "incremental"))
    lake.commit("2024-01-01", rows("1 2024-01-01 ''", "2 2024-01-01 ann"))
    tables.refine(lake)
    lake.commit("2024-01-02", rows("1 2024-01-02 -", "2 2024-01-02 ''"))
    done = tables.refine(lake)
    assert (done.how, done.rows, done.quarantined) == ("changes", 3, 0)
    assert [(row[0], row[2], row[5]) for row in tables.read()] == [(1, None, True), (2, "ann", False), (2, None, True)]
    tables.refine(lake, "anew")
    assert tables.read() == tables.read("anew")

    keyed = Lake(plan_of("{model: scd_type_1, keys: [id, name], partition_by: name}", "incremental"))
    keyed.commit("2024-01-01", rows("1 2024-01-01 ''", "2 2024-01-01 ann"))
    assert tables.refine(keyed, "keyed").quarantined == 1
    assert [row[0] for row in tables.read("keyed")] == [2]


def test_scd2_is_partitioned_by_whether_a_row_is_current(tables: Tables) -> None:
    lake = Lake(plan_of(SCD2, "full"))
    lake.commit("2024-01-01", rows("1 - a"))
    lake.commit("2024-01-02", rows("1 - b"))
    tables.refine(lake)
    assert {p.parent.name for p in tables.folder.rglob("*.parquet")} == {"is_current=true", "is_current=false"}


def test_columns_are_renamed_defaulted_and_kept_when_absent(tables: Tables) -> None:
    more = (
        "columns: {who: {type: string, source_names: [nom, name]}, at: {type: date, default: 2000-01-01},"
        " extra: {type: int32}}"
    )
    lake = Lake(plan_of(SCD2, "full", more))
    lake.commit("2024-01-01", rows("1 - a"))
    done = tables.refine(lake)
    assert done.columns[:4] == (("id", "Int64"), ("at", "Date"), ("who", "String"), ("extra", "Int32"))
    assert tables.read()[0][:4] == (1, date(2000, 1, 1), "a", None)


def test_a_wider_load_gives_every_row_the_joined_type(tables: Tables) -> None:
    lake = Lake(plan_of(SCD2, "full"))
    lake.commit("2024-01-01", rows("1 2024-01-01 1"))
    lake.commit("2024-01-02", rows("1 2024-01-02T10:00:00Z 1.50").drop("id").with_columns(id=pl.lit(1)))
    done = tables.refine(lake)
    assert dict(done.columns[:3]) == {"id": "Int64", "at": "Datetime('us', 'UTC')", "name": "Decimal(38, 2)"} or dict(
        done.columns[:3]
    ) == {"id": "Int64", "at": "Datetime(time_unit='us', time_zone='UTC')", "name": "Decimal(precision=38, scale=2)"}


def test_the_table_is_what_build_says(tables: Tables) -> None:
    lake = Lake(plan_of(SCD2, "full"))
    lake.commit("2024-01-01", rows("1 - a", "2 - b"))
    lake.commit("2024-01-02", rows("1 - b"))
    tables.refine(lake)
    stored = tables.open().scan().collect().sort("id", "effective_from")
    assert_frame_equal(stored, lake.build().rows)
