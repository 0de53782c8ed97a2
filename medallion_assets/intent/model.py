"""The intent: one dataset, what it is and how it should arrive."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from medallion_assets.intent.base import (
    Bare,
    Columns,
    Count,
    Date,
    Duration,
    Flag,
    Fraction,
    Json,
    JsonMap,
    Many,
    Map,
    Name,
    Plain,
    Scalar,
    Spec,
    Text,
    TypeName,
    refusal,
    shown,
    text_of,
)
from medallion_assets.intent.calendar import check_cadence, check_cron, check_timezone
from medallion_assets.intent.check import Check
from medallion_assets.intent.load import Load
from medallion_assets.intent.silver import Silver
from medallion_assets.intent.source import Source

__all__ = [
    "Alert",
    "Column",
    "Intent",
    "Partitions",
    "Quarantine",
    "Retention",
    "Schedule",
    "Sensor",
]


class Column(Spec):
    """One column of the contract, under its final name."""

    type: TypeName | None = None
    """Canonical; None: learned from the data."""
    source_names: Columns = ()
    """Names to look for in the source, in order; default: the final name."""
    format: Text | None = None
    """strptime pattern of dates and times."""
    nullable: Flag = True
    default: Scalar | None = None
    """Stands where the source has null."""
    description: Text | None = None
    pii: Flag = False


class Partitions(Spec):
    """The calendar of windows of run date, in ``timezone``. ``end`` is exclusive; None is open."""

    cadence: Annotated[Text, AfterValidator(check_cadence)] = "daily"
    """hourly, daily, weekly, monthly, none, or a cron of five fields."""
    start: Date | None = None
    end: Date | None = None
    timezone: Annotated[Text, AfterValidator(check_timezone)] = "UTC"


class Schedule(Spec):
    """When Dagster asks for the newest partition."""

    cron: Annotated[Text, AfterValidator(check_cron)]
    timezone: Annotated[Text, AfterValidator(check_timezone)] | None = None
    """Default: that of ``partitions``."""
    backfill_missing: Flag = True


class Sensor(Spec):
    """Ask for a run when files arrive and have been still for ``settle``."""

    interval: Duration = timedelta(seconds=60)
    settle: Duration = timedelta(seconds=30)


class Alert(Spec):
    """Whom to tell of what."""

    channel: Name
    when: Many[Literal["run_failed", "run_succeeded", "check_failed", "late", "recovered"]] = (
        "run_failed",
        "check_failed",
    )


class Quarantine(Spec):
    """How many rows may be refused before a load or a refine fails. Only the limits that are given bind."""

    max_rows: Count | None = None
    max_fraction: Fraction | None = None


class Retention(Spec):
    """How long superseded bronze parts and old versions of silver are kept. None: for ever."""

    bronze: Duration | None = None
    silver: Duration | None = None


def _tags(given: object) -> object:
    if isinstance(given, Mapping):
        return given
    return {text_of(name): "" for name in (given if isinstance(given, list | tuple) else (given,))}


def _version(given: object) -> object:
    value = given.value if isinstance(given, Plain) else given
    if value == 1 and not isinstance(value, bool):
        return 1
    raise refusal("INT-007", f"`version` cannot be {shown(given)}.", "write 1, the only version of the grammar so far.")


class Intent(Spec):
    """One dataset. ``name`` is ``system.table``."""

    version: Annotated[Literal[1], BeforeValidator(_version), WithJsonSchema({"const": 1})] = 1
    enabled: Flag = True
    system: Name
    table: Name
    domain: Name | None = None
    """Default: system."""
    entity: Name | None = None
    """Default: table."""
    description: Text | None = None
    owners: Many[Text] = ()
    tags: Annotated[
        Map[Text],
        BeforeValidator(_tags),
        WithJsonSchema({"type": ["object", "array", "string"], "items": {"type": "string"}}),
    ] = Field(default_factory=dict)
    meta: JsonMap = Field(default_factory=dict)
    classification: Literal["public", "internal", "confidential", "restricted"] = "internal"
    source: Source | None = None
    inputs: Json = None
    """Reserved: joins and aggregates of other datasets."""
    load: Load | None = None
    partitions: Partitions = Partitions.model_construct()
    schedule: Annotated[Schedule, Bare("cron")] | None = None
    sensor: Sensor | None = None
    columns: Map[Annotated[Column, Bare("type")]] = Field(default_factory=dict)
    schema_mode: Literal["strict", "lenient", "auto"] = "lenient"
    quarantine: Quarantine = Quarantine.model_construct(max_rows=0)
    silver: Many[Silver] = ()
    checks: Many[Check] = ()
    alerts: Many[Alert] = ()
    engine: Literal["auto", "polars", "duckdb", "spark"] = "auto"
    retention: Retention = Retention.model_construct()
    tenants: Many[Name] = ()

    @property
    def name(self) -> str:
        return f"{self.system}.{self.table}"
