"""The statements for DuckDB, executed on tables that the product built; those for the others parse.

Where DuckDB's extension ``delta`` is at hand it reads the tables; elsewhere a macro of its name stands in for it and
gives the rows of the table at the path that the statements name, read by deltalake.
"""

import json
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import pytest
import sqlglot
from sqlglot.errors import ErrorLevel

from medallion_assets_tests.cli.conftest import Lake

PEOPLE = """
system: hr
table: people
source: {type: file, path: "data/people_{run_date}.csv"}
load: {pattern: cdc, operation: {column: op, insert: I, update: U, delete: D}}
partitions: {start: 2024-01-01, end: 2024-02-01}
columns: {at: timestamp, moment: string}
silver:
  - {entity: people, model: scd_type_2, keys: id, order_by: at, delete_mode: MODE}
  - {entity: now, model: scd_type_1, keys: id, order_by: at, delete_mode: MODE}
  - {entity: changes, model: derived_event, keys: id, order_by: at}
"""
DAYS = {
    "2024-01-01": "op,id,at,moment,it's\nI,1,2024-01-01T10:00:00Z,a,x\nI,2,2024-01-01T11:00:00Z,b,\n",
    "2024-01-02": "op,id,at,moment,it's\nU,1,2024-01-02T10:00:00Z,c,x\nD,2,2024-01-02T11:00:00Z,,\n",
}
SHOTS = """
system: hr
table: shots
source: {type: file, path: "data/shots_{run_date}.csv"}
load: full
partitions: {start: 2024-01-01, end: 2024-02-01}
silver: {model: periodic_snapshot}
"""


@pytest.fixture
def people(lake: Lake) -> Lake:
    return built(lake, "tombstone")


def built(lake: Lake, mode: str) -> Lake:
    lake.write("intents/people.yaml", PEOPLE.replace("MODE", mode))
    for day, rows in DAYS.items():
        lake.write(f"data/people_{day}.csv", rows)
    assert lake.run("run", "people", "--from", "2024-01-01", "--to", "2024-01-02").code == 0
    return lake


