"""An intent as each of its tenants has it: their source, their stores, their connections, folders of their own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medallion_assets.errors import Problem
from medallion_assets.intent.model import Intent
from medallion_assets.intent.parse import LocatedIntent
from medallion_assets.intent.platform import Place, Platform, Tenant
from medallion_assets.intent.plugin import PluginSource
from medallion_assets.intent.source import Api, Bronze, Database, File, Kafka, Python, Source
from medallion_assets.plan.feeds import feed_key, feed_of

__all__ = ["Tenancy", "tenancies", "tenant_problems"]

_TOKEN = re.compile(r"\$\$?\{[^{}]*\}|\{\{|\}\}|\{tenant\}")
"""What is left alone, as ``intent.template`` reads it, and the one field that is filled in here."""


@dataclass(frozen=True, slots=True)
class Tenancy:
    """What an intent and platform.yaml mean for one tenant; for all when ``tenant`` is None."""

    tenant: str | None
    enabled: bool
    intent: Intent
    platform: Platform

    def renamed(self, source: Source) -> Source:
        """Another source of the intent, for this tenant."""
        return source if self.tenant is None else _source(source, self.tenant, self._names)

    @property
    def _names(self) -> Tenant:
        return self.platform.tenants.get(self.tenant or "", Tenant())


def tenancies(intent: Intent, platform: Platform) -> Iterator[Tenancy]:
    """One a tenant, in the order of the intent."""
    if not intent.tenants:
        yield Tenancy(None, intent.enabled, intent, platform)
    for tenant in dict.fromkeys(intent.tenants):
        names = platform.tenants.get(tenant, Tenant())
        source = None if intent.source is None else _source(intent.source, tenant, names)
        load = intent.load
        if load is not None and load.store is not None:
            load = load.model_copy(update={"store": names.store(load.store)})
        silver = tuple(
            one if one.store is None else one.model_copy(update={"store": names.store(one.store)})
            for one in intent.silver
        )
        own = intent.model_copy(update={"source": source, "load": load, "silver": silver})
        bronze, tables = (_place(place, names) for place in (platform.bronze, platform.silver))
        there = platform.model_copy(update={"bronze": bronze, "silver": tables})
        yield Tenancy(tenant, intent.enabled and names.enabled, own, there)


def tenant_problems(located: LocatedIntent, by_name: Mapping[str, Intent], platform: Platform) -> Iterator[Problem]:
    """PLN-003: a tenant whose rows another intent does not load; PLN-010: two that would read the same rows."""
    intent = located.intent
    name = None if intent.source is None else feed_of(intent.source)
    feed = None if name is None else by_name.get(name)
    if (
        feed is not None
        and intent.source is not None
        and ({*intent.tenants} - {*feed.tenants} or (feed.tenants and not intent.tenants))
    ):
        yield Problem(
            "PLN-003",
            f"{feed.name} is loaded for {', '.join(feed.tenants) or 'no tenant'}; this is to be made for "
            f"{', '.join(intent.tenants) or 'none of them'}.",
            located.where("source", *feed_key(intent.source)),
            "Give both the same `tenants`, or this one some of the other's.",
        )
    if isinstance(intent.source, Bronze):
        return
    first: dict[str, str | None] = {}
    for one in tenancies(intent, platform) if intent.tenants else ():
        said = repr(one.intent.source)
        if said in first:
            yield Problem(
                "PLN-010",
                f"The tenants {first[said]} and {one.tenant} would read the same.",
                located.where("tenants"),
                "Put `{tenant}` into the request (`:tenant` into SQL), or give each tenant a store or connection of its"
                " own under `tenants` in platform.yaml.",
            )
        first.setdefault(said, one.tenant)


def _place(place: Place, names: Tenant) -> Place:
    return place.model_copy(update={"store": names.store(place.store)})


def _source(source: Source, tenant: str, names: Tenant) -> Source:
    """With ``{tenant}`` filled in and the tenant's own store or connection."""
    changed: dict[str, object] = {}
    match source:
        case File():
            changed = {"path": _filled(source.path, tenant)}
            changed["store"] = None if source.store is None else names.store(source.store)
        case Api():
            changed = {name: _filled(getattr(source, name), tenant) for name in ("path", "params", "headers", "body")}
            changed["connection"] = _connection(source.connection, names)
            if source.parents is not None:
                own = {name: _filled(getattr(source.parents, name), tenant) for name in ("path", "params")}
                if source.parents.dataset is not None:
                    own["dataset"] = f"{source.parents.dataset}@{tenant}"
                changed["parents"] = source.parents.model_copy(update=own)
        case Database():
            changed = {"params": {"tenant": tenant, **source.params}} if _binds(source) else {}
            changed["connection"] = _connection(source.connection, names)
        case Kafka():
            changed = {"topic": _filled(source.topic, tenant), "connection": _connection(source.connection, names)}
        case Python():
            changed = {"args": _filled(source.args, tenant)}
        case PluginSource():
            given = (name for name in type(source).model_fields if name != "type")
            changed = {name: _filled(getattr(source, name), tenant) for name in given}
        case Bronze():
            changed = {"dataset": f"{source.dataset}@{tenant}"}
    return source.model_copy(update=changed)


def _binds(source: Database) -> bool:
    return any(re.search(r":tenant\b", text or "") for text in (source.query, source.where))


def _connection(name: str | None, names: Tenant) -> str | None:
    return None if name is None else names.connections.get(name, name)


def _filled(value: object, tenant: str) -> object:
    if isinstance(value, str):
        return _TOKEN.sub(lambda found: tenant if found[0] == "{tenant}" else found[0], value)
    if isinstance(value, Mapping):
        return {key: _filled(item, tenant) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_filled(item, tenant) for item in value)
    return value
