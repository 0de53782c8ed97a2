"""Every protocol that the layers above implement or are given, on one page.

Adapters: ``sources`` implement Source, ``stores`` Store, ``tables`` Table, ``engines`` Engine.
Each port has one behavioural test suite in ``medallion_assets_tests`` that every adapter passes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from medallion_assets.lake.manifest import CursorValue, FileFact, SourceFacts
from medallion_assets.lake.results import Compacted, Drift, Held
from medallion_assets.lake.window import Partition

if TYPE_CHECKING:
    import narwhals as nw
    import polars as pl

    from medallion_assets.lake.pieces import Pieces

__all__ = [
    "FILE",
    "Batch",
    "Bounds",
    "Clock",
    "Engine",
    "ObjectInfo",
    "Parents",
    "Progress",
    "Reading",
    "Refused",
    "Request",
    "Source",
    "Store",
    "Table",
    "TableState",
]


# ------------------------------------------------------------------------------------------------ sources


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that could not be read as one: why, where, and the characters themselves."""

    reason: str
    """Code-like word: ``ragged``, ``quote``, ``encoding``, ``json``, …"""
    detail: str
    file: str
    line: int
    """1-based line of the file where the row starts."""
    raw: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A run of rows in source order. Columns of text formats are String; ``rows`` may have height 0."""

    rows: "pl.DataFrame"
    refused: tuple[Refused, ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """The rows to read, by the load's cursor column: ``lower <= value < upper``, compared by the column's own type.

    A source that can (SQL, request templates) asks for these rows alone; one that cannot gives all rows. The run drops
    what lies outside either way, so a source that gives too much is slow, not wrong.
    """

    column: str
    lower: CursorValue | None
    """None: from the beginning."""
    upper: CursorValue | None
    """None: to the end."""
    nulls: bool = False
    """Rows without a value are asked for, too."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to read: one partition's window, fixed before reading."""

    partition: Partition
    bounds: Bounds | None = None
    """What of it, when the load has a cursor column; None: everything the source holds for the partition."""
    cursor: CursorValue | None = None
    """Where a source that counts in positions of its own (Kafka offsets) goes on: what the highest live load gave as
    ``Reading.cursor``. None at first."""
    ledger: Mapping[str, tuple[str, FileFact]] = field(default_factory=dict)
    """Files that live loads of other partitions already hold: path → (partition key, fact)."""
    held: Mapping[str, FileFact] = field(default_factory=dict)
    """Files that this partition's own live load holds, which this read is to replace: without one of them its rows
    would be lost."""
    again: bool = False
    """Only those are read: the partition is past, and what is new belongs to the current one."""


class Reading(Protocol):
    """One read in progress: iterate once to the end, then ask for ``facts``. Leaving it lets go of files."""

    def __enter__(self) -> "Reading": ...  # noqa: PYI034 - typing.Self is not in Python 3.10
    def __exit__(self, *exc: object) -> None: ...
    def __iter__(self) -> Iterator[Batch]: ...

    @property
    def facts(self) -> SourceFacts:
        """Complete after the last batch."""
        ...

    @property
    def cursor(self) -> CursorValue | None:
        """After the last batch: where the next read goes on, of a source that counts in positions of its own; else
        None.
        """
        ...


class Source(Protocol):
    """Where rows come from. The same request gives the same rows in the same order, while the source is the same."""

    def read(self, request: Request) -> Reading:
        """Raises ExtractionError (SRC-…) here or while iterating; never ends early without an error."""
        ...


class Parents(Protocol):
    """What other datasets have committed, for a source that asks once for each of their rows."""

    def __call__(self, dataset: str, partition: Partition, bind: Sequence[str], more: Sequence[str]) -> "pl.DataFrame":
        """One row for each combination of the columns ``bind``, with those of ``more`` of its last row, as text.

        In the order of those last rows; null where a row has none. Raises SourceUnavailable SRC-066 when nothing is
        loaded of the partition, ExtractionError SRC-064, StorageError.
        """
        ...


# ------------------------------------------------------------------------------------------------ stores


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    path: str
    bytes: int
    modified: datetime
    """By the store's clock, UTC."""


class Store(Protocol):
    """Objects by path (``a/b/c``, relative, no ``..``). A put is all or nothing and durable when it returns."""

    def put(self, path: str, data: bytes) -> None: ...
    def put_if_absent(self, path: str, data: bytes) -> None:
        """Create atomically. Raises AlreadyExists; StoreUnavailable when the outcome is unknown."""
        ...

    def get(self, path: str) -> bytes:
        """Raises NotFound."""
        ...

    def get_range(self, path: str, start: int, length: int) -> bytes: ...
    def info(self, path: str) -> ObjectInfo: ...
    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        """Every object below ``prefix/``, any depth, by path; those whose path sorts behind ``after`` only."""
        ...

    def delete(self, path: str) -> None:
        """Absent is fine."""
        ...

    def sweep(self, prefix: str, before: datetime, *, delete: bool) -> int:
        """How many writes below ``prefix`` were begun before that instant and never finished (by a kill), and, with
        ``delete``, an end to them. They are no objects: nothing else shows them. 0 where the service keeps them.
        """
        ...

    def url(self, path: str) -> str:
        """For readers with their own access (Polars, deltalake): an absolute path or a URL. No secret in it."""
        ...

    @property
    def options(self) -> Mapping[str, str]:
        """Credentials and endpoint for such readers; secret, never logged."""
        ...


