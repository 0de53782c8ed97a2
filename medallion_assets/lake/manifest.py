"""The records of a dataset's commit log: what exists, exactly. Plain data; ``bronze.commit`` reads and writes it.

A commit is one JSON object ``_commits/<n, 20 digits>.json`` below the dataset's folder. Commit ``n`` carries the
SHA-256 of the bytes of commit ``n - 1``, so the log cannot be cut in the middle, edited or reordered unseen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from medallion_assets.lake.window import Window

__all__ = [
    "Approval",
    "Column",
    "Commit",
    "CursorValue",
    "Expunge",
    "FileFact",
    "Head",
    "Load",
    "Note",
    "Part",
    "Pattern",
    "Record",
    "Rewrite",
    "Schema",
    "SourceFacts",
]

Pattern = Literal["full", "incremental", "cdc", "current_history"]
CursorValue = str
"""A cursor as text that sorts by its typed value once parsed: ISO 8601 in UTC, or decimal digits."""


@dataclass(frozen=True, slots=True)
class Column:
    """A bronze column: its name as the source spells it and the Polars data type as text (``String``, ``Int64``, …)."""

    name: str
    type: str


Schema = tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One immutable Parquet file. ``path`` is relative to the dataset's folder; ``ordinal`` counts from 1 in a load."""

    path: str
    ordinal: int
    rows: int
    bytes: int
    sha256: str
    minimum: Mapping[str, str] = field(default_factory=dict)
    """Least value (as text) of each key and cursor column, where known."""
    maximum: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileFact:
    """A source file as it was read. ``hash`` is over the bytes as stored (compressed), ``algorithm:hex``."""

    path: str
    bytes: int
    modified: str
    """mtime in ISO 8601 UTC, or the store's etag."""
    hash: str
    rows: int


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a source says about one read: files, or named facts (pages, requests, query) as text."""

    files: tuple[FileFact, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Load:
    """One committed ingest of one window: the parts that are the window's content."""

    pattern: Pattern
    partition: str
    """``Partition.key``."""
    path: str
    """Folder of the parts below the dataset's: ``pattern=…/dt=…``."""
    window: Window
    run_id: str
    attempt: str
    parts: tuple[Part, ...]
    rows: int
    """Rows in the parts; refused rows are not among them."""
    schema: Schema
    refused: int
    """Rows that could not be read and lie in ``quarantine``."""
    quarantine: Part | None
    content: str
    """SHA-256 over the parts' hashes in order and the quarantine's, as they were loaded: equal for equal rows in equal
    parts."""
    intent: str
    """Fingerprint of source, load and columns of the intent."""
    source: SourceFacts
    cursor_before: CursorValue | None
    cursor_after: CursorValue | None
    replaces: tuple[int, ...]
    """Numbers of the commits whose loads this one supersedes."""
    started_at: datetime
    finished_at: datetime
    code_version: str
    appends: bool = False
    """It goes on where the load before it ended (``cursor_before``), and stands beside the others of its window."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Entry ``n`` (from 1) of the log. ``sha256`` is of its own bytes and is not among them."""

    n: int
    previous: str
    """SHA-256 of the bytes of commit ``n - 1``; 64 zeros for the first."""
    load: Load
    sha256: str


@dataclass(frozen=True, slots=True)
class Approval:
    """Loads that silver may absorb although they delete more keys than the guard lets pass."""

    commits: tuple[int, ...]
    """Their numbers. A load that replaces one of them is not approved by this."""
    run_id: str
    at: datetime
    code_version: str


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The parts that hold the load of commit ``n`` from now on: those it had, without some of their rows."""

    n: int
    parts: tuple[Part, ...]
    """Under the ordinals that they had; one whose rows all went is not among them."""
    rows: int
    """In all of ``parts``."""


@dataclass(frozen=True, slots=True)
class Expunge:
    """Loads of which the rows of some keys are no part any more. Which keys, it does not say.

    A load keeps its number, window, cursor and content hash: what a source gives again unchanged is not loaded again.
    """

    rewrites: tuple[Rewrite, ...]
    gone: tuple[str, ...]
    """Paths of parts that nothing reads any more, of replaced loads too: they may be missing from now on."""
    rows: int
    """Rows that went."""
    run_id: str
    at: datetime
    code_version: str


@dataclass(frozen=True, slots=True)
class Note:
    """Entry ``n`` of the log that loads nothing: it says something of earlier entries. Fields as in ``Commit``."""

    n: int
    previous: str
    act: Approval | Expunge
    sha256: str


Record = Commit | Note


@dataclass(frozen=True, slots=True)
class Head:
    """What one reader saw of a log: every commit up to ``n`` (0: none), and which loads are live."""

    n: int
    sha256: str
    """Of commit ``n``; 64 zeros when there is none."""
    live: tuple[Commit, ...]
    """Commits whose loads are not superseded, by n."""
    approved: frozenset[int] = frozenset()
    """Numbers of the commits that approvals name."""

    def of(self, window: Window) -> Commit | None:
        """The live commit of exactly this window."""
        return next((c for c in reversed(self.live) if c.load.window == window), None)

    @property
    def rows(self) -> int:
        return sum(c.load.rows for c in self.live)
