"""A request and its answer, as plain values: what the flows of pages and authentication speak in."""

import io
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from xxhash import xxh3_128

__all__ = ["Answer", "Body", "Call", "origin", "shown_url", "with_query"]

_IN_MEMORY = 8 << 20
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``url`` is absolute, query included."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


class Body:
    """Decoded bytes of an answer: in memory up to 8 MiB, then in a temporary file that has no name."""

    def __init__(self) -> None:
        self._memory = io.BytesIO()
        self._file: io.BufferedRandom | None = None
        self._hash = xxh3_128()
        self.bytes = 0

    def write(self, data: bytes) -> None:
        self.bytes += len(data)
        self._hash.update(data)
        if self._file is None and self.bytes > _IN_MEMORY:
            # closed when the reading ends; named nowhere, so that a kill leaves nothing behind
            self._file = tempfile.TemporaryFile("w+b")  # noqa: SIM115
            self._target.write(self._memory.getvalue())
            self._memory = io.BytesIO()
        self._target.write(data)

    @property
    def _target(self) -> "io.BytesIO | io.BufferedRandom":
        return self._memory if self._file is None else self._file

    @property
    def small(self) -> bool:
        """Whether it is held in memory."""
        return self._file is None

    @property
    def digest(self) -> bytes:
        """Of all that was written."""
        return self._hash.digest()

    def replace(self, data: bytes) -> None:
        """Hold these bytes in memory instead."""
        self._memory, self.bytes = io.BytesIO(data), len(data)

    def data(self) -> bytes:
        """All of it; of a small one only."""
        return self._memory.getvalue()

    def stream(self) -> io.BufferedReader:
        """From the beginning; the caller closes it."""
        if self._file is None:
            return io.BufferedReader(io.BytesIO(self._memory.getvalue()))
        self._file.seek(0)  # writes out what is buffered; the copy of the descriptor shares the position
        return io.BufferedReader(io.FileIO(os.dup(self._file.fileno()), "rb"))

    def close(self) -> None:
        self._target.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """Header names are in lower case. ``url`` is where the answer came from, after redirects."""

    status: int
    headers: Mapping[str, str]
    body: Body
    url: str
    wire_bytes: int
    unbounded: bool = False
    """Nothing said where it ends: neither a length, nor chunks, nor a coding with an end of its own."""


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: two addresses of one origin may share credentials."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(scheme, 0)


def shown_url(url: str) -> str:
    """Without what may hold secrets: query, fragment and user."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def with_query(url: str, params: Mapping[str, str]) -> str:
    """``url`` with these parameters; one that it has already is replaced."""
    if not params:
        return url
    parts = urlsplit(url)
    kept = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k not in params]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode([*kept, *params.items()]), ""))