# ------------------------------------------------------------------------------------------------ tables and engines


FILE = "__file"
"""Column of ``Table.matching``."""


@dataclass(frozen=True, slots=True)
class TableState:
    """What a table says of itself, committed with its rows."""

    bronze_n: int
    """Highest bronze commit absorbed."""
    bronze_sha256: str
    intent: str
    """Fingerprint of what determines the table: silver spec, columns, checks that move rows, schema mode."""
    accounting: Mapping[str, int]
    content: str
    quarantine: str | None = None
    """Where the rows in quarantine lie in their store; None: there are none."""
    quarantined_by_partition: Mapping[str, int] = field(default_factory=dict)
    """Only partitions that have some."""
    held: tuple[Held, ...] = ()
    drift: tuple[Drift, ...] = ()
    shape: str = ""
    """What the table is: model, keys and order. Empty: a version made it that did not say."""
    columns: tuple[str, ...] = ()
    """Of the owner, in the table's order."""
    learned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Column → the fields of ``silver.types.Seen``, of the values of all absorbed loads."""
    last_delete: int | None = None
    """Highest clock of an absorbed delete, whole number or microseconds since 1970; None: there is none."""
    truncated: bool = False
    """Some absorbed load deletes all keys at once."""
    load_date: str = ""
    """Local date of the newest partition absorbed; empty: there is none."""


class Table(Protocol):
    """A silver table: whole versions, each with its state."""

    @property
    def version(self) -> int | None:
        """The table's own version number; None when it does not exist."""
        ...

    @property
    def absorbed(self) -> int | None:
        """Highest bronze commit that any run of ours absorbed; known even when the newest version has no state."""
        ...

    @property
    def partition_by(self) -> tuple[str, ...]:
        """The columns of the newest version by which its files are sliced."""
        ...

    def reload(self) -> None:
        """See the newest version."""
        ...

    def state(self) -> TableState | None:
        """Of the newest version; None when there is no table or something else than a run of ours made it."""
        ...

    def scan(self, version: int | None = None) -> "pl.LazyFrame": ...
    def replace(
        self, rows: "Pieces", state: TableState, *, partition_by: Sequence[str] = (), again: bool = False
    ) -> int:
        """One commit: these rows and this state. Returns the new version; Conflict when another run was first.

        ``again``: the table says that it is at this state, and is not.
        """
        ...

    def matching(self, keys: "pl.DataFrame") -> "pl.DataFrame":
        """Rows of the newest version whose values in the columns of ``keys`` are those of one of its rows; without a
        column: all rows.

        The table's columns, then ``FILE``: where ``patch`` finds the row.
        """
        ...

    @property
    def patchable(self) -> bool:
        """Whether ``patch`` can be asked for: the table is there, and how it is sliced is no obstacle."""
        ...

    def patch(self, gone: "pl.DataFrame", rows: "pl.DataFrame", state: TableState, *, by: Sequence[str]) -> int:
        """One commit: ``gone``, rows as ``matching`` gave them, go, and ``rows`` come. ``gone`` has every row of the
        files that it names with its values of ``by``. Returns the new version; Conflict when another run was first.
        """
        ...

    def optimize(self) -> Compacted:
        """Join small files; rows and state stay. Conflict when a run changed them meanwhile."""
        ...

    def vacuum(self, age: timedelta, *, delete: bool = False) -> tuple[str, ...]:
        """Files that only versions superseded for longer than ``age`` need, and what writers left that crashed a day
        ago or earlier; with ``delete`` they are removed.
        """
        ...

    def advance(self, state: TableState) -> int:
        """One commit of state alone: the rows stay."""
        ...


class Engine(Protocol):
    """Evaluates what ``silver`` says in narwhals, on lazy frames of its own kind.

    Every engine gives the same rows with the same Polars types; ``frame`` and ``scan`` are where its frames begin.
    Leaving it (``close``) ends what it started and removes what it wrote; frames of it are of no use then.
    """

    @property
    def name(self) -> str: ...
    def frame(self, rows: "pl.DataFrame") -> "nw.LazyFrame[Any]":
        """Rows in memory."""
        ...

    def scan(self, files: Sequence[Path]) -> "nw.LazyFrame[Any]":
        """The rows of local Parquet files of one schema, in no order; at least one file."""
        ...

    def held(self, frame: "nw.LazyFrame[Any]") -> "nw.LazyFrame[Any]":
        """``frame``, evaluated here and now, once, however often it is looked at: in memory, or where the engine puts
        what is too large for it.
        """
        ...

    def evaluate(self, frame: "nw.LazyFrame[Any]") -> "pl.DataFrame":
        """The frame's rows in its order."""
        ...

    def batches(self, frame: "nw.LazyFrame[Any]") -> "Iterator[pl.DataFrame]":
        """The same in pieces that fit in memory, of one schema; at least one piece."""
        ...

    def close(self) -> None: ...


# ------------------------------------------------------------------------------------------------ the rest


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""
        ...


Progress = Callable[[str, int], None]
"""Called with what is being done (``ingest retail.orders 2024-01-01``) and the rows so far."""
