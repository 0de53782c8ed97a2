"""Old versions of silver tables, and how long their files are kept."""

import json

import pytest
from deltalake import DeltaTable

from medallion_assets_tests.end_to_end.project import Project, day

ORDERS = """
system: shop
table: orders
source: {type: file, path: "data/{run_date}.csv"}
load: full
partitions: {start: 2024-01-01}
retention: {silver: 2h}
silver: {model: scd_type_2, keys: id}
"""


@pytest.fixture
def shop(project: Project) -> Project:
    """Three versions, of which two were superseded three hours ago."""
    project.write("intents/orders.yaml", ORDERS)
    for n in range(3):
        project.write(f"data/{day(n)}.csv", f"id,v\n1,{n}\n")
        project.medallion("run", "--date", day(n)).succeeded()
    return project


def parts(project: Project) -> list[str]:
    table = project.root / "lake/silver/domain=shop/entity=orders/v1"
    return sorted(str(path.relative_to(table)) for path in table.rglob("*.parquet") if "_delta_log" not in path.parts)


def told(project: Project, *arguments: str) -> list[str]:
    output = project.medallion("vacuum", *arguments, "--json").succeeded().output
    found: list[str] = json.loads(output)["silver/shop/orders"]
    return found


def test_nothing_younger_than_the_retention_goes(shop: Project) -> None:
    before = parts(shop)
    assert told(shop, "--delete") == []
    assert parts(shop) == before


def test_it_is_shown_before_it_is_removed_and_the_table_goes_on(shop: Project) -> None:
    rows, before = shop.silver("shop", "orders"), parts(shop)
    old = told(shop, "--grace", "0s")
    assert len(old) == len(before) - len(DeltaTable(shop._table("shop", "orders")).file_uris())
    assert parts(shop) == before

    assert told(shop, "--grace", "0s", "--delete") == old
    assert len(parts(shop)) == len(before) - len(old)
    assert shop.silver("shop", "orders").equals(rows)
    assert "nothing new" in shop.medallion("run", "--date", day(2)).succeeded().output
    shop.medallion("verify", "--silver").succeeded()
    assert told(shop, "--grace", "0s") == []

    shop.write(f"data/{day(3)}.csv", "id,v\n1,3\n")
    shop.medallion("run", "--date", day(3)).succeeded()
    assert shop.silver("shop", "orders").height == 4


def test_the_age_is_a_span(shop: Project) -> None:
    done = shop.medallion("vacuum", "--grace", "soon")
    assert done.exit_code == 1
    assert "CLI-013" in done.output
