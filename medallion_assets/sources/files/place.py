"""Where files lie: below the project or in a store. A place finds them, opens them, and says when one has changed."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from medallion_assets.errors import ExtractionError
from medallion_assets.sources.files.pattern import Pattern

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Found", "Opened", "Place", "changed", "gone", "none_matches", "refused"]


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it was when it was listed.

    ``name`` is its path below the root, with ``/``; what a reference stands for is written as the reference, because
    names go into the commit log and values of references go nowhere.
    """

    where: str
    """The absolute path or URL, for opening and for messages."""
    name: str
    bytes: int
    version: str
    """What changes when the content does: the time of its last change in ISO 8601, or the store's etag."""
    modified: float
    """Seconds since 1970, by the place's clock."""


class Opened(Protocol):
    """The stored bytes of one file, from the first to the last."""

    @property
    def path(self) -> Path | None:
        """On a local disk: its path."""
        ...

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Raises ExtractionError SRC-005, SRC-006."""
        ...

    def seekable(self) -> io.BufferedReader | None:
        """The same bytes in any order, beside ``readinto``; None where that would ask for them a second time."""
        ...

    def check(self) -> None:
        """Raises ExtractionError SRC-006 when the file is another one now than when it was listed."""
        ...

    def close(self) -> None: ...


class Place(Protocol):
    """A folder or a store."""

    def find(self, patterns: Sequence[Pattern]) -> tuple[Found, ...]:
        """Files that match, each once, by name. A wildcard does not match a leading dot; ``**`` matches folders.

        Raises ConfigError SRC-003 for a path that leaves the place; ExtractionError SRC-002 when a pattern matches
        nothing, SRC-003 for a link out of it, SRC-004 for what is not a regular file, SRC-005 when it is refused.
        """
        ...

    def open(self, found: Found) -> Opened:
        """Raises ExtractionError SRC-005."""
        ...


def none_matches(pattern: Pattern, where: str) -> ExtractionError:
    """Make the error for a pattern without a file."""
    return ExtractionError(
        "SRC-002",
        f"No file matches {pattern}.",
        where=where,
        fix="Put the file there, correct source.path, or ask for a partition that has one.",
    )


def gone(where: str) -> ExtractionError:
    """Make the error for a file that was listed and cannot be opened any more."""
    return ExtractionError(
        "SRC-005",
        "The file cannot be read: It was there and is gone.",
        where=where,
        fix="Run again when the files of this partition are complete.",
    )


def changed(found: Found, now: tuple[int, str] | None) -> ExtractionError:
    """``now``: its size, where it is known, and version; None: it is gone."""
    if now is None:
        what = "it is gone"
    elif now[0] >= 0 and now[0] != found.bytes:
        what = f"it had {found.bytes:,} bytes and has {now[0]:,}"
    else:
        what = "it was written to"
    return ExtractionError(
        "SRC-006",
        f"{found.name} changed while it was read: {what}. Nothing was loaded.",
        where=found.where,
        fix="Run again when the file is complete; writers should write under another name and rename.",
    )


def refused(where: str, error: OSError) -> ExtractionError:
    """Why the system did not let us have a file: gone, no permission, a failing disk."""
    what = "It was there and is gone" if isinstance(error, FileNotFoundError) else (error.strerror or str(error))
    return ExtractionError(
        "SRC-005",
        f"The file cannot be read: {what}.",
        where=where,
        fix="Give the user that runs this the right to read it, or run again when the file is complete.",
    )
