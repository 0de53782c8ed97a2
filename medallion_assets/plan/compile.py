"""From validated intents to plans: every default filled in, everything resolved that needs no data.

What only shows when intents and platform are seen together is refused here, all problems at once.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from medallion_assets.errors import InvalidProject, Problem
from medallion_assets.intent.load import Cdc, Full, Incremental, Load
from medallion_assets.intent.model import Intent
from medallion_assets.intent.parse import LocatedIntent
from medallion_assets.intent.platform import Platform
from medallion_assets.intent.source import Api, Bronze, Database, File, Source
from medallion_assets.lake.ids import DatasetId
from medallion_assets.plan.checks import bronze_checks
from medallion_assets.plan.fingerprint import fingerprint
from medallion_assets.plan.model import BronzePlan, Cadence, Calendar, CheckPlan, ColumnPlan, DatasetPlan, Limits
from medallion_assets.plan.silvers import contract, silver_plan
from medallion_assets.plan.unbuilt import inactive, unbuilt

__all__ = ["compile_plans"]

_CADENCES: dict[str, Cadence] = {
    "hourly": "hourly", "daily": "daily", "weekly": "weekly", "monthly": "monthly", "none": "none",
}  # fmt: skip
_START = date(2020, 1, 1)
_TEMPLATE = re.compile(r"\{(?:run_date|window_start|window_end)(?::[^{}]*)?\}")
_SQL_WINDOW = re.compile(r"(?<![:\w]):(?:window_start|window_end)\b")


def compile_plans(intents: Sequence[LocatedIntent], platform: Platform) -> tuple[DatasetPlan, ...]:
    """One plan an intent, sorted by name. Raises InvalidProject (PLN-003 to PLN-009) with all problems."""
    by_name = {located.intent.name: located.intent for located in intents}
    problems = [*_duplicates(intents), *(p for located in intents for p in _problems(located, by_name, platform))]
    if problems:
        raise InvalidProject(problems)
    plans = tuple(_plan(located, by_name, platform) for located in sorted(intents, key=lambda i: i.intent.name))
    problems = [*_same_places(plans), *(p for plan in plans for p in _same_names(plan))]
    if problems:
        raise InvalidProject(problems)
    return plans


# ------------------------------------------------------------------------------------------------ one intent


def _plan(located: LocatedIntent, by_name: Mapping[str, Intent], platform: Platform) -> DatasetPlan:
    intent = located.intent
    source = _source_of(intent)
    feed = by_name[source.dataset] if isinstance(source, Bronze) else intent
    load = feed.load or Full(pattern="full")
    return DatasetPlan(
        name=intent.name,
        file=located.file,
        line=located.line,
        enabled=intent.enabled,
        dataset=DatasetId(intent.system, intent.table),
        description=intent.description,
        owners=intent.owners,
        tags=intent.tags,
        meta=intent.meta,
        classification=intent.classification,
        source=source,
        load=load,
        as_of=_as_of(source, load),
        calendar=_calendar(feed),
        bronze=_bronze(DatasetId(feed.system, feed.table), load, platform),
        columns=_columns(intent),
        schema_mode=intent.schema_mode,
        limits=Limits(intent.quarantine.max_rows, intent.quarantine.max_fraction),
        checks=bronze_checks(intent.checks),
        silvers=tuple(silver_plan(intent, silver, load, platform) for silver in intent.silver),
        upstream=tuple(sorted(_upstream(source))),
        late=load.late_data.max_lateness if isinstance(load, Incremental | Cdc) else None,
        not_built=unbuilt(intent, source, load, platform),
        inactive=inactive(intent),
        ingest_fingerprint=fingerprint(source, load, contract(intent.columns)),
    )


def _source_of(intent: Intent) -> Source:
    if intent.source is None:
        raise AssertionError(f"{intent.name} passed validation without a source")
    return intent.source


def _calendar(intent: Intent) -> Calendar:
    given = intent.partitions
    cadence = _CADENCES.get(given.cadence, "daily")
    return Calendar(cadence, given.start or _START, given.end, given.timezone)


def _bronze(dataset: DatasetId, load: Load, platform: Platform) -> BronzePlan:
    prefix = platform.bronze.prefix
    return BronzePlan(
        store=load.store or platform.bronze.store,
        path=f"{prefix}/{dataset.path}" if prefix else dataset.path,
        pattern=load.pattern,
        part_rows=load.chunk.rows,
        part_bytes=load.chunk.bytes,
        compression=load.compression,
    )


def _columns(intent: Intent) -> tuple[ColumnPlan, ...]:
    return tuple(
        ColumnPlan(
            name, c.type, c.source_names or (name,), c.format, c.nullable, c.default, c.description, c.pii
        )
        for name, c in intent.columns.items()
    )  # fmt: skip


def _as_of(source: Source, load: Load) -> bool:
    """Whether the source can be asked for a past window: its request holds one, or a cursor column bounds it."""
    if isinstance(load, Incremental | Cdc) and load.cursor is not None and load.cursor.mode == "partition":
        return True
    match source:
        case File():
            return any(_has_window(path) for path in source.path)
        case Api():
            texts = [source.path, *source.params.values(), *source.headers.values(), *_texts(source.body)]
            return any(_has_window(text) for text in texts)
        case Database():
            return any(_SQL_WINDOW.search(text) for text in (source.query, source.where) if text)
    return False


def _has_window(text: str) -> bool:
    return _TEMPLATE.search(text.replace("{{", "").replace("}}", "")) is not None


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value."""
    match value:
        case str():
            yield value
        case dict():
            yield from (text for inner in value.values() for text in _texts(inner))
        case list():
            yield from (text for inner in value for text in _texts(inner))


