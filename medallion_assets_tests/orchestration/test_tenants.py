"""Tenants in Dagster: one set of assets, partitioned by date and tenant, with nothing shared below."""

from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.automation_tick_evaluation_context import build_run_requests_with_backfill_policies
from dagster._core.definitions.events import AssetKeyPartitionKey

from medallion_assets.alerts.message import Message
from medallion_assets.cli.app import main
from medallion_assets.orchestration.definitions import build_definitions, load_definitions
from medallion_assets.orchestration.resources import LakeResource
from medallion_assets.project import Project
from medallion_assets_tests.orchestration.runs import RANGE_END, RANGE_START, evaluations, materializations, run
from medallion_assets_tests.orchestration.ticking import Desk, asked

USERS = """
system: crm
table: users
source: {type: file, path: "data/{tenant}/{run_date}.csv"}
load: full
partitions: {start: 2024-01-01, end: 2024-02-01}
tenants: [acme, globex]
silver: {model: scd_type_1, keys: id}
checks: [{rule: range, columns: n, min: 0, on_failure: warn}]
"""
CITIES = """
system: crm
table: cities
source: {type: file, path: "data/{tenant}/cities.csv"}
load: full
partitions: {cadence: none}
tenants: [acme, globex]
silver: {model: scd_type_1, keys: city}
"""
BRONZE, SILVER = "bronze/crm/users", "silver/crm/users"
FIRST, SECOND = "2024-01-01", "2024-01-02"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "intents").mkdir()
    (tmp_path / "intents/users.yaml").write_text(USERS, "utf-8")
    (tmp_path / "intents/cities.yaml").write_text(CITIES, "utf-8")
    for tenant, sign in (("acme", ""), ("globex", "-")):
        folder = tmp_path / "data" / tenant
        folder.mkdir(parents=True)
        (folder / "cities.csv").write_text(f"city\n{tenant}\n", "utf-8")
        for day, number in ((FIRST, 1), (SECOND, 2)):
            (folder / f"{day}.csv").write_text(f"id,n,who\n1,{sign}{number},{tenant}\n", "utf-8")
    return tmp_path


def _rows(root: Path, tenant: str) -> list[tuple[object, ...]]:
    table = pl.read_delta(str(root / f"lake/silver/tenant={tenant}/domain=crm/entity=users/v1"))
    return sorted(table.select("id", "n", "who").iter_rows())


def _tenants(root: Path) -> set[str]:
    return {path.name for path in (root / "lake/bronze").iterdir()}


def test_assets_are_partitioned_by_date_and_tenant(root: Path) -> None:
    specs = {spec.key.to_user_string(): spec for spec in load_definitions(root).resolve_all_asset_specs()}
    assert {key for key in specs if "crm" in key} == {BRONZE, SILVER, "bronze/crm/cities", "silver/crm/cities"}
    partitions = specs[SILVER].partitions_def
    assert isinstance(partitions, dg.MultiPartitionsDefinition)
    assert [one.name for one in partitions.partitions_defs] == ["date", "tenant"]
    assert partitions.get_partition_keys()[:2] == [f"{FIRST}|acme", f"{FIRST}|globex"]
    assert specs[SILVER].partitions_def is specs[BRONZE].partitions_def
    assert specs["silver/crm/cities"].partitions_def == dg.StaticPartitionsDefinition(["acme", "globex"])
    assert specs[SILVER].metadata["tenants"] == "acme, globex"


def test_one_partition_is_one_tenants(root: Path, instance: dg.DagsterInstance) -> None:
    assert run(load_definitions(root), instance, [BRONZE, SILVER], [f"{FIRST}|globex"]).success
    assert _tenants(root) == {"tenant=globex"}
    assert _rows(root, "globex") == [(1, -1, "globex")]
    bronze, silver = materializations(instance, BRONZE), materializations(instance, SILVER)
    assert list(bronze) == list(silver) == [f"{FIRST}|globex"]
    assert "tenant=globex" in str(bronze[f"{FIRST}|globex"]["dagster/uri"])
    assert "tenant=globex" in str(silver[f"{FIRST}|globex"]["dagster/uri"])
    assert silver[f"{FIRST}|globex"]["dagster/partition_row_count"] == 1


