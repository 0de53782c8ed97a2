"""Bronze without the rows of some keys is bronze that never had them: against the oracle, and by its log."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from io import BytesIO
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medallion_assets.bronze.audit import audit
from medallion_assets.bronze.garbage import Keep, sweep
from medallion_assets.errors import ConfigError, Conflict, StorageError, StoreUnavailable
from medallion_assets.lake.ports import Store
from medallion_assets.runs.expunge import Expunged, expunge
from medallion_assets.runs.matched import Keys
from medallion_assets.runs.named_keys import named_keys
from medallion_assets_tests.bronze.faults import FaultStore, disk_full, unavailable
from medallion_assets_tests.silver.lake import Lake, plan_of
from medallion_assets_tests.silver.oracle import Loaded, Spec, oracle
from medallion_assets_tests.silver.test_models import MIXED, OTHERS, SPECS, as_text, lake_of, loads, parsed

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime(2024, 3, 1, tzinfo=timezone.utc)


class Clock:
    def now(self) -> datetime:
        return NOW


def expunged(lake: Lake, *keys: str, write: bool = True, store: Store | None = None, silver: int = 0) -> Expunged:
    chosen, wanted = named_keys(lake.plan, keys)
    return expunge(
        lake.plan, chosen, wanted, store=store or lake.store, clock=Clock(), run_id="run",
        tables=None, write=write,
    )  # fmt: skip


def without(found: list[Loaded], keys: set[int]) -> list[Loaded]:
    def kept(rows: tuple[dict[str, Any], ...], load: Loaded) -> tuple[dict[str, Any], ...]:
        return tuple(r for r in rows if r["k"] not in keys or (load.pattern == "cdc" and r["op"] == "T"))

    return [replace(load, parts=tuple(kept(part, load) for part in load.parts)) for load in found]


@QUICK
@given(data=st.data(), spec=st.sampled_from([*SPECS, *OTHERS]), keys=st.sets(st.integers(0, 3), min_size=1, max_size=2))
def test_the_table_is_that_of_loads_which_never_had_the_keys(spec: Spec, keys: set[int], data: st.DataObject) -> None:
    found = data.draw(loads(MIXED))
    rest = without(found, keys)
    if not any(part for load in rest for part in load.parts):
        return  # without a row no column has a type
    lake = lake_of(spec, found)
    before = lake.log.head()
    done = expunged(lake, *map(str, keys))
    went = [sum(r["k"] == k for x in found for p in x.parts for r in p if r.get("op") != "T" or x.pattern != "cdc")
            for k in keys]  # fmt: skip
    assert done.rows == tuple(went)
    head = lake.log.head()
    assert (head.n, [c.n for c in head.live]) == (before.n + bool(sum(went)), [c.n for c in before.live])
    built, expected = lake.build(), oracle(rest, spec)
    rows = [{c: row.get(c) for c in built.rows.columns} for row in expected.rows]
    assert [parsed(row) for row in built.rows.to_dicts()] == [as_text(row) for row in rows]
    assert (built.accounting["events"], built.accounting["absence_deletes"]) == (expected.events, expected.absences)
    assert audit(lake.store, lake.plan.bronze.path).faults == ()
    assert expunged(lake, *map(str, keys)).commit is None
    assert [c for x in found for c in lake.log.near(window(x)).live if c not in head.live] == []


def window(load: Loaded) -> Any:
    from medallion_assets.lake.window import Window

    return Window(load.start, load.end)


def stored(lake: Lake) -> pl.DataFrame:
    """Every row of every part that lies in the dataset's folder."""
    parts = [info.path for info in lake.store.list(lake.plan.bronze.path) if info.path.endswith(".parquet")]
    return pl.concat([pl.read_parquet(BytesIO(lake.store.get(path))) for path in parts], how="diagonal_relaxed")


KEEP = Keep(timedelta(0), None, 10**9)


