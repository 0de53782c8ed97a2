"""Silver whose files are lost or broken: said as what it is, and made anew from bronze."""

from collections.abc import Callable
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from medallion_assets_tests.end_to_end.project import Project, day

ORDERS = """
system: shop
table: orders
source: {type: file, path: "data/{run_date}.csv"}
load: {pattern: cdc, operation: {column: op}}
partitions: {start: 2024-01-01}
silver: {model: scd_type_2, keys: id, order_by: at, exports: [csv]}
"""
TABLE = "lake/silver/domain=shop/entity=orders/v1"


@pytest.fixture
def orders(project: Project) -> Project:
    project.write("intents/orders.yaml", ORDERS)
    for n, change in enumerate(("1,{day},a,I\n2,{day},a,I", "1,{day},b,U", "2,{day},b,U")):
        project.write(f"data/{day(n)}.csv", "id,at,v,op\n" + change.format(day=day(n)) + "\n")
    for n in range(2):
        project.medallion("run", "--date", day(n)).succeeded()
    return project


def lose(file: Path) -> None:
    file.unlink()


def spoil(file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:4] + b"\xff" * 100 + whole[104:])


@pytest.mark.parametrize("damage", [lose, spoil])
@pytest.mark.parametrize("where", ["is_current=true", "is_current=false"])
def test_files_of_a_table(orders: Project, where: str, damage: Callable[[Path], None]) -> None:
    rows = orders.silver("shop", "orders")
    for file in (orders.root / TABLE / where).glob("*.parquet"):
        damage(file)
    for command in (["show", "silver/shop/orders"], ["run", "--date", day(2)]):
        done = orders.medallion(*command)
        assert (done.exit_code, "SLV-015" in done.output) == (3, True), done.output
    proved = orders.medallion("verify", "--silver")
    assert (proved.exit_code, "cannot be read" in proved.output) == (4, True), proved.output

    orders.medallion("rebuild").succeeded()
    orders.medallion("verify", "--silver").succeeded()
    there = orders.silver("shop", "orders").filter(id=1)
    assert_frame_equal(there, rows.filter(id=1), check_row_order=False)
    assert orders.silver("shop", "orders").filter(id=2).height == 2


def test_the_log_of_a_table(orders: Project) -> None:
    rows = orders.silver("shop", "orders")
    table = orders.root / TABLE
    (table / "_delta_log" / f"{0:020d}.json").write_text("{bad")
    done = orders.medallion("rebuild")
    assert (done.exit_code, "SLV-005" in done.output, "move its folder away" in done.output) == (3, True, True)
    table.rename(orders.root / "away")
    orders.medallion("run", "--date", day(1)).succeeded()
    assert_frame_equal(orders.silver("shop", "orders"), rows, check_row_order=False)