def _upstream(source: Source) -> Iterator[str]:
    if isinstance(source, Bronze):
        yield source.dataset
    if isinstance(source, Api) and source.parents is not None and source.parents.dataset is not None:
        yield source.parents.dataset


# ------------------------------------------------------------------------------------------------ problems


def _duplicates(intents: Sequence[LocatedIntent]) -> Iterator[Problem]:
    first: dict[str, LocatedIntent] = {}
    for located in intents:
        before = first.setdefault(located.intent.name, located)
        if before is not located:
            yield Problem(
                "PLN-003",
                f"{located.intent.name} is also the name of the intent in {before.file}:{before.line}.",
                located.where("table"),
                "give one of them another `system` or `table`.",
            )


def _problems(located: LocatedIntent, by_name: Mapping[str, Intent], platform: Platform) -> Iterator[Problem]:
    intent = located.intent
    source = _source_of(intent)
    yield from _stores(located, source, platform)
    if isinstance(source, Bronze) and source.dataset not in by_name:
        yield Problem(
            "PLN-007",
            f"There is no intent for {source.dataset}.",
            located.where("source", "dataset"),
            f"name one of {', '.join(sorted(by_name.keys() - {intent.name})) or 'the intents (there is no other)'}.",
        )
    given = intent.partitions
    if given.end is not None and given.end <= (given.start or _START):
        yield Problem(
            "PLN-009",
            f"`end` {given.end} is not after `start` {given.start or _START}: there are no partitions.",
            located.where("partitions", "end"),
            "`end` is exclusive; write a later date or leave it out.",
        )
    try:
        ZoneInfo(given.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Problem(
            "PLN-008",
            f"'{given.timezone}' is not a time zone.",
            located.where("partitions", "timezone"),
            "use an IANA name such as UTC or Europe/Berlin.",
        )


def _stores(located: LocatedIntent, source: Source, platform: Platform) -> Iterator[Problem]:
    intent = located.intent
    named: list[tuple[str | None, tuple[str | int, ...]]] = []
    if isinstance(source, File):
        named.append((source.store, ("source", "store")))
    if intent.load is not None:
        named.append((intent.load.store, ("load", "store")))
    named += [(silver.store, ("silver", "store")) for silver in intent.silver]
    for name, path in named:
        if name is not None and name not in platform.stores:
            yield Problem(
                "PLN-005",
                f"platform.yaml has no store '{name}'.",
                located.where(*path),
                f"name one of {', '.join(sorted(platform.stores))}, or add it to platform.yaml.",
            )


def _same_places(plans: Iterable[DatasetPlan]) -> Iterator[Problem]:
    owner: dict[tuple[str, str], DatasetPlan] = {}
    for plan in plans:
        for silver in plan.silvers:
            before = owner.setdefault((silver.store, silver.path), plan)
            if before is not plan or sum(s.path == silver.path and s.store == silver.store for s in plan.silvers) > 1:
                yield Problem(
                    "PLN-004",
                    f"{silver.entity} v{silver.entity.version} is also written by {before.name}"
                    f" ({before.file}:{before.line}).",
                    f"{plan.file}:{plan.line}  silver.entity",
                    "give one of them another `domain`, `entity` or `version`.",
                )


def _same_names(plan: DatasetPlan) -> Iterator[Problem]:
    assets: list[tuple[CheckPlan, ...]] = [plan.checks, *(silver.checks for silver in plan.silvers)]
    for checks in assets:
        names = [check.name for check in checks]
        for name in sorted({n for n in names if names.count(n) > 1}):
            yield Problem(
                "PLN-006",
                f"Two checks of one table are called '{name}'.",
                f"{plan.file}:{plan.line}  checks",
                "give one of them a `name` of its own; checksum, schema_drift, accounting, unique_keys and intervals"
                " are taken.",
            )
