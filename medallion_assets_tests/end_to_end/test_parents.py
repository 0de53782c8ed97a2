"""A list of an interface for every row that another intent has loaded."""

import json
from collections.abc import Iterator

import dagster as dg
import pytest

from medallion_assets.orchestration.definitions import load_definitions
from medallion_assets_tests.end_to_end.project import Project, day
from medallion_assets_tests.sources.api_server import Asked, Reply, Server, serving

CUSTOMERS = """
system: crm
table: customers
source: {type: file, path: "data/customers_{run_date}.csv"}
load: full
partitions: {start: 2024-01-01}
"""
ADDRESSES = """
system: crm
table: addresses
source:
  type: api
  base_url: "URL"
  path: /customers/{customer}/addresses
  params: {on: "{run_date}"}
  retry: {max_attempts: 1}
  parents: {dataset: crm.customers, bind: {customer: id}, columns: {customer_id: id, customer_name: name}}
load: full
partitions: {start: 2024-01-01}
silver: {model: periodic_snapshot}
columns: {customer_id: string}
"""


def answer(asked: Asked) -> Reply:
    customer = asked.path.split("/")[2]
    return Reply.of([{"no": n, "city": f"{customer}-{asked.params['on']}"} for n in range(len(customer))])


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(answer) as found:
        yield found


@pytest.fixture
def crm(project: Project, server: Server) -> Project:
    project.write("intents/addresses.yaml", ADDRESSES.replace("URL", server.url))
    project.write("intents/customers.yaml", CUSTOMERS)
    project.write(f"data/customers_{day(0)}.csv", "id,name\n007,Ada\na/b,Bo\n")
    project.write(f"data/customers_{day(1)}.csv", "id,name\n8,Cy\n")
    return project


def rows(project: Project) -> list[tuple[object, ...]]:
    found = project.silver("crm", "addresses")
    return sorted(found.select("customer_id", "customer_name", "no", "city").rows(), key=repr)


FIRST = [("007", "Ada", n, f"007-{day(0)}") for n in range(3)] + [
    ("a/b", "Bo", n, f"a%2Fb-{day(0)}") for n in range(len("a%2Fb"))
]
BOTH = sorted([*FIRST, ("8", "Cy", 0, f"8-{day(1)}")], key=repr)


@pytest.mark.parametrize("recorded", [(), ("--dagster",)])
def test_a_list_is_asked_for_each_row_of_the_same_partition(
    crm: Project, server: Server, recorded: tuple[str, ...]
) -> None:
    crm.medallion("run", *recorded, "--from", day(0), "--to", day(1)).succeeded()
    assert rows(crm) == BOTH
    assert [(asked.path, asked.params["on"]) for asked in server.asked] == [
        ("/customers/007/addresses", day(0)),
        ("/customers/a%2Fb/addresses", day(0)),
        ("/customers/8/addresses", day(1)),
    ]
    facts = json.loads(crm.commits("crm", "addresses")[0].read_text())["commit"]["load"]["source"]["facts"]
    assert facts["parents"] == "2"


def test_parents_that_are_not_loaded_fail_the_load_and_are_named(crm: Project, server: Server) -> None:
    done = crm.medallion("run", "crm.addresses", "--date", day(0))
    assert done.exit_code == 2
    assert "SRC-066" in done.output
    assert f"medallion run crm.customers --date {day(0)}" in done.output
    assert not server.asked
    crm.medallion("run", "crm.customers", "--date", day(0)).succeeded()
    crm.medallion("run", "crm.addresses", "--date", day(0)).succeeded()
    assert rows(crm) == FIRST
    missing = crm.medallion("run", "crm.addresses", "--date", day(1))
    assert "SRC-066" in missing.output


def test_parents_that_a_check_refuses_are_not_asked_with(crm: Project, server: Server) -> None:
    crm.write("intents/customers.yaml", CUSTOMERS + "checks: [{rule: row_count, min: 2, at: bronze}]\n")
    done = crm.medallion("run", "--date", day(1))
    assert done.exit_code == 4
    assert not server.asked
    assert crm.commits("crm", "addresses") == []


