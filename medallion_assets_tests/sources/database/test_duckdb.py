"""DuckDB: what Arrow holds exactly as it is, the rest as DuckDB's own text."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.lake.ports import Bounds
from medallion_assets_tests.sources.database.reading import read

URL = "duckdb:///shop.duckdb"


def _run(root: Path, *statements: str) -> None:
    with duckdb.connect(str(root / "shop.duckdb")) as database:
        for statement in statements:
            database.execute(statement)


def test_every_type_arrives_exactly(tmp_path: Path) -> None:
    _run(tmp_path, """CREATE TABLE t AS SELECT true AS b, 127::TINYINT AS i1, 18446744073709551615::UBIGINT AS u8,
        170141183460469231731687303715884105727::HUGEINT AS i16, 1.10::DECIMAL(10,2) AS p,
        12345678901234567890123456789012345.678::DECIMAL(38,3) AS big, 'infinity'::DOUBLE AS f, 0.1::FLOAT AS f4,
        'é' AS s, '\\x00\\xFF'::BLOB AS y, DATE 'infinity' AS d, TIMESTAMP '290000-01-01 (BC) 00:00:00' AS ts,
        TIMESTAMPTZ '2024-01-01 12:00:00.123456+00' AS tz, TIME '24:00:00' AS tm, INTERVAL '1 month 2 days' AS iv,
        uuid '11111111-2222-3333-4444-555555555555' AS id, [1, NULL, 3] AS l, {'a': 1, 'b': [1.5]} AS o,
        MAP {'k': 1} AS m, '101'::BIT AS bits, 'x'::ENUM('x', 'y') AS e, NULL AS n""")  # fmt: skip
    rows = read(URL, tmp_path)

    (row,) = rows.rows(named=True)
    assert row == {
        "b": True, "i1": 127, "u8": 2**64 - 1, "i16": str(2**127 - 1), "p": Decimal("1.10"),
        "big": Decimal("12345678901234567890123456789012345.678"), "f": float("inf"), "f4": 0.10000000149011612,
        "s": "é", "y": b"\x00\xff", "d": "infinity", "ts": "290000-01-01 (BC) 00:00:00",
        "tz": "2024-01-01 12:00:00.123456+00", "tm": "24:00:00", "iv": "1 month 2 days",
        "id": "11111111-2222-3333-4444-555555555555", "l": "[1,null,3]", "o": '{"a":1,"b":[1.5]}', "m": '{"k":1}',
        "bits": "101", "e": "x", "n": None,
    }  # fmt: skip


def test_bounds_leave_at_least_the_rows_asked_for(tmp_path: Path) -> None:
    _run(
        tmp_path,
        "CREATE TABLE t AS SELECT i, TIMESTAMPTZ '2024-01-01 00:00:00+00' + i * INTERVAL 1 HOUR AS tz, "
        "TIMESTAMP '2024-01-01' + i * INTERVAL 1 DAY AS ts, DATE '2024-01-01' + i::INT AS d FROM range(10) r(i)",
    )
    asked = ("2024-01-01T05:00:00.000000Z", "2024-01-01T07:00:00.000000Z")

    assert read(URL, tmp_path, bounds=Bounds("tz", *asked))["i"].to_list() == [5, 6]
    assert read(URL, tmp_path, bounds=Bounds("ts", *asked))["i"].to_list() == [0, 1]
    assert read(URL, tmp_path, bounds=Bounds("d", *asked))["i"].to_list() == [0, 1]
    assert read(URL, tmp_path, bounds=Bounds("i", "7", None))["i"].to_list() == [7, 8, 9]


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    _run(tmp_path, "CREATE TABLE t (id BIGINT, day DATE)")
    rows = read(URL, tmp_path)
    assert rows.height == 0
    assert rows.schema == {"id": pl.Int64, "day": pl.String}


def test_a_query_with_parameters(tmp_path: Path) -> None:
    _run(tmp_path, "CREATE TABLE t AS SELECT DATE '2024-01-31' AS d, 1 AS n UNION ALL SELECT DATE '2024-02-01', 2")
    query = "SELECT n, d FROM t WHERE d >= :window_start AND d < :window_end AND n < :most"
    assert read(URL, tmp_path, query=query, params={"most": 5}).rows() == [(1, str(date(2024, 1, 31)))]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"table": "nowhere"}, "nowhere"),
        ({"select": ["nothing"]}, "nothing"),
        ({"query": "SELECT * FROM read_csv('/etc/passwd')"}, "disabled"),
    ],
)
def test_a_wrong_request_is_an_error(tmp_path: Path, spec: dict[str, Any], said: str) -> None:
    _run(tmp_path, "CREATE TABLE t AS SELECT 1 AS n")
    with pytest.raises(ExtractionError) as raised:
        read(URL, tmp_path, **spec)
    assert raised.value.problem.code == "SRC-122"
    assert said in raised.value.problem.what


def test_its_isolation_is_a_snapshot(tmp_path: Path) -> None:
    _run(tmp_path, "CREATE TABLE t AS SELECT 1 AS id")
    assert read(URL, tmp_path, isolation="snapshot").rows() == [(1,)]
    with pytest.raises(ConfigError, match="SRC-127"):
        read(URL, tmp_path, isolation="serializable")