def test_garbage_collection_removes_the_old_parts_and_those_of_replaced_loads() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id, delete_mode: erase}", "incremental"))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1", "2"]}), pl.DataFrame({"id": ["1"]}))
    lake.commit("2024-01-02", pl.DataFrame({"id": ["1", "3"]}))
    lake.commit("2024-01-02", pl.DataFrame({"id": ["3"]}))
    assert sweep(lake.store, lake.plan.bronze.path, KEEP, delete=True).garbage == ()  # replaced ones are kept for good
    assert expunged(lake, "1").commit == 4
    assert [[p.ordinal for p in c.load.parts] for c in lake.log.head().live] == [[1], [1]]  # none without a row
    path = lake.plan.bronze.path
    assert sweep(lake.store, path, replace(KEEP, absorbed=3), delete=True).garbage == ()  # silver still reads them
    assert sweep(lake.store, path, replace(KEEP, grace=timedelta(days=1)), delete=True).garbage == ()
    gone = sweep(lake.store, path, KEEP, delete=True).garbage
    assert [g.why for g in gone] == ["expunged"] * 3
    assert sorted(stored(lake)["id"]) == ["2", "3"]
    assert audit(lake.store, path).faults == ()
    assert lake.build().rows["id"].to_list() == [2, 3]
    lake.commit("2024-01-01", pl.DataFrame({"id": ["9"]}))
    assert sweep(lake.store, path, replace(KEEP, replaced=timedelta(0)), delete=True).garbage[0].why == "replaced"
    assert sorted(stored(lake)["id"]) == ["3", "9"]


def test_a_second_expunge_takes_from_what_the_first_left() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id, delete_mode: erase}", "incremental"))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1", "2", "3"]}))
    assert (expunged(lake, "1").commit, expunged(lake, "2").commit) == (2, 3)
    sweep(lake.store, lake.plan.bronze.path, KEEP, delete=True)
    assert stored(lake)["id"].to_list() == ["3"]
    assert lake.build().rows.select("id", "_bronze_part").rows() == [(3, "1/1")]


def test_what_was_expunged_goes_also_when_its_load_was_replaced_since() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id, delete_mode: erase}", "incremental"))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1", "2"]}))
    expunged(lake, "1")
    lake.commit("2024-01-01", pl.DataFrame({"id": ["3"]}))
    assert [g.why for g in sweep(lake.store, lake.plan.bronze.path, KEEP, delete=True).garbage] == ["expunged"]
    assert sorted(stored(lake)["id"]) == ["2", "3"]


def test_a_checkpoint_leads_to_the_parts_that_a_load_has_now() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id, delete_mode: erase}", "incremental"))
    for day in range(1, 10):
        lake.commit(f"2024-01-{day:02d}", pl.DataFrame({"id": ["1", f"{day + 1}"]}))
        if day in (3, 8):
            assert expunged(lake, "1").rows == ({3: 3, 8: 5}[day],)
    head = lake.log.head()
    assert (head.n, sum(c.load.rows for c in head.live)) == (11, 10)
    for commit_ in head.live:
        assert [c for c in lake.log.near(commit_.load.window).live if c.n == commit_.n] == [commit_]


def test_a_load_committed_meanwhile_is_looked_into_as_well() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id, delete_mode: erase}", "incremental"))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1", "2"]}))
    waiting = ["2024-01-02", "2024-01-03"]

    def meanwhile(_: int, name: str, path: str) -> None:
        if name == "put_if_absent" and waiting:
            lake.commit(waiting.pop(), pl.DataFrame({"id": ["1"]}))

    store = FaultStore(lake.store, meanwhile)
    assert expunged(lake, "1", store=store).rows == (3,)
    assert stored(lake).filter(pl.col("id") == "1").height == 3  # the old parts, and none of a lost try
    sweep(lake.store, lake.plan.bronze.path, KEEP, delete=True)
    assert stored(lake)["id"].to_list() == ["2"]


