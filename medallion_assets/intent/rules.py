"""What contradicts itself in an intent, between intents, and in platform.yaml, although every part is well formed."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from pydantic_core import PydanticCustomError

from medallion_assets.errors import Problem
from medallion_assets.intent.check import Range as RangeRule
from medallion_assets.intent.check import RowCount, default_name
from medallion_assets.intent.finding import Finding
from medallion_assets.intent.located import Located, LocatedIntent, problem_at
from medallion_assets.intent.matrix import load_findings
from medallion_assets.intent.model import Intent
from medallion_assets.intent.platform import Platform
from medallion_assets.intent.reading import source_findings
from medallion_assets.intent.reference import check_references, holds_reference
from medallion_assets.intent.silver import DerivedEvent, Keyed, Scd2, Silver
from medallion_assets.intent.slips import comma_slips, comma_words
from medallion_assets.intent.tree import Branch, Items, Key, Leaf, Node, place

__all__ = ["intent_problems", "platform_problems", "project_problems"]


def intent_problems(located: LocatedIntent) -> tuple[tuple[Located, ...], tuple[Problem, ...]]:
    """Errors and warnings of one intent."""
    intent, tree = located.intent, located.tree
    findings = [*_findings(intent), *_reference_findings(tree, _in_source), *_refresh_findings(tree)]
    errors = tuple(_at(tree, finding, "INT") for finding in findings if not finding.warning)
    warnings = tuple(_at(tree, finding, "INT").problem for finding in findings if finding.warning)
    return errors, warnings


def _at(tree: Node, finding: Finding, prefix: str) -> Located:
    keys, at = place(tree, finding.path)
    return problem_at(at, keys, (finding.code, finding.what, finding.fix), prefix)


def _findings(intent: Intent) -> Iterator[Finding]:
    if intent.inputs is not None:
        if intent.source is not None:
            yield Finding("INT-030", ("inputs",), "Both `source` and `inputs` are given.", "Keep one of them.")
        else:
            yield Finding(
                "INT-030",
                ("inputs",),
                "`inputs` is reserved for datasets made of others, and cannot be run yet.",
                "Read one dataset under `source`; join downstream of its silver table.",
            )
    elif intent.source is None:
        yield Finding("INT-030", (), "Neither `source` nor `inputs` is given.", "Add `source:` with a `type`.")
    yield from _partition_findings(intent)
    if intent.source is not None:
        yield from source_findings(intent, intent.source)
    yield from load_findings(intent)
    for index, silver in enumerate(intent.silver):
        yield from _silver_findings(("silver", index), silver)
    yield from _check_findings(intent)


def _partition_findings(intent: Intent) -> Iterator[Finding]:
    start, end = intent.partitions.start, intent.partitions.end
    if start and end and end <= start:
        yield Finding(
            "INT-043", ("partitions", "end"), f"The end {end} is not after the start {start}.", "Write a later end."
        )


def _silver_findings(path: tuple[Key, ...], silver: Silver) -> Iterator[Finding]:
    if silver.attributes and silver.exclude:
        yield Finding("INT-035", (*path, "exclude"), "Both `attributes` and `exclude` are given.", "Keep one of them.")
    if isinstance(silver, Scd2 | DerivedEvent) and silver.track and silver.track_except:
        yield Finding(
            "INT-035", (*path, "track_except"), "Both `track` and `track_except` are given.", "Keep one of them."
        )
    if isinstance(silver, Keyed):
        for column in (*silver.keys, *silver.order_by):
            if column in silver.exclude:
                yield Finding(
                    "INT-035",
                    (*path, "exclude"),
                    f"`{column}` is a key or an order column and is excluded too.",
                    f"Take `{column}` out of `exclude`.",
                )
        for column in silver.order_by:
            if column in silver.keys:
                yield Finding(
                    "INT-035",
                    (*path, "order_by"),
                    f"`{column}` is a key: it orders nothing, because all rows of a key have it.",
                    f"Take `{column}` out of `order_by`.",
                )


def _check_findings(intent: Intent) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, check in enumerate(intent.checks):
        path: tuple[Key, ...] = ("checks", index)
        name = check.name or default_name(check)
        if name in seen:
            yield Finding(
                "INT-039",
                path,
                f"Two checks have the name `{name}`: number {seen[name] + 1} and number {index + 1}.",
                "Give one of them another `name`.",
            )
        seen.setdefault(name, index)
        if isinstance(check, RangeRule | RowCount):
            yield from _bound_findings(path, check)


def _bound_findings(path: tuple[Key, ...], check: RangeRule | RowCount) -> Iterator[Finding]:
    low, high = check.min, check.max
    limits = (low, high, check.max_change if isinstance(check, RowCount) else None)
    if all(limit is None for limit in limits):
        yield Finding("INT-043", path, f"The rule {check.rule} has no limit.", "Add `min` or `max`.")
    elif isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        yield Finding("INT-043", (*path, "max"), f"The maximum {high} is below the minimum {low}.", "Swap them.")
    elif low is not None and high is not None and isinstance(low, str) is not isinstance(high, str):
        yield Finding(
            "INT-043", (*path, "max"), "One bound is a number and the other a text.", "Write both in the same way."
        )


def _in_source(path: Sequence[Key]) -> bool:
    return path[:1] == ("source",) or path[:3] == ("load", "full_refresh", "source")


def _reference_findings(tree: Node, allowed: Callable[[Sequence[Key]], bool]) -> Iterator[Finding]:
    for path, leaf in _leaves(tree, ()):
        if not isinstance(leaf.value, str) or "${" not in leaf.value:
            continue
        if allowed(path):
            try:
                check_references(leaf.value)
            except PydanticCustomError as error:
                yield Finding.of(error, path)
        elif holds_reference(leaf.value):
            yield Finding(
                "INT-038",
                path,
                "A reference may stand under `source` and in platform.yaml only.",
                "Write the value itself, or move it into a connection of platform.yaml.",
            )


def _refresh_findings(tree: Node) -> Iterator[Finding]:
    """In ``load.full_refresh.source`` a null removes a key, so a text that was cut at its comma goes unnoticed."""
    for path, branch in _branches(tree, ()):
        if path[:3] == ("load", "full_refresh", "source"):
            for key in comma_slips(branch):
                code, what, fix = comma_words(key)
                yield Finding(code, (*path, key), what, fix, warning=True)


def _branches(node: Node, path: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], Branch]]:
    if isinstance(node, Branch):
        yield path, node
        for key, entry in node.entries.items():
            yield from _branches(entry.node, (*path, key))


def _leaves(node: Node, path: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], Leaf]]:
    match node:
        case Leaf():
            yield path, node
        case Items():
            for index, item in enumerate(node.items):
                yield from _leaves(item, (*path, index))
        case Branch():
            for key, entry in node.entries.items():
                yield from _leaves(entry.node, (*path, key))


def project_problems(intents: Sequence[LocatedIntent]) -> Iterator[Located]:
    """What intents contradict in each other: two of one name, two silver tables of one path."""
    yield from _twins(
        "INT-015",
        ((located.intent.name, located, ("table",)) for located in intents),
        "Two intents have the name `{}`; the other is at {}.",
        "Change `system` or `table` of one.",
    )
    yield from _twins(
        "INT-016",
        (
            (_silver_path(located.intent, silver), located, ("silver", index))
            for located in intents
            for index, silver in enumerate(located.intent.silver)
        ),
        "Two silver tables lie at `{}`; the other is at {}.",
        "Change `domain`, `entity` or `version` of one.",
    )


def _silver_path(intent: Intent, silver: Silver) -> str:
    entity = silver.entity or intent.entity or intent.table
    store = f"{silver.store}: " if silver.store else ""
    return f"{store}silver/{intent.domain or intent.system}/{entity}/v{silver.version}"


def _twins(
    code: str, named: Iterable[tuple[str, LocatedIntent, tuple[Key, ...]]], what: str, fix: str
) -> Iterator[Located]:
    first: dict[str, str] = {}
    for name, located, path in named:
        keys, at = place(located.tree, path)
        if name in first:
            yield problem_at(at, keys, (code, what.format(name, first[name]), fix))
        first.setdefault(name, str(at))


def platform_problems(platform: Platform, tree: Branch) -> Iterator[Located]:
    """Everything in platform.yaml that contradicts itself (PLT-…)."""
    for finding in _platform_findings(platform, tree):
        yield _at(tree, finding, "PLT")


def _platform_findings(platform: Platform, tree: Branch) -> Iterator[Finding]:
    yield from _reference_findings(tree, lambda path: path[:1] != ("defaults",) or path[1:2] == ("source",))
    known = ", ".join(platform.stores) or "none"
    for layer, target in (("bronze", platform.bronze), ("silver", platform.silver)):
        if target.store not in platform.stores:
            yield Finding(
                "INT-050",
                (layer, "store"),
                f"`{layer}` is to lie in the store `{target.store}`, which is not among `stores`.",
                f"Use one of {known}, or add it to `stores`.",
            )
    for name, stores in platform.policy.classification.items():
        path = ("policy", "classification", name)
        if name not in ("public", "internal", "confidential", "restricted"):
            yield Finding(
                "INT-050", path, f"`{name}` is not a classification.", "Use public, internal, confidential, restricted."
            )
        for missing in (store for store in stores if store not in platform.stores):
            yield Finding("INT-050", path, f"The store `{missing}` is not among `stores`.", f"Use one of {known}.")
    yield from _tenant_findings(platform)
    if platform.policy.storage_scope == "onprem":
        yield from _boundary_findings(platform)


def _tenant_findings(platform: Platform) -> Iterator[Finding]:
    for tenant, names in platform.tenants.items():
        for kind, given, known in (
            ("stores", names.stores, platform.stores), ("connections", names.connections, platform.connections)
        ):  # fmt: skip
            for name in (name for pair in given.items() for name in pair if name not in known):
                yield Finding(
                    "INT-050", ("tenants", tenant, kind), f"`{name}` is not among `{kind}`.",
                    f"Use one of {', '.join(known) or 'none'}, or add it to `{kind}`.",
                )  # fmt: skip


def _boundary_findings(platform: Platform) -> Iterator[Finding]:
    for kind, holders in (("stores", platform.stores), ("connections", platform.connections)):
        for name, holder in holders.items():
            if holder.boundary != "onprem":
                yield Finding(
                    "INT-051",
                    (kind, name),
                    f"The policy `storage_scope: onprem` refuses `{name}`, which is not declared on-premises.",
                    "Add `boundary: onprem` if it is, or remove it.",
                )
