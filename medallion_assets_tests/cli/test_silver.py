"""Rebuilds, proofs and the quarantine of silver tables."""

import json

import polars as pl
import pytest
from deltalake import write_deltalake

from medallion_assets_tests.cli.conftest import Lake

PEOPLE = """
system: hr
table: people
source: {type: file, path: "data/people_{run_date}.csv"}
load: full
partitions: {start: 2024-01-01, end: 2024-02-01}
quarantine: {max_rows: 9}
columns: {age: AGE, mail: {type: string, pii: true}}
silver: {model: scd_type_1, keys: id}
"""
TABLE = "lake/silver/domain=hr/entity=people/v1"
NAME = "silver/hr/people"


@pytest.fixture
def people(lake: Lake) -> Lake:
    lake.write("intents/people.yaml", PEOPLE.replace("AGE", "{type: int64, nullable: false}"))
    lake.write("data/people_2024-01-01.csv", 'id,age,mail\n1,30,a@x.org\n2,old,b@x.org\n3,40,"c"@x.org\n')
    lake.write("data/people_2024-01-02.csv", "id,age,mail\n1,31,a@x.org\n2,young,b@x.org\n4,50,d@x.org\n")
    assert lake.run("run", "people", "--from", "2024-01-01", "--to", "2024-01-02").code == 0
    return lake


def _proof(lake: Lake) -> dict[str, object]:
    found: dict[str, object] = json.loads(lake.run("verify", "people", "--silver", "--json").out)[NAME]
    return found


def test_a_table_is_its_rebuild_until_something_else_writes_to_it(people: Lake) -> None:
    done = people.run("verify", "people", "--silver")
    assert done.code == 0
    assert done.out.splitlines()[2].split()[-1] == "yes"

    rows = pl.read_delta(str(people.root / TABLE))
    write_deltalake(str(people.root / TABLE), rows.with_columns(age=pl.col("age") + 1), mode="overwrite")
    done = people.run("verify", "people", "--silver")
    assert done.code == 4
    assert "CHK-016  silver/hr/people" in done.out
    assert "something else has written to it" in done.out

    done = people.run("rebuild", "people")
    assert done.code == 0
    assert _proof(people)["equal"] is True
    assert pl.read_delta(str(people.root / TABLE)).sort("id").equals(rows.sort("id"))


def test_rows_that_differ_under_a_state_of_ours_are_named(people: Lake) -> None:
    """Only a file that was altered in place comes to this; the commit still says that all is well."""
    rows = pl.read_delta(str(people.root / TABLE))
    (file,) = [path for path in (people.root / TABLE).glob("*.parquet") if pl.read_parquet(path).equals(rows)]
    rows.with_columns(age=pl.when(pl.col("id") == 4).then(99).otherwise("age")).write_parquet(file)

    proof = _proof(people)
    assert (proof["equal"], proof["missing"], proof["extra"]) == (False, 1, 1)
    assert proof["shown"] == ["missing id=4", "extra id=4"]

    assert people.run("rebuild", "people").code == 0
    assert _proof(people)["equal"] is True


def test_rebuilding_what_is_the_same_writes_nothing(people: Lake) -> None:
    versions = len(list((people.root / TABLE / "_delta_log").glob("*.json")))
    (answer,) = json.loads(people.run("rebuild", "people", "--json").out)
    assert (answer["written"], answer["changed"]) == (False, 0)
    assert len(list((people.root / TABLE / "_delta_log").glob("*.json"))) == versions


def test_a_table_that_was_never_built_is_not_its_rebuild(lake: Lake) -> None:
    done = lake.run("verify", "geo.cities", "--silver")
    assert (done.code, "it has never been built" in done.out) == (4, True)


def test_quarantine_counts_shows_and_masks(people: Lake) -> None:
    listed = json.loads(people.run("quarantine", "list", "people", "--json").out)
    assert {(row["place"], row["partition"], row["rows"]) for row in listed} == {
        ("bronze/hr/people", "2024-01-01", 1),
        (NAME, "2024-01-01", 1),
        (NAME, "2024-01-02", 1),
    }
    assert "quote" in people.run("quarantine", "list", "people").out

    shown = people.run("quarantine", "show", "people")
    assert "people_2024-01-01.csv:4" in shown.out
    assert "old" not in shown.out
    assert "c@x.org" not in shown.out
    revealed = json.loads(people.run("quarantine", "show", "people", "--reveal", "--json").out)
    assert {row["value"] for row in revealed} >= {"old", "young"}
    assert people.run("quarantine", "list", "geo.cities").out == "Nothing is in quarantine.\n"


def test_released_rows_reach_the_table_once_the_intent_is_mended(people: Lake) -> None:
    still = people.run("quarantine", "release", "people")
    assert (still.code, still.out) == (4, "3 rows were in quarantine, 3 are.\n")

    people.write("intents/people.yaml", PEOPLE.replace("AGE", "string"))
    done = people.run("quarantine", "release", "people")
    assert (done.code, done.out) == (4, "3 rows were in quarantine, 1 are.\n")
    assert sorted(pl.read_delta(str(people.root / TABLE))["age"].to_list()) == ["31", "50", "young"]

    people.write("data/people_2024-01-01.csv", "id,age,mail\n1,30,a@x.org\n2,old,b@x.org\n3,40,c@x.org\n")
    people.run("run", "people", "--date", "2024-01-01")
    assert people.run("quarantine", "release", "people").code == 0


def test_the_report_is_written_into_the_lake_and_scored(people: Lake) -> None:
    people.run("run", "orders", "--date", "2024-01-01")
    answer = json.loads(people.run("report", "--json").out)
    assert set(answer["datasets"]) == {"hr.people", "shop.orders"}
    text = (people.root / "lake/quality/index.html").read_text()
    assert "hr.people" in text
    assert "unique_keys" in text
    done = people.run("report")
    assert (done.code, done.out.splitlines()[-1].startswith("2 datasets, score ")) == (0, True)
