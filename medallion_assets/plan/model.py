"""The plan: every decision made, every default filled in. Frozen; safe to print.

Text of ``source`` still holds its references (``${env:…}``); they are resolved where the value is used.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from medallion_assets.intent.check import Check
from medallion_assets.intent.load import Load
from medallion_assets.intent.model import Alert, Schedule, Sensor
from medallion_assets.intent.source import Bronze, File, Source
from medallion_assets.lake.ids import DatasetId, EntityId
from medallion_assets.lake.manifest import Pattern
from medallion_assets.lake.results import Severity

__all__ = [
    "BronzePlan",
    "Cadence",
    "Calendar",
    "CheckPlan",
    "ColumnPlan",
    "DatasetPlan",
    "DeleteMode",
    "Limits",
    "Model",
    "Normalize",
    "SchemaMode",
    "SilverPlan",
]

Cadence = Literal["hourly", "daily", "weekly", "monthly", "none", "file"]
Model = Literal[
    "periodic_snapshot", "full_merge_dedupe", "scd_type_1", "scd_type_2", "incremental_merge", "event", "derived_event"
]
DeleteMode = Literal["ignore", "tombstone", "hard_delete", "erase"]
SchemaMode = Literal["strict", "lenient", "auto"]
OnFailure = Literal["fail", "warn", "drop", "quarantine"]


@dataclass(frozen=True, slots=True)
class Calendar:
    """A dataset's windows of local time in ``timezone`` from ``start`` to ``end`` (exclusive, None: open)."""

    cadence: Cadence
    start: date
    end: date | None
    timezone: str


@dataclass(frozen=True, slots=True)
class BronzePlan:
    store: str
    """Name of the store in platform.yaml."""
    path: str
    """The dataset's folder in that store: ``bronze/system=…/table=…``."""
    pattern: Pattern
    part_rows: int
    part_bytes: int
    compression: Literal["zstd", "snappy", "gzip", "lz4", "brotli"]
    csv: bool
    """Beside the parts, which are the data, lie CSV files of them."""
    retention: timedelta | None
    """How long the parts of a replaced load are kept after silver has absorbed its replacement; None: for good."""


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column of the contract, under its final name. ``type`` None: learned from the data."""

    name: str
    type: str | None
    """Canonical SQL spelling: ``string boolean int8…int64 uint8… float32 float64 decimal(p,s) date time timestamp
    timestamptz binary json``."""
    source_names: tuple[str, ...]
    """Names to look for in bronze, in order; the final name itself when none were given."""
    format: str | None
    nullable: bool
    default: str | int | float | bool | None
    description: str | None
    pii: bool


@dataclass(frozen=True, slots=True)
class Normalize:
    trim_strings: bool
    empty_strings_as_null: bool
    null_values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """A rule under its resolved name and severity, or one of those that are always on (``rule`` None)."""

    name: str
    at: Literal["bronze", "silver"]
    severity: Severity
    blocking: bool
    description: str
    rule: Check | None


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rows may go to quarantine, bronze and silver together, before a run fails. None: no limit."""

    max_rows: int | None
    max_fraction: float | None


@dataclass(frozen=True, slots=True)
class SilverPlan:
    """One silver table of a dataset. All column names are final ones."""

    entity: EntityId
    store: str
    path: str
    model: Model
    keys: tuple[str, ...]
    order_by: tuple[str, ...]
    event_time: str | None
    input_mode: Literal["append_log", "replace_daily"] | None
    on_tie: Literal["keep", "fail"]
    delete_mode: DeleteMode
    max_delete_fraction: float
    erase_absent: bool
    ignore_nulls: bool | tuple[str, ...]
    track: tuple[str, ...]
    """Empty: every attribute but ``order_by``, less ``track_except``."""
    track_except: tuple[str, ...]
    attributes: tuple[str, ...]
    """Empty: every column but ``exclude``."""
    exclude: tuple[str, ...]
    normalize: Normalize
    partition_by: tuple[str, ...]
    format: Literal["delta", "parquet"]
    exports: tuple[Literal["csv"], ...]
    engine: Literal["auto", "polars", "duckdb", "spark"]
    checks: tuple[CheckPlan, ...]
    owners: tuple[str, ...]
    retention: timedelta | None
    """How long files of superseded versions are kept by ``medallion vacuum``; None: its default."""
    fingerprint: str
    """SHA-256 over all that determines the table's rows: this spec, columns, row rules that move rows, schema mode."""


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """Everything that one intent means. ``name`` is ``system.table``, what the command line calls it."""

    name: str
    file: str
    """Path of the intent below the project, with ``/``."""
    line: int
    enabled: bool
    dataset: DatasetId
    description: str | None
    owners: tuple[str, ...]
    tags: Mapping[str, str]
    meta: Mapping[str, object]
    classification: Literal["public", "internal", "confidential", "restricted"]
    source: Source
    load: Load
    as_of: bool
    """The source can be read as of a past partition; otherwise only the current one may be loaded."""
    calendar: Calendar
    bronze: BronzePlan
    columns: tuple[ColumnPlan, ...]
    schema_mode: SchemaMode
    limits: Limits
    checks: tuple[CheckPlan, ...]
    """Checks of the bronze asset; a silver table's are in its plan."""
    silvers: tuple[SilverPlan, ...]
    upstream: tuple[str, ...]
    """Names of datasets that this one reads (``source: bronze``) or refers to."""
    late_column: str | None
    """The column (under its name in the source) by which ``load.late_data`` tells what is late; None: nothing is."""
    schedule: Schedule | None
    sensor: Sensor | None
    alerts: tuple[Alert, ...]
    whole: "DatasetPlan | None"
    """The same dataset as loads of its whole state; None when its source gives changes only, or all of it anyway."""
    refresh_every: timedelta | None
    """How often ``whole`` is loaded unasked; None: never."""
    not_built: tuple[str, ...]
    """What the intent asks for that this version cannot run yet, one sentence each; empty: it can be run."""

    inactive: tuple[str, ...]
    """What the intent asks for that is accepted and has no effect yet, one sentence each."""
    ingest_fingerprint: str
    """SHA-256 over source, load and columns."""

    @property
    def has_bronze(self) -> bool:
        """False when its silver is made of another dataset's bronze."""
        return not isinstance(self.source, Bronze)

    @property
    def by_file(self) -> bool:
        """Whether every file is a partition of its own."""
        return self.calendar.cadence == "file"

    @property
    def claims_files(self) -> bool:
        """Whether files go to the partition that first sees them: changes in files that no date in the path assigns."""
        return isinstance(self.source, File) and self.bronze.pattern != "full" and not self.as_of
