"""The heat map as a PNG: one row a dataset, one column a day. Written by hand, because it is forty lines of zlib."""

import struct
import zlib

from medallion_assets.report.quality import Quality

__all__ = ["heat_map"]

_COLOURS = {"": 0, "passed": 1, "warned": 2, "failed": 3}
_PALETTE = bytes.fromhex("d8dee42da44ed4a72ccf222effffff")
_GAP = 4
_CELL = 10
_MOST_ROWS, _MOST_DAYS = 60, 120


def heat_map(quality: Quality) -> bytes:
    """At most 60 datasets, the worst score first, and the newest 120 days, in cells of 10 pixels: a few kilobytes.

    Grey: no verdict.
    """
    days = quality.days[-_MOST_DAYS:]
    rows = [
        [_COLOURS[days_of[day].state if day in days_of else ""] for day in days]
        for days_of in (quality.datasets[name] for name in quality.worst_first[:_MOST_ROWS])
    ]
    lines = [line for row in rows or [[0]] for line in _lines(row)]
    width, height = len(lines[0]), len(lines)
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    data = b"".join(b"\0" + line for line in lines)
    chunks = ((b"IHDR", header), (b"PLTE", _PALETTE), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _lines(row: list[int]) -> list[bytes]:
    gap = bytes([_GAP])
    line = b"".join(bytes([colour]) * (_CELL - 1) + gap for colour in row)
    return [line] * (_CELL - 1) + [gap * len(line)]


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