def test_each_parent_is_asked_once_with_its_last_row_and_none_without_a_value(crm: Project, server: Server) -> None:
    crm.write(f"data/customers_{day(0)}.csv", "id,name\n1,old\n2,Bo\n,nobody\n1,new\n")
    crm.medallion("run", "--date", day(0)).succeeded()
    assert rows(crm) == [("1", "new", 0, f"1-{day(0)}"), ("2", "Bo", 0, f"2-{day(0)}")]
    assert [asked.path for asked in server.asked] == ["/customers/2/addresses", "/customers/1/addresses"]
    facts = json.loads(crm.commits("crm", "addresses")[0].read_text())["commit"]["load"]["source"]["facts"]
    assert (facts["parents"], facts["parents_without_value"]) == ("3", "1")


def test_changes_of_a_window_are_its_parents_and_all_of_a_dataset_without_partitions(
    crm: Project, server: Server
) -> None:
    crm.write("intents/customers.yaml", CUSTOMERS.replace("load: full", "load: incremental"))
    crm.medallion("run", "--from", day(0), "--to", day(1)).succeeded()
    assert rows(crm) == BOTH
    crm.write("data/all.jsonl", '{"id": 5, "name": "Di"}\n{"id": 6, "name": null}\n')
    crm.write(
        "intents/others.yaml",
        CUSTOMERS.replace("customers_{run_date}.csv", "all.jsonl").replace("table: customers", "table: others")
        .replace("{start: 2024-01-01}", "{cadence: none}"),
    )  # fmt: skip
    crm.write("intents/addresses.yaml", ADDRESSES.replace("URL", server.url).replace("crm.customers", "crm.others"))
    crm.medallion("run", "crm.others").succeeded()
    crm.medallion("run", "crm.addresses", "--date", day(2)).succeeded()
    assert {(row[0], row[1]) for row in rows(crm)} >= {("5", "Di"), ("6", None)}


@pytest.mark.parametrize(
    ("bind", "said"),
    [("nobody", "Rows of crm.customers have no `nobody`."), ("weight", "Float64, which can be spelled in several")],
)
def test_a_column_that_cannot_be_asked_with_is_named(crm: Project, server: Server, bind: str, said: str) -> None:
    import polars as pl

    pl.DataFrame({"id": [1], "name": ["a"], "weight": [1.5]}).write_parquet(crm.root / f"data/c_{day(0)}.parquet")
    crm.write("intents/customers.yaml", CUSTOMERS.replace("customers_{run_date}.csv", "c_{run_date}.parquet"))
    crm.write(
        "intents/addresses.yaml",
        ADDRESSES.replace("URL", server.url).replace("{customer: id}", f"{{customer: {bind}}}"),
    )
    done = crm.medallion("run", "--date", day(0))
    assert done.exit_code == 2
    assert "SRC-064" in done.output
    assert said in done.output


def test_of_each_tenant_its_own(project: Project, server: Server) -> None:
    stores = "lake: {type: local, root: lake}"
    project.write("platform.yaml", f"stores: {{{stores}}}\ntenants: {{acme: {{}}, globex: {{}}}}\n")
    project.write(
        "intents/customers.yaml",
        CUSTOMERS.replace("data/", "data/{tenant}/") + "tenants: [acme, globex]\n",
    )
    project.write(
        "intents/addresses.yaml",
        ADDRESSES.replace("URL", server.url).replace("/customers/{customer}", "/{tenant}/{customer}")
        + "tenants: [acme, globex]\n",
    )
    project.write(f"data/acme/customers_{day(0)}.csv", "id,name\n1,Ada\n")
    project.write(f"data/globex/customers_{day(0)}.csv", "id,name\n2,Bo\n")
    project.medallion("run", "--date", day(0)).succeeded()
    assert sorted(asked.path for asked in server.asked) == ["/acme/1/addresses", "/globex/2/addresses"]


def test_in_dagster_the_parents_are_upstream(crm: Project) -> None:
    specs = {spec.key: spec for spec in load_definitions(crm.root).resolve_all_asset_specs()}
    child, parent = dg.AssetKey(["bronze", "crm", "addresses"]), dg.AssetKey(["bronze", "crm", "customers"])
    assert [dep.asset_key for dep in specs[child].deps] == [parent]
    assert [dep.asset_key for dep in specs[dg.AssetKey(["silver", "crm", "addresses"])].deps] == [child]
    assert not list(specs[parent].deps)
