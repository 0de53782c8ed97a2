"""A stored file as the contents it stands for: hashed as stored, checked for change, unpacked."""

import io
import shutil
from collections.abc import Generator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, final

from xxhash import xxh3_128

from medallion_assets.errors import ExtractionError
from medallion_assets.lake.manifest import FileFact
from medallion_assets.sources.files.archive import ZIP, Archive, no_archive
from medallion_assets.sources.files.codecs import PEEK, Compression, Decoded, Packed, codec_of
from medallion_assets.sources.files.place import Found, Opened, Place

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["HASH", "Content", "StoredFile", "hash_of"]

HASH = "xxh3_128"
"""Says whether a file is the same file (0.03 ns a byte); it is no defence against forgery: parts have SHA-256."""
_CHUNK = 1 << 18


class _Hashed(io.RawIOBase):
    """The stored bytes, hashed and counted as they pass."""

    def __init__(self, opened: Opened, found: Found) -> None:
        super().__init__()
        self.count = 0
        self.where = found.where
        self.bytes = found.bytes
        self._opened = opened
        self._hash = xxh3_128()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        n = self._opened.readinto(view)
        self._hash.update(view[:n])
        self.count += n
        return n

    @property
    def hash(self) -> str:
        return f"{HASH}:{self._hash.hexdigest()}"


@final
class Content:
    """What a format reads: a file, or a member of an archive, unpacked. ``stream`` is read once, from its start."""

    def __init__(self, name: str, where: str, stream: io.BufferedReader, opened: Opened | None, size: int) -> None:
        self.name, self.where, self.stream = name, where, stream
        self.bytes = size
        """As stored: of the file, or of the member."""
        self._opened = opened
        self._open = ExitStack()
        self._file: IO[bytes] | None = None

    @property
    def path(self) -> Path | None:
        """On a local disk, when nothing had to be unpacked."""
        return None if self._opened is None else self._opened.path

    def seekable(self) -> IO[bytes]:
        """The same bytes in any order. What is packed or far away is laid into a temporary file first.

        Raises ExtractionError SRC-005 when there is no room for that.
        """
        if self._file is None:
            self._file = (None if self._opened is None else self._opened.seekable()) or self._laid_aside()
            self._open.enter_context(self._file)
        self._file.seek(0)
        return self._file

    def _laid_aside(self) -> IO[bytes]:
        file = TemporaryFile()  # noqa: SIM115 - closed with what holds it
        try:
            shutil.copyfileobj(self.stream, file, _CHUNK)
        except BaseException as error:
            file.close()
            if not isinstance(error, OSError):
                raise
            raise ExtractionError(
                "SRC-005",
                f"The file cannot be laid into a temporary one: {error.strerror or error}.",
                where=self.where,
                fix="Make room in the folder for temporary files, or name another one in TMPDIR.",
            ) from error
        return file

    def close(self) -> None:
        """Let go of what ``seekable`` gave; the stream goes on."""
        self._open.close()


@final
class StoredFile:
    """An open file. ``contents`` gives what it stands for; ``fact`` says, at its end, what was read.

    Raises ExtractionError: SRC-005 cannot be read, SRC-006 changed since it was listed, SRC-007 damaged compression,
    SRC-008 a decompression bomb, SRC-024 an archive that cannot be used.
    """

    def __init__(
        self, place: Place, found: Found, compression: Compression = "auto", member: str | None = None
    ) -> None:
        self._found, self._compression, self._member = found, compression, member
        self._opened = place.open(found)
        self._raw = _Hashed(self._opened, found)
        self._stored: io.BufferedReader = io.BufferedReader(self._raw, _CHUNK)
        try:
            self._opened.check()
        except BaseException:
            self._opened.close()
            raise

    def __enter__(self) -> "StoredFile":
        return self

    def __exit__(self, *exc: object) -> None:
        self._stored.close()
        self._opened.close()

    def contents(self) -> Generator[Content, None, None]:
        """The file itself, or the members of a zip that ``member`` names, by name."""
        found, start = self._found, self._stored.peek(PEEK)[:PEEK]
        zipped = self._compression == "zip" or (self._compression == "auto" and start.startswith(ZIP))
        if self._member is not None and not zipped:
            raise no_archive(found.where)
        if not zipped:
            yield from self._unpacked(found.name, found.where, self._stored, self._raw, self._opened)
            return
        with closing(Content(found.name, found.where, self._stored, self._opened, found.bytes)) as whole:
            archive = Archive(whole.seekable(), found.where, found.bytes)
            if self._compression == "auto" and self._member is None and archive.is_workbook:
                yield whole
                return
            for member in archive.members(self._member):
                stream: io.BufferedReader = io.BufferedReader(member, _CHUNK)
                with stream:
                    yield from self._unpacked(f"{found.name}/{member.name}", member.where, stream, member, None)

    def _unpacked(
        self, name: str, where: str, stream: io.BufferedReader, packed: Packed, opened: Opened | None
    ) -> Generator[Content, None, None]:
        compression = self._compression if packed is self._raw else "auto"
        codec = codec_of(compression, stream.peek(PEEK)[:PEEK])
        if codec is not None:
            stream, opened = io.BufferedReader(Decoded(stream, packed, codec), _CHUNK), None
        with closing(Content(name, where, stream, opened, packed.bytes)) as content:
            yield content
        while stream.read(_CHUNK):  # a format may know that it is done; checksums come at the end
            pass

    def fact(self, rows: int) -> FileFact:
        """What was read, after the rest of the stored bytes. Raises SRC-006 when the file is another now."""
        while self._stored.read(_CHUNK):
            pass
        self._opened.check()
        found = self._found
        return FileFact(found.name, found.bytes, found.version, self._raw.hash, rows)


def hash_of(place: Place, found: Found) -> str:
    """The hash that ``fact`` would report, without unpacking."""
    with StoredFile(place, found, "none") as stored:
        return stored.fact(0).hash
