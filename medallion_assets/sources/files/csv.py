"""CSV as blocks: Polars parses what is provably regular, the rest goes record by record.

Bronze keeps the characters: every cell is text, an empty cell is ``""``. A block goes to Polars when every quote is
where RFC 4180 wants it and the delimiters outside quotes are exactly as many as its records need; Polars refuses
records with too many fields and bytes that are not UTF-8, so equality of the sums leaves no room for short ones.
A block that fails is tried in smaller pieces, and the smallest that fail are read by ``csv_rows``.

Blank lines are skipped, unless the file has one column: there they are rows with an empty cell.
"""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.source import Csv
from medallion_assets.lake.ports import Batch, Refused
from medallion_assets.sources.files.csv_ahead import Ahead
from medallion_assets.sources.files.csv_rows import RECORD_LIMIT, Dialect, next_record
from medallion_assets.sources.files.csv_scan import Counts, scan
from medallion_assets.sources.files.names import problem_of

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BLOCK_BYTES", "read_csv"]

BLOCK_BYTES = 8 << 20
"""Fastest of 1 to 32 MiB, and small enough for the allocators to keep using the same memory."""
_SMALLEST_BYTES = 1 << 16
_GROWTH = 8
_MARK = b"\xef\xbb\xbf"


def read_csv(
    stream: io.BufferedReader, spec: Csv, *, name: str, where: str, block_bytes: int = BLOCK_BYTES
) -> Iterator[Batch]:
    """Batches of a CSV ``stream`` in UTF-8; at least one, with the columns, even when there are no rows.

    Raises ConfigError SRC-020 (signs that cannot be told apart); ExtractionError SRC-009 (no header), SRC-010 (header
    unusable), SRC-012 (ragged record under ``ragged: fail``), SRC-013 (a line longer than 64 MiB).
    """
    reader = _Csv(stream, spec, name, where, block_bytes)
    try:
        yield from reader.batches()
    finally:
        reader.close()


