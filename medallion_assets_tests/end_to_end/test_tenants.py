"""Tenants: one intent, and for each of them a source, stores, folders, tables and runs of its own."""

import json
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from deltalake import DeltaTable

from medallion_assets.errors import InvalidProject
from medallion_assets.project import Project as Loaded
from medallion_assets_tests.end_to_end.project import Outcome, Project, day
from medallion_assets_tests.services.objects import AzureServer

USERS = """
system: crm
table: users
source: {type: file, path: "data/{tenant}/{run_date}.csv"}
load: full
partitions: {start: 2024-01-01, end: 2024-02-01}
tenants: [acme, globex]
silver: {model: scd_type_2, keys: id}
checks:
  - {rule: references, columns: city, to: silver/crm/cities, to_columns: city, on_failure: warn}
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
STORES = """
stores:
  lake: {type: local, root: ./lake}
  far: {type: local, root: "${env:FAR}"}
tenants:
  acme: {}
  globex: {stores: {lake: far}}
"""


@pytest.fixture
def shop(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("FAR", str(project.root / "far"))
    project.write("platform.yaml", STORES)
    project.write("intents/users.yaml", USERS)
    project.write("intents/cities.yaml", CITIES)
    for tenant, city in (("acme", "Bonn"), ("globex", "Kiel")):
        project.write(f"data/{tenant}/cities.csv", f"city\n{city}\n")
        project.write(f"data/{tenant}/{day(0)}.csv", f"id,city\n1,{city}\n2,{city}\n")
    return project


def _files(root: Path) -> set[str]:
    return {"/".join(p.relative_to(root).parts[:3]) for p in root.rglob("*") if p.is_file()}


def _rows(root: Path, tenant: str) -> list[tuple[object, ...]]:
    table = DeltaTable(root / f"silver/tenant={tenant}/domain=crm/entity=users/v1").to_pyarrow_table()
    found = pl.from_arrow(table)
    assert isinstance(found, pl.DataFrame)
    return sorted(found.select("id", "city").iter_rows())


def test_each_tenant_has_its_rows_in_its_store_and_folder_and_nobody_elses(shop: Project) -> None:
    shop.medallion("run", "crm.cities").succeeded()
    shop.medallion("run", "users", "--date", day(0)).succeeded()
    assert _files(shop.root / "lake") == {
        "bronze/tenant=acme/system=crm", "silver/tenant=acme/domain=crm",
    }  # fmt: skip
    assert _files(shop.root / "far") == {
        "bronze/tenant=globex/system=crm", "silver/tenant=globex/domain=crm",
    }  # fmt: skip
    assert _rows(shop.root / "lake", "acme") == [(1, "Bonn"), (2, "Bonn")]
    assert _rows(shop.root / "far", "globex") == [(1, "Kiel"), (2, "Kiel")]


def _failed(done: Outcome) -> list[tuple[str, str]]:
    document = json.loads(done.output[done.output.index("{") :])
    return [(one["asset"], one["check"]) for one in document["failed_checks"]]


def test_a_tenants_rows_refer_to_its_own_tables(shop: Project) -> None:
    """Kiel is no city of acme's, though it is one of globex's."""
    shop.write(f"data/acme/{day(1)}.csv", "id,city\n1,Kiel\n")
    shop.medallion("run", "crm.cities").succeeded()
    good = shop.medallion("run", "users", "--date", day(0), "--json").succeeded()
    assert _failed(good) == []
    bad = shop.medallion("run", "users", "--date", day(1), "--tenant", "acme", "--json")
    assert _failed(bad) == [("silver/crm/users@acme", "references_city")]


def test_one_tenant_can_be_run_alone(shop: Project) -> None:
    shop.medallion("run", "--tenant", "acme", "--date", day(0)).succeeded()
    assert _files(shop.root / "far") == set()
    shop.medallion("run", "crm.users@globex", "--date", day(0)).succeeded()
    assert _rows(shop.root / "far", "globex") == [(1, "Kiel"), (2, "Kiel")]
    refused = shop.medallion("run", "--tenant", "initech")
    assert (refused.exit_code, "CLI-002" in refused.output, "acme, globex" in refused.output) == (1, True, True)


def test_the_failure_of_one_tenant_stops_no_other(shop: Project) -> None:
    (shop.root / f"data/acme/{day(0)}.csv").unlink()
    done = shop.medallion("run", "users", "--date", day(0))
    assert (done.exit_code, "SRC-002" in done.output) == (2, True)
    assert _rows(shop.root / "far", "globex") == [(1, "Kiel"), (2, "Kiel")]


def test_no_tenant_needs_the_credentials_of_another(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What globex's store is called with is looked up for globex alone; without it acme runs all the same."""
    monkeypatch.delenv("FAR")
    shop.medallion("run", "users", "--tenant", "acme", "--date", day(0)).succeeded()
    (shop.root / f"data/acme/{day(0)}.csv").write_text("id,city\n1,Ulm\n", "utf-8")
    done = shop.medallion("run", "users", "--date", day(0))
    assert done.exit_code == 1
    assert "PLN-021" in done.output
    assert _rows(shop.root / "lake", "acme") == [(1, "Ulm")]


