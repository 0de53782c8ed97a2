"""What an intent asks for that this version does not do: said by name, when it is planned and when it is run."""

from collections.abc import Iterator

from medallion_assets.intent.calendar import CADENCES
from medallion_assets.intent.check import Check, References
from medallion_assets.intent.load import Load
from medallion_assets.intent.model import Intent
from medallion_assets.intent.platform import Platform
from medallion_assets.intent.source import Api, Database, File, Kafka, Source

__all__ = ["inactive", "unbuilt"]


def unbuilt(intent: Intent, source: Source, load: Load, platform: Platform) -> tuple[str, ...]:
    """One sentence for each thing that this version cannot run. Empty: the dataset can be run."""
    asked = [
        *(name for check in intent.checks for name in _check(check)),
    ]
    if intent.partitions.cadence not in CADENCES:
        asked.append("a cron as `partitions.cadence`")
    sentences = [f"{name[0].upper()}{name[1:]} is not built in this version." for name in asked]
    return tuple(dict.fromkeys((*sentences, *_unknown(intent, source, load, platform))))


def inactive(intent: Intent) -> tuple[str, ...]:
    """One sentence for each thing that is accepted and has no effect in this version; the dataset runs without it."""
    asked = {
        "`sensor` of a source without files or messages": intent.sensor is not None
        and not isinstance(intent.source, File | Kafka),
    }
    return tuple(f"{name} is accepted and not active in this version." for name, given in asked.items() if given)


def _check(check: Check) -> Iterator[str]:
    if isinstance(check, References) and check.on_failure in ("drop", "quarantine"):
        yield f"`{check.on_failure}` of check rule `references`, by which a table would depend on another"


def _store_names(intent: Intent, source: Source, load: Load, platform: Platform) -> tuple[str, ...]:
    own = (source.store,) if isinstance(source, File) and source.store is not None else ()
    silvers = (silver.store or platform.silver.store for silver in intent.silver)
    return (*own, load.store or platform.bronze.store, *silvers)


def _unknown(intent: Intent, source: Source, load: Load, platform: Platform) -> Iterator[str]:
    """What the intent names and platform.yaml lacks: another environment may have it, so planning goes on."""
    for name in _store_names(intent, source, load, platform):
        if name not in platform.stores:
            yield f"platform.yaml has no store `{name}`."
    if platform.tenants:
        for tenant in (tenant for tenant in intent.tenants if tenant not in platform.tenants):
            yield f"platform.yaml has no tenant `{tenant}`."
    connection = source.connection if isinstance(source, Api | Database | Kafka) else None
    if connection is not None and connection not in platform.connections:
        yield f"platform.yaml has no connection `{connection}`."
