"""A stored file as a stream of the bytes it stands for: hashed as stored, checked for change, decompressed.

gzip (RFC 1952, several members) and zstd (RFC 8878, several frames) are known by their first bytes, whatever the name.
A stream that stops early, fails its checksum or goes on with other bytes is an error, never a short read.
"""

import io
import os
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol, final

from xxhash import xxh3_128

from medallion_assets.errors import ExtractionError
from medallion_assets.lake.manifest import FileFact
from medallion_assets.sources.files.find import Found, refused

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["HASH", "StoredFile", "hash_of", "iso"]

HASH = "xxh3_128"
"""Says whether a file is the same file (0.03 ns a byte); it is no defence against forgery: parts have SHA-256."""
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_CHUNK = 1 << 18
_ZSTD_CHUNK = 2048
"""zstandard gives out all that a chunk stands for at once, at most 128 KiB for 4 bytes: 64 MiB."""
_FREE_BYTES = 256 << 20
"""Decoded bytes up to which no ratio is looked at."""
_MAX_RATIO = 400
"""Text reaches 30, rarely 100; gzip ends at 1,032."""


class _Raw(io.RawIOBase):
    """The stored bytes, hashed and counted as they pass."""

    def __init__(self, found: Found) -> None:
        super().__init__()
        self.count = 0
        self._hash = xxh3_128()
        self._found = found
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a FIFO must not hang us
            self._file = io.FileIO(os.open(found.path, flags), "rb")
        except OSError as error:
            raise refused(found.path, error) from error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        try:
            n = self._file.readinto(view) or 0
        except OSError as error:
            raise refused(self._found.path, error) from error
        self._hash.update(view[:n])
        self.count += n
        return n

    def state(self) -> tuple[int, int]:
        """Size and time of the open file now, and those under its name: another file may have taken it."""
        facts = os.fstat(self._file.fileno())
        return facts.st_size, facts.st_mtime_ns

    def named_state(self) -> tuple[int, int] | None:
        try:
            facts = self._found.path.lstat()
        except FileNotFoundError:
            return None
        return facts.st_size, facts.st_mtime_ns

    @property
    def hash(self) -> str:
        return f"{HASH}:{self._hash.hexdigest()}"

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Decoder(Protocol):
    """What zlib and zstandard objects share: one member or frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...


class _Gzip:
    def __init__(self) -> None:
        import zlib

        self.failures: tuple[type[Exception], ...] = (zlib.error,)
        self.magic = _GZIP
        self.name = "gzip"
        self.chunk = _CHUNK
        self._new: Callable[[], zlib._Decompress] = lambda: zlib.decompressobj(wbits=31)
        self._one = self._new()

    def restart(self) -> None:
        self._one = self._new()

    @property
    def one(self) -> _Decoder:
        return self._one

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Decoded bytes, at most a few MiB, and the input that is still to be given."""
        out = self._one.decompress(data, 1 << 22)
        return out, self._one.unconsumed_tail


class _Zstd:
    def __init__(self) -> None:
        import zstandard

        self.failures: tuple[type[Exception], ...] = (zstandard.ZstdError,)
        self.magic = _ZSTD
        self.name = "zstd"
        self.chunk = _ZSTD_CHUNK
        self._new = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj
        self._one = self._new()

    def restart(self) -> None:
        self._one = self._new()

    @property
    def one(self) -> _Decoder:
        return self._one

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        return self._one.decompress(data), b""


class _Decoded(io.RawIOBase):
    """The decoded bytes of a compressed file."""

    def __init__(self, source: io.BufferedReader, raw: _Raw, found: Found, codec: _Gzip | _Zstd) -> None:
        super().__init__()
        self._source, self._raw, self._found, self._codec = source, raw, found, codec
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
        if not self._input:
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
        if codec.one.eof:
            self._input, self._inside = codec.one.unused_data, False
        self._count += len(out)
        if self._count > _FREE_BYTES and self._count > _MAX_RATIO * self._raw.count:
            raise ExtractionError(
                "SRC-008",
                f"{self._raw.count:,} bytes of {codec.name} have become {self._count:,}: more than {_MAX_RATIO} times.",
                where=str(self._found.path),
                fix="If the file is sound, decompress it and load the result.",
            )
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
        return ExtractionError(
            "SRC-007",
            f"The {self._codec.name} file is damaged after {self._raw.count:,} of {self._found.bytes:,} bytes: {what}.",
            where=str(self._found.path),
            fix=fix,
        )


@final
class StoredFile:
    """An open file. ``stream`` gives the decoded bytes; ``fact`` says, at its end, what was read.

    Raises ExtractionError: SRC-005 cannot be read, SRC-006 changed since it was listed, SRC-007 damaged compression,
    SRC-008 a decompression bomb.
    """

    def __init__(self, found: Found, compression: str = "auto") -> None:
        self.found = found
        self._raw = _Raw(found)
        try:
            self._check_unchanged()
        except BaseException:
            self._raw.close()
            raise
        stored: io.BufferedReader = io.BufferedReader(self._raw, _CHUNK)
        start = stored.peek(4)[:4]
        codec: _Gzip | _Zstd | None = None
        if compression == "gzip" or (compression == "auto" and start.startswith(_GZIP)):
            codec = _Gzip()
        elif compression == "zstd" or (compression == "auto" and start.startswith(_ZSTD)):
            codec = _Zstd()
        self.compressed = codec is not None
        self.stream = stored
        if codec is not None:
            self.stream = io.BufferedReader(_Decoded(stored, self._raw, found, codec), _CHUNK)
        self._stored = stored

    def __enter__(self) -> "StoredFile":
        return self

    def __exit__(self, *exc: object) -> None:
        self.stream.close()
        self._stored.close()

    def fact(self, rows: int) -> FileFact:
        """What was read; what is left of the stream is read first. Raises SRC-006 when the file is another now."""
        while self.stream.read(_CHUNK):
            pass
        self._check_unchanged()
        found = self.found
        return FileFact(found.name, found.bytes, iso(found.modified_ns), self._raw.hash, rows)

    def _check_unchanged(self) -> None:
        listed = (self.found.bytes, self.found.modified_ns)
        for now in (self._raw.state(), self._raw.named_state()):
            if now != listed:
                raise _changed(self.found, now)


def _changed(found: Found, now: tuple[int, int] | None) -> ExtractionError:
    if now is None:
        what = "it is gone"
    elif now[0] != found.bytes:
        what = f"it had {found.bytes:,} bytes and has {now[0]:,}"
    else:
        what = "it was written to"
    return ExtractionError(
        "SRC-006",
        f"{found.name} changed while it was read: {what}. Nothing was loaded.",
        where=str(found.path),
        fix="Run again when the file is complete; writers should write under another name and rename.",
    )


def iso(nanoseconds: int) -> str:
    """A file's time as ``FileFact.modified``: ISO 8601 in UTC, to the nanosecond."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def hash_of(found: Found) -> str:
    """The hash that ``fact`` would report, without decoding."""
    with StoredFile(found, "none") as stored:
        return stored.fact(0).hash
