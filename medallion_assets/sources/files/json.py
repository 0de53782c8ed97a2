"""JSON files: a value a line, a list streamed element by element, or the list that a JMESPath finds in a document."""

import io
import json
import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.lake.ports import Batch
from medallion_assets.sources.files.json_quick import Quick
from medallion_assets.sources.files.json_rows import FAILURES, Element, Rows

__all__ = ["Nested", "elements_at", "find_text", "read_json", "read_json_lines"]

_NEWLINE = b"\n"
_BLOCK = 4 << 20
_LINE_LIMIT = 64 << 20
_DOCUMENT_LIMIT = 256 << 20
_BATCH_BYTES = 8 << 20
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],"]', re.DOTALL)
_CLOSING = {b"{": b"}", b"[": b"]"}
_PLAIN_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*(?:\[\*?\])?\Z")
Nested = Literal["json", "flatten"]


def read_json_lines(
    stream: io.BufferedReader, *, name: str, where: str, nested: Nested = "json", changes: bool = False
) -> Iterator[Batch]:
    """Batches of a file with one JSON object a line. Blank lines are skipped; a line that is no object is refused.

    ``changes``: a file without a line says that nothing changed. As the complete state it would delete every key, and
    a failed upload looks the same. Raises ExtractionError SRC-009 (then), SRC-013 (a line longer than 64 MiB).
    """
    quick, line, seen = Quick(Rows(name, where, nested)), 1, False
    while block := stream.read(_BLOCK):
        rest = stream.readline(_LINE_LIMIT)
        if len(rest) >= _LINE_LIMIT:
            raise ExtractionError(
                "SRC-013",
                "A line is longer than 64 MiB.",
                where=f"{where}:{line + block.count(_NEWLINE)}",
                fix="Check that this is one object a line; for one list use format json.",
            )
        batch, some = quick.batch((block + rest).removesuffix(_NEWLINE), line)
        line += block.count(_NEWLINE) + rest.count(_NEWLINE)
        seen = seen or some
        yield batch
    if not (seen or changes):
        raise _empty(where, "Deliver at least one object, or load it as changes (load: incremental or cdc).")


def read_json(
    stream: io.BufferedReader, *, name: str, where: str, nested: Nested = "json", records: str | None = None
) -> Iterator[Batch]:
    """Batches of a JSON list, read element by element in bounded memory; or, with ``records``, of the list that this
    JMESPath finds in a document of at most 256 MiB.

    Raises ExtractionError SRC-009 (empty), SRC-014 (not JSON, not a list, cut), SRC-015 (document too large for
    ``records``); ConfigError SRC-019 (not a JMESPath).
    """
    rows = Rows(name, where, nested)
    elements = _ListElements(stream, where).elements() if records is None else _found(stream, where, records)
    size, waiting = 0, list[Element]()
    for element in elements:
        waiting.append(element)
        size += len(element.raw)
        if size >= _BATCH_BYTES:
            yield rows.batch(waiting)
            size, waiting = 0, []
    yield rows.batch(waiting)


def _empty(where: str, fix: str = "Deliver at least an empty list: [].") -> ExtractionError:
    return ExtractionError("SRC-009", "The file is empty.", where=where, fix=fix)


def _broken(what: str, where: str, fix: str = "Fetch or write the file again.") -> ExtractionError:
    return ExtractionError("SRC-014", what, where=where, fix=fix)


class _ListElements:
    """Finds where the elements of the outermost list begin and end; what they hold is judged later."""

    def __init__(self, stream: io.BufferedReader, where: str) -> None:
        self._stream, self._where = stream, where
        self._data = b""
        self._line = 1  # of the byte _counted of _data
        self._counted = 0

    def elements(self) -> Iterator[Element]:
        opened, start = self._open()
        at, stack = start, [b"]"]
        while stack:
            token = _TOKEN.search(self._data, at)
            if token is None or token[0] == b'"':  # between two tokens, or inside a string, when the data ends
                at = token.start() if token is not None else len(self._data)
                start, at = self._more(start, at)
                continue
            at = token.end()
            sign = token[0]
            if sign in _CLOSING:
                stack.append(_CLOSING[sign])
            elif sign in (b"}", b"]") and sign != stack.pop():
                raise _broken(f"`{sign.decode()}` closes a bracket of the other kind.", self._at(at))
            if (sign == b"," and len(stack) == 1) or not stack:
                element = self._element(start, at - 1)
                if element.raw or stack or not opened:
                    yield element
                opened, start = False, at
        self._close(at)

    def _element(self, start: int, end: int) -> Element:
        if end - start > _LINE_LIMIT:
            raise self._too_long(start)
        raw = self._data[start:end]
        lead = len(raw) - len(raw.lstrip())
        return Element(raw.strip(), self._count_lines(start + lead))

    def _count_lines(self, at: int) -> int:
        """The line of the byte ``at``, which is never before an earlier one asked for."""
        self._line += self._data.count(_NEWLINE, self._counted, at)
        self._counted = at
        return self._line

    def _open(self) -> tuple[bool, int]:
        while not self._data.strip():
            self._line += self._data.count(b"\n")
            self._data = self._stream.read(_BLOCK)
            if not self._data:
                raise _empty(self._where)
        start = len(self._data) - len(self._data.lstrip())
        if self._data[start : start + 1] != b"[":
            raise _broken(
                "The document is not a list.",
                self._at(start),
                "Say where the records are with source.format.records, or use format jsonl for an object a line.",
            )
        return True, start + 1

    def _more(self, start: int, at: int) -> tuple[int, int]:
        if at - start > _LINE_LIMIT:
            raise self._too_long(start)
        block = self._stream.read(max(_BLOCK, len(self._data) - start))
        if not block:
            raise _broken("The list does not end: the file was cut.", self._at(len(self._data)))
        self._count_lines(start)
        self._data, self._counted = self._data[start:] + block, 0
        return 0, at - start

    def _close(self, at: int) -> None:
        rest = self._data[at:]
        while True:
            if rest.strip():
                raise _broken("Something follows the end of the list.", self._at(at))
            rest = self._stream.read(_BLOCK)
            if not rest:
                return

    def _at(self, at: int) -> str:
        return f"{self._where}:{self._count_lines(max(at, self._counted))}"

    def _too_long(self, start: int) -> ExtractionError:
        return _broken("One element is longer than 64 MiB.", self._at(start), "Write the list in smaller elements.")


