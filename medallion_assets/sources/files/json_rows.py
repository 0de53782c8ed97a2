"""JSON objects as rows of text: every token as it is written.

A number keeps its characters (``1.10``, ``1e5``, ``9223372036854775808``), ``true`` and ``false`` are these words, an
object or list is its own JSON text, a string its characters; null and a missing member are null.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from medallion_assets.errors import ExtractionError
from medallion_assets.lake.ports import Batch, Refused

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FAILURES", "Columns", "Element", "Rows"]

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


class Columns:
    """The columns seen so far in a file, in the order of their first value."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._names: dict[str, None] = {}

    def meet(self, rows: "Sequence[dict[str, str | None]]") -> None:
        """See the columns of these rows. Raises ExtractionError SRC-016 for more than 20,000 columns."""
        for row in rows:
            if not row.keys() <= self._names.keys():
                self._names.update(dict.fromkeys(row))
        if len(self._names) > _MAX_COLUMNS:
            raise ExtractionError(
                "SRC-016",
                f"The records have more than {_MAX_COLUMNS:,} different members.",
                where=self._where,
                fix="Keep maps of values as JSON text (`nested: json`), or turn the file into records.",
            )

    def frame(self, rows: "Sequence[dict[str, str | None]]") -> "pl.DataFrame":
        """These rows under all columns that were met. Raises as ``meet``."""
        import polars as pl

        self.meet(rows)
        return pl.DataFrame({c: pl.Series(c, [row.get(c) for row in rows], pl.String) for c in self._names})


class Rows:
    """Turns elements into batches."""

    def __init__(self, name: str, where: str, nested: Literal["json", "flatten"]) -> None:
        self._name, self._flatten = name, nested == "flatten"
        self.columns = Columns(where)

    def batch(self, elements: Iterable[Element]) -> Batch:
        """Raises ExtractionError SRC-016 for more than 20,000 columns."""
        rows: list[dict[str, str | None]] = []
        refused: list[Refused] = []
        for element in elements:
            row = self.row(element)
            if isinstance(row, Refused):
                refused.append(row)
            else:
                rows.append(row)
        return Batch(self.columns.frame(rows), tuple(refused))

    def row(self, element: Element) -> dict[str, str | None] | Refused:
        """Cells by column, or the row as it stands and why it is none."""
        row = self.cells(element.raw)
        if isinstance(row, str):
            return Refused("json", row, self._name, element.line, element.raw.decode("utf-8", "backslashreplace"))
        return row

    def cells(self, raw: bytes) -> dict[str, str | None] | str:
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
