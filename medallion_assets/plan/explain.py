"""What a plan says of itself, for people and programs: sections of a text, and JSON. Stable order, no secret.

A source's text is shown as written: references (``${env:…}``) stay references.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from medallion_assets.intent.load import Cdc, Incremental
from medallion_assets.intent.source import Api, Bronze, Database, File, Kafka, Python, Source
from medallion_assets.plan.fingerprint import canonical
from medallion_assets.plan.mask import masked
from medallion_assets.plan.model import Calendar, CheckPlan, ColumnPlan, DatasetPlan, SilverPlan

__all__ = ["Section", "describe", "plan_json", "source_text"]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its rows of (key, value), in print order."""

    title: str
    rows: tuple[tuple[str, str], ...]


def describe(plan: DatasetPlan) -> tuple[Section, ...]:
    """The whole plan of one dataset: the dataset, bronze, columns, each silver table, checks, what is missing."""
    return (
        Section(plan.name, tuple(_dataset(plan))),
        Section(plan.dataset.label, tuple(_bronze(plan))),
        *([Section("columns", tuple(_column(c) for c in plan.columns))] if plan.columns else []),
        *(
            section
            for silver in plan.silvers
            for section in (
                Section(str(silver.entity), tuple(_silver(silver))),
                Section(f"checks of {silver.entity}", tuple(_check(c) for c in silver.checks)),
            )
        ),
        *([Section("not in this version", _numbered(plan))] if plan.not_built or plan.inactive else []),
    )


def source_text(source: Source) -> str:  # noqa: PLR0911 - one a kind
    """A source in one line: its type and where it reads."""
    match source:
        case File():
            where = ", ".join(source.path)
            return f"file {where}" if source.store is None else f"file {where} in store {source.store}"
        case Api():
            return f"api {source.method} {source.connection or masked(source.base_url)} {source.path}"
        case Database():
            place = source.connection or masked(source.url)
            return f"database {place} {source.table or ('query' if source.query else '')}".strip()
        case Kafka():
            return f"kafka {source.connection or ', '.join(source.brokers)} {source.topic}"
        case Python():
            return f"python {source.function}"
        case Bronze():
            return f"bronze of {source.dataset}"
    return source.type


def plan_json(plan: DatasetPlan) -> dict[str, object]:
    """Every field of the plan as JSON values; ``source`` and ``load`` without the keys that hold their default."""
    found = masked(canonical(plan))
    if not isinstance(found, dict):
        raise TypeError("a plan is a mapping")
    return {str(name): value for name, value in found.items()}


def _dataset(plan: DatasetPlan) -> Iterator[tuple[str, str]]:
    yield "intent", f"{plan.file}:{plan.line}"
    if not plan.enabled:
        yield "enabled", "no"
    if plan.description:
        yield "description", plan.description
    yield "source", source_text(plan.source)
    yield "read", "as of a partition" if plan.as_of else "now"
    yield "load", _load(plan)
    if plan.whole is not None and plan.refresh_every is not None:
        yield "whole state", f"every {_span(plan.refresh_every)}, from {source_text(plan.whole.source)}"
    if plan.late_column is not None and isinstance(plan.load, Incremental | Cdc):
        late = plan.load.late_data
        yield "late rows", f"{late.mode}, when {plan.late_column} is {_span(late.max_lateness)} before the window"
    yield "partitions", _calendar(plan.calendar)
    yield "schema mode", plan.schema_mode
    yield "quarantine", _limits(plan)
    yield "classification", plan.classification
    if plan.owners:
        yield "owners", ", ".join(plan.owners)
    if plan.tags:
        yield "tags", ", ".join(f"{k}={v}" if v else k for k, v in sorted(plan.tags.items()))
    yield "depends on", ", ".join(plan.upstream) or "nothing"


def _load(plan: DatasetPlan) -> str:
    load = plan.load
    words: list[str] = [load.pattern]
    if isinstance(load, Cdc) and load.operation.envelope != "none":
        words.append(f"in {load.operation.envelope} envelopes")
    elif isinstance(load, Cdc) and load.operation.column is not None:
        words.append(f"by {load.operation.column}")
    if isinstance(load, Incremental | Cdc) and load.cursor is not None:
        words.append(f"cursor {load.cursor.column} ({load.cursor.mode})")
    if isinstance(load, Incremental) and load.deleted is not None:
        words.append(f"deleted where {load.deleted.column} is {' or '.join(load.deleted.values)}")
    return ", ".join(words)


