"""SQLite: whatever a column holds arrives exactly."""

import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.lake.ports import Bounds, Request
from medallion_assets.sources.database.session import ReadAgain
from medallion_assets_tests.sources.database.reading import frames, read, source
from medallion_assets_tests.sources.reading import day

URL = "sqlite:///shop.db"


def _table(root: Path, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    with closing(sqlite3.connect(root / "shop.db")) as database:
        database.execute(f"CREATE TABLE t ({columns})")
        database.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(rows[0]))})", rows)
        database.commit()


def test_declared_types_become_column_types(tmp_path: Path) -> None:
    _table(
        tmp_path,
        "id INTEGER PRIMARY KEY, n BIGINT, r DOUBLE, t VARCHAR(9), b BLOB, d DATE, p DECIMAL(10,2), f BOOLEAN",
        [
            (1, 2**63 - 1, 0.1, "é\0", b"\x00\xff", "2024-01-01", 1.25, True),
            (2, -(2**63), math.inf, "", b"", "2024-02-30", 7, None),
            (3, None, None, None, None, None, None, False),
        ],
    )
    rows = read(URL, tmp_path)

    assert rows.schema == {
        "id": pl.Int64, "n": pl.Int64, "r": pl.Float64, "t": pl.String, "b": pl.Binary, "d": pl.String,
        "p": pl.Float64, "f": pl.Int64,
    }  # fmt: skip
    assert rows.rows() == [
        (1, 2**63 - 1, 0.1, "é\0", b"\x00\xff", "2024-01-01", 1.25, 1),
        (2, -(2**63), math.inf, "", b"", "2024-02-30", 7.0, None),
        (3, None, None, None, None, None, None, 0),
    ]


def test_a_column_of_several_kinds_is_text_with_every_digit(tmp_path: Path) -> None:
    mixed = [(1, "x"), (0.1 + 0.2, "y"), ("eins", None), (b"\x00\xff", 5), (2**53 + 1, 2.5), (None, b"z"), (1e300, "")]
    _table(tmp_path, "a, b TEXT", mixed)
    rows = read(URL, tmp_path)

    assert rows.schema == {"a": pl.String, "b": pl.String}
    assert rows["a"].to_list() == ["1", "0.30000000000000004", "eins", "0x00FF", "9007199254740993", None, "1.0e+300"]
    assert rows["b"].to_list() == ["x", "y", None, "5", "2.5", "0x7A", ""]


def test_what_comes_late_in_a_column_is_found(tmp_path: Path) -> None:
    """After the first batch the driver bends values without a word."""
    _table(tmp_path, "a NUMERIC, b NUMERIC, c INTEGER, d REAL", [
        *[("x", 1.5, 1, 1.5)] * 20, (0.1, 2**53 + 1, "eins", "halb"), *[(None, None, None, None)] * 20,
    ])  # fmt: skip
    rows = read(URL, tmp_path, fetch_rows=4)

    assert rows.row(20) == ("0.1", "9007199254740993", "eins", "halb")
    assert rows.row(0) == ("x", "1.5", "1", "1.5")


VALUES = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=5), st.binary(max_size=3)
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["", "INTEGER", "REAL", "TEXT", "BLOB", "NUMERIC", "DATE"]),
    st.lists(VALUES, min_size=1, max_size=12),
    st.integers(1, 5),
)
def test_every_value_can_be_told_from_what_arrives(kind: str, values: list[object], fetch_rows: int) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        _table(root, f"a {kind}", [(value,) for value in values])
        with closing(sqlite3.connect(root / "shop.db")) as database:
            stored = [row[0] for row in database.execute("SELECT a FROM t")]  # after SQLite's own conversions
        rows = read(URL, root, fetch_rows=fetch_rows)
    assert [_same(a, b) for a, b in zip(rows["a"].to_list(), stored, strict=True)] == [True] * len(stored)


def _same(arrived: object, stored: object) -> bool:
    if isinstance(arrived, str) and isinstance(stored, float):
        return float(arrived) == stored
    if isinstance(arrived, str) and isinstance(stored, int):
        return int(arrived) == stored
    if isinstance(arrived, str) and isinstance(stored, bytes):
        return arrived == "0x" + stored.hex().upper() or arrived.encode() == stored
    if isinstance(arrived, bytes) and not isinstance(stored, bytes):
        return arrived == str(stored).encode()
    return arrived == stored


def test_a_load_begins_again_with_what_is_known_now(tmp_path: Path) -> None:
    _table(tmp_path, "a DATE", [("2024-01-01",), (0.5,)])
    reader = source(URL, tmp_path)
    with pytest.raises(ReadAgain) as raised, reader.read(Request(day())) as reading:
        list(reading)
    assert raised.value.problem.code == "SRC-124"
    assert reader.as_text == {"a"}


def test_table_select_where_and_parameters(tmp_path: Path) -> None:
    _table(tmp_path, "id INTEGER, name TEXT", [(1, "Ada"), (2, "O'Hara"), (3, "Bob")])

    assert read(URL, tmp_path, select=["name"], where="name <> :who", params={"who": "O'Hara"}).rows() == [
        ("Ada",),
        ("Bob",),
    ]
    query = "SELECT id * 2 AS twice FROM t WHERE id >= :least ORDER BY id DESC"
    assert read(URL, tmp_path, query=query, params={"least": 2}).rows() == [(6,), (4,)]


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    _table(tmp_path, "id INTEGER, name TEXT", [(1, "Ada")])
    rows = read(URL, tmp_path, where="id > 1")
    assert rows.height == 0
    assert rows.schema == {"id": pl.Int64, "name": pl.String}


