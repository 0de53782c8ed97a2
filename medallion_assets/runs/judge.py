"""Ask rules about one frame: counts first, in streaming runs, then a few failing keys of the rules that failed.

What must see all rows of a key at once sees a share of the keys at a time, so memory does not grow with the table.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import narwhals as nw
import polars as pl
from narwhals.dtypes import DType

from medallion_assets.checks.rules import meaning, violation
from medallion_assets.checks.tables import ROWS, duplicates, interval_faults
from medallion_assets.checks.verdict import SAMPLE, Asked, counted, failed, sample, unanswered, unjudged
from medallion_assets.errors import ConfigError, MedallionError
from medallion_assets.intent.check import Check, InSet, NotNull, Range, References, Regex, RowRule, Unique
from medallion_assets.lake.results import CheckResult
from medallion_assets.runs.around import Around
from medallion_assets.runs.conditions import Conditioned, conditioned, sql_columns

__all__ = ["Question", "Share", "Subject", "answer", "intervals", "keys", "rules"]

ABOUT = "about"
"""Column of a share's counts: how many rows a rule with `where` is about."""
_Frame = nw.LazyFrame[pl.LazyFrame]
_AT_SOURCE = "correct these rows where they come from and load the partition again."
_MEND = "correct the check: TRY_CAST gives null where CAST fails, and patterns have no look-around."
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
    rows_at_once: int = 2_000_000
    """How many rows a question about keys looks at together: bounds memory."""
    within: tuple[str, ...] = ()
    """Columns that part the table: ``unique`` holds inside each part."""


@dataclass(frozen=True)
class Question:
    """What to count, and what to show of it."""

    asked: Asked
    must_be: str
    shares: Sequence["Share"]
    """Each row of the table is in one of them."""
    threshold: float = 0.0
    fix: str = _AT_SOURCE


@dataclass(frozen=True)
class Share:
    """What a question counts and shows of some of the rows."""

    failing: _Frame
    """One row; ``failing`` counts the rows that break the rule, other columns are further facts."""
    broken: _Frame
    """Rows or keys that break the rule, with the columns to show."""


def rules(
    subject: Subject, asked: Sequence[tuple[Asked, Check]], around: Around | None = None
) -> tuple[list[Question], dict[str, CheckResult]]:
    """Questions for the rules that can be asked; verdicts, by name, for those that cannot: a column or a table that is
    not there, a condition that is none. ``around`` gives the moment, and the tables that ``references`` names.

    Raises ConfigError CHK-001, CHK-002, CHK-003.
    """
    questions: list[Question] = []
    verdicts: dict[str, CheckResult] = {}
    schema = subject.frame.collect_schema()
    around = around or Around()
    ready = conditioned(subject.frame, schema, {question.name: rule for question, rule in asked}, around.now)
    for question, rule in asked:
        absent = next((column for column in _columns(rule) if column not in subject.types), None)
        if absent is not None:
            verdicts[question.name] = unjudged(question, absent, list(subject.types))
        elif question.name in ready.wrong:
            verdicts[question.name] = failed(question, f"{ready.wrong[question.name]} Fix: correct the check.")
        elif isinstance(rule, References):
            try:
                questions.append(_referring(subject, ready, question, rule, around))
            except MedallionError as error:
                verdicts[question.name] = failed(question, f"{error.problem.what} Fix: {error.problem.fix}")
        else:
            make = _alone_question if isinstance(rule, Unique) else _row_question
            questions.append(make(subject, ready, question, rule))
    return questions, verdicts


def _columns(rule: Check) -> tuple[str, ...]:
    return rule.columns if isinstance(rule, NotNull | Range | Regex | InSet | Unique | References) else ()


def _row_question(subject: Subject, ready: Conditioned, asked: Asked, rule: Check) -> Question:
    frame = nw.from_native(ready.frame)
    where = ready.where.get(asked.name)
    breaks = violation(rule, subject.types, where=where, holds=ready.holds.get(asked.name))
    shown = frame.filter(breaks).select(*dict.fromkeys([*subject.shown, *_columns(rule), *sql_columns(rule)]))
    about = {} if where is None else {ABOUT: nw.col(where).sum()}
    share = Share(frame.select(failing=breaks.sum(), **about), shown)
    return Question(asked, meaning(rule), [share], rule.threshold if isinstance(rule, RowRule) else 0.0)


def _alone_question(subject: Subject, ready: Conditioned, asked: Asked, rule: Check) -> Question:
    frame = nw.from_native(ready.frame)
    some = frame if subject.present is None else frame.filter(subject.present)
    if asked.name in ready.where:
        some = some.filter(nw.col(ready.where[asked.name]))
    within = list(dict.fromkeys([*_columns(rule), *subject.within]))
    shares = [_repeated(share, within) for share in _by_keys(subject, within, some.to_native())]
    return Question(asked, _alone(_columns(rule)), shares)