def test_a_tenant_that_is_not_rolled_out_is_left_out(shop: Project) -> None:
    shop.write("platform.yaml", STORES.replace("globex: {stores", "globex: {enabled: false, stores"))
    shop.medallion("run", "users", "--date", day(0)).succeeded()
    assert not (shop.root / "far").exists()
    refused = shop.medallion("run", "users", "--tenant", "globex", "--date", day(0))
    assert (refused.exit_code, "CLI-003" in refused.output) == (1, True)


def test_every_command_takes_one_tenant_or_all(shop: Project) -> None:
    shop.medallion("run", "crm.cities").succeeded()
    shop.medallion("run", "users", "--date", day(0)).succeeded()
    names = [one["dataset"] for one in json.loads(shop.medallion("status", "users", "--json").succeeded().output)]
    assert names == ["crm.users@acme", "crm.users@globex"]
    shown = json.loads(shop.medallion("show", "silver/crm/users@globex", "--json").succeeded().output)
    assert {row["city"] for row in shown["rows"]} == {"Kiel"}
    bronze = json.loads(shop.medallion("show", "bronze/crm/users@acme", "--json").succeeded().output)
    assert {row["city"] for row in bronze["rows"]} == {"Bonn"}
    for command in ("plan", "verify", "rebuild", "gc"):
        assert "crm.users@globex" in shop.medallion(command, "users", "--json").succeeded().output or command != "plan"
    found = shop.medallion("lineage", "silver/crm/users@acme", "--row", "1").succeeded().output
    assert f"data/acme/{day(0)}.csv" in found
    ambiguous = shop.medallion("show", "bronze/crm/users")
    assert "crm.users@acme or crm.users@globex" in ambiguous.output