def test_a_number_as_cursor_is_asked_for(tmp_path: Path) -> None:
    _table(tmp_path, "id INTEGER", [(n,) for n in range(1, 20)] + [(None,)])

    assert read(URL, tmp_path, bounds=Bounds("id", "18", None))["id"].to_list() == [18, 19]
    assert read(URL, tmp_path, bounds=Bounds("id", "18", None, nulls=True))["id"].to_list() == [18, 19, None]


def test_the_window_is_a_parameter(tmp_path: Path) -> None:
    _table(tmp_path, "at TEXT", [("2024-01-30 23:59:59",), ("2024-01-31 00:00:00",), ("2024-02-01 00:00:00",)])
    query = "SELECT at FROM t WHERE at >= :window_start AND at < :window_end"
    assert read(URL, tmp_path, query=query).rows() == [("2024-01-31 00:00:00",)]


def test_a_read_is_one_snapshot(tmp_path: Path) -> None:
    _table(tmp_path, "id INTEGER", [(n,) for n in range(5000)])
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("PRAGMA journal_mode = wal")
        with source(URL, tmp_path, fetch_rows=100).read(Request(day())) as reading:
            batches = iter(reading)
            seen = next(batches).rows.height
            database.execute("DELETE FROM t")
            database.commit()
            seen += sum(batch.rows.height for batch in batches)
    assert seen == 5000


@pytest.mark.parametrize("isolation", ["snapshot", "serializable"])
def test_the_isolation_that_it_has_may_be_asked_for(isolation: str, tmp_path: Path) -> None:
    _table(tmp_path, "id INTEGER", [(1,)])
    assert read(URL, tmp_path, isolation=isolation).rows() == [(1,)]


def test_another_isolation_is_refused(tmp_path: Path) -> None:
    _table(tmp_path, "id INTEGER", [(1,)])
    with pytest.raises(ConfigError, match=r"SRC-127[\s\S]*SQLite has no isolation `read_committed`"):
        read(URL, tmp_path, isolation="read_committed")


@pytest.mark.parametrize(("attempts", "reached"), [(1, False), (2, False), (3, True)])
def test_connecting_is_tried_again_as_often_as_the_intent_says(
    attempts: int, reached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            _table(tmp_path, "id INTEGER", [(1,)])

    monkeypatch.setattr("time.sleep", wait)
    retry = {"max_attempts": attempts, "initial_backoff": "2s", "jitter": 0}
    if reached:
        assert read(URL, tmp_path, retry=retry).rows() == [(1,)]
    else:
        with pytest.raises(ExtractionError, match="SRC-120"):
            read(URL, tmp_path, retry=retry)
    assert waits == [2.0, 4.0][: attempts - 1]


def test_a_statement_that_is_refused_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _table(tmp_path, "id INTEGER", [(1,)])
    monkeypatch.setattr("time.sleep", lambda _: pytest.fail("it waits"))
    with pytest.raises(ExtractionError, match="SRC-122"):
        read(URL, tmp_path, table="nothing", retry={"max_attempts": 3})


def test_memory_stays_within_batches(tmp_path: Path) -> None:
    _table(tmp_path, "id INTEGER", [(n,) for n in range(1000)])
    assert [rows.height for rows in frames(source(URL, tmp_path, fetch_rows=400))] == [399, 400, 201]


@pytest.mark.parametrize(
    ("spec", "code", "said"),
    [
        ({"table": "nowhere"}, "SRC-122", "no such table"),
        ({"select": ["nothing"]}, "SRC-122", "nothing"),
        ({"query": "DELETE FROM t"}, "SRC-121", "DELETE"),
        ({"query": "SELECT :x"}, "SRC-121", ":x"),
        ({"where": "id = = 1"}, "SRC-121", "cannot be read"),
    ],
)
def test_a_wrong_request_is_an_error(tmp_path: Path, spec: dict[str, Any], code: str, said: str) -> None:
    _table(tmp_path, "id INTEGER", [(1,)])
    with pytest.raises((ConfigError, ExtractionError)) as raised:
        read(URL, tmp_path, **spec)
    assert raised.value.problem.code == code
    assert said in raised.value.problem.what
    assert "intents/t.yaml:3" in raised.value.problem.where


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("sqlite:///absent.db", "SRC-120"),
        ("sqlite://", "SRC-120"),
        ("no url at all", "SRC-126"),
        ("nosuch://u:hunter22@h/d", "SRC-126"),
        ("oracle://u:hunter22@h/d", "SRC-125"),
    ],
)
def test_a_wrong_url_is_an_error_without_its_password(tmp_path: Path, url: str, code: str) -> None:
    with pytest.raises((ConfigError, ExtractionError)) as raised:
        read(url, tmp_path)
    assert raised.value.problem.code == code
    assert "hunter22" not in str(raised.value)


def test_the_source_cannot_be_written_to(tmp_path: Path) -> None:
    _table(tmp_path, "id INTEGER", [(1,)])
    before = (tmp_path / "shop.db").read_bytes()
    read(URL, tmp_path)
    assert (tmp_path / "shop.db").read_bytes() == before
