"""What a person decides: that deletes are right, and which keys were never there."""

import json

import polars as pl
import pytest

from medallion_assets.project import Project
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


CHANGES = """
system: crm
table: people
source: {type: file, path: "data/people_{run_date}.csv"}
load: {pattern: cdc, operation: {column: op}}
partitions: {start: 2024-01-01, end: 2024-02-01}
columns: {mail: {type: string, pii: true}}
quarantine: {max_rows: 9}
silver:
  - {model: scd_type_2, keys: mail, order_by: at, delete_mode: erase}
  - {model: event, entity: log}
"""


@pytest.fixture
def people(lake: Lake) -> Lake:
    """ann was deleted, bob is live; a row of ann's stands in the first file, which was once another."""
    lake.write("intents/people.yaml", CHANGES)
    lake.write("data/people_2024-01-01.csv", "op,mail,at\nI,ann@x,1\nI,bob@x,1\nI,ann@x,2,ragged\n")
    lake.run("run", "people", "--date", "2024-01-01")
    lake.write("data/people_2024-01-01.csv", "op,mail,at\nI,ann@x,1\nI,bob@x,1\n")
    lake.write("data/people_2024-01-02.csv", "op,mail,at\nD,ann@x,2\n")
    assert lake.run("run", "people", "--from", "2024-01-01", "--to", "2024-01-02").code == 0
    return lake


def mails(lake: Lake) -> list[str]:
    """Of every part that lies in bronze, whether or not a commit still names it."""
    folder = lake.root / "lake/bronze/system=crm"
    parts = [p for p in folder.rglob("*.parquet") if "_quarantine" not in p.parts]
    return sorted(mail for part in parts for mail in pl.read_parquet(part, hive_partitioning=False)["mail"])


def test_expunge_counts_first_and_takes_out_when_told(people: Lake) -> None:
    before = mails(people)
    looked = people.run("expunge", "crm.people", "--keys", "ann@x", "--keys", "eve@x")
    assert (looked.code, looked.out.splitlines()[0]) == (0, "1 of 2 keys are in bronze: 2 rows in 2 loads.")
    assert "With --delete they are taken out: 2 parts" in looked.out
    assert (mails(people), before) == (before, ["ann@x"] * 3 + ["bob@x"] * 2)
    done = people.run("expunge", "crm.people", "--keys", "ann@x", "--delete")
    assert done.code == 0, done.err
    assert done.out.splitlines()[1:] == [
        "Taken out by commit 4; 2 parts were written again.",
        "silver/crm/people: 1 rows, 0 changed.",
        "silver/crm/log: 1 rows, 2 changed.",
        "The old parts go with `medallion gc --delete`, once they are older than its --grace.",
    ]
    for command in ("verify", "repair"):
        assert people.run(command, "people").code == 0
    assert people.run("status", "people", "--verify").code == 0
    assert people.run("verify", "people", "--silver").code == 0
    removed = json.loads(people.run("gc", "people", "--grace", "0s", "--delete", "--json").out)["crm.people"]
    assert {g["why"] for g in removed["garbage"]} == {"expunged"}
    assert mails(people) == ["bob@x"]
    assert b"ann@x" not in b"".join(p.read_bytes() for p in people.root.rglob("lake/bronze/system=crm/**/*.json"))
    assert [people.run(c, "people").code for c in ("verify", "repair")] == [0, 0]


def test_what_was_expunged_does_not_come_back_with_the_same_file(people: Lake) -> None:
    assert people.run("expunge", "people", "--keys", "ann@x", "--delete", "--json").code == 0
    again = people.run("run", "people", "--from", "2024-01-01", "--to", "2024-01-02")
    assert (again.code, "Nothing new" in again.out) == (0, True)
    assert json.loads(people.run("expunge", "people", "--keys", "ann@x", "--json").out)["rows"] == [0]


def test_a_key_that_is_live_is_expunged_only_on_purpose(people: Lake) -> None:
    refused = people.run("expunge", "people", "--keys", "ann@x", "--keys", "bob@x", "--delete")
    assert (refused.code, "CLI-015  crm.people  --keys, number 2" in refused.err) == (1, True)
    assert "1 of the keys are live in silver/crm/people." in refused.err
    done = json.loads(people.run("expunge", "people", "--keys", "bob@x", "--live", "--delete", "--json").out)
    assert (done["rows"], [t["rows"] for t in done["tables"]]) == ([1], [0, 2])


def test_a_table_that_holds_a_load_or_is_behind_cannot_tell(held: Lake) -> None:
    refused = held.run("expunge", "orders", "--keys", "7")
    assert (refused.code, "SLV-013  silver/shop/orders\n  The table holds a load back" in refused.err) == (3, True)
    assert held.run("approve", "orders").code == 0
    assert json.loads(held.run("expunge", "orders", "--keys", "300", "--json").out)["rows"] == [1]
    loaded = Project.load(held.root)
    plan = loaded.plan("orders")
    loaded.ingest(plan, loaded.partition(plan, "2024-01-04"))
    assert "has not absorbed all of bronze" in held.run("expunge", "orders", "--keys", "300").err


def test_without_a_table_of_states_nothing_says_that_a_key_was_deleted(people: Lake) -> None:
    events = "silver: {model: event, keys: mail, version: 2}\n"
    people.write("intents/people.yaml", CHANGES.partition("silver:")[0] + events)
    assert people.run("run", "people", "--date", "2024-01-02").code == 0
    refused = people.run("expunge", "people", "--keys", "ann@x")
    assert (refused.code, "CLI-015" in refused.err) == (1, True)
    assert people.run("expunge", "people", "--keys", "ann@x", "--live").code == 0
