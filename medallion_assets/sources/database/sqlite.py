"""SQLite by ADBC. A column of SQLite may hold anything; a column of Arrow may not.

The driver takes a column's type from the first rows and writes what does not fit as text, reals with six digits. So a
row of ours goes first that says the type which the column is declared with, and what turns out to hold something else
is read again as exact text: integers and reals with all their digits, blobs as 0x….
"""

import re
import sqlite3
from collections.abc import Generator, Iterable
from contextlib import ExitStack, closing, suppress
from datetime import datetime, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, final

import adbc_driver_sqlite.dbapi
from sqlalchemy.engine import make_url

from medallion_assets.errors import ExtractionError
from medallion_assets.lake.ports import Bounds
from medallion_assets.sources.database.session import Place, ReadAgain, is_text, level
from medallion_assets.sources.database.statement import Relation, identifier, quoted

if TYPE_CHECKING:
    import polars as pl

__all__ = ["SqliteSession"]

_FIRST = {"INTEGER": "0", "REAL": "0.0", "TEXT": "''", "BLOB": "x''", "NUMERIC": "NULL"}
_SIX_DIGITS = r"^-?[0-9]\.[0-9]{6}e[+-][0-9]{2,3}$|^-?(inf|nan)$"
"""How the driver writes a real among text."""
_MISMATCH = re.compile(r"Type mismatch in column (\d+)")
_EXACT = 2.0**53
"""Above it a real does not tell which integer it was."""


@final
class SqliteSession:
    """One read of a file, which is opened read-only."""

    dialect = "sqlite"

    def __init__(self, place: Place, as_text: set[str]) -> None:
        self._place, self._as_text = place, as_text
        self._open = ExitStack()
        level(place, "SQLite", {"snapshot": "", "serializable": ""}, "snapshot")
        name = make_url(place.url).database or ""
        path = place.root / name
        if not path.is_file():
            raise ExtractionError(
                "SRC-120", f"There is no file {name or '(memory)'}.", where=f"{place.where}  {place.shown}",
                fix="Write sqlite:///data/shop.db for a file below the project, sqlite:////var/shop.db for another.",
            )  # fmt: skip
        self._uri = f"{path.resolve().as_uri()}?mode=ro"
        self._main = self._open.enter_context(closing(sqlite3.connect(self._uri, uri=True, check_same_thread=False)))
        self._main.execute("BEGIN")
        self._main.execute("SELECT 1 FROM sqlite_master").fetchall()

    def literal(self, value: object) -> str:
        match value:
            case None:
                return "NULL"
            case bool():
                return str(int(value))
            case int() | float() | Decimal():
                return str(value)
            case datetime():
                return f"'{value.astimezone(timezone.utc).replace(tzinfo=None).isoformat(' ')}'"
        return "'" + str(value).replace("'", "''") + "'"

    def relation(self, table: str) -> str:
        return quoted(table)

    def limits(self, relation: Relation, bounds: Bounds) -> tuple[str, ...]:  # noqa: ARG002 - numbers are numbers
        """A number is below all text, so it may be asked for; times are text in a spelling nobody knows."""
        if bounds.lower is None or "T" in bounds.lower:
            return ()
        column = f"q.{identifier(bounds.column)}"
        limit = f"{column} >= {Decimal(bounds.lower)}"
        return (f"{limit} OR {column} IS NULL" if bounds.nulls else limit,)

    def batches(self, relation: Relation, select: tuple[str, ...]) -> "Generator[pl.DataFrame, None, None]":
        columns = self._columns(relation, select)
        wanted = ", ".join(self._expression(name) for name in columns)
        first = ", ".join(self._first(name, kind) for name, kind in columns.items())
        return self._read(f"SELECT {first} UNION ALL {relation.select(wanted)}", columns)

    def cancel(self) -> None:
        with suppress(sqlite3.Error):
            self._main.interrupt()

    def close(self) -> None:
        self._open.close()

    def _columns(self, relation: Relation, select: tuple[str, ...]) -> dict[str, str]:
        """Name → affinity, which for the columns of a query is NUMERIC: unknown."""
        names = ", ".join(f"q.{identifier(name)}" for name in select) or "q.*"
        found = [str(d[0]) for d in self._main.execute(relation.select(names, "0")).description]
        declared: dict[str, str] = {}
        if not relation.sql.startswith("("):
            for row in self._main.execute(f"PRAGMA table_xinfo({relation.sql})"):
                declared[str(row[1])] = _affinity(str(row[2]))
        return {name: declared.get(name, "NUMERIC") for name in found}

    def _expression(self, name: str) -> str:
        column = f"q.{identifier(name)}"
        return _EXACT_TEXT.replace("?", column) if name in self._as_text else column

    def _first(self, name: str, kind: str) -> str:
        return ("''" if name in self._as_text else _FIRST[kind]) + f" AS {identifier(name)}"

    def _read(self, sql: str, columns: dict[str, str]) -> "Generator[pl.DataFrame, None, None]":
        names = list(columns)
        with ExitStack() as open_:
            connection = open_.enter_context(closing(adbc_driver_sqlite.dbapi.connect(self._uri)))
            cursor = open_.enter_context(closing(connection.cursor()))
            options = {"adbc.sqlite.query.batch_rows": str(self._place.fetch_rows)}
            cursor.adbc_statement.set_options(**options)
            try:
                cursor.execute(sql)
                reader = open_.enter_context(closing(cursor.fetch_record_batch()))
                skip = 1
                for batch in reader:
                    rows = self._frame(batch.slice(skip), columns)
                    skip = 0
                    yield rows
            except OSError as error:
                found = _MISMATCH.search(str(error))
                if found is None:
                    raise
                raise self._again({names[int(found[1])]}, columns) from None

    def _frame(self, batch: Any, columns: dict[str, str]) -> "pl.DataFrame":
        """One batch; raises ReadAgain where the driver has bent a value."""
        import polars as pl

        bad = {name for name, column in zip(columns, batch.columns, strict=True) if not is_text(column)}
        rows = pl.DataFrame(batch)
        rows.columns = list(columns)
        bent = {name for name, kind in columns.items() if name not in self._as_text and _bent(rows[name], kind)}
        if bad or bent:
            raise self._again(bad | bent, columns)
        return rows

    def _again(self, names: set[str], columns: Iterable[str]) -> Exception:
        where = f"{self._place.where}  {self._place.shown}"
        if names <= self._as_text:
            return ExtractionError(
                "SRC-122", f"{', '.join(sorted(names))}: text that is not UTF-8.", where=where,
                fix="Cast the column to a blob in source.query: CAST(… AS BLOB).",
            )  # fmt: skip
        # A second time it is all of them, so that a load is begun again twice at the most.
        self._as_text |= set(columns) if self._as_text else names
        return ReadAgain(names, where)