def test_the_same_work_is_recorded_as_dagster_runs(
    shop: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    shop.medallion("run", "users", "--date", day(0), "--dagster").succeeded()
    assert _rows(shop.root / "lake", "acme") == [(1, "Bonn"), (2, "Bonn")]
    assert _rows(shop.root / "far", "globex") == [(1, "Kiel"), (2, "Kiel")]


def _refusal(root: Path) -> str:
    with pytest.raises(InvalidProject) as caught:
        Loaded.load(root, variables={})
    return str(caught.value)


def test_tenants_that_would_read_the_same_are_refused(shop: Project) -> None:
    """Nobody gets another's rows because a field was forgotten."""
    shop.write("intents/users.yaml", USERS.replace("data/{tenant}/", "data/"))
    assert "PLN-010  intents/users.yaml:7:10  tenants\n  The tenants acme and globex would read the same." in (
        _refusal(shop.root)
    )
    shop.write("intents/users.yaml", USERS.replace("data/{tenant}/", "data/").replace("file, ", "file, store: lake, "))
    plans = Loaded.load(shop.root, variables={}).plans
    assert [getattr(p.source, "store", None) for p in plans if p.dataset.table == "users"] == ["lake", "far"]


def test_a_table_on_anothers_bronze_is_made_for_the_same_tenants(shop: Project) -> None:
    own = (
        "system: crm\ntable: names\nsource: {type: bronze, dataset: crm.users}\nsilver: {model: scd_type_1, keys: id}\n"
    )
    shop.write("intents/names.yaml", own)
    assert "PLN-003" in _refusal(shop.root)
    shop.write("intents/names.yaml", own + "tenants: [acme, initech]\n")
    assert "is loaded for acme, globex" in _refusal(shop.root)
    shop.write("intents/names.yaml", own + "tenants: [acme]\n")
    shop.medallion("run", "--tenant", "acme", "--date", day(0)).succeeded()
    shown = json.loads(shop.medallion("show", "silver/crm/names@acme", "--json").succeeded().output)
    assert {row["city"] for row in shown["rows"]} == {"Bonn"}


def test_names_that_platform_yaml_has_not_are_refused(shop: Project) -> None:
    shop.write("platform.yaml", STORES.replace("lake: far", "lake: moon"))
    assert "PLT-050" in _refusal(shop.root)
    shop.write("platform.yaml", STORES)
    shop.write("intents/users.yaml", USERS.replace("[acme, globex]", "[acme, initech]"))
    refused = shop.medallion("run", "crm.users@initech", "--date", day(0))
    assert "PLN-008" in refused.output
    assert "platform.yaml has no tenant `initech`." in refused.output


def test_a_topic_may_be_the_tenants_own(project: Project) -> None:
    project.write("platform.yaml", 'connections: {bus: {type: kafka, brokers: ["b:9092"]}}\n')
    text = (
        'system: web\ntable: t\nload: incremental\nsource: {type: kafka, connection: bus, topic: "clicks.{tenant}"}\n'
    )
    project.write("intents/t.yaml", text)
    assert "`{tenant}` has no value here." in _refusal(project.root)
    project.write("intents/t.yaml", text + "tenants: [acme, globex]\n")
    plans = Loaded.load(project.root, variables={}).plans
    assert [getattr(plan.source, "topic", None) for plan in plans] == ["clicks.acme", "clicks.globex"]


def test_a_database_is_the_tenants_own_or_asked_for_its_rows(project: Project) -> None:
    project.write(
        "platform.yaml",
        """
        connections:
          erp: {type: database, url: "sqlite:///a.db"}
          erp_globex: {type: database, url: "${env:GLOBEX_URL}"}
        tenants: {acme: {}, globex: {connections: {erp: erp_globex}}}
        """,
    )
    shared = "system: erp\ntable: t\nload: full\ntenants: [acme, globex]\nsource: {type: database, connection: erp, "
    project.write("intents/t.yaml", shared + "table: t}\n")
    sources = [plan.source for plan in Loaded.load(project.root, variables={}).plans]
    assert [getattr(source, "connection", None) for source in sources] == ["erp", "erp_globex"]
    project.write("intents/t.yaml", shared + 'table: t, where: "owner = :tenant", params: {n: 1}}\n')
    sources = [plan.source for plan in Loaded.load(project.root, variables={}).plans]
    assert [getattr(source, "params", None) for source in sources] == [
        {"tenant": "acme", "n": 1}, {"tenant": "globex", "n": 1},
    ]  # fmt: skip


ACCOUNTS = """
stores:
  lake: {type: azure, account: "${env:ACME_ACCOUNT}", container: CONTAINER, prefix: PREFIX, credential: key,
         key: "${env:ACME_KEY}", endpoint_url: "${env:ACME_URL}"}
  globex_lake: {type: azure, account: "${env:GLOBEX_ACCOUNT}", container: CONTAINER, prefix: PREFIX, credential: key,
                key: "${env:GLOBEX_KEY}", endpoint_url: "${env:GLOBEX_URL}"}
tenants:
  acme: {}
  globex: {stores: {lake: globex_lake}}
"""


@pytest.mark.service
def test_each_tenant_has_an_account_and_a_key_of_its_own(
    shop: Project, azure_server: AzureServer, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    owners = {"ACME": azure_server, "GLOBEX": azure_server.other}
    for name, server in owners.items():
        monkeypatch.setenv(f"{name}_ACCOUNT", server.account)
        monkeypatch.setenv(f"{name}_KEY", server.key)
        monkeypatch.setenv(f"{name}_URL", server.endpoint)
    place = ACCOUNTS.replace("CONTAINER", azure_server.container).replace("PREFIX", f"tenants/{uuid4().hex}")
    shop.write("platform.yaml", place)
    done = shop.medallion("run", "--date", day(0), "--dagster")
    printed = done.output + shop.medallion("plan").output + shop.medallion("status", "--json").output
    assert done.exit_code == 0, done.output

    loaded = Loaded.load(shop.root)
    stores = ("lake", "globex_lake")
    assert {name: {"/".join(i.path.split("/")[:2]) for i in loaded.store(name).list("")} for name in stores} == {
        "lake": {"bronze/tenant=acme", "silver/tenant=acme"},
        "globex_lake": {"bronze/tenant=globex", "silver/tenant=globex"},
    }
    for tenant, city in (("acme", "Bonn"), ("globex", "Kiel")):
        _, silver = loaded.silver(f"silver/crm/users@{tenant}")
        rows = loaded.table(silver).scan().select("id", "city").sort("id").collect().rows()
        assert rows == [(1, city), (2, city)]

    # The key of one opens nothing of the other.
    monkeypatch.setenv("GLOBEX_KEY", azure_server.key)
    wrong = shop.medallion("run", "crm.users@globex", "--date", day(0), "--force")
    assert wrong.exit_code == 3, wrong.output
    assert shop.medallion("run", "crm.users@acme", "--date", day(0), "--force").exit_code == 0

    events = b"".join(p.read_bytes() for p in home.rglob("*") if p.is_file())
    for server in owners.values():
        assert server.key not in printed + wrong.output
        assert server.key.encode() not in events
