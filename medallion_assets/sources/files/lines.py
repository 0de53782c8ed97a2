"""A text file as blocks of whole lines."""

import io
from collections.abc import Iterator
from typing import NamedTuple

from medallion_assets.errors import ExtractionError

__all__ = ["LINE_LIMIT", "Block", "line_blocks"]

LINE_LIMIT = 64 << 20
"""Bytes of one line."""


class Block(NamedTuple):
    """Whole lines, the first of which is ``line`` of the file. Only the file's last one may lack its newline."""

    line: int
    data: bytes


def line_blocks(stream: io.BufferedReader, size: int, *, where: str, fix: str) -> Iterator[Block]:
    """Blocks of ``size`` bytes and the rest of a line. Raises ExtractionError SRC-013 for a line without end."""
    line = 1
    while data := stream.read(size):
        rest = b"" if data.endswith(b"\n") else stream.readline(LINE_LIMIT)
        if len(rest) >= LINE_LIMIT:
            raise ExtractionError(
                "SRC-013", "A line is longer than 64 MiB.", where=f"{where}:{line + data.count(bytes([10]))}", fix=fix
            )
        block = data + rest if rest else data
        yield Block(line, block)
        line += block.count(b"\n")
