"""CSV record by record: the meaning of the format, and the way through what is damaged.

A record that is not regular is refused as its first line alone, and reading goes on at the next line: a stray quote
costs one row, not the rest of the file. A refused row is never repaired.
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from medallion_assets.errors import ConfigError
from medallion_assets.intent.source import Csv

__all__ = ["RECORD_LIMIT", "Dialect", "Record", "next_record"]

_CR = 13
RECORD_LIMIT = 64 << 20
"""Bytes of one record; a quote that stays open for longer is one that never closes."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How records are written, as UTF-8 bytes. ``quote`` None: quotes are ordinary characters."""

    delimiter: bytes
    quote: bytes | None
    escape: bytes | None
    comment: bytes | None
    collapse: bool
    ragged: Literal["fail", "quarantine", "pad"]

    @classmethod
    def of(cls, spec: Csv, where: str) -> "Dialect":
        """Raises ConfigError SRC-020 for signs that cannot be told apart."""
        delimiter = spec.delimiter if spec.delimiter is not None else ("\t" if spec.type == "tsv" else ",")
        quote, escape = spec.quote or None, spec.escape or None
        problem = ""
        if not delimiter or "\n" in delimiter or "\r" in delimiter:
            problem = "The delimiter must be a text without line ends."
        elif any(sign is not None and (len(sign) != 1 or sign in "\r\n") for sign in (quote, escape)):
            problem = "quote and escape must be one character each."
        elif any(sign is not None and sign in delimiter for sign in (quote, escape)):
            problem = "quote and escape must differ from the delimiter."
        if problem:
            raise ConfigError("SRC-020", problem, where=where, fix="Correct source.format.")
        return cls(
            delimiter.encode(),
            quote.encode() if quote else None,
            escape.encode() if escape and escape != quote else None,
            spec.comment.encode() if spec.comment else None,
            spec.collapse,
            spec.ragged,
        )

    @property
    def plain(self) -> bool:
        """Whether Polars can read it, where no escape and no comment stands in the way."""
        return (
            len(self.delimiter) == 1
            and self.delimiter.isascii()
            and (self.quote is None or len(self.quote) == 1)
            and not self.collapse
        )

    def met_in(self, piece: bytes) -> bool:
        """Whether an escape or a comment stands in ``piece``, which starts at a record's start."""
        if self.escape is not None and self.escape in piece:
            return True
        return self.comment is not None and (piece.startswith(self.comment) or b"\n" + self.comment in piece)


class Record(NamedTuple):
    """A record and where the next one starts. A refused one says why and is its first line alone."""

    end: int
    fields: list[bytes] | None
    """None: a comment or refused; empty: a blank line."""
    refused: str | None = None


def next_record(data: bytes, start: int, dialect: Dialect, *, last: bool) -> Record | None:
    """The record at ``start`` of ``data``, which ends with a newline. None: the record goes on after that.
    ``last``: nothing comes after that.
    """
    newline = data.find(b"\n", start)
    if newline < 0:
        return None
    if dialect.comment is not None and data.startswith(dialect.comment, start):
        return Record(newline + 1, None)
    line = data[start : _without_cr(data, start, newline)]
    if (dialect.quote is None or dialect.quote not in line) and (dialect.escape is None or dialect.escape not in line):
        return Record(newline + 1, _split(line, dialect))
    return _marked(data, start, newline + 1, dialect, last=last)


def _without_cr(data: bytes, start: int, end: int) -> int:
    return end - 1 if end > start and data[end - 1] == _CR else end


def _split(line: bytes, dialect: Dialect) -> list[bytes]:
    fields = line.split(dialect.delimiter) if line else []
    return [field for field in fields if field] if dialect.collapse else fields


def _marked(data: bytes, start: int, second_line: int, dialect: Dialect, *, last: bool) -> Record | None:
    """A record with quotes or escapes."""
    fields: list[bytes] = []
    at = start
    while True:
        while dialect.collapse and data.startswith(dialect.delimiter, at):
            at += len(dialect.delimiter)
        if dialect.collapse and fields and _at_line_end(data, at):
            break
        quoted = dialect.quote is not None and data.startswith(dialect.quote, at)
        found = _quoted(data, at, dialect) if quoted else _unquoted(data, at, dialect)
        if isinstance(found, str):
            return Record(second_line, None, found)
        if found is None:
            if not last and len(data) - start < RECORD_LIMIT:
                return None
            return Record(second_line, None, "a quote opens and never closes" if quoted else "an escape ends the file")
        value, at = found
        fields.append(value)
        if _at_line_end(data, at):
            break
        at += len(dialect.delimiter)
    return Record(data.index(b"\n", at) + 1, fields)


def _at_line_end(data: bytes, at: int) -> bool:
    return data.startswith((b"\n", b"\r\n"), at)


def _quoted(data: bytes, at: int, dialect: Dialect) -> tuple[bytes, int] | str | None:
    """Value of the quoted field at ``at`` and where it ends; why it is irregular; None: its end is not in sight."""
    quote = dialect.quote or b""
    start = seek = at + len(quote)
    while True:
        close = data.find(quote, seek)
        if close < 0:
            return None
        if dialect.escape is not None and (slip := data.find(dialect.escape, seek, close)) >= 0:
            seek = slip + len(dialect.escape) + 1
        elif data.startswith(quote, close + len(quote)):
            seek = close + 2 * len(quote)
        else:
            break
    end = close + len(quote)
    if not _at_line_end(data, end) and not data.startswith(dialect.delimiter, end):
        return "text follows a closing quote"
    return _unescaped(data[start:close], dialect), end


def _unquoted(data: bytes, at: int, dialect: Dialect) -> tuple[bytes, int] | str | None:
    """As ``_quoted``, for a field that does not start with a quote."""
    seek = at
    while True:
        newline = data.find(b"\n", seek)
        if newline < 0:
            return None
        delimiter = data.find(dialect.delimiter, seek, newline)
        end = delimiter if delimiter >= 0 else _without_cr(data, at, newline)
        slip = data.find(dialect.escape, seek, end) if dialect.escape is not None else -1
        if slip < 0:
            break
        seek = slip + len(dialect.escape or b"") + 1
    text = data[at:end]
    if dialect.quote is not None and dialect.quote in _without_escapes(text, dialect):
        return "a quote stands in the middle of a field"
    return _unescaped(text, dialect), end


def _without_escapes(text: bytes, dialect: Dialect) -> bytes:
    if dialect.escape is None:
        return text
    return re.sub(re.escape(dialect.escape) + b".", b"", text, flags=re.DOTALL)


def _unescaped(text: bytes, dialect: Dialect) -> bytes:
    double = dialect.quote * 2 if dialect.quote is not None else None
    if dialect.escape is None or dialect.escape not in text:
        return text if double is None else text.replace(double, double[: len(double) // 2])
    shape = re.escape(dialect.escape) + b"(.)" + (b"" if double is None else b"|" + re.escape(double))
    single = dialect.quote or b""
    return re.sub(shape, lambda found: single if found[1] is None else found[1], text, flags=re.DOTALL)
