"""PostgreSQL and MariaDB, real: every type and its extremes, one snapshot, no secret in what fails."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import polars as pl
import psycopg
import pymysql
import pytest

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.lake.ports import Bounds, Request
from medallion_assets.sources.turns import Turns
from medallion_assets_tests.services.databases import DatabaseServer
from medallion_assets_tests.sources.database.reading import read, source
from medallion_assets_tests.sources.database.silence import Silence, silence
from medallion_assets_tests.sources.reading import day

pytestmark = pytest.mark.service
UTC = timezone.utc


@pytest.fixture
def table() -> str:
    return f"t_{uuid4().hex[:12]}"


@pytest.fixture
def pg(postgres_server: DatabaseServer) -> "Iterator[psycopg.Connection]":
    with closing(psycopg.connect(postgres_server.url, autocommit=True)) as connection:
        yield connection


def _mysql_connection(server: DatabaseServer) -> "pymysql.Connection[Any]":
    at: dict[str, Any] = {"host": server.host, "port": server.port, "user": server.user, "password": server.password}
    return pymysql.connect(**at, database=server.database, autocommit=True, charset="utf8mb4")


def _mysql(server: DatabaseServer, *statements: str) -> None:
    with closing(_mysql_connection(server)) as connection:
        for statement in statements:
            with closing(connection.cursor()) as cursor:
                cursor.execute(statement)


# ------------------------------------------------------------------------------------------------ PostgreSQL


def test_postgres_types_and_extremes(postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str) -> None:
    columns = {
        "b": ("bool", "true", True, pl.Boolean),
        "i2": ("int2", "-32768", -32768, pl.Int16),
        "i4": ("int4", "2147483647", 2**31 - 1, pl.Int32),
        "i8": ("int8", "-9223372036854775808", -(2**63), pl.Int64),
        "o": ("oid", "4294967295", 2**32 - 1, pl.Int64),
        "f4": ("float4", "'Infinity'", float("inf"), pl.Float32),
        "f8": ("float8", "5e-324", 5e-324, pl.Float64),
        "p": ("numeric(10,2)", "1.10", "1.10", pl.String),
        "q": ("numeric", "'NaN'", "NaN", pl.String),
        "r": ("numeric", "1e40 + 0.5", "1" + "0" * 40 + ".5", pl.String),
        "s": ("text", "E'é\\n'", "é\n", pl.String),
        "c": ("char(3)", "'x'", "x  ", pl.String),
        "y": ("bytea", "'\\x00ff'", b"\x00\xff", pl.Binary),
        "d": ("date", "'2024-02-29'", date(2024, 2, 29), pl.Date),
        "d0": ("date", "'0001-01-01'", date(1, 1, 1), pl.Date),
        "di": ("date", "'infinity'", "infinity", pl.String),
        "dx": ("date", "'5874897-12-31'", "5874897-12-31", pl.String),
        "ts": ("timestamp", "'9999-12-31 23:59:59.999999'", datetime.fromisoformat("9999-12-31T23:59:59.999999"), None),
        "tb": ("timestamp", "'4713-01-01 BC'", "4713-01-01 00:00:00 BC", pl.String),
        "tz": ("timestamptz", "'2024-01-01 12:00:00.123456+05:30'",
               datetime(2024, 1, 1, 6, 30, 0, 123456, UTC), pl.Datetime("us", "UTC")),
        "ti": ("timestamptz", "'-infinity'", "-infinity", pl.String),
        "tx": ("timestamptz", "'294276-12-31 23:59:59.999999+00'", "294276-12-31 23:59:59.999999+00", pl.String),
        "tm": ("time", "'24:00:00'", "24:00:00", pl.String),
        "tt": ("timetz", "'12:00:00+02'", "12:00:00+02", pl.String),
        "iv": ("interval", "'-1 mons +2 days -03:04:05.6'", "P-1M2DT-3H-4M-5.6S", pl.String),
        "a": ("int[]", "'{1,2,NULL}'", "[1,2,null]", pl.String),
        "co": ("pg_lsn", "'16/B374D848'", "16/B374D848", pl.String),
        "aa": ("numeric[]", "'{{1.50,2},{3,4}}'", "[[1.50,2],[3,4]]", pl.String),
        "j": ("json", "'{\"a\": 1.10}'", '{"a": 1.10}', pl.String),
        "jb": ("jsonb", "'{\"a\":1.10}'", '{"a": 1.10}', pl.String),
        "u": ("uuid", "'11111111-2222-3333-4444-555555555555'", "11111111-2222-3333-4444-555555555555", pl.String),
        "bit": ("bit(3)", "B'101'", "101", pl.String),
        "ip": ("inet", "'10.0.0.1'", "10.0.0.1/32", pl.String),
        "rg": ("int4range", "'[1,3)'", "[1,3)", pl.String),
        "x": ("xml", "'<a/>'", "<a/>", pl.String),
    }  # fmt: skip
    definition = ", ".join(f"{name} {kind}" for name, (kind, *_) in columns.items())
    pg.execute(f"CREATE TABLE {table} ({definition}, none text)")
    pg.execute(f"INSERT INTO {table} VALUES ({', '.join(text for _, text, *_ in columns.values())}, NULL)")
    pg.execute(f"INSERT INTO {table} VALUES ({', '.join(['NULL'] * (len(columns) + 1))})")

    rows = read(postgres_server.url, table=table)

    told = {name: dtype for name, (*_, dtype) in columns.items() if dtype is not None}
    assert {name: rows.schema[name] for name in told} == told
    assert rows.row(0, named=True) == {**{name: value for name, (_, _, value, _) in columns.items()}, "none": None}
    assert rows.row(1) == (None,) * (len(columns) + 1)


def test_postgres_ranges_side_by_side_give_every_row_once(
    postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str
) -> None:
    pg.execute(f"CREATE TABLE {table} AS SELECT g AS id, nullif(g % 50, 0) AS k FROM generate_series(1, 20000) g")
    once = read(postgres_server.url, table=table)
    twice = [read(postgres_server.url, table=table, parallel={"column": "k", "count": 4}) for _ in range(2)]

    assert twice[0].sort("id").equals(once)
    assert twice[0].equals(twice[1])


def test_postgres_has_no_more_ranges_than_turns(
    postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str, tmp_path: Path
) -> None:
    pg.execute(f"CREATE TABLE {table} AS SELECT n AS id, repeat('x', 500) AS x FROM generate_series(1, 90000) n")
    found = source(postgres_server.url, table=table, parallel={"column": "id", "count": 8})
    bound = replace(found, turns=Turns("shop", 3, tmp_path))
    with bound.read(Request(day())) as reading:
        batches = iter(reading)
        ids = next(batches).rows["id"].to_list()
        asked = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = 'shop' AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        (count,) = pg.execute(asked).fetchone() or (0,)
        assert 1 <= count <= 4  # the snapshot's own, and of three ranges those that have begun and not ended
        with pytest.raises(TimeoutError), Turns("shop", 3, tmp_path).hold(1, _no_time):
            pass
        ids += [n for batch in batches for n in batch.rows["id"]]
    assert sorted(ids) == list(range(1, 90001))


def _no_time(_: float) -> None:
    raise TimeoutError


def test_postgres_ranges_see_one_snapshot(
    postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str
) -> None:
    pg.execute(f"CREATE TABLE {table} AS SELECT g AS id, repeat('x', 500) AS s FROM generate_series(1, 60000) g")
    with source(postgres_server.url, table=table, parallel={"column": "id", "count": 3}).read(
        Request(day())
    ) as reading:
        batches = iter(reading)
        seen = next(batches).rows.height
        pg.execute(f"DELETE FROM {table} WHERE id % 2 = 0")
        seen += sum(batch.rows.height for batch in batches)
    assert seen == 60000


def test_postgres_bounds_and_window(postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str) -> None:
    pg.execute(
        f"CREATE TABLE {table} AS SELECT g AS id, g::numeric AS n, "
        "timestamptz '2024-01-31 00:00+00' + g * interval '1 h' AS tz, "
        "timestamp '2024-01-31' + g * interval '1 d' AS ts, date '2024-01-31' + g AS d FROM generate_series(0, 9) g"
    )
    asked = ("2024-01-31T05:00:00.000000Z", "2024-01-31T07:00:00.000000Z")

    def ids(column: str, lower: str | None, upper: str | None, *, nulls: bool = False) -> list[int]:
        bounds = Bounds(column, lower, upper, nulls)
        return read(postgres_server.url, bounds=bounds, table=table)["id"].to_list()

    assert ids("tz", *asked) == [5, 6]
    assert ids("ts", *asked) == [0, 1]
    assert ids("d", *asked) == [0]
    assert ids("n", "7.5", None) == [8, 9]
    pg.execute(f"INSERT INTO {table} (id) VALUES (99)")
    assert ids("tz", *asked, nulls=True) == [5, 6, 99]
    query = f"SELECT id FROM {table} WHERE tz >= :window_start AND tz < :window_end AND id < :most"
    assert read(postgres_server.url, query=query, params={"most": 3})["id"].to_list() == [0, 1, 2]


def test_postgres_wall_clocks_are_those_of_the_zone(
    postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str
) -> None:
    pg.execute(f"CREATE TABLE {table} AS SELECT timestamp '2024-01-31 00:30' AS ts UNION ALL SELECT '2024-01-31 01:30'")
    query = f"SELECT ts FROM {table} WHERE ts >= :window_start"
    assert read(postgres_server.url, zone="Europe/Berlin", query=query)["ts"].to_list() == [
        datetime.fromisoformat("2024-01-31T01:30")
    ]


def test_a_reader_of_postgres_keeps_others_from_altering_the_table(
    postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str
) -> None:
    pg.execute(f"CREATE TABLE {table} AS SELECT g AS id, repeat('x', 2000) AS s FROM generate_series(1, 20000) g")
    pg.execute("SET lock_timeout = '200ms'")
    with source(postgres_server.url, table=table).read(Request(day())) as reading:
        batches = iter(reading)
        next(batches)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            pg.execute(f"ALTER TABLE {table} DROP COLUMN s")
        assert sum(batch.rows.height for batch in batches) <= 20000
    pg.execute(f"ALTER TABLE {table} DROP COLUMN s")


@pytest.mark.parametrize("after", [0, 1])
def test_a_network_that_falls_silent_is_an_error_in_time(
    postgres_server: DatabaseServer, mariadb_server: DatabaseServer, after: int
) -> None:
    """Neither an answer nor the cancellation gets through, at the first byte or in the middle of the rows."""
    queries = {
        postgres_server: "SELECT g AS id, repeat('x', 1000) AS s FROM generate_series(1, 200000) g",
        mariadb_server: "SELECT seq AS id, repeat('x', 1000) AS s FROM seq_1_to_200000",
    }
    for server, query in queries.items():
        with silence(server.port) as proxy:
            url = server.url.replace(f":{server.port}", f":{proxy.port}")
            if not after:
                proxy.fall()
            began = time.monotonic()

            def read_on(url: str = url, query: str = query, proxy: Silence = proxy) -> None:
                with source(url, query=query, timeout="2s").read(Request(day())) as reading:
                    for batch in reading:
                        if batch.rows.height:
                            proxy.fall()

            with pytest.raises(ExtractionError) as raised:
                read_on()
            assert raised.value.problem.code == "SRC-123"
            assert time.monotonic() - began < 30
            assert (proxy.bytes_answered > 0) == bool(after)


def test_a_peer_that_is_silent_is_an_error_in_time(postgres_server: DatabaseServer) -> None:
    began = time.monotonic()
    with pytest.raises(ExtractionError) as raised:
        read(postgres_server.url, query="SELECT pg_sleep(60)::text", timeout="1s")
    assert raised.value.problem.code == "SRC-123"
    assert time.monotonic() - began < 15


def test_a_connection_that_dies_is_an_error(
    postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str
) -> None:
    pg.execute(f"CREATE TABLE {table} AS SELECT g AS id, repeat('x', 2000) AS s FROM generate_series(1, 40000) g")

    with source(postgres_server.url, table=table).read(Request(day())) as reading:
        batches = iter(reading)
        next(batches)
        pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        with pytest.raises(ExtractionError) as raised:
            list(batches)
    assert raised.value.problem.code == "SRC-122"


def test_postgres_composites_are_json(postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str) -> None:
    pg.execute(f"CREATE TYPE c_{table} AS (n numeric, t text[])")
    query = f"SELECT (1.50, ARRAY['é'])::c_{table} AS c, ROW(1, NULL) AS r, ARRAY[(2, NULL)::c_{table}] AS a"
    assert read(postgres_server.url, query=query).row(0) == (
        '{"n":1.50,"t":["é"]}', '{"f1":1,"f2":null}', '[{"n":2,"t":null}]',
    )  # fmt: skip


def test_postgres_of_another_encoding(postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str) -> None:
    for encoding in ("LATIN1", "SQL_ASCII"):
        name = f"{table}_{encoding.lower()}"
        pg.execute(f"CREATE DATABASE {name} ENCODING {encoding} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        url = postgres_server.url.replace("/shop", f"/{name}")
        with closing(psycopg.connect(url, autocommit=True, client_encoding="latin1")) as connection:
            connection.execute("CREATE TABLE t AS SELECT 'é'::text AS s")
        if encoding == "LATIN1":
            assert read(url, table="t").rows() == [("é",)]
            continue
        with pytest.raises(ExtractionError) as raised:
            read(url, table="t")
        assert "UTF8" in raised.value.problem.what
        assert read(url, query="SELECT s::bytea AS s FROM t").rows() == [(b"\xe9",)]


def test_postgres_reads_in_one_order(postgres_server: DatabaseServer) -> None:
    """No workers that race each other, and no table read from where another reader happens to be."""
    settings = "current_setting('max_parallel_workers_per_gather'), current_setting('synchronize_seqscans')"
    assert read(postgres_server.url, query=f"SELECT concat_ws(' ', {settings}) AS s").rows() == [("0 off",)]


def test_a_password_of_any_characters(postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str) -> None:
    password = "p@ss/w:rd%41 'x\\é"
    pg.execute(f"CREATE USER u_{table} PASSWORD {psycopg.sql.Literal(password).as_string()}")
    at = f"{postgres_server.host}:{postgres_server.port}/{postgres_server.database}"
    right = f"postgresql+psycopg://u_{table}:{quote(password, safe='')}@{at}?application_name=x"
    assert read(right, query="SELECT current_setting('application_name') AS a, 1 AS n").rows() == [("x", 1)]

    with pytest.raises(ConfigError) as raised:
        read(f"postgresql://u_{table}:{password}@{at}", query="SELECT 1 AS n")
    assert raised.value.problem.code == "SRC-126"
    assert "ss/w" not in str(raised.value)


# ------------------------------------------------------------------------------------------------ MariaDB


@pytest.mark.parametrize(
    ("asked", "had"),
    [
        (None, "repeatable read"),
        ("read_uncommitted", "read uncommitted"),
        ("read_committed", "read committed"),
        ("repeatable_read", "repeatable read"),
        ("snapshot", "repeatable read"),
        ("serializable", "serializable"),
    ],
)
def test_isolation_is_that_of_the_reading_transaction(
    postgres_server: DatabaseServer, mariadb_server: DatabaseServer, asked: str | None, had: str
) -> None:
    level = "current_setting('transaction_isolation') AS level, current_setting('transaction_read_only') AS only"
    deferred = "current_setting('transaction_deferrable') AS deferred"
    of_postgres = read(postgres_server.url, query=f"SELECT {level}, {deferred}", isolation=asked)
    assert of_postgres.rows() == [(had, "on", "on" if asked == "serializable" else "off")]
    of_mariadb = read(mariadb_server.url, query="SELECT @@tx_isolation AS level", isolation=asked)
    assert of_mariadb.rows() == [(had.upper().replace(" ", "-"),)]


@pytest.mark.parametrize("asked", ["repeatable_read", "serializable"])
def test_ranges_side_by_side_have_the_isolation_too(
    postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str, asked: str
) -> None:
    pg.execute(f"CREATE TABLE {table} AS SELECT n AS id FROM generate_series(1, 100) n")
    query = f"SELECT id, current_setting('transaction_isolation') AS level FROM {table}"
    rows = read(postgres_server.url, query=query, isolation=asked, parallel={"column": "id", "count": 3})
    assert sorted(rows["id"]) == list(range(1, 101))
    assert set(rows["level"]) == {asked.replace("_", " ")}


def test_ranges_side_by_side_need_a_snapshot(postgres_server: DatabaseServer) -> None:
    with pytest.raises(ConfigError, match="SRC-127"):
        read(postgres_server.url, table="t", isolation="read_committed", parallel={"column": "id", "count": 3})


def test_what_is_not_committed_is_read_by_who_asks_for_it(mariadb_server: DatabaseServer, table: str) -> None:
    _mysql(mariadb_server, f"CREATE TABLE {table} (id int)", f"INSERT INTO {table} VALUES (1)")
    with closing(_mysql_connection(mariadb_server)) as other:
        other.begin()
        other.cursor().execute(f"INSERT INTO {table} VALUES (2)")
        seen = {level: read(mariadb_server.url, table=table, isolation=level)["id"].to_list()
                for level in ("read_uncommitted", "read_committed", None)}  # fmt: skip
        assert seen == {"read_uncommitted": [1, 2], "read_committed": [1], None: [1]}
        with pytest.raises(ExtractionError, match="SRC-123"):  # it waits for the row that is being written
            read(mariadb_server.url, table=table, isolation="serializable", timeout="1s")
        other.commit()
    assert read(mariadb_server.url, table=table, isolation="serializable")["id"].to_list() == [1, 2]


def test_mariadb_types_and_extremes(mariadb_server: DatabaseServer, table: str) -> None:
    columns = {
        "i1": ("TINYINT", "-128", -128, pl.Int64),
        "u8": ("BIGINT UNSIGNED", "18446744073709551615", 2**64 - 1, pl.UInt64),
        "i8": ("BIGINT", "-9223372036854775808", -(2**63), pl.Int64),
        "yr": ("YEAR", "2155", 2155, pl.Int64),
        "p": ("DECIMAL(65,30)", "1.10", "1.100000000000000000000000000000", pl.String),
        "f4": ("FLOAT", "0.1", 0.10000000149011612, pl.Float64),
        "f8": ("DOUBLE", "0.1", 0.1, pl.Float64),
        "bit": ("BIT(64)", "b'101'", 5, pl.UInt64),
        "s": ("VARCHAR(20)", "'é😀'", "é😀", pl.String),
        "t": ("LONGTEXT", "'x'", "x", pl.String),
        "y": ("VARBINARY(5)", "x'00ff'", b"\x00\xff", pl.Binary),
        "bl": ("BLOB", "x'00ff'", b"\x00\xff", pl.Binary),
        "d": ("DATE", "'9999-12-31'", "9999-12-31", pl.String),
        "d0": ("DATE", "'0000-00-00'", "0000-00-00", pl.String),
        "dt": ("DATETIME(6)", "'1000-01-01 00:00:00.000001'", "1000-01-01 00:00:00.000001", pl.String),
        "ts": ("TIMESTAMP(3) NULL", "'2024-01-01 12:00:00.5'", "2024-01-01 12:00:00.500Z", pl.String),
        "tm": ("TIME(3)", "'-838:59:59.5'", "-838:59:59.500", pl.String),
        "e": ("ENUM('x','y')", "'y'", "y", pl.String),
        "st": ("SET('x','y')", "'x,y'", "x,y", pl.String),
        "j": ("JSON", "'{\"a\": 1.10}'", '{"a": 1.10}', pl.String),
    }  # fmt: skip
    definition = ", ".join(f"{name} {kind}" for name, (kind, *_) in columns.items())
    _mysql(
        mariadb_server,
        f"CREATE TABLE {table} ({definition}) CHARACTER SET utf8mb4",
    )
    values = ", ".join(text for _, text, *_ in columns.values())
    nothing = ", ".join(["NULL"] * len(columns))
    _mysql(
        mariadb_server,
        f"SET STATEMENT sql_mode='', time_zone='+00:00' FOR INSERT INTO {table} VALUES ({values}), ({nothing})",
    )

    rows = read(mariadb_server.url, table=table)

    assert rows.schema == {name: dtype for name, (*_, dtype) in columns.items()}
    assert rows.row(0, named=True) == {name: value for name, (_, _, value, _) in columns.items()}
    assert rows.row(1) == (None,) * len(columns)


def test_mariadb_bounds_batches_and_parameters(mariadb_server: DatabaseServer, table: str) -> None:
    _mysql(
        mariadb_server,
        f"CREATE TABLE {table} AS SELECT seq AS id, TIMESTAMP('2024-01-31') + INTERVAL seq HOUR AS dt, "
        "'O''Hara \\\\ x' AS s FROM seq_0_to_99",
    )
    asked = ("2024-01-31T05:00:00.000000Z", "2024-01-31T07:00:00.000000Z")

    everything = read(mariadb_server.url, table=table, fetch_rows=30)
    assert everything["id"].to_list() == list(range(100))
    assert everything["s"].unique().to_list() == ["O'Hara \\ x"]
    within = read(mariadb_server.url, bounds=Bounds("dt", *asked), table=table)["id"].to_list()
    assert within == list(range(31))
    assert read(mariadb_server.url, bounds=Bounds("id", "98", None), table=table)["id"].to_list() == [98, 99]
    query = f"SELECT id FROM {table} WHERE s = :s AND id < :most AND dt >= :window_start"
    params = {"s": "O'Hara \\ x", "most": 2}
    assert read(mariadb_server.url, query=query, params=params)["id"].to_list() == [0, 1]


def test_mariadb_values_of_every_length(mariadb_server: DatabaseServer, table: str) -> None:
    sizes = [0, 1, 12, 13, 250, 251, 65_535, 65_536, 1 << 20, (1 << 24) - 5, 1 << 24, (1 << 24) + 70_000]
    _mysql(
        mariadb_server,
        f"CREATE TABLE {table} (id INT PRIMARY KEY, a LONGTEXT, b LONGBLOB, c INT)",
    )
    for n, size in enumerate(sizes):
        _mysql(mariadb_server, f"INSERT INTO {table} VALUES ({n}, repeat('x', {size}), repeat('y', {size}), NULL)")

    rows = read(mariadb_server.url, table=table)

    assert rows["id"].to_list() == list(range(len(sizes)))
    assert rows["a"].str.len_bytes().to_list() == rows["b"].bin.size().to_list() == sizes
    assert rows["a"].str.contains(r"\Ax*\z").all()
    assert [bytes(data) for data in rows["b"]] == [b"y" * size for size in sizes]
    assert rows["c"].null_count() == len(sizes)


def test_mariadb_text_of_other_encodings(mariadb_server: DatabaseServer, table: str) -> None:
    _mysql(
        mariadb_server,
        f"CREATE TABLE {table} (a TEXT CHARACTER SET latin1, b TEXT CHARACTER SET ucs2, c TEXT CHARACTER SET utf8mb4)",
        f"INSERT INTO {table} VALUES ('é', 'Ж', '😀')",
    )
    assert read(mariadb_server.url, table=table).rows() == [("é", "Ж", "😀")]


def test_leaving_mariadb_early_does_not_read_on(mariadb_server: DatabaseServer) -> None:
    query = "SELECT seq AS id, repeat('x', 1000) AS s FROM seq_1_to_4000000"
    with source(mariadb_server.url, query=query).read(Request(day())) as reading:
        began = time.monotonic()
        assert next(batch.rows.height for batch in reading if batch.rows.height) < 20_000
    assert time.monotonic() - began < 10


def test_an_error_in_the_middle_of_mariadb_is_an_error(mariadb_server: DatabaseServer, table: str) -> None:
    _mysql(mariadb_server, f"CREATE TABLE {table} AS SELECT seq AS id FROM seq_1_to_100000")
    query = f"SELECT id, (SELECT seq FROM seq_1_to_2 WHERE seq = 1 OR q.id = 90000) AS one FROM {table} q"
    with pytest.raises(ExtractionError) as raised:
        read(mariadb_server.url, query=query)
    assert raised.value.problem.code == "SRC-122"
    assert "more than 1 row" in raised.value.problem.what


# ------------------------------------------------------------------------------------------------ both


def test_a_wrong_password_is_an_error_that_does_not_tell_it(
    postgres_server: DatabaseServer, mariadb_server: DatabaseServer
) -> None:
    for server in (postgres_server, mariadb_server):
        with pytest.raises(ExtractionError) as raised:
            read(server.url.replace(server.password, "hunter22"))
        assert raised.value.problem.code == "SRC-120"
        assert "hunter22" not in str(raised.value)
        assert f":***@{server.host}:{server.port}" in str(raised.value) or server.host in str(raised.value)


def test_what_is_not_there_is_an_error(postgres_server: DatabaseServer, mariadb_server: DatabaseServer) -> None:
    for server in (postgres_server, mariadb_server):
        wrong: list[dict[str, Any]] = [{"table": "nowhere"}, {"query": "SELECT nothing FROM nowhere"}]
        for spec in wrong:
            with pytest.raises(ExtractionError) as raised:
                read(server.url, **spec)
            assert raised.value.problem.code == "SRC-122"
            assert "nowhere" in raised.value.problem.what


def test_the_session_only_reads(postgres_server: DatabaseServer, pg: "psycopg.Connection", table: str) -> None:
    """The transaction itself is read-only: a function that writes is refused by the server."""
    pg.execute(f"CREATE TABLE {table} (id int)")
    pg.execute(f"CREATE FUNCTION w_{table}() RETURNS int LANGUAGE sql AS 'INSERT INTO {table} VALUES (1) RETURNING id'")
    with pytest.raises(ExtractionError) as raised:
        read(postgres_server.url, query=f"SELECT w_{table}() AS id")
    assert "read-only" in raised.value.problem.what
