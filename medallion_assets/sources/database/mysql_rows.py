"""Rows of MySQL's wire protocol as columns, a block of many rows at a time, without Python looking at a value.

A row is a packet: three bytes of length, one of sequence, then for each column its text behind its length (one byte,
or a mark and two, three or eight bytes), or a mark for NULL. The packets of a block are found one by one; then all rows
step from column to column together, in numpy, and a column's texts become an Arrow string view into the block.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["Block", "columns", "packets"]

_NULL, _TWO, _THREE, _EIGHT = 251, 252, 253, 254
_ERROR, _END = 0xFF, 0xFE
_HEADER = 4
_LARGEST = 0xFFFFFF
"""A packet of this length goes on in the next one."""
_SHORTEST_EIGHT = 9
"""A packet that begins like an end and is not shorter is a row whose first text has its length in eight bytes."""
_BLOCK_BYTES = 1 << 20
_INLINE = 12
"""A view of so many bytes holds them itself."""
_PAD = 16
"""Bytes behind a block, so that reading a few bytes at its end stays within it."""
_MASK = np.where(np.arange(_INLINE) < np.arange(_INLINE + 2)[:, None], 0xFF, 0).astype(np.uint8)
_MASK[_INLINE + 1] = 0xFF

Offsets = npt.NDArray[np.int64]
Block = tuple[bytes, Offsets, Offsets]
"""Bytes, and where in them each row begins and ends."""


def packets(read: Callable[[int], bytes], fail: Callable[[bytes], None]) -> Iterator[Block]:
    """The rows of one result, to its end. ``read`` gives up to so many bytes, none when the peer is gone.

    ``fail`` raises what an error packet says. Raises ConnectionError when the result is cut.
    """
    waiting = _Waiting()
    while True:
        data = read(_BLOCK_BYTES)
        if not data:
            raise ConnectionError("the server went away in the middle of the rows")
        last = waiting.add(data)
        yield from waiting.take(everything=last is not None)
        if last is not None:
            if last[0] == _ERROR:
                fail(last)
            return


class _Waiting:
    """Bytes that came, and the rows in them that nobody has taken."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._at = 0
        self._begins: list[int] = []
        self._ends: list[int] = []
        self._large = bytearray()
        """What came of a row that is longer than a packet."""
        self._complete: list[Block] = []

    def add(self, data: bytes) -> bytes | None:
        """The packet that ends the rows, when it is among them."""
        self._held += data
        held, at, size = self._held, self._at, len(self._held)
        while at + _HEADER <= size:
            length = held[at] | held[at + 1] << 8 | held[at + 2] << 16
            begin = at + _HEADER
            end = begin + length
            if end > size:
                break
            if length == _LARGEST or self._large:
                self._piece(begin, end)
                held, at, size = self._held, 0, len(self._held)
                continue
            if length and held[begin] >= _END and (length < _SHORTEST_EIGHT or held[begin] == _ERROR):
                return bytes(held[begin:end])
            self._begins.append(begin)
            self._ends.append(end)
            at = self._at = end
        return None

    def take(self, *, everything: bool) -> Iterator[Block]:
        """The rows so far, once they are worth the trouble."""
        if everything or self._at >= _BLOCK_BYTES:
            self._cut()
        complete, self._complete = self._complete, []
        yield from complete

    def _cut(self) -> None:
        if self._begins:
            data = bytes(self._held[: self._at]) + bytes(_PAD)
            self._complete.append((data, np.array(self._begins, np.int64), np.array(self._ends, np.int64)))
            self._begins, self._ends = [], []
        del self._held[: self._at]
        self._at = 0

    def _piece(self, begin: int, end: int) -> None:
        """A packet of a large row; the last one is shorter than the largest, if need be empty."""
        self._large += self._held[begin:end]
        done = end - begin < _LARGEST
        rest = end - self._at
        self._cut()
        del self._held[:rest]
        if done:
            row, self._large = self._large, bytearray()
            ends = np.array([len(row)], np.int64)
            self._complete.append((bytes(row) + bytes(_PAD), np.zeros(1, np.int64), ends))


def columns(block: Block, count: int) -> list[Any]:
    """``count`` Arrow arrays (binary_view) of the block's rows. Raises ConnectionError unless every row ends there."""
    data, at, ends = block
    raw = np.frombuffer(data, np.uint8)
    found = []
    for _ in range(count):
        if (at >= ends).any():
            raise ConnectionError("a row ends before its last column")
        mark = raw[at]
        lengths = mark.astype(np.int64)
        begin = at + 1
        if (mark >= _NULL).any():
            for kind, width in ((_TWO, 2), (_THREE, 3), (_EIGHT, 8)):
                rows = np.flatnonzero(mark == kind)
                lengths[rows] = [
                    struct.unpack_from("<Q", data, int(p))[0] & ((1 << 8 * width) - 1) for p in begin[rows]
                ]
                begin[rows] += width
            null = mark == _NULL
            lengths[null] = 0
        else:
            null = None
        found.append(_views(data, raw, begin, lengths, null))
        at = begin + lengths
    if (at != ends).any():
        raise ConnectionError("a row does not end behind its last column")
    return found


def _views(data: bytes, raw: "npt.NDArray[np.uint8]", begin: Offsets, lengths: Offsets, null: Any) -> Any:
    """Lengths and, of each text, its bytes when they are few, else their first four and where it begins."""
    views = np.empty((len(begin), 16), np.uint8)
    words = views.view(np.int32)
    words[:, 0] = lengths
    few = np.lib.stride_tricks.sliding_window_view(raw, _INLINE)[np.minimum(begin, len(raw) - _INLINE)]
    views[:, 4:] = few & _MASK[np.minimum(lengths, _INLINE + 1)]
    long = np.flatnonzero(lengths > _INLINE)
    words[long, 2] = 0
    words[long, 3] = begin[long]
    valid = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.Array.from_buffers(pa.binary_view(), len(begin), [valid, pa.py_buffer(views), pa.py_buffer(data)])