# ------------------------------------------------------------------ records inside a document


def _found(stream: io.BufferedReader, where: str, expression: str) -> Iterator[Element]:
    document = stream.read(_DOCUMENT_LIMIT + 1)
    if len(document) > _DOCUMENT_LIMIT:
        raise ExtractionError(
            "SRC-015",
            "A document of more than 256 MiB cannot be searched with `records`.",
            where=where,
            fix="Write the records as a list of their own, or one a line (jsonl): these are streamed.",
        )
    if not document.strip():
        raise _empty(where)
    return (Element(text, 1) for text in elements_at(document, where, expression))


def elements_at(document: bytes, where: str, expression: str) -> list[bytes]:
    """The texts of the elements of the list that a JMESPath finds in a document.

    Raises ExtractionError SRC-014 (not JSON, no list there), ConfigError SRC-019 (not a JMESPath).
    """
    if _PLAIN_PATH.match(expression):
        return _by_path(document, where, expression)
    found = _by_search(document, where, expression)
    if not isinstance(found, list):
        raise _not_a_list(where, expression)
    return [_written(element).encode() for element in found]


def find_text(document: bytes, expression: str, where: str) -> str | None:
    """The one value that a JMESPath finds, a number as written; None for nothing, null, false and the empty text.

    Raises ExtractionError SRC-014 (not JSON), ConfigError SRC-019 (not a JMESPath).
    """
    if _PLAIN_PATH.match(expression) and not expression.endswith("]"):
        return _member(document, where, expression)
    match _by_search(document, where, expression):
        case None | False | "":
            return None
        case str() as text:
            return text
        case found:
            return _written(found)


def _by_path(document: bytes, where: str, path: str) -> list[bytes]:
    """``a.b.c``: the bytes of the elements, untouched."""
    raw = document
    try:
        for key in path.rstrip("[*]").split("."):
            members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw] | list[msgspec.Raw])
            if isinstance(members, list) or key not in members:
                raise _not_a_list(where, path)
            raw = bytes(members[key])
        if not raw.startswith(b"["):
            raise _not_a_list(where, path)
        return [bytes(element) for element in msgspec.json.decode(raw, type=list[msgspec.Raw])]
    except FAILURES as error:
        raise _broken(f"This is not JSON: {error}.", where) from error


def _member(document: bytes, where: str, path: str) -> str | None:
    """``a.b.c`` as :func:`find_text` gives it, without reading the rest of the document as values."""
    raw = document
    try:
        for key in path.split("."):
            if not raw.lstrip().startswith(b"{"):
                return None
            members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            if key not in members:
                return None
            raw = bytes(members[key])
        if raw.startswith(b'"'):
            return msgspec.json.decode(raw, type=str) or None
        return None if raw in (b"null", b"false") else raw.decode()
    except FAILURES as error:
        raise _broken(f"This is not JSON: {error}.", where) from error


def _not_a_list(where: str, path: str) -> ExtractionError:
    return _broken(f"`{path}` finds no list in the document.", where, "Correct source.format.records.")


class _Int(int):
    text: str


class _Float(float):
    text: str


def _int(text: str) -> _Int:
    value = _Int(text)
    value.text = text
    return value


def _float(text: str) -> _Float:
    value = _Float(text)
    value.text = text
    return value


def _constant(text: str) -> float:
    raise ValueError(f"{text} is not JSON")


def _by_search(document: bytes, where: str, expression: str) -> object:
    """Any JMESPath. Numbers keep their characters; the white space inside nested values does not survive."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        search = jmespath.compile(expression)
    except JMESPathError as error:
        raise ConfigError(
            "SRC-019", f"`{expression}` is not a JMESPath: {error}.", where=where, fix="See jmespath.org."
        ) from error
    try:
        content = json.loads(document, parse_int=_int, parse_float=_float, parse_constant=_constant)
        return search.search(content)
    except (ValueError, RecursionError, JMESPathError) as error:
        raise _broken(f"`{expression}` cannot be evaluated: {error}.", where) from error


def _written(value: object) -> str:
    match value:
        case _Int() | _Float():
            return value.text
        case dict():
            return "{" + ", ".join(f"{_written(k)}: {_written(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(_written(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)
