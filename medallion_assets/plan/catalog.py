"""Plans by the names that people write: full, short where only one has it, in an order that can be run."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from graphlib import TopologicalSorter

from medallion_assets.errors import ConfigError
from medallion_assets.plan.model import DatasetPlan, SilverPlan

__all__ = ["plan_named", "plans_named", "runnable", "silver_named", "silvers_named"]


def plan_named(plans: Sequence[DatasetPlan], name: str) -> DatasetPlan:
    """The plan called ``system.table``, or by its table or silver name where only one has it.

    Raises ConfigError CLI-002, with the nearest name.
    """
    found = plans_named(plans, name)
    if len(found) == 1:
        return found[0]
    raise _not_one(name, [p.name for p in found], {p.name: _short_names(p) for p in plans})


def plans_named(plans: Sequence[DatasetPlan], name: str) -> tuple[DatasetPlan, ...]:
    """As ``plan_named``; of a dataset with tenants without ``@tenant``, those of all of them."""
    found = [p for p in plans if name == p.name] or [p for p in plans if name in _short_names(p)]
    if found and len({replace(p.dataset, tenant=None) for p in found}) == 1:
        return tuple(found)
    raise _not_one(name, [p.name for p in found], {p.name: _short_names(p) for p in plans})


def silver_named(plans: Sequence[DatasetPlan], name: str, tenant: str | None = None) -> tuple[DatasetPlan, SilverPlan]:
    """The silver table called ``silver/<domain>/<entity>[@<tenant>][/v<n>]``, with its dataset; with ``tenant``, its
    own before the one that all share. Raises ConfigError CLI-002.
    """
    tables = [(plan, silver) for plan in plans for silver in plan.silvers]
    own = [(p, s) for p, s in tables if tenant is not None and s.entity.tenant == tenant and name in _shared_names(s)]
    found = own or [(p, s) for p, s in tables if name in (str(s.entity), _versioned(s))]
    if len(found) == 1:
        return found[0]
    raise _not_one(name, [_versioned(s) for _, s in found], {str(s.entity): (s.entity.entity,) for _, s in tables})


def silvers_named(plans: Sequence[DatasetPlan], name: str) -> tuple[tuple[DatasetPlan, SilverPlan], ...]:
    """As ``silver_named``; of a table with tenants without ``@tenant``, those of all of them."""
    tables = [(plan, silver) for plan in plans for silver in plan.silvers if silver.entity.tenant is not None]
    shared = tuple((plan, silver) for plan, silver in tables if name in _shared_names(silver))
    return shared or (silver_named(plans, name),)


def runnable(plans: Sequence[DatasetPlan], names: Sequence[str], tenant: str | None = None) -> tuple[DatasetPlan, ...]:
    """The plans of these names, or every enabled one, of ``tenant`` alone when one is given; what is read comes before
    what reads it. A name without ``@tenant`` means all tenants that are rolled out.

    Raises ConfigError: CLI-002 no such name or tenant, CLI-003 a named one is not enabled.
    """
    found = [p for name in names for p in _rolled_out(plans_named(plans, name), tenant)] if names else plans
    chosen = {p.name: p for p in found if tenant is None or p.dataset.tenant == tenant}
    if tenant is not None and not chosen:
        known = sorted({p.dataset.tenant for p in plans if p.dataset.tenant is not None})
        of = f" of {', '.join(names)}" if names else ""
        raise ConfigError(
            "CLI-002", f"There is no tenant '{tenant}'{of}.", where="--tenant",
            fix=f"use one of {', '.join(known) or 'none: no intent has `tenants`'}.",
        )  # fmt: skip
    if not names:
        chosen = {name: plan for name, plan in chosen.items() if plan.enabled}
    for plan in chosen.values():
        if not plan.enabled:
            raise ConfigError(
                "CLI-003",
                f"{plan.name} is not enabled.",
                where=f"{plan.file}:{plan.line}  enabled",
                fix="set `enabled: true` in its intent.",
            )
    order = TopologicalSorter({name: sorted(chosen.keys() & set(chosen[name].upstream)) for name in sorted(chosen)})
    return tuple(chosen[name] for name in order.static_order())


def _rolled_out(found: Sequence[DatasetPlan], tenant: str | None) -> Sequence[DatasetPlan]:
    """Those that are enabled, unless none is or the tenant is named: then the refusal says so."""
    return [p for p in found if p.enabled] or found if tenant is None and len(found) > 1 else found


def _shared_names(silver: SilverPlan) -> tuple[str, str]:
    entity = replace(silver.entity, tenant=None)
    return str(entity), f"{entity}/v{entity.version}"


def _versioned(silver: SilverPlan) -> str:
    return f"{silver.entity}/v{silver.entity.version}"


def _short_names(plan: DatasetPlan) -> tuple[str, ...]:
    shared = () if plan.dataset.tenant is None else (str(replace(plan.dataset, tenant=None)),)
    tables = () if plan.dataset.tenant is None else (_shared_names(s)[0] for s in plan.silvers)
    return (
        *shared,
        *tables,
        plan.dataset.table,
        *(str(s.entity) for s in plan.silvers),
        *(s.entity.entity for s in plan.silvers),
    )


def _not_one(name: str, found: Sequence[str], known: Mapping[str, Sequence[str]]) -> ConfigError:
    """The error for a name that means none of ``known`` (full name → its short ones), or several of them: ``found``."""
    if found:
        what = f"'{name}' may mean {' or '.join(found)}."
        return ConfigError("CLI-002", what, where=name, fix="write the full name.")
    spellings = {short: full for full, shorts in known.items() for short in (full, *shorts)}
    near = get_close_matches(name, list(spellings), 1)
    fix = f"use one of {', '.join(sorted(known)) or 'the tables that intents name'}."
    fix += f" Did you mean `{spellings[near[0]]}`?" if near else ""
    return ConfigError("CLI-002", f"There is no '{name}'.", where=name, fix=fix)