def test_a_range_over_tenants_is_one_run_with_the_facts_and_checks_of_each(
    root: Path, instance: dg.DagsterInstance
) -> None:
    keys = [f"{FIRST}|acme", f"{SECOND}|globex"]
    assert run(load_definitions(root), instance, [BRONZE, SILVER], keys).success
    every = {f"{day}|{tenant}" for day in (FIRST, SECOND) for tenant in ("acme", "globex")}
    assert set(materializations(instance, BRONZE)) == set(materializations(instance, SILVER)) == every
    assert (_rows(root, "acme"), _rows(root, "globex")) == ([(1, 2, "acme")], [(1, -2, "globex")])
    by_partition = {name: passed for name, passed, _ in evaluations(instance, SILVER, "range_n") if name is not None}
    assert by_partition == {name: name.endswith("acme") for name in every}
    uris = {name: str(of["dagster/uri"]) for name, of in materializations(instance, SILVER).items()}
    assert all(f"tenant={str(name).rpartition('|')[2]}/" in uri for name, uri in uris.items())


def test_a_backfill_is_one_run_a_tenant(root: Path, instance: dg.DagsterInstance) -> None:
    days, keys = (FIRST, SECOND, "2024-01-03"), [dg.AssetKey.from_user_string(key) for key in (BRONZE, SILVER)]
    wanted = [
        AssetKeyPartitionKey(key, dg.MultiPartitionKey({"date": day, "tenant": tenant}))
        for key in keys
        for day in days
        for tenant in ("acme", "globex")
    ]
    graph = load_definitions(root).resolve_asset_graph()
    requests = build_run_requests_with_backfill_policies(wanted, graph, instance)
    ranges = {(r.tags[RANGE_START], r.tags[RANGE_END]) for r in requests}
    assert ranges == {(f"{FIRST}|{tenant}", f"2024-01-03|{tenant}") for tenant in ("acme", "globex")}
    assert [set(r.asset_selection or []) for r in requests] == [set(keys), set(keys)]


def test_what_stops_one_tenant_stops_no_other(root: Path, instance: dg.DagsterInstance) -> None:
    (root / f"data/acme/{FIRST}.csv").unlink()
    done = run(load_definitions(root), instance, [BRONZE], [f"{FIRST}|acme", f"{FIRST}|globex"])
    assert not done.success
    assert list(materializations(instance, BRONZE)) == [f"{FIRST}|globex"]
    assert _tenants(root) >= {"tenant=globex"}


def test_a_dataset_without_a_calendar_is_partitioned_by_tenant(root: Path, instance: dg.DagsterInstance) -> None:
    assert run(load_definitions(root), instance, ["bronze/crm/cities", "silver/crm/cities"], ["acme"]).success
    assert list(materializations(instance, "silver/crm/cities")) == ["acme"]
    assert _tenants(root) == {"tenant=acme"}


def test_assets_below_get_the_rows_of_the_tenant_of_their_partition_and_never_of_two(
    root: Path, instance: dg.DagsterInstance
) -> None:
    ours = load_definitions(root)
    partitions = next(s for s in ours.resolve_all_asset_specs() if s.key.to_user_string() == SILVER).partitions_def
    seen: list[object] = []

    @dg.asset(
        partitions_def=partitions,
        ins={"users": dg.AssetIn(SILVER.split("/")), "raw": dg.AssetIn(BRONZE.split("/"))},
        io_manager_key="memory",
    )
    def below(users: pl.DataFrame, raw: pl.DataFrame) -> int:
        seen.append((users["who"].to_list(), raw["who"].to_list()))
        return 1

    defs = dg.Definitions.merge(ours, dg.Definitions(assets=[below], resources={"memory": dg.mem_io_manager}))
    assert run(defs, instance, [BRONZE, SILVER], [f"{FIRST}|acme", f"{FIRST}|globex"]).success
    assert run(defs, instance, ["below"], [f"{FIRST}|globex"]).success
    assert seen == [(["globex"], ["globex"])]