def _span(span: timedelta) -> str:
    """A week is ``7d``, ten minutes are ``10m``."""
    seconds = int(span.total_seconds())
    size, unit = next((s, u) for s, u in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")) if seconds % s == 0)
    return f"{seconds // size}{unit}"


def _calendar(calendar: Calendar) -> str:
    if calendar.cadence == "none":
        return "one (all)"
    if calendar.cadence == "file":
        return f"one a file, {calendar.timezone}"
    until = "" if calendar.end is None else f" to {calendar.end} (exclusive)"
    return f"{calendar.cadence} from {calendar.start}{until}, {calendar.timezone}"


def _limits(plan: DatasetPlan) -> str:
    limits = plan.limits
    said = [f"{limits.max_rows:,} rows"] if limits.max_rows is not None else []
    said += [f"{limits.max_fraction:.4%} of the rows"] if limits.max_fraction is not None else []
    return f"at most {' and '.join(said)}" if said else "no limit"


def _bronze(plan: DatasetPlan) -> Iterator[tuple[str, str]]:
    bronze = plan.bronze
    yield "path", f"{bronze.store}: {bronze.path}/pattern={bronze.pattern}/dt=…"
    yield "parts", f"{bronze.part_rows:,} rows or {bronze.part_bytes:,} bytes, parquet, {bronze.compression}"
    yield from (_check(check) for check in plan.checks)


def _column(column: ColumnPlan) -> tuple[str, str]:
    words = [column.type or "learned"]
    if column.source_names != (column.name,):
        words.append(f"from {' or '.join(column.source_names)}")
    if column.format is not None:
        words.append(f"format {column.format}")
    if not column.nullable:
        words.append("not null")
    if column.default is not None:
        words.append(f"default {column.default}")
    if column.pii:
        words.append("pii")
    return column.name, ", ".join(words)


def _silver(silver: SilverPlan) -> Iterator[tuple[str, str]]:
    yield "model", silver.model
    yield "path", f"{silver.store}: {silver.path}"
    yield "format", silver.format
    named: tuple[tuple[str, Sequence[str]], ...] = (
        ("keys", silver.keys),
        ("order by", silver.order_by),
        ("event time", (silver.event_time,) if silver.event_time else ()),
        ("input mode", (silver.input_mode,) if silver.input_mode else ()),
        ("attributes", silver.attributes),
        ("exclude", silver.exclude),
        ("track", silver.track),
        ("track except", silver.track_except),
        ("partitioned by", silver.partition_by),
        ("exports", silver.exports),
    )
    yield from ((title, ", ".join(names)) for title, names in named if names)
    if silver.model in ("scd_type_1", "scd_type_2", "derived_event"):
        yield "deletes", silver.delete_mode
    if silver.model in ("scd_type_1", "scd_type_2"):
        yield "guard", f"holds a load that lacks more than {silver.max_delete_fraction:.4g} of the keys"
    if silver.on_tie == "fail":
        yield "ties", "fail"
    if isinstance(silver.ignore_nulls, tuple):
        yield "null means", f"not supplied: {', '.join(silver.ignore_nulls)}"
    elif silver.ignore_nulls:
        yield "null means", "not supplied"
    yield from _normalize(silver)
    yield "engine", silver.engine


def _normalize(silver: SilverPlan) -> Iterator[tuple[str, str]]:
    given = silver.normalize
    words = ["trimmed"] if given.trim_strings else []
    words += ["empty is null"] if given.empty_strings_as_null else []
    words += [f"null values {', '.join(repr(v) for v in given.null_values)}"] if given.null_values else []
    if words:
        yield "text", ", ".join(words)


def _check(check: CheckPlan) -> tuple[str, str]:
    words = [check.severity, *(["blocking"] if check.blocking else [])]
    return check.name, f"{', '.join(words)}: {check.description}"


def _numbered(plan: DatasetPlan) -> tuple[tuple[str, str], ...]:
    blocking = tuple(("cannot run", sentence) for sentence in plan.not_built)
    return (*blocking, *(("no effect", sentence) for sentence in plan.inactive))
