"""Verdicts by dataset and day, and what they come to.

The score of some verdicts is the share of them that passed, by weight: a check of severity error weighs 1, warn ½,
info ¼. A score says how much of what was promised holds; it is no share of rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

from medallion_assets.lake.results import CheckResult, Severity

__all__ = ["WHOLE", "Day", "Quality", "Verdict", "score"]

WHOLE = "table"
"""The "day" of verdicts on a table as a whole."""
_WEIGHTS: Mapping[Severity, float] = {"error": 1.0, "warn": 0.5, "info": 0.25}
State = Literal["passed", "warned", "failed"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check on one day of one dataset."""

    dataset: str
    asset: str
    day: str
    check: CheckResult

    @property
    def state(self) -> State:
        if self.check.passed:
            return "passed"
        return "failed" if self.check.severity == "error" else "warned"


def score(verdicts: Iterable[Verdict]) -> float | None:
    """0 to 100; None of no verdicts."""
    told = [(_WEIGHTS[v.check.severity], v.check.passed) for v in verdicts]
    total = sum(weight for weight, _ in told)
    return None if not total else 100 * sum(weight for weight, passed in told if passed) / total


@dataclass(frozen=True, slots=True)
class Day:
    """The verdicts of one dataset on one day."""

    verdicts: tuple[Verdict, ...]

    @property
    def state(self) -> State:
        """The worst of them."""
        states = {v.state for v in self.verdicts}
        return "failed" if "failed" in states else "warned" if "warned" in states else "passed"


@dataclass(frozen=True)
class Quality:
    """All verdicts of a lake at a moment (UTC)."""

    verdicts: Sequence[Verdict]
    at: datetime

    @cached_property
    def datasets(self) -> Mapping[str, Mapping[str, Day]]:
        """Dataset → day → verdicts; datasets by name, days in order of time, the table as a whole last."""
        found: dict[str, dict[str, list[Verdict]]] = {}
        for verdict in sorted(self.verdicts, key=lambda v: (v.dataset, v.day == WHOLE, v.day)):
            found.setdefault(verdict.dataset, {}).setdefault(verdict.day, []).append(verdict)
        return {name: {day: Day(tuple(vs)) for day, vs in days.items()} for name, days in found.items()}

    @cached_property
    def days(self) -> tuple[str, ...]:
        """Every day of any dataset, in order; the table as a whole last."""
        days = {verdict.day for verdict in self.verdicts}
        return tuple(sorted(days, key=lambda day: (day == WHOLE, day)))

    def score_of(self, dataset: str) -> float | None:
        return score(v for v in self.verdicts if v.dataset == dataset)

    @cached_property
    def worst_first(self) -> tuple[str, ...]:
        """Names of datasets: that of the lowest score first."""
        return tuple(sorted(self.datasets, key=lambda name: (self.score_of(name) or 0.0, name)))

    @property
    def score(self) -> float | None:
        """Over all datasets, each as much as another."""
        scores = [s for name in self.datasets if (s := self.score_of(name)) is not None]
        return sum(scores) / len(scores) if scores else None
