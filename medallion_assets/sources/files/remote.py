"""Files in a bucket or container that others write to: listed as they are, read as the one version that was listed.

The clients are the services' own, without the caches and event loops of s3fs and adlfs: a listing is never older than
its request, every answer carries the etag of the version that it came from, and every store has its own credentials.
"""

import io
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from fnmatch import translate
from typing import TYPE_CHECKING, Protocol, final

from medallion_assets.errors import ExtractionError
from medallion_assets.sources.files.pattern import WILD, Pattern
from medallion_assets.sources.files.place import Found, changed, gone, none_matches

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Changed", "Object", "Objects", "RemoteFiles", "unreachable"]

_BLOCK = 8 << 20


@dataclass(frozen=True, slots=True)
class Object:
    """An object as a listing or a header says it. ``etag`` as the service spells it."""

    key: str
    bytes: int
    etag: str
    modified: datetime


class Changed(Exception):
    """What was asked for is not the version that was listed. ``now``: its bytes and etag; None: it is gone."""

    def __init__(self, now: tuple[int, str] | None) -> None:
        super().__init__()
        self.now = now


class Objects(Protocol):
    """A bucket or container. Everything raises ExtractionError SRC-029 when the service refuses or does not answer."""

    base: str
    """Without a slash at its end: ``s3://bucket``."""

    def listed(self, prefix: str, *, deep: bool) -> Iterator[Object | str]:
        """Objects whose key begins with ``prefix``; those behind the next slash only when ``deep``, else as the one
        text that they share up to that slash.
        """
        ...

    def info(self, key: str) -> Object | None: ...
    def read(self, found: Object, start: int, length: int) -> bytes:
        """At least one byte of exactly that version. Raises Changed."""
        ...


class RemoteFiles:
    """The place ``prefix`` of a bucket or container, see :class:`Place`."""

    def __init__(self, objects: Objects, prefix: str) -> None:
        self._objects = objects
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def find(self, patterns: Sequence[Pattern]) -> tuple[Found, ...]:
        found: dict[str, Found] = {}
        for pattern in patterns:
            matching = list(self._matching(pattern.segments()))
            if not matching:
                raise none_matches(pattern, self._where(f"{self._prefix}{pattern.path}"))
            for entry in matching:
                name = pattern.name_of(entry.key.removeprefix(self._prefix))
                found[entry.key] = Found(
                    self._where(entry.key), name, entry.bytes, entry.etag, entry.modified.timestamp()
                )
        return tuple(found[key] for key in sorted(found))

    def open(self, found: Found) -> "RemoteFile":
        key = found.where.removeprefix(f"{self._objects.base}/")
        entry = self._objects.info(key)
        if entry is None:
            raise gone(found.where)
        return RemoteFile(self._objects, found, entry)

    def _where(self, key: str) -> str:
        return f"{self._objects.base}/{key}"

    def _matching(self, segments: list[str]) -> Iterator[Object]:
        first = next((index for index, segment in enumerate(segments) if WILD.search(segment)), None)
        if first is None:
            entry = self._objects.info(self._prefix + "/".join(segments))
            yield from () if entry is None else (entry,)
            return
        base = self._prefix + "".join(f"{segment}/" for segment in segments[:first])
        yield from self._below(base, segments[first:])

    def _below(self, base: str, segments: list[str]) -> Iterator[Object]:
        """Objects below ``base``, which ends with a slash, that fit the rest of a pattern."""
        shape, rest = segments[0], segments[1:]
        start = base + (WILD.split(shape)[0] if shape != "**" else "")
        for entry in self._objects.listed(start, deep=shape == "**"):
            key = entry if isinstance(entry, str) else entry.key
            if key.endswith("/") and not isinstance(entry, str):
                continue  # what programs that show folders put there for one
            names = key.removeprefix(base).rstrip("/").split("/")
            if isinstance(entry, str):
                if rest and _fits(names, [shape]):
                    yield from self._in(key, rest)
            elif _fits(names, segments):
                yield entry

    def _in(self, folder: str, segments: list[str]) -> Iterator[Object]:
        if WILD.search(segments[0]):
            yield from self._below(folder, segments)
        elif len(segments) > 1:
            yield from self._in(f"{folder}{segments[0]}/", segments[1:])
        elif (entry := self._objects.info(folder + segments[0])) is not None:
            yield entry


def _fits(names: list[str], segments: list[str]) -> bool:
    shape, rest = segments[0], segments[1:]
    if shape == "**":
        deeper = len(names) > 1 and not names[0].startswith(".") and _fits(names[1:], segments)
        return deeper or _fits(names, rest or ["*"])
    if not names or (names[0].startswith(".") and not shape.startswith(".")):
        return False
    if re.match(translate(shape), names[0]) is None:
        return False
    return _fits(names[1:], rest) if rest and len(names) > 1 else not rest and len(names) == 1


@final
class RemoteFile:
    """An open file, see :class:`Opened`. The next block is fetched while one is read."""

    path: None = None

    def __init__(self, objects: Objects, found: Found, entry: Object) -> None:
        self._objects, self._found, self._entry = objects, found, entry
        self._at = 0
        self._block = memoryview(b"")
        self._next: Future[bytes] | None = None
        self._thread: ThreadPoolExecutor | None = None

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        if not self._block and self._at < self._found.bytes:
            self._block = memoryview(self._fetched())
            self._at += len(self._block)
            self._ask_ahead()
        n = min(len(view), len(self._block))
        view[:n] = self._block[:n]
        self._block = self._block[n:]
        return n

    def seekable(self) -> io.BufferedReader | None:
        """None: in any order the same bytes would be asked for many times."""
        return None

    def check(self) -> None:
        now = self._objects.info(self._entry.key)
        if now is None or (now.bytes, now.etag) != (self._found.bytes, self._found.version):
            raise changed(self._found, None if now is None else (now.bytes, now.etag))

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def _fetched(self) -> bytes:
        try:
            return self._next.result() if self._next is not None else self._fetch(self._at)
        except Changed as error:
            raise changed(self._found, error.now) from None

    def _fetch(self, at: int) -> bytes:
        return self._objects.read(self._entry, at, min(_BLOCK, self._found.bytes - at))

    def _ask_ahead(self) -> None:
        self._next = None
        if self._at < self._found.bytes:
            self._thread = self._thread or ThreadPoolExecutor(1, "file-ahead")
            self._next = self._thread.submit(self._fetch, self._at)


def unreachable(what: str, where: str, fix: str) -> ExtractionError:
    """Make the error for a service that refuses or does not answer; ``what`` holds no word that may be secret."""
    return ExtractionError("SRC-029", what, where=where, fix=fix)