def test_rows_of_several_tenants_are_not_read_together(root: Path, instance: dg.DagsterInstance) -> None:
    assert run(load_definitions(root), instance, [BRONZE, SILVER], [f"{FIRST}|acme", f"{FIRST}|globex"]).success
    lake = LakeResource.of(Project.load(root, variables={}))
    one = lake.silver("silver/crm/users/v1", (f"{FIRST}|acme",)).scan().collect()
    assert one["who"].to_list() == ["acme"]
    assert lake.bronze("crm.users@globex").scan().collect()["who"].to_list() == ["globex"]
    for partitions in (None, (f"{FIRST}|acme", f"{FIRST}|globex")):
        with pytest.raises(dg.Failure, match="whose rows are not read together"):
            lake.bronze("crm.users", partitions)
        with pytest.raises(dg.Failure, match="whose rows are not read together"):
            lake.silver("silver/crm/users/v1", partitions)


def test_one_tenant_of_many_has_the_same_partitions(root: Path) -> None:
    """What the command line runs for one tenant is recorded as a partition of the assets that all share."""
    project = Project.load(root, variables={})
    specs = build_definitions(project, plans=project.select(["users"], "globex")).resolve_all_asset_specs()
    partitions = next(spec for spec in specs if spec.key.to_user_string() == SILVER).partitions_def
    assert partitions is not None
    assert f"{FIRST}|acme" in partitions.get_partition_keys()


@pytest.mark.filterwarnings("ignore:Non-compliant tag keys")  # Dagster's own
def test_schedules_ask_for_each_tenant_alone(root: Path, tmp_path: Path) -> None:
    (root / "intents/cities.yaml").unlink()
    intent = USERS.replace("tenants:", 'schedule: "0 6 * * *"\ntenants:')
    home = tmp_path / "home"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        _is_asked_for_each_tenant(Desk(root, {"users": intent}, instance))


def _is_asked_for_each_tenant(desk: Desk) -> None:
    desk.clock.time = datetime(2024, 1, 3, 6, tzinfo=timezone.utc)
    (name,) = [schedule.name for schedule in desk.defs.schedules or []]
    requests = desk.schedule(name, desk.clock.time)
    assert asked(requests) == [
        ("crm.users@acme", f"{FIRST}|acme..{SECOND}|acme"),
        ("crm.users@globex", f"{FIRST}|globex..{SECOND}|globex"),
    ]
    assert desk.run(requests) == [True, True]
    assert (desk.loaded("crm.users@acme"), desk.loaded("crm.users@globex")) == ([FIRST, SECOND], [FIRST, SECOND])
    assert asked(desk.schedule(name, desk.clock.time)) == [
        ("crm.users@acme", f"{SECOND}|acme"),
        ("crm.users@globex", f"{SECOND}|globex"),
    ]


@pytest.mark.filterwarnings("ignore:Non-compliant tag keys")  # Dagster's own
def test_sensors_ask_for_the_tenant_whose_file_arrived(root: Path, instance: dg.DagsterInstance) -> None:
    (root / "intents/cities.yaml").unlink()
    for file in (root / "data").rglob("2024-*.csv"):
        file.unlink()
    desk = Desk(root, {"users": USERS.replace("tenants:", "sensor: {interval: 60s, settle: 0s}\ntenants:")}, instance)
    desk.write(f"data/globex/{FIRST}.csv", "id,n,who\n1,1,globex\n")
    requests = desk.sense()
    assert asked(requests) == [("crm.users@globex", f"{FIRST}|globex")]
    assert desk.run(requests) == [True]
    assert desk.sense() == []


