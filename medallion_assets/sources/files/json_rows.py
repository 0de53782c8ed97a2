"""JSON objects as rows of text: every token as it is written.

A number keeps its characters (``1.10``, ``1e5``, ``9223372036854775808``), ``true`` and ``false`` are these words, an
object or list is its own JSON text, a string its characters; null and a missing member are null.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from medallion_assets.errors import ExtractionError
from medallion_assets.lake.ports import Batch, Refused

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FAILURES", "Element", "Rows"]

Members = dict[str, msgspec.Raw]
FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for text that is not JSON, for bytes that are not UTF-8, and for nesting without end."""
_MAX_COLUMNS = 20_000
_OBJECT, _STRING, _NULL = ord("{"), ord('"'), ord("n")
_decode_members = msgspec.json.Decoder(Members).decode
_decode_string = msgspec.json.Decoder(str).decode


class Element(NamedTuple):
    """The text of one value and the line of the file where it starts."""

    raw: bytes
    line: int


class Rows:
    """Turns elements into batches. Columns are those seen so far in the file, in the order of their first value."""

    def __init__(self, name: str, where: str, nested: Literal["json", "flatten"]) -> None:
        self._name, self._where, self._flatten = name, where, nested == "flatten"
        self._columns: dict[str, None] = {}

    def batch(self, elements: Iterable[Element]) -> Batch:
        """Raises ExtractionError SRC-016 for more than 20,000 columns."""
        rows: list[dict[str, str | None]] = []
        refused: list[Refused] = []
        for element in elements:
            row = self._row(element.raw)
            if isinstance(row, str):
                raw = element.raw.decode("utf-8", "backslashreplace")
                refused.append(Refused("json", row, self._name, element.line, raw))
            else:
                rows.append(row)
        return Batch(self._frame(rows), tuple(refused))

    def _row(self, raw: bytes) -> dict[str, str | None] | str:
        """Cells by column, or why there are none."""
        try:
            members = _decode_members(raw)
            row: dict[str, str | None] = {}
            for column, value in self._cells(members):
                if column in row:
                    return f"two values for the column {column}"
                row[column] = value
        except FAILURES as error:
            return _reason(raw, error)
        return row or "an object without members"

    def _cells(self, members: Members, prefix: str = "") -> Iterator[tuple[str, str | None]]:
        for key, value in members.items():
            raw = bytes(value)
            if self._flatten and raw[0] == _OBJECT and (inner := _decode_members(raw)):
                yield from self._cells(inner, f"{prefix}{key}_")
            else:
                yield prefix + key, _text(raw)

    def _frame(self, rows: list[dict[str, str | None]]) -> "pl.DataFrame":
        import polars as pl

        for row in rows:
            if not row.keys() <= self._columns.keys():
                self._columns.update(dict.fromkeys(row))
        if len(self._columns) > _MAX_COLUMNS:
            raise ExtractionError(
                "SRC-016",
                f"The records have more than {_MAX_COLUMNS:,} different members.",
                where=self._where,
                fix="Keep maps of values as JSON text (`nested: json`), or turn the file into records.",
            )
        return pl.DataFrame({c: pl.Series(c, [row.get(c) for row in rows], pl.String) for c in self._columns})


def _text(raw: bytes) -> str | None:
    first = raw[0]
    if first == _STRING:
        return raw[1:-1].decode() if b"\\" not in raw else _decode_string(raw)
    return None if first == _NULL else raw.decode()


def _reason(raw: bytes, error: Exception) -> str:
    if raw.lstrip()[:1] not in (b"{", b"") and not isinstance(error, UnicodeDecodeError):
        try:
            msgspec.json.decode(raw)
        except FAILURES:
            pass
        else:
            return "not an object"
    return str(error) or "nested too deeply"
