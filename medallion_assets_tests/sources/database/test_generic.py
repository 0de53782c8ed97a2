"""Any SQLAlchemy dialect: every value as text. Tried on SQLite's, in the place of those that are not at hand."""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from medallion_assets.errors import ConfigError
from medallion_assets.intent.source import Isolation
from medallion_assets.sources.database.generic import GenericSession, _text
from medallion_assets.sources.database.session import Place
from medallion_assets.sources.database.statement import Relation


@pytest.fixture
def session(tmp_path: Path) -> GenericSession:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("CREATE TABLE t (id INTEGER, p REAL, s TEXT, b BLOB)")
        database.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", [(1, 0.1, "é", b"\x01"), (2, None, "", None)] * 3)
        database.commit()
    url = f"sqlite:///{tmp_path}/shop.db"
    return GenericSession(Place(url, url, "intents/t.yaml:3", "UTC", 60, 4, tmp_path))


def test_rows_come_in_batches_of_text(session: GenericSession) -> None:
    batches = list(session.batches(Relation(session.relation("t")), ("id", "p", "s", "b")))
    session.close()

    assert [rows.height for rows in batches] == [0, 4, 2]
    assert pl.concat(batches).rows() == [("1", "0.1", "é", "0x01"), ("2", None, "", None)] * 3


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+30"), "1" + "0" * 30),
        (Decimal("NaN"), "NaN"),
        (1e22, "1e+22"),
        (True, "true"),
        (datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=1))), "2024-01-01T12:00:00+01:00"),
        ({"a": ["é"]}, '{"a": ["é"]}'),
        (2**70, str(2**70)),
    ],
)
def test_values_keep_their_digits(value: object, text: str) -> None:
    assert _text(value) == text


def test_an_isolation_is_one_of_the_dialect(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"

    def opened(isolation: Isolation) -> GenericSession:
        return GenericSession(Place(url, url, "intents/t.yaml:3", "UTC", 60, 4, tmp_path, isolation))

    with closing(opened("read_uncommitted")) as session:
        query = Relation("(SELECT * FROM pragma_read_uncommitted)")
        assert pl.concat(session.batches(query, ())).rows() == [("1",)]
    with pytest.raises(ConfigError, match=r"SRC-127[\s\S]*Take read_uncommitted, serializable,"):
        opened("snapshot")
