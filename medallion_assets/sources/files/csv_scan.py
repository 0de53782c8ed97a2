"""Judges a run of CSV bytes at memory speed: is every quote where RFC 4180 wants it, and how many records and fields?

The whole-file facts come from bit masks, one bit a byte, as simdjson makes them (Langdale and Lemire, "Parsing
gigabytes of JSON per second", 2019, section 3.1.1): a prefix XOR over the quote bits marks what lies between quotes.
Where the answer is "regular", any reader that knows RFC 4180 gives the same rows; where not, nothing is claimed.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bits = NDArray[np.uint64]

__all__ = ["Counts", "scan"]

_SMALL = 1 << 18
"""Up to here the regular expression is cheap, and NumPy need not be imported (58 ms)."""
_NEWLINE = 10
_CR = 13


@dataclass(frozen=True, slots=True)
class Counts:
    """What lies outside quotes. ``lines`` counts every newline, also those between quotes."""

    records: int
    delimiters: int
    lines: int


def scan(piece: bytes, delimiter: bytes, quote: bytes | None) -> Counts | Literal["irregular", "open"]:
    """Counts of ``piece``, which starts at a record's start and ends with a newline; one byte each for the others.

    ``irregular``: a quote or, outside quotes, a CR is out of place.
    ``open``: an odd number of quotes, so the last newline may lie inside a field.
    """
    if quote is None or quote not in piece:
        if not _ends_lines(piece):
            return "irregular"
        if len(piece) <= _SMALL:
            records = piece.count(b"\n")
            return Counts(records, piece.count(delimiter), records)
        return _scan_plain(piece, delimiter)
    if len(piece) <= _SMALL:
        return _scan_small(piece, delimiter, quote)
    return _scan_masks(piece, delimiter, quote)


def _ends_lines(text: bytes) -> bool:
    """Whether every CR is part of a line end. Of another one RFC 4180 says nothing: it is text; Polars drops it."""
    return b"\r" not in text or text.count(b"\r") == text.count(b"\r\n")


def _scan_plain(piece: bytes, delimiter: bytes) -> Counts:
    import numpy as np

    array = np.frombuffer(piece, np.uint8)
    records = int(np.count_nonzero(array == _NEWLINE))
    return Counts(records, int(np.count_nonzero(array == delimiter[0])), records)


@lru_cache(maxsize=8)
def _regular_field(delimiter: bytes, quote: bytes) -> "re.Pattern[bytes]":
    d, q = re.escape(delimiter), re.escape(quote)
    return re.compile(rb"(?:(?<=[\n%b])|\A)%b[^%b]*(?:%b%b[^%b]*)*%b(?=%b|\r?\n)" % (d, q, q, q, q, q, q, d))


def _scan_small(piece: bytes, delimiter: bytes, quote: bytes) -> Counts | Literal["irregular", "open"]:
    rest = _regular_field(delimiter, quote).sub(b"", piece)
    if quote in rest:
        return "open" if rest.count(quote) % 2 else "irregular"
    if not _ends_lines(rest):
        return "irregular"
    return Counts(rest.count(b"\n"), rest.count(delimiter), piece.count(b"\n"))


def _scan_masks(piece: bytes, delimiter: bytes, quote: bytes) -> Counts | Literal["irregular", "open"]:
    import numpy as np

    array = np.frombuffer(piece, np.uint8)
    quotes = _bits(array, quote[0])
    delimiters = _bits(array, delimiter[0])
    newlines = _bits(array, _NEWLINE)
    inside, still_open = _between(quotes)
    if still_open:
        return "open"
    outside = ~inside
    opening, closing = quotes & inside, quotes & outside
    separators = delimiters | newlines
    before = _later(separators | closing)  # a quote after a closing one: the two stand for one quote
    before[0] |= np.uint64(1)
    after = separators | opening
    if b"\r" in piece:
        returns = _bits(array, _CR)
        line_ends = returns & _earlier(newlines)
        after |= line_ends
        if (returns & outside & ~line_ends).any():
            return "irregular"
    if (opening & ~before).any() or (closing & ~_earlier(after)).any():
        return "irregular"
    return Counts(
        records=int(np.bitwise_count(newlines & outside).sum()),
        delimiters=int(np.bitwise_count(delimiters & outside).sum()),
        lines=int(np.bitwise_count(newlines).sum()),
    )


def _bits(array: "NDArray[np.uint8]", byte: int) -> "Bits":
    """One bit for each byte of ``array`` that is ``byte``; the first byte is the lowest bit of the first word."""
    import numpy as np

    packed = np.packbits(array == byte, bitorder="little")
    words = np.zeros(-(-len(packed) // 8), "<u8")
    words.view(np.uint8)[: len(packed)] = packed
    return words


def _between(quotes: "Bits") -> "tuple[Bits, bool]":
    """Bits from each odd quote (included) to the next (excluded), and whether the last one is still open."""
    import numpy as np

    inside = quotes.copy()
    for shift in (1, 2, 4, 8, 16, 32):
        inside ^= inside << np.uint64(shift)
    odd = np.bitwise_xor.accumulate(inside >> np.uint64(63))
    inside[1:] ^= np.uint64(0) - odd[:-1]
    return inside, bool(odd[-1])


def _later(bits: "Bits") -> "Bits":
    """Every bit moved to the byte after."""
    import numpy as np

    moved: Bits = bits << np.uint64(1)
    moved[1:] |= bits[:-1] >> np.uint64(63)
    return moved


def _earlier(bits: "Bits") -> "Bits":
    """Every bit moved to the byte before."""
    import numpy as np

    moved: Bits = bits >> np.uint64(1)
    moved[:-1] |= bits[1:] << np.uint64(63)
    return moved