def test_the_dashboard_scores_each_tenant(root: Path, instance: dg.DagsterInstance) -> None:
    defs = load_definitions(root)
    assert run(defs, instance, [BRONZE, SILVER], [f"{FIRST}|acme", f"{FIRST}|globex"]).success
    assert run(defs, instance, ["quality/dashboard"]).success
    (found,) = materializations(instance, "quality/dashboard").values()
    assert found["score/crm.users@acme"] == 100.0
    assert 0 < float(str(found["score/crm.users@globex"])) < 100


class Team:
    """A channel that takes everything."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []

    def __call__(self, channel: object, message: Message, resolve: object) -> None:
        self.got.append((message.event, message.dataset))


def test_alerts_name_the_tenant(root: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    team = Team()
    monkeypatch.setattr("medallion_assets.orchestration.alerts.send", team)
    (root / "platform.yaml").write_text("channels: {team: {type: slack, url: 'http://127.0.0.1:9/x'}}\n", "utf-8")
    (root / "intents/cities.yaml").unlink()
    alerts = "alerts: [{channel: team, when: [check_failed, run_succeeded]}]\ntenants:"
    desk = Desk(root, {"users": USERS.replace("tenants:", alerts)}, instance)
    desk.sense("alerts")
    assert run(desk.defs, instance, [BRONZE, SILVER], [f"{FIRST}|globex"]).success
    desk.sense("alerts")
    assert team.got == [("check_failed", "crm.users@globex"), ("run_succeeded", "crm.users@globex")]


def test_the_command_line_records_runs_of_the_same_partitions(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    arguments = ["-C", str(root), "run", "users", "--from", FIRST, "--to", SECOND]
    assert main([*arguments, "--tenant", "acme", "--dagster"]) == 0
    assert _tenants(root) == {"tenant=acme"}
    with dg.DagsterInstance.get() as recorded:
        assert set(materializations(recorded, SILVER)) == {f"{FIRST}|acme", f"{SECOND}|acme"}


def test_a_table_on_anothers_bronze_may_be_made_for_some_of_its_tenants(
    root: Path, instance: dg.DagsterInstance
) -> None:
    names = "system: crm\ntable: names\ntenants: [globex]\nsource: {type: bronze, dataset: crm.users}\n"
    (root / "intents/names.yaml").write_text(f"{names}silver: {{model: scd_type_1, keys: id}}\n", "utf-8")
    defs = load_definitions(root)
    assert run(defs, instance, [BRONZE], [f"{FIRST}|acme", f"{FIRST}|globex"]).success
    assert run(defs, instance, ["silver/crm/names"], [f"{FIRST}|globex"]).success
    assert list(materializations(instance, "silver/crm/names")) == [f"{FIRST}|globex"]
    table = pl.read_delta(str(root / "lake/silver/tenant=globex/domain=crm/entity=names/v1"))
    assert table["who"].to_list() == ["globex"]


def test_a_run_that_failed_goes_on_with_the_tenants_it_had_not_loaded(root: Path, instance: dg.DagsterInstance) -> None:
    """What a tenant has is not loaded again; what failed is."""
    (root / f"data/acme/{FIRST}.csv").rename(root / "late.csv")
    defs, keys = load_definitions(root), [f"{FIRST}|acme", f"{FIRST}|globex"]
    assert not run(defs, instance, [BRONZE, SILVER], keys).success
    (root / "late.csv").rename(root / f"data/acme/{FIRST}.csv")
    assert run(defs, instance, [BRONZE, SILVER], keys).success
    bronze = root / "lake/bronze"
    commits = sorted(path.relative_to(bronze).parts[0] for path in bronze.rglob("_commits/*.json"))
    assert commits == ["tenant=acme", "tenant=globex"]
    assert (_rows(root, "acme"), _rows(root, "globex")) == ([(1, 1, "acme")], [(1, -1, "globex")])
