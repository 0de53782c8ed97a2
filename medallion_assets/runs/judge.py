"""Ask rules about one frame: counts first, in one streaming run, then a few failing keys of the rules that failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import narwhals as nw
import polars as pl
from narwhals.dtypes import DType

from medallion_assets.checks.rules import meaning, violation
from medallion_assets.checks.tables import ROWS, duplicates, interval_faults
from medallion_assets.checks.verdict import SAMPLE, Asked, counted, sample, unjudged
from medallion_assets.intent.check import Check, InSet, NotNull, Range, Regex, RowRule, Unique
from medallion_assets.lake.results import CheckResult

__all__ = ["Question", "Subject", "answer", "intervals", "keys", "rules"]

_Frame = nw.LazyFrame[pl.LazyFrame]
_AT_SOURCE = "correct these rows where they come from and load the partition again."
_IMPOSSIBLE = "the model rules this out: give the table a new `version` to build it afresh, and report what you see."


@dataclass(frozen=True)
class Subject:
    """The rows that rules are asked about, under the names that the rules use."""

    frame: pl.LazyFrame
    rows: int
    types: Mapping[str, DType]
    """Of the columns of ``frame``."""
    shown: tuple[str, ...]
    """Columns that tell a failing row from another."""
    pii: frozenset[str] = frozenset()
    present: nw.Expr | None = None
    """Rows that ``unique`` is about; None: all."""
    within: tuple[str, ...] = ()
    """Columns that part the table: ``unique`` holds inside each part."""


@dataclass(frozen=True)
class Question:
    """What to count, and what to show of it."""

    asked: Asked
    must_be: str
    failing: _Frame
    """One row; ``failing`` counts the rows that break the rule, other columns are further facts."""
    broken: _Frame
    """Rows or keys that break the rule, with the columns to show."""
    threshold: float = 0.0
    fix: str = _AT_SOURCE


def rules(subject: Subject, asked: Sequence[tuple[Asked, Check]]) -> tuple[list[Question], dict[str, CheckResult]]:
    """Questions for the rules that can be asked; verdicts, by name, for those on a column that is not there.

    Raises ConfigError CHK-001, CHK-002, CHK-003.
    """
    questions: list[Question] = []
    verdicts: dict[str, CheckResult] = {}
    frame = nw.from_native(subject.frame)
    for question, rule in asked:
        columns = rule.columns if isinstance(rule, NotNull | Range | Regex | InSet | Unique) else ()
        absent = next((column for column in columns if column not in subject.types), None)
        if absent is not None:
            verdicts[question.name] = unjudged(question, absent, list(subject.types))
        elif isinstance(rule, Unique):
            present = frame if subject.present is None else frame.filter(subject.present)
            repeated = duplicates(present, list(dict.fromkeys([*rule.columns, *subject.within])))
            questions.append(_repeated(question, ", ".join(rule.columns), repeated, _AT_SOURCE))
        else:
            breaks = violation(rule, subject.types)
            shown = frame.filter(breaks).select(*dict.fromkeys([*subject.shown, *columns]))
            counts = frame.select(failing=breaks.sum())
            threshold = rule.threshold if isinstance(rule, RowRule) else 0.0
            questions.append(Question(question, meaning(rule), counts, shown, threshold))
    return questions, verdicts


def keys(subject: Subject, asked: Asked, columns: Sequence[str]) -> Question:
    """Whether at most one row has each value of ``columns``."""
    repeated = duplicates(nw.from_native(subject.frame), columns)
    return _repeated(asked, ", ".join(columns), repeated, _IMPOSSIBLE)


def intervals(subject: Subject, asked: Asked, columns: Sequence[str]) -> Question:
    """Whether the versions of each key are not empty, do not overlap, and say rightly which one is current."""
    wrong = interval_faults(nw.from_native(subject.frame), columns)
    counts = wrong.select(
        failing=nw.len(), empty=nw.col("empty").sum(), overlaps=nw.col("overlaps").sum(), flag=nw.col("flag").sum()
    )
    must_be = "not empty, not overlapping, current only while open"
    return Question(asked, must_be, counts, wrong, fix=_IMPOSSIBLE)


def answer(subject: Subject, questions: Sequence[Question]) -> dict[str, CheckResult]:
    """Verdicts by name."""
    counts = pl.collect_all([q.failing.to_native() for q in questions], engine="streaming")
    facts = [{name: int(value or 0) for name, value in count.row(0, named=True).items()} for count in counts]
    failed = [q for q, fact in zip(questions, facts, strict=True) if fact["failing"]]
    samples = pl.collect_all([q.broken.head(SAMPLE).to_native() for q in failed], engine="streaming")
    shown = {q.asked.name: sample(s.to_dicts(), subject.pii) for q, s in zip(failed, samples, strict=True)}
    return {
        q.asked.name: counted(
            q.asked,
            rows=subject.rows,
            failing=fact["failing"],
            must_be=q.must_be,
            threshold=q.threshold,
            shown=shown.get(q.asked.name, ""),
            facts={name: number for name, number in fact.items() if name != "failing"},
            fix=q.fix,
        )
        for q, fact in zip(questions, facts, strict=True)
    }


def _repeated(asked: Asked, columns: str, repeated: _Frame, fix: str) -> Question:
    counts = repeated.select(failing=nw.col(ROWS).sum(), repeated_keys=nw.len())
    return Question(asked, f"no other row with the same {columns}", counts, repeated.drop(ROWS), fix=fix)