def test_who_loses_every_race_says_so_and_leaves_nothing_behind() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id, delete_mode: erase}", "incremental"))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1", "2"]}))
    days = iter(range(2, 20))

    def meanwhile(_: int, name: str, path: str) -> None:
        if name == "put_if_absent":
            lake.commit(f"2024-01-{next(days):02d}", pl.DataFrame({"id": ["2"]}))

    with pytest.raises(Conflict, match="BRZ-040"):
        expunged(lake, "1", store=FaultStore(lake.store, meanwhile))
    assert stored(lake).height == 2 + 5
    assert expunged(lake, "1").rows == (1,)


@pytest.mark.parametrize("at", ["put", "put_if_absent"])
def test_a_failure_leaves_bronze_as_it_was(at: str) -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id, delete_mode: erase}", "incremental"))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1", "2"]}), pl.DataFrame({"id": ["1", "3"]}))
    before, head = stored(lake), lake.log.head()
    puts = iter([None, ("before", disk_full())])
    store = FaultStore(lake.store, lambda _, name, __: next(puts, None) if name == at else None)
    if at == "put_if_absent":
        puts = iter([("before", disk_full())])
    with pytest.raises(StorageError, match="STO-005"):
        expunged(lake, "1", store=store)
    assert (stored(lake).equals(before), lake.log.head()) == (True, head)


def test_an_unknown_outcome_keeps_the_parts_and_running_again_finds_out() -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id, delete_mode: erase}", "incremental"))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1", "2"]}))
    silent = FaultStore(
        lake.store, lambda _, name, path: ("after", unavailable()) if name in ("put_if_absent", "get") and
        path.endswith("2.json") else None,
    )  # fmt: skip
    with pytest.raises(StoreUnavailable, match="BRZ-007"):
        expunged(lake, "1", store=silent)
    assert audit(lake.store, lake.plan.bronze.path).faults == ()
    assert (expunged(lake, "1").commit, lake.build().rows["id"].to_list()) == (None, [2])


def test_keys_are_compared_as_silver_reads_them() -> None:
    columns = "columns: {day: {type: date, format: '%d.%m.%Y', source_names: tag}, id: int32}"
    lake = Lake(plan_of("{model: scd_type_1, keys: [id, day], delete_mode: erase}", "incremental", columns))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1", "1", "2"], "tag": ["02.01.2024", "03.01.2024", "02.01.2024"]}))
    lake.commit("2024-01-02", pl.DataFrame({"id": [1, 1], "tag": ["02.01.2024", None]}))
    assert expunged(lake, "id=1,day=02.01.2024", write=False).rows == (2,)
    assert expunged(lake, '{"day": "03.01.2024", "id": 1}', "day=09.01.2024,id=1", write=False).rows == (1, 0)
    assert lake.log.head().n == 2


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        (["seven"], "id=seven is no key of this dataset, where id is Int64"),
        (["name=7"], "Not all of the keys are written as id=…."),
        (["7", "id=7,name=x"], "Not all of the keys are written as id=…."),
        (["{7"], "id={7 is no key"),
    ],
)
def test_what_is_no_key_is_refused(keys: list[str], what: str) -> None:
    lake = Lake(plan_of("{model: scd_type_1, keys: id, delete_mode: erase}", "incremental"))
    lake.commit("2024-01-01", pl.DataFrame({"id": ["1", "2"], "name": ["x", "y"]}))
    with pytest.raises(ConfigError, match="CLI-014") as caught:
        expunged(lake, *keys)
    assert what in str(caught.value)


def test_the_keys_are_those_of_the_table_that_erases() -> None:
    tables = "[{model: scd_type_1, keys: id}, {model: scd_type_1, keys: mail, entity: mails, delete_mode: erase}]"
    plan = plan_of(tables, "incremental")
    assert named_keys(plan, ["7"]) == (plan.silvers[1], Keys(("mail",), (("7",),)))
    assert named_keys(plan, ["id=7"]) == (plan.silvers[0], Keys(("id",), (("7",),)))
    with pytest.raises(ConfigError, match="No silver table of it has keys"):
        named_keys(plan_of("{model: periodic_snapshot}"), ["7"])
