"""The plan of one silver table: every key of every model under one roof, defaults filled in."""

from collections.abc import Mapping, Sequence

from medallion_assets.intent.check import Check, RowRule
from medallion_assets.intent.load import Cdc, CurrentHistory, Incremental, Load
from medallion_assets.intent.model import Column, Intent
from medallion_assets.intent.platform import Platform
from medallion_assets.intent.silver import DerivedEvent, Event, Keyed, Scd1, Scd2, Silver, Snapshot, Stateful
from medallion_assets.lake.ids import EntityId
from medallion_assets.plan.checks import silver_checks
from medallion_assets.plan.fingerprint import fingerprint
from medallion_assets.plan.model import DeleteMode, Normalize, SilverPlan

__all__ = ["silver_plan"]

_NOT_ROWS = {"entity", "version", "store", "owners", "engine", "exports", "format"}
"""Keys of a silver spec that do not determine the rows of its table."""


def silver_plan(
    intent: Intent, silver: Silver, load: Load, platform: Platform, tenant: str | None = None
) -> SilverPlan:
    """``load`` is the resolved one: the intent's, or that of the bronze it reads."""
    entity = EntityId(
        intent.domain or intent.system, silver.entity or intent.entity or intent.table, silver.version, tenant
    )
    place = platform.silver
    keys = () if isinstance(silver, Snapshot) else silver.keys
    return SilverPlan(
        entity=entity,
        store=silver.store or place.store,
        path=f"{place.prefix}/{entity.path}" if place.prefix else entity.path,
        model=silver.model,
        keys=keys,
        order_by=silver.order_by if isinstance(silver, Keyed) else (),
        event_time=silver.event_time if isinstance(silver, Event) else None,
        input_mode=silver.input_mode if isinstance(silver, Event) else None,
        on_tie=silver.on_tie if isinstance(silver, Keyed) else "keep",
        delete_mode=_delete_mode(silver),
        max_delete_fraction=silver.max_delete_fraction if isinstance(silver, Stateful) else 1.0,
        erase_absent=silver.erase_absent if isinstance(silver, Stateful) else False,
        ignore_nulls=silver.ignore_nulls if isinstance(silver, Scd1 | Scd2) else False,
        track=silver.track if isinstance(silver, Scd2 | DerivedEvent) else (),
        track_except=silver.track_except if isinstance(silver, Scd2 | DerivedEvent) else (),
        attributes=silver.attributes,
        exclude=silver.exclude,
        normalize=Normalize(
            silver.normalize.trim_strings, silver.normalize.empty_strings_as_null, silver.normalize.null_values
        ),
        partition_by=silver.partition_by,
        format=silver.format,
        exports=silver.exports,
        engine=silver.engine or intent.engine,
        checks=silver_checks(intent.checks, silver.model, keys),
        owners=silver.owners or intent.owners,
        retention=intent.retention.silver,
        fingerprint=_fingerprint(intent, silver, load),
    )


def _delete_mode(silver: Silver) -> DeleteMode:
    return silver.delete_mode if isinstance(silver, Stateful | DerivedEvent) else "hard_delete"


def _fingerprint(intent: Intent, silver: Silver, load: Load) -> str:
    spec = {name: getattr(silver, name) for name in type(silver).model_fields if name not in _NOT_ROWS}
    return fingerprint(
        spec, contract(intent.columns), _movers(intent.checks), intent.schema_mode, intent.partitions.timezone,
        meaning_of_rows(load),
    )  # fmt: skip


def contract(columns: Mapping[str, Column]) -> list[tuple[str, object]]:
    """What of ``columns`` determines rows, in the owner's order: not their descriptions."""
    return [(name, c.model_copy(update={"description": None, "pii": False})) for name, c in columns.items()]


def meaning_of_rows(load: Load) -> tuple[object, ...]:
    """What of ``load`` says how a bronze row becomes an event."""
    match load:
        case Cdc():
            return (load.pattern, load.operation)
        case Incremental():
            return (load.pattern, load.deleted)
        case CurrentHistory():
            return (load.pattern, load.interval)
    return (load.pattern,)


def _movers(rules: Sequence[Check]) -> list[Check]:
    """Row rules that take rows out of the table; their names and words do not matter."""
    return [
        rule.model_copy(update={"name": None, "description": None, "severity": None})
        for rule in rules
        if rule.at == "silver" and isinstance(rule, RowRule) and rule.on_failure in ("drop", "quarantine")
    ]
