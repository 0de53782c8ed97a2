"""From validated intents to plans: every default filled in, everything resolved that needs no data.

What only shows when intents and platform are seen together is refused here, all problems at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from graphlib import CycleError, TopologicalSorter

from medallion_assets.errors import InvalidProject, Problem
from medallion_assets.intent.load import Cdc, Full, Incremental, Load, LoadBase
from medallion_assets.intent.matrix import pair_findings
from medallion_assets.intent.model import Intent
from medallion_assets.intent.parse import LocatedIntent
from medallion_assets.intent.platform import Platform
from medallion_assets.intent.reading import reads_window
from medallion_assets.intent.source import Bronze, File, Kafka, Source
from medallion_assets.lake.ids import DatasetId
from medallion_assets.plan.checks import bronze_checks
from medallion_assets.plan.feeds import feed_key, feed_of
from medallion_assets.plan.fingerprint import fingerprint
from medallion_assets.plan.model import BronzePlan, Cadence, Calendar, CheckPlan, ColumnPlan, DatasetPlan, Limits
from medallion_assets.plan.silvers import contract, silver_plan
from medallion_assets.plan.tenants import Tenancy, tenancies, tenant_problems
from medallion_assets.plan.unbuilt import inactive, unbuilt

__all__ = ["compile_plans"]

_CADENCES: dict[str, Cadence] = {
    "hourly": "hourly", "daily": "daily", "weekly": "weekly", "monthly": "monthly", "none": "none",
    "file": "file",
}  # fmt: skip
_START = date(2020, 1, 1)


def compile_plans(intents: Sequence[LocatedIntent], platform: Platform) -> tuple[DatasetPlan, ...]:
    """One plan an intent and tenant, sorted by name. Raises InvalidProject (PLN-003 to PLN-005, PLN-010, PLN-011)
    with all problems.
    """
    by_name = {located.intent.name: located.intent for located in intents}
    problems = [
        problem
        for located in intents
        for problem in (*_problems(located, by_name), *tenant_problems(located, by_name, platform))
    ]
    problems += _circles(intents, by_name)
    if problems:
        raise InvalidProject(problems)
    owned = {str(plan_id): one for intent in by_name.values() for plan_id, one in _owned(intent, platform)}
    plans = tuple(
        _plan(located, one, owned)
        for located in sorted(intents, key=lambda i: i.intent.name)
        for _, one in sorted(_owned(located.intent, platform), key=lambda pair: pair[0])
    )
    problems = [p for plan in plans for p in _same_names(plan)]
    if problems:
        raise InvalidProject(problems)
    return plans


# ------------------------------------------------------------------------------------------------ one intent


def _owned(intent: Intent, platform: Platform) -> Iterator[tuple[DatasetId, Tenancy]]:
    """The intent as each of its tenants has it; once, when it has none."""
    for one in tenancies(intent, platform):
        yield DatasetId(intent.system, intent.table, one.tenant), one


def _plan(located: LocatedIntent, own: Tenancy, owned: Mapping[str, Tenancy]) -> DatasetPlan:
    """``owned``: every intent as each tenant has it, by the name of the dataset."""
    intent, platform, tenant = own.intent, own.platform, own.tenant
    dataset = DatasetId(intent.system, intent.table, tenant)
    source = _source_of(intent)
    feed = owned[source.dataset].intent if isinstance(source, Bronze) else intent
    load = feed.load or Full(pattern="full")
    plan = DatasetPlan(
        name=str(dataset),
        file=located.file,
        line=located.line,
        enabled=own.enabled,
        dataset=dataset,
        description=intent.description,
        owners=intent.owners,
        tags=intent.tags,
        meta=intent.meta,
        classification=intent.classification,
        source=source,
        load=load,
        as_of=_as_of(_source_of(feed), load),
        calendar=_calendar(feed),
        bronze=_bronze(DatasetId(feed.system, feed.table, tenant), feed, load, platform),
        columns=_columns(intent),
        schema_mode=intent.schema_mode,
        limits=Limits(intent.quarantine.max_rows, intent.quarantine.max_fraction),
        checks=() if isinstance(source, Bronze) else bronze_checks(intent.checks, load),
        silvers=tuple(silver_plan(intent, silver, load, platform, tenant) for silver in intent.silver),
        upstream=tuple(name for name in (feed_of(source),) if name is not None),
        schedule=intent.schedule,
        sensor=intent.sensor,
        alerts=intent.alerts,
        late_column=_late_column(feed, load),
        not_built=unbuilt(intent, source, load, platform),
        inactive=inactive(intent),
        ingest_fingerprint=fingerprint(source, load, contract(intent.columns)),
        whole=None,
        refresh_every=None,
    )
    whole = located.whole_source
    return _refreshed(plan, None if whole is None else own.renamed(whole))


def _refreshed(plan: DatasetPlan, whole_source: Source | None) -> DatasetPlan:
    """The plan with the one of its whole state beside it."""
    load, source = plan.load, whole_source or plan.source
    if not isinstance(load, Incremental | Cdc) or isinstance(source, Bronze | Kafka):
        return plan
    if plan.by_file or (whole_source is None and (isinstance(load, Cdc) or reads_window(source))):
        return plan
    full = Full(pattern="full", **{name: getattr(load, name) for name in LoadBase.model_fields})
    whole = replace(
        plan, source=source, load=full, as_of=_as_of(source, full), bronze=replace(plan.bronze, pattern="full"),
        late_column=None, ingest_fingerprint=fingerprint(source, full, plan.ingest_fingerprint),
    )  # fmt: skip
    return replace(plan, whole=whole, refresh_every=load.full_refresh.every if load.full_refresh else None)


def _source_of(intent: Intent) -> Source:
    if intent.source is None:
        raise AssertionError(f"{intent.name} passed validation without a source")
    return intent.source


def _calendar(intent: Intent) -> Calendar:
    given = intent.partitions
    cadence = _CADENCES.get(given.cadence, "daily")
    return Calendar(cadence, given.start or _START, given.end, given.timezone)


def _bronze(dataset: DatasetId, feed: Intent, load: Load, platform: Platform) -> BronzePlan:
    prefix = platform.bronze.prefix
    return BronzePlan(
        store=load.store or platform.bronze.store,
        path=f"{prefix}/{dataset.path}" if prefix else dataset.path,
        pattern=load.pattern,
        part_rows=load.chunk.rows,
        part_bytes=load.chunk.bytes,
        compression=load.compression,
        csv="csv" in load.formats,
        retention=feed.retention.bronze,
    )


def _columns(intent: Intent) -> tuple[ColumnPlan, ...]:
    return tuple(
        ColumnPlan(
            name, c.type, c.source_names or (name,), c.format, c.nullable, c.default, c.description, c.pii
        )
        for name, c in intent.columns.items()
    )  # fmt: skip


def _as_of(source: Source, load: Load) -> bool:
    """Whether the source can be asked for a past window: its request holds one, or a cursor column bounds it.

    What goes on where it ended cannot: the window in its request is that of the cursor.
    """
    cursor = load.cursor if isinstance(load, Incremental | Cdc) else None
    return reads_window(source) if cursor is None else cursor.mode == "partition"


def _late_column(feed: Intent, load: Load) -> str | None:
    """As ``late_data`` names it, else the cursor, else what orders the first silver table."""
    if not isinstance(load, Incremental | Cdc) or load.late_data.mode == "allow":
        return None
    if load.late_data.column is not None or load.cursor is not None:
        return load.late_data.column or (load.cursor.column if load.cursor else None)
    order = next((name for s in feed.silver for name in getattr(s, "order_by", ())), None)
    named = feed.columns.get(order) if order is not None else None
    return named.source_names[0] if named is not None and named.source_names else order


# ------------------------------------------------------------------------------------------------ problems


def _problems(located: LocatedIntent, by_name: Mapping[str, Intent]) -> Iterator[Problem]:
    intent = located.intent
    source = _source_of(intent)
    feed = feed_of(source)
    where = located.where("source", *feed_key(source))
    if feed is not None and feed not in by_name:
        yield Problem(
            "PLN-003",
            f"There is no intent for {feed}.",
            where,
            f"Name one of {', '.join(sorted(by_name.keys() - {intent.name})) or 'the intents (there is no other)'}.",
        )
    elif feed is not None and isinstance(by_name[feed].source, Bronze):
        yield Problem(
            "PLN-003",
            f"{feed} has no bronze of its own: it reads that of another intent.",
            where,
            "Name the intent that loads the rows.",
        )
    elif isinstance(source, Bronze):
        load = by_name[source.dataset].load or Full(pattern="full")
        for index, silver in enumerate(intent.silver):
            for found in pair_findings(("silver", index), load, silver):
                if not found.warning:
                    yield Problem(found.code, found.what, located.where(*found.path), found.fix)
    elif feed is not None and not _share_partitions(_calendar(intent), _calendar(by_name[feed])):
        yield Problem(
            "PLN-003",
            f"{feed} has other partitions: the parents of one here are those of the same one there.",
            where,
            "Give both one cadence and time zone; a dataset with `cadence: none` may be read by any.",
        )
    given = intent.partitions
    if given.cadence == "file":
        yield from _file_problems(located)
    if given.end is not None and given.end <= (given.start or _START):
        yield Problem(
            "PLN-004",
            f"`end` {given.end} is not after the start {given.start or _START}: there are no partitions.",
            located.where("partitions", "end"),
            "Give `start`, or a later `end`; it is exclusive.",
        )


def _file_problems(located: LocatedIntent) -> Iterator[Problem]:
    """PLN-011: a partition a file, where files are no changes or belong to dates."""
    intent, source, load = located.intent, _source_of(located.intent), located.intent.load
    if not (isinstance(source, File) and not reads_window(source) and isinstance(load, Incremental | Cdc)):
        yield Problem(
            "PLN-011",
            "`cadence: file` makes a partition of every file, and here files are no changes or a date assigns them.",
            located.where("partitions", "cadence"),
            "Use it for a `file` source without `{run_date}` in its path under `load: incremental` or cdc.",
        )
    elif intent.tenants or load.cursor is not None or load.full_refresh is not None:
        given = "tenants" if intent.tenants else "load"
        yield Problem(
            "PLN-011",
            "`cadence: file` goes with neither `tenants` nor `load.cursor` nor `load.full_refresh`.",
            located.where(given),
            "Leave that out, or let dates be the partitions.",
        )


def _share_partitions(own: Calendar, feed: Calendar) -> bool:
    return feed.cadence == "none" or (own.cadence, own.timezone) == (feed.cadence, feed.timezone)


def _circles(intents: Sequence[LocatedIntent], by_name: Mapping[str, Intent]) -> Iterator[Problem]:
    """Datasets of which each would have to be loaded before the other."""
    feeds = {name: feed_of(_source_of(intent)) for name, intent in by_name.items()}
    try:
        TopologicalSorter({name: [feed] for name, feed in feeds.items() if feed in feeds}).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        for located in intents:
            if located.intent.name in circle:
                yield Problem(
                    "PLN-003",
                    f"{' reads '.join(reversed(circle))}: none of them can be loaded first.",
                    located.where("source", *feed_key(_source_of(located.intent))),
                    "Take the parents from a dataset that does not read this one.",
                )


def _same_names(plan: DatasetPlan) -> Iterator[Problem]:
    assets: list[tuple[CheckPlan, ...]] = [plan.checks, *(silver.checks for silver in plan.silvers)]
    for checks in assets:
        names = [check.name for check in checks]
        for name in sorted({n for n in names if names.count(n) > 1}):
            yield Problem(
                "PLN-005",
                f"Two checks of one table are called '{name}'.",
                f"{plan.file}:{plan.line}  checks",
                "Give one of them a `name` of its own; checksum, schema_drift, accounting, unique_keys, intervals"
                " and late_data are taken.",
            )
