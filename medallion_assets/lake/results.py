"""What the three verbs return: plain data that the command line prints and Dagster records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from medallion_assets.lake.ids import DatasetId, EntityId
from medallion_assets.lake.manifest import Commit
from medallion_assets.lake.window import Partition

__all__ = ["CheckResult", "Compacted", "Drift", "Held", "How", "Ingested", "Refined", "Scalar", "Severity"]

Severity = Literal["error", "warn", "info"]
Scalar = str | int | float | bool | None
How = Literal["nothing", "changes", "whole"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One verdict. ``partition`` is None for a verdict on the whole table."""

    name: str
    """As in ``CheckPlan.name``; unique per asset."""
    at: Literal["bronze", "silver"]
    passed: bool
    severity: Severity
    summary: str
    """One sentence for people; on failure with what to do."""
    partition: str | None = None
    blocking: bool = False
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    """Numbers first: the UI plots them."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """A window's load after ``ingest``. ``written`` is False when the same content was there already."""

    dataset: DatasetId
    partition: Partition
    commit: Commit
    written: bool
    seconds: float
    checks: tuple[CheckResult, ...] = ()
    whole: bool = False
    """The whole state, of a dataset that is otherwise loaded by its changes."""


@dataclass(frozen=True, slots=True)
class Held:
    """A load that silver treats as if it were not committed, because it would delete too many keys at once."""

    n: int
    """Its commit."""
    partition: str
    keys: int
    """Keys that were there before it."""
    missing: int
    """Those of them that it would delete."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A column whose values are not what the contract says, and what became of them."""

    column: str
    kind: Literal["widened", "rescued"]
    """The table has a wider type; or the cells are null, and their text is in ``_rescued``."""
    old: str
    """Type in the contract."""
    new: str
    """Type in the table; of what was rescued, ``text``."""
    first_partition: str
    """The earliest that has such a value."""
    rows: int


@dataclass(frozen=True, slots=True)
class Compacted:
    """A table's files before and after they were joined."""

    files_before: int
    bytes_before: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Refined:
    """A silver table after ``refine``: it has absorbed every live load up to ``bronze_n``.

    Accounting, over all live loads: ``rows_in = events + duplicates + filtered + quarantined``.
    """

    dataset: DatasetId
    entity: EntityId
    bronze_n: int
    table_version: int
    """The table's own version (Delta), unchanged when nothing was written."""
    written: bool
    rows_in: int
    """Rows of the live loads' parts."""
    events: int
    duplicates: int
    """Exact duplicates of another event."""
    filtered: int
    """Rows dropped by a rule whose action is drop, and deletes under ``delete_mode: ignore``."""
    quarantined: int
    rows: int
    """Rows of the table now."""
    absence_deletes: int
    changed: int
    """Rows added to or removed from the table by this run."""
    how: "How"
    """What was computed: nothing, because the table was at bronze's head; the rows that new loads change; all rows."""
    seconds: float
    engine: str
    engine_why: str
    """Why that one."""
    columns: tuple[tuple[str, str], ...]
    """Name and type of each column of the table, in order."""
    content: str
    """Checksum of the table's rows' provenance: equal when the table is equal."""
    rows_in_by_partition: Mapping[str, int] = field(default_factory=dict)
    quarantined_by_partition: Mapping[str, int] = field(default_factory=dict)
    held: tuple[Held, ...] = ()
    """A check fails while there are any."""
    ties: int = 0
    """Different events of one key at one place of the order."""
    incomplete: int = 0
    """Full partitions that deleted nothing because not all of their keys could be read."""
    quarantine: str | None = None
    """Where the quarantined rows lie in the silver store, as Parquet: reason, column, value, commit, part, row,
    partition."""
    drift: tuple[Drift, ...] = ()
    checks: tuple[CheckResult, ...] = ()
