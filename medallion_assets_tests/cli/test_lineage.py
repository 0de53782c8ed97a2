"""From a silver row back to parts and files, and from a part to the rows that came from it."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from xxhash import xxh3_128_hexdigest

from medallion_assets.project import Project
from medallion_assets_tests.cli.conftest import Lake

USERS = """
system: crm
table: users
source: {type: file, path: "data/users_{run_date}_*.csv"}
load: {pattern: cdc, operation: {column: what}, chunk: {rows: 2}}
partitions: {start: 2024-01-01, end: 2024-02-01}
columns:
  user_id: {type: int64, source_names: [Id, UserId]}
  mail: {type: string, pii: true, source_names: eMail}
  at: timestamp
silver: {model: scd_type_2, keys: user_id, order_by: at, delete_mode: tombstone, partition_by: month(at)}
"""
TABLE = "silver/crm/users"
HEAD = "what,Id,eMail,at,city\n"
FIRST = "data/users_2024-01-01_a.csv"
SECOND = "data/users_2024-01-01_b.csv"
THIRD = "data/users_2024-01-02_a.csv"


@pytest.fixture
def users(lake: Lake) -> Lake:
    lake.write("intents/users.yaml", USERS)
    lake.write(
        FIRST,
        f"{HEAD}I,1,a@x.org,2024-01-01T01:00:00,Bonn\nI,2,b@x.org,2024-01-01T02:00:00,Kiel\nI,3,c@x.org,2024-01-01T03:00:00,Ulm\n",
    )
    lake.write(SECOND, f"{HEAD}I,4,d@x.org,2024-01-01T04:00:00,Trier\n")
    lake.write(THIRD, f"{HEAD}U,1,z@x.org,2024-01-02T01:00:00,Bonn\nD,3,,2024-01-02T02:00:00,\n")
    assert lake.run("run", "users", "--from", "2024-01-01", "--to", "2024-01-02").code == 0
    return lake


def _ask(lake: Lake, *arguments: str) -> dict[str, Any]:
    done = lake.run("lineage", TABLE, "--json", *arguments)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def _origins(rows: list[dict[str, Any]]) -> list[tuple[str, str, list[str]]]:
    found = []
    for row in rows:
        origin = row["origin"]
        found.append((origin["address"], origin["partition"], [file["path"] for file in origin["files"]]))
    return found


def test_each_version_of_a_row_names_its_part_partition_and_file(users: Lake) -> None:
    answer = _ask(users, "--row", "user_id=1")
    assert _origins(answer["rows"]) == [("1/1", "2024-01-01", [FIRST]), ("2/1", "2024-01-02", [THIRD])]
    shown = answer["rows"][0]["row"]
    assert (shown["user_id"], shown["is_current"]) == (1, False)
    assert "mail" not in shown
    assert [(r["address"], r["row"], len(r["files"])) for r in answer["bronze_rows"]] == [("1/1", 0, 1), ("2/1", 0, 1)]


def test_a_part_names_the_files_its_rows_were_in_and_a_row_the_one_it_was_in(users: Lake) -> None:
    """The second part holds the last row of one file and the only one of the next."""
    assert _origins(_ask(users, "--row", "4")["rows"]) == [("1/2", "2024-01-01", [FIRST, SECOND])]
    (row,) = _ask(users, "--row", "4")["bronze_rows"]
    assert [file["path"] for file in row["files"]] == [SECOND]


def test_the_hash_of_a_file_is_that_of_its_bytes(users: Lake) -> None:
    (row,) = _ask(users, "--row", "2")["bronze_rows"]
    (file,) = row["files"]
    assert file["hash"] == f"xxh3_128:{xxh3_128_hexdigest((users.root / FIRST).read_bytes())}"


def test_every_row_of_the_table_came_from_the_part_that_names_it(users: Lake) -> None:
    """Parts and rows agree in both directions, and with bronze itself."""
    table = pl.read_delta(str(users.root / "lake/silver/domain=crm/entity=users/v1"), use_pyarrow=True)
    parts = {str(p["address"]): p["table_rows"] for p in _ask(users)["parts"]}
    counted = dict(table.group_by("_bronze_part").len().iter_rows())
    assert parts == counted
    for address, rows in counted.items():
        answer = _ask(users, "--part", str(address))
        assert answer["count"] == rows
        keys = {one["row"]["user_id"] for one in answer["rows"]}
        assert keys == set(table.filter(pl.col("_bronze_part") == address)["user_id"])
        path = answer["part"]["path"]
        bronze = pl.read_parquet(users.root / "lake" / path)
        assert {str(key) for key in keys} <= set(bronze["Id"].cast(pl.String))
        assert _ask(users, "--part", path.rpartition("/")[2]) == answer == _ask(users, "--part", path)


def test_a_replaced_part_has_no_rows_left_and_is_said_to_be_replaced(users: Lake) -> None:
    users.write(THIRD, f"{HEAD}U,1,y@x.org,2024-01-02T01:00:00,Bonn\n")
    assert users.run("run", "users", "--date", "2024-01-02").code == 0
    old = users.run("lineage", TABLE, "--part", "2/1")
    assert "part 2/1 of 2024-01-02, replaced since" in old.out
    assert f"0 rows of {TABLE} came from it." in old.out
    assert [o[0] for o in _origins(_ask(users, "--row", "1")["rows"])] == ["1/1", "3/1"]
    assert len(_ask(users, "--row", "3")["bronze_rows"]) == 1


def test_a_stale_table_says_that_its_part_was_replaced(users: Lake) -> None:
    users.write(THIRD, f"{HEAD}U,1,y@x.org,2024-01-02T01:00:00,Bonn\n")
    project = Project.load(users.root, variables={})
    plan = project.plan("crm.users")
    project.ingest(plan, project.partition(plan, "2024-01-02"))
    live = [one["origin"]["live"] for one in _ask(users, "--row", "1")["rows"]]
    assert live == [True, False]


def test_columns_name_what_they_are_made_of(users: Lake) -> None:
    """The second spelling of a key counts as soon as a load has it."""
    users.write("data/users_2024-01-03_a.csv", "what,UserId,eMail,at\nU,1,q@x.org,2024-01-03T01:00:00\n")
    assert users.run("run", "users", "--date", "2024-01-03").code == 0
    assert _ask(users)["columns"] == {
        "user_id": ["Id", "UserId"],
        "mail": ["eMail"],
        "at": ["at"],
        "city": ["city"],
        "effective_from": ["at"],
        "effective_to": ["at", "what"],
        "is_current": ["at", "what"],
        "is_deleted": ["what"],
        "_run_date": [],
        "_bronze_part": [],
        "at_month": ["at"],
    }


def test_texts_say_the_same(users: Lake) -> None:
    whole = users.run("lineage", TABLE)
    assert whole.out.splitlines()[0].split() == [TABLE, "bronze/crm/users"]
    assert f"{FIRST} and 1 more" in whole.out
    row = users.run("lineage", TABLE, "--row", "user_id=2")
    assert f"  file {FIRST} (" in row.out
    assert "Rows of bronze with this key:" in row.out
    assert "b@x.org" not in row.out
    gone = users.run("lineage", TABLE, "--row", "9")
    assert (gone.code, gone.out) == (
        0,
        f"{TABLE} has no such row.\n\nNo live load of bronze has a row with this key.\n",
    )


def test_rows_are_found_by_other_columns_too(users: Lake) -> None:
    answer = _ask(users, "--row", "city=Kiel", "--row", "is_current=true")
    assert _origins(answer["rows"]) == [("1/1", "2024-01-01", [FIRST])]
    assert "bronze_rows" not in answer
    assert answer["rows"][0]["row"]["city"] == "Kiel"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--row", "town=Bonn"), "CLI-014", "no column 'town'"),
        (("--row", "user_id=x"), "CLI-014", "user_id is Int64"),
        (("--row", "1", "--part", "1/1"), "CLI-006", "not both"),
        (("--part", "9/9"), "CLI-002", "names no part '9/9'"),
    ],
)
def test_what_is_not_there_is_said(users: Lake, arguments: tuple[str, ...], code: str, said: str) -> None:
    done = users.run("lineage", TABLE, *arguments)
    assert done.code == 1
    assert code in done.err
    assert said in done.err


def test_a_bare_value_needs_a_key(lake: Lake) -> None:
    snapshots = "\n".join(line for line in USERS.splitlines() if not line.startswith("silver"))
    lake.write("intents/users.yaml", f"{snapshots}\nsilver: {{model: periodic_snapshot}}\n")
    done = lake.run("lineage", TABLE, "--row", "7")
    assert (done.code, "'7' says no column" in done.err) == (1, True)


def test_before_the_first_run_there_is_no_table(lake: Lake, tmp_path: Path) -> None:
    done = lake.run("lineage", "silver/geo/cities")
    assert (done.code, "SLV-006" in done.err) == (3, True)


def test_what_a_load_says_without_a_row_comes_from_the_load_itself(lake: Lake) -> None:
    """A key that a full load lacks is deleted by all of its files and by no row of them."""
    text = "silver: {model: scd_type_2, keys: id, delete_mode: tombstone}\n"
    lake.write(
        "intents/people.yaml", USERS.partition("load:")[0] + f"load: full\npartitions: {{start: 2024-01-01}}\n{text}"
    )
    lake.write("data/users_2024-01-01_a.csv", "id,name\n1,a\n2,b\n")
    lake.write("data/users_2024-01-02_a.csv", "id,name\n1,a\n")
    assert lake.run("run", "users", "--from", "2024-01-01", "--to", "2024-01-02").code == 0
    answer = _ask(lake, "--row", "2")
    assert _origins(answer["rows"]) == [("1/1", "2024-01-01", [FIRST]), ("2/0", "2024-01-02", [THIRD])]
    assert answer["rows"][1]["origin"]["path"] is None
    assert "no row, the load itself" in lake.run("lineage", TABLE, "--part", "2/0").out