class _Csv:
    def __init__(self, stream: io.BufferedReader, spec: Csv, name: str, where: str, block_bytes: int) -> None:
        self._stream, self._spec, self._name, self._where = stream, spec, name, where
        self._block = block_bytes
        self._smallest = min(_SMALLEST_BYTES, block_bytes)
        self._dialect = Dialect.of(spec, where)
        self._ahead = Ahead(stream, block_bytes, RECORD_LIMIT, self._judge)
        self._verdict: Counts | Literal["irregular", "open"] | None = None  # of all _data, where known
        self._data = b""  # ends with a newline; a record starts at _at, which is line _line of the file
        self._at = 0
        self._line = 1
        self._ended = False
        self._header_line = 1
        self._columns: tuple[str, ...] = ()

    def close(self) -> None:
        self._ahead.close()

    # ------------------------------------------------------------------ the loop

    def batches(self) -> Iterator[Batch]:
        import polars as pl

        self._columns = self._header()
        yield Batch(pl.DataFrame(schema=dict.fromkeys(self._columns, pl.String)))
        trial, needed = self._block, 0
        while self._fill(max(trial, needed)):
            piece, counts = self._regular(trial)
            rows = self._fast(piece, counts) if counts is not None else None
            if counts is not None and rows is not None:
                self._at += len(piece)
                self._line += counts.lines
                trial, needed = min(trial * _GROWTH, self._block), 0
                yield Batch(rows)
            elif len(piece) > self._smallest and trial > self._smallest:
                trial = max(min(trial, len(piece)) // _GROWTH, self._smallest)
            elif (batch := self._slow()) is not None:
                needed = 0
                yield batch
                trial = min(trial * _GROWTH, self._block)
            else:
                needed = max(len(self._data) - self._at, self._block) * 2

    def _fill(self, wanted: int) -> bool:
        """Have ``wanted`` bytes from here on, or all there are. False: nothing is left."""
        while not self._ended and len(self._data) - self._at < max(wanted, 1):
            block = self._ahead.take()
            left = self._data[self._at :]
            if block.too_long:
                fix = "Check that this is a text file, and its compression and encoding."
                line = self._line + left.count(b"\n") + block.data.count(b"\n")
                raise self._error("SRC-013", "A line is longer than 64 MiB.", fix, line)
            self._ended = block.ended
            self._data, self._at = left + block.data if left else block.data, 0
            self._verdict = None if left else block.verdict
        return self._at < len(self._data)

    # ------------------------------------------------------------------ the fast way

    def _regular(self, size: int) -> tuple[bytes, Counts | None]:
        """A piece of about ``size`` bytes that ends with a record, and its counts when it is regular."""
        end = self._data.find(b"\n", self._at + size - 1) + 1 or len(self._data)
        whole = self._at == 0 and end == len(self._data)
        piece = self._data if whole else self._data[self._at : end]
        counts = self._verdict if whole and self._verdict is not None else self._judge(piece)
        if counts == "open" and self._dialect.quote is not None:
            piece = piece[: _last_even(piece, self._dialect.quote)]
            counts = self._judge(piece) if piece else "irregular"
        if isinstance(counts, str) or counts.delimiters != counts.records * (len(self._columns) - 1):
            return piece, None
        return piece, counts

    def _judge(self, piece: bytes) -> Counts | Literal["irregular", "open"]:
        dialect = self._dialect
        if not dialect.plain or dialect.met_in(piece) or piece.startswith(_MARK):
            return "irregular"
        return scan(piece, dialect.delimiter, dialect.quote)

    def _fast(self, piece: bytes, counts: Counts) -> "pl.DataFrame | None":
        import polars as pl

        dialect = self._dialect
        try:
            rows = pl.read_csv(
                piece,
                has_header=False,
                schema=dict.fromkeys(self._columns, pl.String),
                separator=dialect.delimiter.decode(),
                quote_char=dialect.quote.decode() if dialect.quote is not None else None,
                empty_string_is_null=False,
            )
        except pl.exceptions.PolarsError:  # not UTF-8, or too many fields here and too few there
            return None
        return rows if rows.height == counts.records else None

    # ------------------------------------------------------------------ the slow way

    def _slow(self) -> Batch | None:
        """Some records from here on. None: not even the first one ends in the data at hand."""
        import polars as pl

        rows: list[list[str | None]] = []
        refused: list[Refused] = []
        start = self._at
        while self._at < min(start + self._smallest, len(self._data)):
            record = next_record(self._data, self._at, self._dialect, last=self._ended)
            if record is None:
                break
            if record.refused is not None:
                refused.append(self._refused("quote", record.refused, record.end))
            elif record.fields is not None:
                row = self._row(record.fields, record.end)
                if isinstance(row, Refused):
                    refused.append(row)
                elif row:
                    rows.append(row)
            self._line += self._data.count(b"\n", self._at, record.end)
            self._at = record.end
        if self._at == start:
            return None
        frame = pl.DataFrame(rows, schema=dict.fromkeys(self._columns, pl.String), orient="row")
        return Batch(frame, tuple(refused))

    def _row(self, fields: list[bytes], end: int) -> list[str | None] | Refused:
        """The cells of a record; none for a blank line."""
        expected = len(self._columns)
        if not fields:
            return [""] if expected == 1 else []
        try:
            cells: list[str | None] = [field.decode() for field in fields]
        except UnicodeDecodeError as error:
            detail = f"the bytes {error.object[error.start : error.end].hex(' ')} are not UTF-8; set the encoding"
            return self._refused("encoding", detail, end)
        if len(cells) == expected:
            return cells
        if len(cells) < expected and self._dialect.ragged == "pad":
            return cells + [None] * (expected - len(cells))
        detail = f"{len(cells)} fields, {expected} expected"
        if self._dialect.ragged == "fail":
            raise self._error("SRC-012", f"A row has {detail}.", "Mend the row, or set source.format.ragged.")
        return self._refused("ragged", detail, end)

    def _refused(self, reason: str, detail: str, end: int) -> Refused:
        raw = self._data[self._at : end].rstrip(b"\r\n").decode("utf-8", "backslashreplace")
        return Refused(reason, detail, self._name, self._line, raw)

    # ------------------------------------------------------------------ the header

    def _header(self) -> tuple[str, ...]:
        for _ in range(self._spec.skip_rows):
            self._line += bool(self._stream.readline(RECORD_LIMIT))
        names = self._spec.names
        if self._spec.header or not names:
            first = self._first_record()
            if names and len(names) != len(first):
                raise self._error(
                    "SRC-010",
                    f"The header has {len(first)} columns, and source.format.names {len(names)}.",
                    "Name every column, or leave source.format.names out.",
                    self._header_line,
                )
            if not names:
                names = first if self._spec.header else tuple(f"column_{i + 1}" for i in range(len(first)))
        return self._usable(names)

    def _first_record(self) -> tuple[str, ...]:
        """The fields of the first line that is neither blank nor a comment; left behind only when it is the header."""
        needed = min(self._block, _SMALLEST_BYTES)
        while self._fill(needed):
            record = next_record(self._data, self._at, self._dialect, last=self._ended)
            if record is None:
                needed = max(len(self._data) - self._at, self._block) * 2
                continue
            self._header_line = self._line
            if record.refused is not None:
                raise self._error("SRC-010", f"The header cannot be read: {record.refused}.", "Mend the first line.")
            if record.fields and not self._spec.header:
                return self._decoded(record.fields)
            self._line += self._data.count(b"\n", self._at, record.end)
            self._at = record.end
            if record.fields:
                return self._decoded(record.fields)
        raise self._error(
            "SRC-009",
            "The file is empty: it has no header.",
            "Deliver a file with at least a header, or set source.format.names and header: false.",
        )

    def _decoded(self, fields: list[bytes]) -> tuple[str, ...]:
        try:
            return tuple(field.decode() for field in fields)
        except UnicodeDecodeError as error:
            raise self._error(
                "SRC-011",
                f"The first line is not UTF-8: the bytes {error.object[error.start : error.end].hex(' ')}.",
                "Set source.format.encoding to the encoding of the file, like latin-1, cp1252 or utf-16.",
                self._header_line,
            ) from error

    def _usable(self, names: tuple[str, ...]) -> tuple[str, ...]:
        problem = problem_of(names)
        if problem:
            fix = "Correct the header, or name every column in source.format.names."
            raise self._error("SRC-010", problem, fix, self._header_line)
        return names

    def _error(self, code: str, what: str, fix: str, line: int | None = None) -> ExtractionError:
        return ExtractionError(code, what, where=f"{self._where}:{line or self._line}", fix=fix)


def _last_even(piece: bytes, quote: bytes) -> int:
    """The end of the last line after which an odd number of quotes follow; ``piece`` holds an odd number."""
    end = len(piece)
    odd = False
    while end > 0:
        before = piece.rfind(b"\n", 0, end - 1) + 1
        odd ^= piece.count(quote, before, end) % 2 == 1
        end = before
        if odd:
            return end
    return 0