def _bent(values: "pl.Series", kind: str) -> bool:
    """Whether values of a column have become something else on the way."""
    import polars as pl

    expected = {"INTEGER": pl.Int64, "REAL": pl.Float64, "TEXT": pl.String, "BLOB": pl.Binary}.get(kind)
    if expected is not None and values.dtype != expected:
        return True
    if values.dtype == pl.Float64 and kind != "REAL":
        return bool((values.abs() >= _EXACT).any())
    if values.dtype == pl.Binary and kind != "BLOB":
        return True
    if kind == "NUMERIC" and values.dtype == pl.String:
        return bool(values.str.contains(_SIX_DIGITS).any())
    return kind == "BLOB" and _tells_reals(values)


def _tells_reals(values: "pl.Series") -> bool:
    """Whether bytes are such text; Polars does not search bytes."""
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring_regex(values.to_arrow(), pattern=_SIX_DIGITS)).as_py())


_EXACT_TEXT = (
    "CASE typeof(?) WHEN 'real' THEN CASE WHEN CAST(CAST(? AS TEXT) AS REAL) = ? THEN CAST(? AS TEXT) "
    "ELSE printf('%!.17g', ?) END WHEN 'blob' THEN '0x' || hex(?) ELSE CAST(? AS TEXT) END"
)


def _affinity(declared: str) -> str:
    """By the rules of https://sqlite.org/datatype3.html, 3.1."""
    text = declared.upper()
    if "INT" in text:
        return "INTEGER"
    if any(word in text for word in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in text:
        return "BLOB"
    if any(word in text for word in ("REAL", "FLOA", "DOUB")):
        return "REAL"
    return "NUMERIC"