def _referring(subject: Subject, ready: Conditioned, asked: Asked, rule: References, around: Around) -> Question:
    """Rows without null in the columns for which the other table has no row. Raises MedallionError."""
    there = rule.to_columns or rule.columns
    other = _referred(rule, there, around)
    types, schema = other.collect_schema(), ready.frame.collect_schema()
    rows = ready.frame if asked.name not in ready.where else ready.frame.filter(pl.col(ready.where[asked.name]))
    names = [f"__{number}" for number in range(len(there))]
    same = [schema[a] == types[b] for a, b in zip(rule.columns, there, strict=True)]
    keys = other.select(
        (pl.col(b) if one else pl.col(b).cast(pl.String)).alias(n) for n, b, one in zip(names, there, same, strict=True)
    )
    held = rows.filter(pl.all_horizontal(pl.col(c).is_not_null() for c in rule.columns)).with_columns(
        (pl.col(a) if one else pl.col(a).cast(pl.String)).alias(n)
        for n, a, one in zip(names, rule.columns, same, strict=True)
    )
    broken = nw.from_native(held.join(keys.unique(), on=names, how="anti"))
    shown = broken.select(*dict.fromkeys([*subject.shown, *rule.columns]))
    return Question(asked, meaning(rule), [Share(broken.select(failing=nw.len()), shown)], rule.threshold)


def _referred(rule: References, columns: Sequence[str], around: Around) -> pl.LazyFrame:
    if len(columns) != len(rule.columns):
        raise ConfigError(
            "CHK-005", f"{len(rule.columns)} columns refer to {len(columns)}.", where="checks",
            fix="write as many `to_columns` as `columns`.",
        )  # fmt: skip
    other = around.live(rule.to)
    absent = [c for c in columns if c not in other.collect_schema()]
    if absent:
        what = f"{rule.to} has no column `{absent[0]}`."
        raise ConfigError("CHK-005", what, where="checks", fix="correct `to` and `to_columns`.")
    return other


def keys(subject: Subject, asked: Asked, columns: Sequence[str]) -> Question:
    """Whether at most one row has each value of ``columns``."""
    shares = [_repeated(share, columns) for share in _by_keys(subject, columns)]
    return Question(asked, _alone(columns), shares, fix=_IMPOSSIBLE)


def intervals(subject: Subject, asked: Asked, columns: Sequence[str]) -> Question:
    """Whether the versions of each key are not empty, do not overlap, and say rightly which one is current."""
    must_be = "versions not empty, not overlapping, current only while open"
    shares = [_wrong_intervals(share, columns) for share in _by_keys(subject, columns)]
    return Question(asked, must_be, shares, fix=_IMPOSSIBLE)


def answer(subject: Subject, questions: Sequence[Question]) -> dict[str, CheckResult]:
    """Verdicts by name. A question that fails on a row has a failed verdict and does not take the others down."""
    facts = {q.asked.name: Counter[str]() for q in questions}
    shown = {q.asked.name: "" for q in questions}
    failures: dict[str, Exception] = {}
    for turn in zip_longest(*([(q.asked.name, share) for share in q.shares] for q in questions)):
        now = [asked for asked in turn if asked is not None and asked[0] not in failures]
        for (name, share), count in zip(now, _counts([share for _, share in now]), strict=True):
            if isinstance(count, Exception):
                failures[name] = count
                continue
            numbers = {fact: int(value or 0) for fact, value in count.row(0, named=True).items()}
            facts[name].update(numbers)
            if numbers["failing"] and not shown[name]:
                first = share.broken.head(SAMPLE).to_native().collect(engine="streaming")
                shown[name] = sample(first.to_dicts(), subject.pii)
    return {
        q.asked.name: unanswered(q.asked, failures[q.asked.name], _MEND, personal=bool(subject.pii))
        if q.asked.name in failures
        else _verdict(q, facts[q.asked.name].pop(ABOUT, subject.rows), facts[q.asked.name], shown[q.asked.name])
        for q in questions
    }


def _counts(shares: Sequence["Share"]) -> list[pl.DataFrame | Exception]:
    """All in one go, which reads the rows once; one by one when one of them fails."""
    asked = [share.failing.to_native() for share in shares]
    try:
        return list(pl.collect_all(asked, engine="streaming"))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return [_count(one) for one in asked]


def _count(asked: pl.LazyFrame) -> pl.DataFrame | Exception:
    try:
        return asked.collect(engine="streaming")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        return error


def _verdict(question: Question, rows: int, facts: Mapping[str, int], shown: str) -> CheckResult:
    return counted(
        question.asked,
        rows=rows,
        failing=facts["failing"],
        must_be=question.must_be,
        threshold=question.threshold,
        shown=shown,
        facts={name: number for name, number in facts.items() if name != "failing"},
        fix=question.fix,
    )


def _by_keys(subject: Subject, columns: Sequence[str], some: pl.LazyFrame | None = None) -> Iterator[pl.LazyFrame]:
    """The frame, or ``some`` of its rows, in shares of about ``rows_at_once``; all rows of a key are in one share."""
    frame = subject.frame if some is None else some
    shares = -(-subject.rows // subject.rows_at_once) or 1
    if shares == 1:
        yield frame
        return
    share = pl.struct(columns).hash() % shares
    yield from (frame.filter(share == number) for number in range(shares))


def _repeated(frame: pl.LazyFrame, columns: Sequence[str]) -> Share:
    repeated = duplicates(nw.from_native(frame), columns)
    return Share(repeated.select(failing=nw.col(ROWS).sum(), repeated_keys=nw.len()), repeated.drop(ROWS))


def _wrong_intervals(frame: pl.LazyFrame, columns: Sequence[str]) -> Share:
    wrong = interval_faults(nw.from_native(frame), columns)
    kinds = {kind: nw.col(kind).sum() for kind in ("empty", "overlaps", "flag")}
    return Share(wrong.select(failing=nw.len(), **kinds), wrong)


def _alone(columns: Sequence[str]) -> str:
    return f"no other row with the same {', '.join(columns)}"
