"""Compressed streams: gzip (RFC 1952, several members), zstd (RFC 8878, several frames), bz2 (several streams).

They are known by their first bytes, whatever the name. A stream that stops early, fails its checksum or goes on with
other bytes is an error, never a short read.
"""

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

from medallion_assets.errors import ExtractionError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["FREE_BYTES", "MAX_RATIO", "PEEK", "Codec", "Compression", "Decoded", "Packed", "bomb", "codec_of"]

Compression = Literal["auto", "none", "gzip", "zstd", "bz2", "zip"]
PEEK = 10
"""First bytes that say which compression it is."""
FREE_BYTES = 256 << 20
"""Decoded bytes up to which no ratio is looked at."""
MAX_RATIO = 400
"""Text reaches 30, rarely 100; gzip ends at 1,032."""
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BZ2 = b"BZh"
_BZ2_START = re.compile(rb"BZh[1-9](?:\x31\x41\x59\x26\x53\x59|\x17\x72\x45\x38\x50\x90)")
_CHUNK = 1 << 18
_ZSTD_CHUNK = 2048
"""zstandard gives out all that a chunk stands for at once, at most 128 KiB for 4 bytes: 64 MiB."""
_MOST = 1 << 22


class Codec(Protocol):
    """One member, frame or stream at a time."""

    name: str
    magic: bytes
    chunk: int
    failures: tuple[type[Exception], ...]

    def restart(self) -> None: ...
    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Decoded bytes, a few MiB at most, and the input that is still to be given."""
        ...

    @property
    def hungry(self) -> bool:
        """Whether it needs input to go on."""
        ...

    @property
    def rest(self) -> bytes | None:
        """At the end of the member: the input behind it."""
        ...


class _Gzip:
    name, magic, chunk, hungry = "gzip", _GZIP, _CHUNK, True

    def __init__(self) -> None:
        import zlib

        self.failures: tuple[type[Exception], ...] = (zlib.error,)
        self._new: Callable[[], zlib._Decompress] = lambda: zlib.decompressobj(wbits=31)
        self._one = self._new()

    def restart(self) -> None:
        self._one = self._new()

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        out = self._one.decompress(data, _MOST)
        return out, self._one.unconsumed_tail

    @property
    def rest(self) -> bytes | None:
        return self._one.unused_data if self._one.eof else None


class _Zstd:
    name, magic, chunk, hungry = "zstd", _ZSTD, _ZSTD_CHUNK, True

    def __init__(self) -> None:
        import zstandard

        self.failures: tuple[type[Exception], ...] = (zstandard.ZstdError,)
        self._new = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj
        self._one = self._new()

    def restart(self) -> None:
        self._one = self._new()

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        return self._one.decompress(data), b""

    @property
    def rest(self) -> bytes | None:
        return self._one.unused_data if self._one.eof else None


class _Bz2:
    name, magic, chunk = "bz2", _BZ2, _CHUNK

    def __init__(self) -> None:
        from bz2 import BZ2Decompressor

        self.failures: tuple[type[Exception], ...] = (OSError,)
        self._new = BZ2Decompressor
        self._one = self._new()

    def restart(self) -> None:
        self._one = self._new()

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        return self._one.decompress(data, _MOST), b""

    @property
    def hungry(self) -> bool:
        return self._one.needs_input

    @property
    def rest(self) -> bytes | None:
        return self._one.unused_data if self._one.eof else None


def codec_of(compression: Compression, start: bytes) -> Codec | None:
    """The codec that is told, or by the first bytes. None: these are the bytes themselves, or an archive."""
    if compression == "gzip" or (compression == "auto" and start.startswith(_GZIP)):
        return _Gzip()
    if compression == "zstd" or (compression == "auto" and start.startswith(_ZSTD)):
        return _Zstd()
    if compression == "bz2" or (compression == "auto" and _BZ2_START.match(start)):
        return _Bz2()
    return None


class Packed(Protocol):
    """What a compressed stream is made from, for messages and for the ratio."""

    @property
    def where(self) -> str: ...
    @property
    def bytes(self) -> int:
        """Of the whole."""
        ...

    @property
    def count(self) -> int:
        """Of these, taken so far."""
        ...


class Decoded(io.RawIOBase):
    """The decoded bytes of a compressed stream.

    Raises ExtractionError while reading: SRC-007 damaged, SRC-008 a decompression bomb.
    """

    def __init__(self, source: io.BufferedReader, packed: Packed, codec: Codec) -> None:
        super().__init__()
        self._source, self._packed, self._codec = source, packed, codec
        self._input = b""
        self._output = memoryview(b"")
        self._count = 0
        self._inside = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        while not self._output:
            piece = self._next()
            if piece is None:
                return 0
            self._output = memoryview(piece)
        view = memoryview(buffer).cast("B")
        n = min(len(view), len(self._output))
        view[:n] = self._output[:n]
        self._output = self._output[n:]
        return n

    def _next(self) -> bytes | None:
        codec = self._codec
        if not self._input and (codec.hungry or not self._inside):
            self._input = self._source.read1(codec.chunk)
            if not self._input:
                if self._inside:
                    raise self._damaged("it stops in the middle", "Fetch the file again: it was cut.")
                return None
        if not self._inside:
            return self._between()
        try:
            out, self._input = codec.decode(self._input)
        except codec.failures as error:
            raise self._damaged(str(error), "Fetch the file again.") from error
        if (rest := codec.rest) is not None:
            self._input, self._inside = rest, False
        self._count += len(out)
        if self._count > FREE_BYTES and self._count > MAX_RATIO * self._packed.count:
            raise bomb(codec.name, self._packed.count, self._count, self._packed.where)
        return out

    def _between(self) -> bytes:
        """After a member: another one, or zeros that fill a tape block (gzip), or bytes that do not belong here."""
        if len(self._input) < len(self._codec.magic):
            self._input += self._source.read(len(self._codec.magic) - len(self._input))
        if self._input.startswith(self._codec.magic):
            self._codec.restart()
            self._inside = True
        elif self._codec.name == "gzip" and not self._input.strip(b"\0"):
            self._input = b""
        else:
            raise self._damaged("other bytes follow its end", "Fetch the file again, or cut what follows.")
        return b""

    def _damaged(self, what: str, fix: str) -> ExtractionError:
        packed = self._packed
        return ExtractionError(
            "SRC-007",
            f"The {self._codec.name} file is damaged after {packed.count:,} of {packed.bytes:,} bytes: {what}.",
            where=packed.where,
            fix=fix,
        )


def bomb(kind: str, stored: int, decoded: int, where: str) -> ExtractionError:
    """Make the error for a file out of which more comes than any honest one would give."""
    return ExtractionError(
        "SRC-008",
        f"{stored:,} bytes of {kind} have become {decoded:,}: more than {MAX_RATIO} times.",
        where=where,
        fix="If the file is sound, decompress it and load the result.",
    )
