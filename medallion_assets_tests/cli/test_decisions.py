"""What a person decides: that deletes are right."""

import json

import pytest

from medallion_assets_tests.cli.conftest import ORDERS, Lake

ALL, FEW, FEWER = range(1, 501), range(1, 201), range(1, 91)
"""Each has less than half of the keys of the one before."""


def orders(lake: Lake, day: str, keys: range) -> None:
    lake.write(f"data/orders_2024-01-{day}.csv", "id,name\n" + "".join(f"{k},a\n" for k in keys))


@pytest.fixture
def held(lake: Lake) -> Lake:
    """500 keys, then 200, which is held; then there are 90, which will be, too."""
    orders(lake, "01", ALL)
    orders(lake, "03", FEW)
    orders(lake, "04", FEWER)
    assert lake.run("run", "orders", "--date", "2024-01-01").code == 0
    done = lake.run("run", "orders", "--date", "2024-01-03")
    assert (done.code, "2024-01-03 (commit 2) is held: it lacks 300 of 500 keys" in done.out) == (4, True)
    assert "medallion approve shop.orders --date 2024-01-03" in done.out
    assert "not accounted for" not in done.out
    return lake


def current(lake: Lake) -> int:
    return int(json.loads(lake.run("show", "silver/shop/orders", "--current", "--json").out)["total"])


def kinds(lake: Lake) -> list[str]:
    log = sorted(lake.root.glob("lake/bronze/system=shop/table=orders/_commits/*.json"))
    return [json.loads(commit.read_text())["commit"]["kind"] for commit in log]


@pytest.mark.parametrize("how", ["--plain", "--dagster"])
def test_a_run_with_allow_deletes_absorbs_its_own_partitions_alone(
    held: Lake, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(held.root / "home"))
    assert held.run("run", "orders", "--date", "2024-01-04", "--plain").code == 4
    assert current(held) == 500
    done = held.run("run", "orders", "--date", "2024-01-03", "--allow-deletes", how)
    assert (done.code, "2024-01-03 (commit 2) is held" in done.out) == (4, False)
    assert "2024-01-04 (commit 3) is held: it lacks 110 of 200 keys" in done.out
    assert current(held) == 200
    assert kinds(held) == ["load", "load", "load", "approval"]
    assert (held.run("verify").code, held.run("repair").code, held.run("gc").code) == (0, 0, 0)


def test_approve_absorbs_what_is_held_and_says_what_became_of_it(held: Lake) -> None:
    done = held.run("approve", "shop.orders", "--json")
    assert (done.code, json.loads(done.out)) == (
        0,
        {
            "approved": [{"commit": 2, "partition": "2024-01-03"}],
            "tables": [{"table": "silver/shop/orders", "rows": 500, "changed": 600, "held": []}],
        },
    )
    assert (current(held), kinds(held)) == (200, ["load", "load", "approval"])
    assert held.run("approve", "shop.orders").out.splitlines()[0] == "Nothing is held."
    assert kinds(held) == ["load", "load", "approval"]
    assert held.run("status", "orders", "--verify").code == 0


def test_approve_may_be_asked_for_one_date(held: Lake) -> None:
    assert held.run("run", "orders", "--date", "2024-01-04").code == 4
    done = held.run("approve", "shop.orders", "--date", "2024-01-04")
    assert done.out.splitlines()[0] == "Approved: 2024-01-04 (commit 3)."
    assert current(held) == 90
    assert held.run("run", "orders", "--date", "2024-01-04").code == 4  # that of the 3rd is still held


def test_an_approved_load_may_hold_the_next_which_is_then_approved_too(held: Lake) -> None:
    assert held.run("run", "orders", "--date", "2024-01-04").code == 4
    done = held.run("approve", "shop.orders")
    assert done.out.splitlines()[:2] == ["Approved: 2024-01-03 (commit 2).", "Approved: 2024-01-04 (commit 3)."]
    assert current(held) == 90


def test_a_table_built_anew_honours_the_approval(held: Lake) -> None:
    assert held.run("approve", "shop.orders").code == 0
    held.write("intents/orders.yaml", ORDERS.replace("keys: id,", "keys: id, version: 2,"))
    assert held.run("run", "orders", "--date", "2024-01-03").code == 0
    assert current(held) == 200
