"""The next block of a CSV file, read and judged in another thread while the one before is parsed and stored."""

import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["Ahead", "Block"]

Verdict = TypeVar("Verdict")


@dataclass(frozen=True, slots=True)
class Block(Generic[Verdict]):
    """Whole lines; the last of a file gets its newline. ``too_long``: the last line does not end within the limit."""

    data: bytes
    ended: bool
    too_long: bool
    verdict: Verdict | None
    """Of the block alone, as if a record started with it; None when there is nothing in it."""


class Ahead(Generic[Verdict]):
    """Blocks of about ``size`` bytes of ``stream``. A file of one block costs no thread; ``close`` ends it."""

    def __init__(
        self, stream: io.BufferedReader, size: int, line_limit: int, judge: Callable[[bytes], Verdict]
    ) -> None:
        self._stream, self._size, self._limit, self._judge = stream, size, line_limit, judge
        self._thread: ThreadPoolExecutor | None = None
        self._next: Future[Block[Verdict]] | None = None

    def take(self) -> Block[Verdict]:
        """The next block; empty at the end. Raises what reading it raised."""
        block = self._read() if self._next is None else self._next.result()
        if not (block.ended or block.too_long):
            self._thread = self._thread or ThreadPoolExecutor(1, "csv-ahead")
            self._next = self._thread.submit(self._read)
        return block

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def _read(self) -> Block[Verdict]:
        data = self._stream.read(self._size)
        ended = len(data) < self._size
        rest = b"" if ended else self._stream.readline(self._limit)
        too_long = len(rest) >= self._limit
        ended = not too_long and (ended or not rest.endswith(b"\n"))
        data = b"".join((data, rest, b"\n" if ended and not (rest or data or b"\n").endswith(b"\n") else b""))
        return Block(data, ended, too_long, self._judge(data) if data else None)
