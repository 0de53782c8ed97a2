"""The checks of an asset: those that are always on, and the intent's rules with their resolved names."""

from collections.abc import Iterator, Mapping, Sequence

from medallion_assets.intent.check import Check, Custom, Expression, Freshness, RowCount, Sql, default_name
from medallion_assets.intent.load import Cdc, Incremental, Load
from medallion_assets.lake.results import Severity
from medallion_assets.plan.model import CheckPlan, Model

__all__ = ["bronze_checks", "silver_checks"]


_UNIQUE: Mapping[Model, str] = {
    "scd_type_2": "No two versions of a key start at one instant.",
    "derived_event": "No key changes twice at one instant.",
    "incremental_merge": "No key occurs twice in one partition.",
}


def bronze_checks(rules: Sequence[Check], load: Load) -> tuple[CheckPlan, ...]:
    """``checksum`` blocks: silver never reads bytes that are not those committed."""
    return (
        CheckPlan(
            "checksum", "bronze", "error", True, "Every committed part has the size and SHA-256 of its commit.", None
        ),
        CheckPlan(
            "schema_drift",
            "bronze",
            "warn",
            False,
            "The columns are those of the contract and of the partition before.",
            None,
        ),
        *_late(load),
        *(_rule(rule) for rule in rules if rule.at == "bronze"),
    )


def _late(load: Load) -> Iterator[CheckPlan]:
    if isinstance(load, Incremental | Cdc) and load.late_data.mode != "allow":
        said = f"No row is older than its window by more than {load.late_data.max_lateness}."
        yield CheckPlan("late_data", "bronze", "warn", False, said, None)


def silver_checks(rules: Sequence[Check], model: Model, keys: Sequence[str]) -> tuple[CheckPlan, ...]:
    """All of them block: a table whose rows are not accounted for, or whose keys repeat, is not the silver promised."""
    return (*_always(model, keys), *(_rule(rule) for rule in rules if rule.at == "silver"))


def _always(model: Model, keys: Sequence[str]) -> Iterator[CheckPlan]:
    yield CheckPlan(
        "accounting",
        "silver",
        "error",
        True,
        "Rows in bronze = events + exact duplicates + filtered + quarantined.",
        None,
    )
    if keys:
        what = _UNIQUE.get(model, "No key occurs twice.")
        yield CheckPlan("unique_keys", "silver", "error", True, what, None)
    if model == "scd_type_2":
        what = "Versions of a key are not empty, do not overlap, and at most one is current."
        yield CheckPlan("intervals", "silver", "error", True, what, None)
    yield CheckPlan("schema_drift", "silver", "warn", False, "The columns are those of the contract.", None)


def _rule(rule: Check) -> CheckPlan:
    follows: Severity = "error" if rule.on_failure == "fail" else "warn"
    severity = rule.severity or follows
    blocking = rule.on_failure == "fail" and severity == "error"
    return CheckPlan(
        rule.name or default_name(rule), rule.at, severity, blocking, rule.description or _sentence(rule), rule
    )


def _sentence(rule: Check) -> str:
    otherwise = {
        "fail": "fails the run",
        "warn": "is reported",
        "drop": "is dropped",
        "quarantine": "goes to quarantine",
    }[rule.on_failure]
    about = ", ".join(_columns(rule)) or "the rows"
    return f"{rule.rule} of {about}; what breaks it {otherwise}."


def _columns(rule: Check) -> tuple[str, ...]:
    match rule:
        case Freshness():
            return (rule.column,)
        case RowCount() | Sql() | Expression() | Custom():
            return ()
    return rule.columns
