"""Zip archives: the members that are wanted, each as a stream whose CRC is checked at its end.

Nothing is unpacked to a disk, so a member's name can lead nowhere; it stands in messages and in quarantine only. What a
member says of its size is believed as a limit: more bytes are never given out.
"""

import io
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import IO, TYPE_CHECKING, final

from medallion_assets.errors import ExtractionError
from medallion_assets.sources.files.codecs import FREE_BYTES, MAX_RATIO, bomb

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["ZIP", "Archive", "Member", "no_archive"]

ZIP = (b"PK\x03\x04", b"PK\x05\x06")
"""How an archive begins; the second one is empty."""
_SHOWN = 5
_ENCRYPTED = 1


@final
class Archive:
    """The directory of a zip. Raises ExtractionError SRC-007 when it is damaged."""

    def __init__(self, file: IO[bytes], where: str, size: int) -> None:
        self._where, self._bytes = where, size
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
            raise _damaged(str(error), where) from error
        self._infos = [info for info in self._zip.infolist() if not info.is_dir()]

    @property
    def is_workbook(self) -> bool:
        """Whether it is a document of an office program, which is no archive to its owner."""
        names = {info.filename for info in self._infos}
        return "[Content_Types].xml" in names or "mimetype" in names

    def members(self, pattern: str | None) -> Iterator["Member"]:
        """Members that a glob matches (``*`` matches slashes, too), by name; without one all that are not hidden.

        Raises ExtractionError SRC-024 when there is none, or one that cannot be read; SRC-008 for a bomb.
        """
        chosen = [info for info in self._infos if _wanted(info.filename, pattern)]
        if not chosen:
            names = sorted(info.filename for info in self._infos)
            more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
            held = f"{', '.join(names[:_SHOWN])}{more}" if names else "nothing"
            raise ExtractionError(
                "SRC-024",
                f"No member of the zip matches {pattern}: it holds {held}."
                if pattern is not None
                else f"The zip has no member to read: it holds {held}.",
                where=self._where,
                fix="Correct source.member, or deliver the file again.",
            )
        self._refuse_bomb(chosen)
        for info in sorted(chosen, key=lambda info: info.filename):
            yield Member(self._zip, info, f"{self._where}/{info.filename}")

    def has(self, name: str) -> bool:
        """Whether there is a member of that very name."""
        return any(info.filename == name for info in self._infos)

    def part(self, name: str) -> "Member":
        """The member of that very name. Raises ExtractionError SRC-007 when there is none."""
        info = next((info for info in self._infos if info.filename == name), None)
        if info is None:
            raise _damaged(f"it lacks {name}", self._where)
        self._refuse_bomb([info])
        return Member(self._zip, info, self._where)

    def refuse_bomb(self) -> None:
        """Raises ExtractionError SRC-008 when all members together are one."""
        self._refuse_bomb(self._infos)

    def _refuse_bomb(self, infos: list[zipfile.ZipInfo]) -> None:
        stated = sum(info.file_size for info in infos)
        if stated > FREE_BYTES and stated > MAX_RATIO * self._bytes:
            raise bomb("zip", self._bytes, stated, self._where)


def _wanted(name: str, pattern: str | None) -> bool:
    if pattern is not None:
        return fnmatchcase(name, pattern)
    return not any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


@final
class Member(io.RawIOBase):
    """The bytes of a member; as ``Packed`` it is counted in its packed bytes."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> None:
        super().__init__()
        self.name, self.where, self.bytes = info.filename, where, info.compress_size
        self._size, self._given = info.file_size, 0
        if info.flag_bits & _ENCRYPTED:
            raise _unusable("it is encrypted", where)
        try:
            self._file: zipfile.ZipExtFile = archive.open(info)  # type: ignore[assignment]
        except NotImplementedError as error:
            raise _unusable(str(error).rstrip("."), where) from error
        except (zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
            raise _damaged(str(error), where) from error

    @property
    def count(self) -> int:
        return self.bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._file.read1(len(view))
        except ExtractionError:
            raise
        except Exception as error:  # zlib.error, BadZipFile, EOFError, LZMAError, OSError: all say that it is damaged
            raise _damaged(str(error), self.where) from error
        view[: len(data)] = data
        self._given += len(data)
        if not data and self._given != self._size:
            raise _damaged(f"it has {self._given:,} bytes and says {self._size:,}", self.where)
        return len(data)

    def close(self) -> None:
        if not self.closed and hasattr(self, "_file"):
            self._file.close()
        super().close()


def no_archive(where: str) -> ExtractionError:
    """What is said of a file that is no zip, when a member of it is asked for."""
    return ExtractionError(
        "SRC-024",
        "source.member names a member of a zip, and this file is none.",
        where=where,
        fix="Remove source.member, or deliver a zip.",
    )


def _damaged(what: str, where: str) -> ExtractionError:
    return ExtractionError("SRC-007", f"The zip file is damaged: {what}.", where=where, fix="Fetch the file again.")


def _unusable(what: str, where: str) -> ExtractionError:
    return ExtractionError(
        "SRC-024", f"The member cannot be read: {what}.", where=where, fix="Deliver it without, or choose others."
    )
