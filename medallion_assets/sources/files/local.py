"""Files below the project. Nothing outside it can be named, matched or reached by a link."""

import io
import os
import re
import stat
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from fnmatch import translate
from pathlib import Path
from typing import TYPE_CHECKING, final

from medallion_assets.errors import ExtractionError
from medallion_assets.sources.files.pattern import WILD, Pattern
from medallion_assets.sources.files.place import Found, changed, none_matches, refused

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["LocalFiles"]


class LocalFiles:
    """The place ``root``, see :class:`Place`."""

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))

    def find(self, patterns: Sequence[Pattern]) -> tuple[Found, ...]:
        found: dict[str, Found] = {}
        for pattern in patterns:
            names = list(_matches(self._root, pattern.segments(), pattern))
            if not names:
                raise none_matches(pattern, str(self._root / pattern.path))
            found.update((name, _regular(self._root, name, pattern)) for name in names)
        return tuple(found[name] for name in sorted(found))

    def open(self, found: Found) -> "LocalFile":
        return LocalFile(found)


@final
class LocalFile:
    """An open file, see :class:`Opened`."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self.path: Path = Path(found.where)
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a FIFO must not hang us
            self._file = io.FileIO(os.open(self.path, flags), "rb")
        except OSError as error:
            raise refused(found.where, error) from error

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        try:
            return self._file.readinto(buffer) or 0
        except OSError as error:
            raise refused(self._found.where, error) from error

    def seekable(self) -> io.BufferedReader:
        return io.BufferedReader(_Anywhere(self._file.fileno(), self._found), 1 << 16)

    def check(self) -> None:
        """Of the open file and of what has its name: another file may have taken it."""
        self._same(os.fstat(self._file.fileno()))
        try:
            self._same(self.path.lstat())
        except FileNotFoundError:
            raise changed(self._found, None) from None

    def _same(self, facts: os.stat_result) -> None:
        now = facts.st_size, iso(facts.st_mtime_ns)
        if now != (self._found.bytes, self._found.version):
            raise changed(self._found, now)

    def close(self) -> None:
        self._file.close()


class _Anywhere(io.RawIOBase):
    """Reads an open file at any place without moving it on. Closing it leaves the file open."""

    def __init__(self, number: int, found: Found) -> None:
        super().__init__()
        self._number, self._found, self._at = number, found, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._found.bytes}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = os.pread(self._number, len(view), self._at)
        except OSError as error:
            raise refused(self._found.where, error) from error
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def iso(nanoseconds: int) -> str:
    """A file's time as :attr:`Found.version`: ISO 8601 in UTC, to the nanosecond."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _matches(root: Path, segments: list[str], pattern: Pattern, base: str = "") -> Iterator[str]:
    """Names below the root that match, folders of ``base`` already matched. Folders themselves only when named."""
    first, rest = segments[0], segments[1:]
    if first == "**":
        yield from _matches(root, rest or ["*"], pattern, base)
        for entry in _entries(root, base, pattern):
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                yield from _matches(root, segments, pattern, _join(base, entry.name))
        return
    for name in _named(root, first, pattern, base, folders=bool(rest)) if WILD.search(first) else (first,):
        if rest:
            yield from _matches(root, rest, pattern, _join(base, name))
        elif os.path.lexists(root / base / name):
            yield _join(base, name)


def _named(root: Path, shape: str, pattern: Pattern, base: str, *, folders: bool) -> Iterator[str]:
    """Entries of a folder whose name fits ``shape``: its folders, or everything else."""
    fits = re.compile(translate(shape)).match
    for entry in _entries(root, base, pattern):
        hidden = entry.name.startswith(".") and not shape.startswith(".")
        if not hidden and fits(entry.name) and entry.is_dir() == folders:
            yield entry.name


def _join(base: str, name: str) -> str:
    return f"{base}/{name}" if base else name


def _entries(root: Path, base: str, pattern: Pattern) -> list["os.DirEntry[str]"]:
    _inside(root, base, pattern)
    try:
        with os.scandir(root / base) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise refused(str(root / base), error) from error


def _inside(root: Path, name: str, pattern: Pattern) -> None:
    real = Path(os.path.realpath(root / name))
    if real != root and root not in real.parents:
        raise ExtractionError(
            "SRC-003",
            f"A link leads out of the project: {name} is {real}.",
            where=str(pattern),
            fix="Replace the link by the file, or keep the files in a store and name it.",
        )


def _regular(root: Path, name: str, pattern: Pattern) -> Found:
    _inside(root, name, pattern)
    path = Path(os.path.realpath(root / name))
    try:
        facts = path.stat()
    except OSError as error:
        raise refused(str(path), error) from error
    if not stat.S_ISREG(facts.st_mode):
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "a pipe, socket or device"
        raise ExtractionError(
            "SRC-004",
            f"{name} is {kind}, not a file.",
            where=str(path),
            fix="For the files of a folder write a wildcard, like `folder/*.csv`.",
        )
    return Found(str(path), pattern.name_of(name), facts.st_size, iso(facts.st_mtime_ns), facts.st_mtime)
