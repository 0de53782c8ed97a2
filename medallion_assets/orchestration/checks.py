"""Verdicts as Dagster asset checks: one spec a check, one result a run, one evaluation a partition."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from medallion_assets.lake.results import CheckResult, Scalar, Severity
from medallion_assets.plan.model import CheckPlan

__all__ = ["Verdicts", "check_specs", "severity_of"]

_NAMED = 5
"""So many failed partitions are named in the sentence of an aggregate."""


def check_specs(
    key: dg.AssetKey, checks: Sequence[CheckPlan], partitions: dg.PartitionsDefinition[str] | None
) -> list[dg.AssetCheckSpec]:
    """One spec a planned check. With partitions each evaluation belongs to one, as the asset's materialisations do."""
    return [
        dg.AssetCheckSpec(
            name=check.name,
            asset=key,
            description=check.description,
            blocking=check.blocking,
            metadata={"severity": check.severity},
            partitions_def=partitions,
        )
        for check in checks
    ]


def severity_of(severity: Severity) -> dg.AssetCheckSeverity:
    """Dagster knows two; ``info`` is a warning there."""
    return dg.AssetCheckSeverity.ERROR if severity == "error" else dg.AssetCheckSeverity.WARN


@dataclass(frozen=True, slots=True)
class Verdicts:
    """All verdicts of one asset in one run, over the partitions ``keys`` (one: ``all``, when there are none)."""

    keys: tuple[str, ...]
    planned: tuple[CheckPlan, ...]
    given: tuple[CheckResult, ...]

    def by_name(self) -> Mapping[str, tuple[CheckResult, ...]]:
        """Every planned check, in order; one without a verdict has a failed one, for silence is not a pass."""
        found: defaultdict[str, list[CheckResult]] = defaultdict(list, {check.name: [] for check in self.planned})
        for verdict in self.given:
            found[verdict.name].append(verdict)
        severity = {check.name: check for check in self.planned}
        return {name: tuple(verdicts) or (_silent(severity[name]),) for name, verdicts in found.items()}

    def results(self, key: dg.AssetKey) -> Iterable[dg.AssetCheckResult]:
        """One result a check: the verdict itself, or the sum of several."""
        for name, verdicts in self.by_name().items():
            total = _sum(verdicts)
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=name,
                passed=total.passed,
                severity=severity_of(total.severity),
                description=total.summary,
                metadata=facts_metadata(total.facts),
            )

    def of(self, partition: str) -> Iterable[CheckResult]:
        """The verdict of each check on one partition; a verdict on the whole table stands for each of them."""
        for verdicts in self.by_name().values():
            own = [v for v in verdicts if v.partition == partition]
            whole = [v for v in verdicts if v.partition is None]
            if own or whole:
                yield _sum(own + whole)


def facts_metadata(facts: Mapping[str, Scalar]) -> Mapping[str, dg.MetadataValue]:
    """Numbers stay numbers: the UI plots them. Null has no metadata value."""
    return {name: _value(fact) for name, fact in facts.items() if fact is not None}


def _value(fact: str | float) -> dg.MetadataValue:
    if isinstance(fact, bool):
        return dg.MetadataValue.bool(fact)
    if isinstance(fact, int):
        return dg.MetadataValue.int(fact)
    if isinstance(fact, float):
        return dg.MetadataValue.float(fact)
    return dg.MetadataValue.text(fact)


def _silent(check: CheckPlan) -> CheckResult:
    sentence = "No verdict was given: the check did not run."
    return CheckResult(check.name, check.at, passed=False, severity=check.severity, summary=sentence)


def _sum(verdicts: Sequence[CheckResult]) -> CheckResult:
    """One verdict for several: failed if one failed, as severe as the worst of those that failed."""
    if len(verdicts) == 1:
        return verdicts[0]
    first = verdicts[0]
    failed = [v for v in verdicts if not v.passed]
    order: tuple[Severity, ...] = ("error", "warn", "info")
    worst = min((v.severity for v in failed or verdicts), key=order.index)
    facts = {"partitions": len(verdicts), "failed": len(failed), **_totals(verdicts)}
    return CheckResult(first.name, first.at, not failed, worst, _sentence(verdicts, failed), facts=facts)


def _sentence(verdicts: Sequence[CheckResult], failed: Sequence[CheckResult]) -> str:
    if not failed:
        return f"Passed in all of {len(verdicts)} partitions."
    names = ", ".join(v.partition or "the whole table" for v in failed[:_NAMED])
    more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
    return f"Failed in {len(failed)} of {len(verdicts)} partitions: {names}{more}. {failed[0].summary}"


def _totals(verdicts: Sequence[CheckResult]) -> dict[str, Scalar]:
    """Counts (whole numbers) add up over partitions; shares and texts do not and are left to the partitions."""
    totals: dict[str, Scalar] = {}
    for name in verdicts[0].facts:
        counts = [v.facts.get(name) for v in verdicts]
        numbers = [c for c in counts if isinstance(c, int) and not isinstance(c, bool)]
        if len(numbers) == len(verdicts):
            totals[name] = sum(numbers)
    return totals
