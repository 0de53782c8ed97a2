"""A dataset whose partitions are its files, from the command line."""

import pytest

from medallion_assets_tests.end_to_end.project import Project

INTENT = """
system: retail
table: orders
source: {type: file, path: "in/**/*.csv"}
load: incremental
partitions: {cadence: file}
silver: {model: scd_type_1, keys: id}
"""


@pytest.fixture
def orders(project: Project) -> Project:
    project.write("intents/orders.yaml", INTENT)
    project.write("in/b.csv", "id,v\n1,b\n")
    project.write("in/x/a.csv", "id,v\n1,a\n2,a\n")
    return project


def state(project: Project) -> list[tuple[object, ...]]:
    return project.silver("retail", "orders").select("id", "v", "_bronze_part").sort("id").rows()


@pytest.mark.parametrize("how", [(), ("--dagster",)], ids=["plain", "dagster"])
def test_a_run_takes_all_that_is_new_and_a_file_can_be_named(
    orders: Project, how: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if how:
        monkeypatch.setenv("DAGSTER_HOME", str(orders.root))
    orders.medallion("run", *how).succeeded()
    assert state(orders) == [(1, "a", "2/1"), (2, "a", "2/1")]  # a comes behind b
    orders.write("in/c.csv", "id,v\n3,c\n")
    orders.write("in/b.csv", "id,v\n1,b2\n4,b2\n")  # keeps its place before a
    orders.medallion("run", *how).succeeded()
    assert state(orders) == [(1, "a", "2/1"), (2, "a", "2/1"), (3, "c", "4/1"), (4, "b2", "3/1")]
    assert "Nothing new" in orders.medallion("run", "--date", "in/x/a.csv", *how).succeeded().output
    orders.medallion("verify", "--silver").succeeded()


def test_what_cannot_be_loaded_says_why(orders: Project) -> None:
    none = orders.medallion("run", "--date", "in/z.csv")
    assert (none.exit_code, "PLN-012" in none.output) == (1, True)
    orders.medallion("run").succeeded()
    (orders.root / "in/b.csv").unlink()
    gone = orders.medallion("run", "--date", "in/b.csv")
    assert (gone.exit_code, "SRC-032" in gone.output) == (2, True)
    assert state(orders) == [(1, "a", "2/1"), (2, "a", "2/1")]


def test_without_a_file_there_is_no_partition(project: Project) -> None:
    project.write("intents/orders.yaml", INTENT)
    none = project.medallion("run")
    assert (none.exit_code, "PLN-012" in none.output) == (1, True)