def connected(root: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    try:
        connection.execute("LOAD delta")
    except duckdb.Error:
        tables = sorted(log.parent for log in root.glob("lake/silver/**/_delta_log"))
        for number, folder in enumerate(tables):
            connection.register(f"table_{number}", deltalake.DeltaTable(str(folder)).to_pyarrow_table())
        names = " ".join(f"WHEN '{folder}' THEN 'table_{number}'" for number, folder in enumerate(tables))
        connection.execute(
            f"CREATE MACRO delta_scan(path) AS TABLE FROM query_table(CASE path {names} ELSE error('no table') END)"
        )
    return connection


def executed(lake: Lake, *names: str) -> duckdb.DuckDBPyConnection:
    connection = connected(lake.root)
    done = lake.run("ddl", *names, "--dialect", "duckdb")
    assert (done.code, done.err) == (0, "")
    for _ in range(2):  # again, as for a table with new columns
        connection.execute(done.out)
    return connection


def rows(connection: duckdb.DuckDBPyConnection, source: str, *columns: str) -> list[Any]:
    listed = ", ".join(f'"{column}"' for column in columns)
    return sorted(connection.execute(f"SELECT {listed} FROM {source}").fetchall())


@pytest.mark.parametrize("mode", ["tombstone", "hard_delete"])
def test_versions_have_a_current_state_a_history_and_a_state_at_every_moment(lake: Lake, mode: str) -> None:
    connection = executed(built(lake, mode), "people")
    columns = ("id", "moment", "it's")
    deleted = [(2, "", "")] if mode == "tombstone" else []
    everything = [(1, "a", "x"), (1, "c", "x"), *deleted, (2, "b", "")]
    assert rows(connection, "hr.people", *columns) == rows(connection, "hr.people_history", *columns) == everything
    assert rows(connection, "hr.people_current", *columns) == [(1, "c", "x")]
    for moment, expected in {
        "2024-01-01 09:00:00+00": [],
        "2024-01-01 10:00:00+00": [(1, "a", "x")],
        "2024-01-01 23:00:00+00": [(1, "a", "x"), (2, "b", "")],
        "2024-01-02 10:00:00+00": [(1, "c", "x"), (2, "b", "")],
        "2024-01-02 11:00:00+00": [(1, "c", "x")],
    }.items():
        assert rows(connection, f"hr.people_as_of('{moment}')", *columns) == expected, moment
    types = dict(connection.execute("SELECT column_name, column_type FROM (DESCRIBE hr.people)").fetchall())
    assert (types["id"], types["effective_from"], types["is_current"]) == (
        "BIGINT", "TIMESTAMP WITH TIME ZONE", "BOOLEAN"
    )  # fmt: skip


def test_a_state_has_its_live_rows_and_events_have_no_views(people: Lake) -> None:
    connection = executed(people, "people")
    assert rows(connection, "hr.now_current", "id", "moment") == [(1, "c")]
    made = {row[0] for row in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
    assert made - {"table_0", "table_1", "table_2"} == {
        "people", "people_current", "people_history", "now", "now_current", "changes"
    }  # fmt: skip


def test_copies_have_the_newest_and_that_of_a_day(lake: Lake) -> None:
    lake.write("intents/shots.yaml", SHOTS)
    for day in ("01", "02", "04"):
        lake.write(f"data/shots_2024-01-{day}.csv", f"id\n{int(day)}\n")
    assert lake.run("run", "shots", "--from", "2024-01-01", "--to", "2024-01-04").code == 0
    connection = executed(lake, "shots")
    assert rows(connection, "hr.shots_current", "id") == [(4,)]
    assert [rows(connection, "hr.shots_as_of('2023-12-31')", "id")] == [[]]
    assert [rows(connection, f"hr.shots_as_of('2024-01-0{day}')", "id") for day in (1, 3, 4)] == [
        [(1,)],
        [(2,)],
        [(4,)],
    ]
    assert rows(connection, "hr.shots", "id") == [(1,), (2,), (4,)]


def test_without_names_what_is_not_built_is_a_remark(lake: Lake) -> None:
    assert lake.run("run", "cities").code == 0
    done = lake.run("ddl", "--dialect", "duckdb")
    assert done.code == 0
    assert "-- silver/shop/orders has not been built yet." in done.out
    assert rows(executed(lake), "geo.cities_current", "city") == [("Bonn",), ("Kiel",)]
    done = lake.run("ddl", "orders", "--dialect", "duckdb")
    assert (done.code, "CLI-007" in done.err) == (1, True)


def test_a_view_does_not_take_the_name_of_another_table(lake: Lake) -> None:
    lake.write("intents/other.yaml", "\nsystem: geo\ntable: cities_current\nsource: {type: file, path: data/cities.csv}"
               "\nload: full\npartitions: {cadence: none}\nsilver: {model: scd_type_1, keys: city}\n")  # fmt: skip
    assert lake.run("run", "geo.cities").code == 0
    done = lake.run("ddl", "geo.cities", "--dialect", "spark")
    assert (done.code, "CLI-016" in done.err, "geo.cities_current is a table" in done.err) == (1, True, True)


@pytest.mark.parametrize("dialect", ["spark", "trino"])
def test_the_statements_of_other_engines_parse(people: Lake, dialect: str) -> None:
    tables = json.loads(people.run("ddl", "people", "--dialect", dialect, "--json").out)
    assert set(tables) == {"silver/hr/people", "silver/hr/now", "silver/hr/changes"}
    for table in tables.values():
        for statement in table:
            (parsed,) = sqlglot.parse(statement["sql"], dialect=dialect, error_level=ErrorLevel.RAISE)
            assert isinstance(parsed, sqlglot.exp.Command) == statement["sql"].startswith("CALL ")
    text = people.run("ddl", "people", "--dialect", dialect).out
    assert "-- hr.people_as_of, a query for programs" in text
    script = sqlglot.parse(text, dialect=dialect, error_level=ErrorLevel.RAISE)
    assert len([one for one in script if one is not None]) == sum(s["executable"] for t in tables.values() for s in t)


def test_sql_server_reads_no_local_folder(people: Lake) -> None:
    done = people.run("ddl", "people", "--dialect", "tsql")
    assert (done.code, done.out, "CLI-016" in done.err) == (1, "", True)
