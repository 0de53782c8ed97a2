"""Counts become verdicts: passed or not, how severe, and one sentence that says what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from medallion_assets.checks.drift import Change
from medallion_assets.lake.results import CheckResult, Scalar, Severity

__all__ = [
    "SAMPLE",
    "Asked",
    "accounted",
    "counted",
    "drifted",
    "failed",
    "intact",
    "sample",
    "told",
    "unanswered",
    "unjudged",
]

SAMPLE = 5
"""Failing keys that a verdict shows."""
_MASK = "***"
_LONGEST = 80
_LONGEST_ERROR = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """The question that a verdict answers: a check by its name on one asset, or on one partition of it."""

    name: str
    at: Literal["bronze", "silver"]
    severity: Severity
    blocking: bool
    partition: str | None = None


def counted(
    asked: Asked,
    *,
    rows: int,
    failing: int,
    must_be: str,
    threshold: float = 0.0,
    shown: str = "",
    facts: Mapping[str, Scalar] | None = None,
    fix: str = "correct these rows where they come from and load the partition again.",
) -> CheckResult:
    """Verdict of a rule over rows: it passes while ``failing / rows`` is at most ``threshold``."""
    share = failing / rows if rows else 0.0
    passed = share <= threshold
    numbers: dict[str, Scalar] = {"rows": rows, "failing": failing, "share": share, "threshold": threshold}
    if shown:
        numbers["sample"] = shown
    if failing == 0:
        summary = f"{rows:,} rows, all with: {must_be}."
    else:
        tolerated = f" A share of {threshold:.4g} is tolerated." if threshold else ""
        summary = f"{failing:,} of {rows:,} rows break{'s' if failing == 1 else ''} the rule: {must_be}.{tolerated}"
    if not passed:
        summary += f"{' First: ' + shown + '.' if shown else ''} Fix: {fix}"
    return _result(asked, passed=passed, summary=summary, facts={**numbers, **(facts or {})})


def told(asked: Asked, summary: str, facts: Mapping[str, Scalar], *, passed: bool) -> CheckResult:
    """A verdict on a table as a whole."""
    return _result(asked, passed=passed, summary=summary, facts=facts)


def failed(asked: Asked, summary: str, facts: Mapping[str, Scalar] | None = None) -> CheckResult:
    """A verdict that needs no counting."""
    return _result(asked, passed=False, summary=summary, facts=facts or {})


def intact(asked: Asked, faults: Sequence[str], *, parts: int, rows: int, bytes: int, refused: int) -> CheckResult:  # noqa: A002
    """Verdict on the bytes: each fault names the part and what is wrong with it."""
    facts: dict[str, Scalar] = {"parts": parts, "rows": rows, "bytes": bytes, "refused": refused, "faults": len(faults)}
    if not faults:
        rest = f"; {refused:,} refused rows are in quarantine" if refused else ""
        summary = f"{parts:,} parts with {rows:,} rows are the bytes that were committed{rest}."
        return _result(asked, passed=True, summary=summary, facts=facts)
    more = f" and {len(faults) - SAMPLE} more" if len(faults) > SAMPLE else ""
    named = f"{'; '.join(faults[:SAMPLE])}{more}"
    return failed(
        asked, f"{named}. Fix: load the partition again, which replaces damaged parts, or restore them.", facts
    )


def unjudged(asked: Asked, column: str, columns: Sequence[str]) -> CheckResult:
    """A rule on a column that the data does not have: never passed in silence."""
    return failed(
        asked,
        f"there is no column `{column}`; there are {', '.join(columns)}."
        f" Fix: name one of these in the check, or add `{column}` to `columns`.",
        {"missing_column": column},
    )


def unanswered(asked: Asked, error: BaseException, fix: str, *, personal: bool) -> CheckResult:
    """A rule that fails while rows are read. ``personal``: what the error says may hold values that nobody is shown."""
    kind, said = type(error).__name__, " ".join(str(error).split())[:_LONGEST_ERROR]
    text = f"{kind} (its words may hold personal values)" if personal else f"{kind}: {said}" if said else kind
    return failed(asked, f"it cannot be judged: {text}. Fix: {fix}")


def accounted(asked: Asked, found: Sequence[str], facts: Mapping[str, Scalar], balance: str) -> CheckResult:
    """Verdict of the accounting: ``balance`` is the equation that holds when nothing was ``found``."""
    if not found:
        return _result(asked, passed=True, summary=balance, facts=facts)
    return _result(
        asked,
        passed=False,
        summary=f"rows are not accounted for: {'; '.join(found)}. Fix: run the dataset again; if it stays, report it.",
        facts=facts,
    )


def drifted(asked: Asked, changes: Sequence[Change], *, columns: int, tolerated: bool) -> CheckResult:
    """Verdict on the schema. ``tolerated``: the schema mode takes the changes as they come; they are still shown."""
    facts: dict[str, Scalar] = {"columns": columns, "changes": len(changes)}
    if not changes:
        same = f"{columns} columns, as before and as the contract says."
        return _result(asked, passed=True, summary=same, facts=facts)
    for number, change in enumerate(changes[:SAMPLE], 1):
        facts[f"change_{number}"] = str(change)
    more = f" and {len(changes) - SAMPLE} more" if len(changes) > SAMPLE else ""
    summary = f"columns changed: {'; '.join(str(c) for c in changes[:SAMPLE])}{more}."
    if not tolerated:
        summary += " Fix: name the column under `columns` with the type you want, or ask the source's owner."
    return _result(asked, passed=tolerated, summary=summary, facts=facts)


def sample(keys: Sequence[Mapping[str, object]], pii: frozenset[str]) -> str:
    """Failing keys as text, at most ``SAMPLE``: ``icao=00AK; icao=00AL``. Values of ``pii`` columns are masked."""
    return "; ".join(
        ", ".join(f"{name}={_MASK if name in pii else _short(value)}" for name, value in row.items())
        for row in keys[:SAMPLE]
    )


def _short(value: object) -> str:
    text = "null" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _result(asked: Asked, *, passed: bool, summary: str, facts: Mapping[str, Scalar]) -> CheckResult:
    return CheckResult(
        name=asked.name,
        at=asked.at,
        passed=passed,
        severity=asked.severity,
        summary=summary,
        partition=asked.partition,
        blocking=asked.blocking,
        facts=dict(facts),
    )
