"""Rules about a table as a whole: its age, its number of rows, what a query or a function of the owner's finds."""

import traceback
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from medallion_assets.checks.verdict import SAMPLE, Asked, counted, failed, sample, told, unanswered
from medallion_assets.errors import MedallionError
from medallion_assets.intent.check import Check, Custom, Freshness, RowCount, Sql
from medallion_assets.lake.results import CheckResult, Scalar
from medallion_assets.runs.around import Around
from medallion_assets.runs.conditions import conditioned
from medallion_assets.runs.judge import Subject
from medallion_assets.runs.sql_text import ColumnTimes, NoQuery, query, settled
from medallion_assets.silver.text import from_text, instant, midnight
from medallion_assets.silver.types import TIMESTAMP
from medallion_assets.sources.functions import NoFunction, function_named, importable

__all__ = ["About", "is_of_table", "judge"]

_ABOUT_NAMES = (
    pl.exceptions.ColumnNotFoundError,
    pl.exceptions.SQLInterfaceError,
    pl.exceptions.SQLSyntaxError,
)
"""Errors that are about the query and tell no value of any row."""
_LIMITS = {"min": "at least", "max": "at most"}


@dataclass(frozen=True)
class About:
    """What such a rule may look at besides the rows."""

    subject: Subject
    zone: str
    """Of naive times and dates."""
    until: datetime
    """The moment that freshness is measured at: now, or the end of a partition's window."""
    before: int | None
    """Rows of the partition before, of which ``newest`` is the next; None: there is none."""
    newest: int
    around: Around


def is_of_table(rule: Check) -> bool:
    """Whether ``judge`` is for it; ``unique`` is not, because it shows the rows that break it."""
    return isinstance(rule, Freshness | RowCount | Sql | Custom)


def judge(asked: Asked, rule: Check, about: About) -> CheckResult:
    """The verdict; a rule that cannot be judged has failed and says why."""
    schema = about.subject.frame.collect_schema()
    told_where = conditioned(about.subject.frame, schema, {asked.name: rule}, about.around.now)
    if asked.name in told_where.wrong:
        return failed(asked, f"{told_where.wrong[asked.name]} Fix: correct `where` of the check.")
    frame = about.subject.frame
    if asked.name in told_where.where:
        frame = told_where.frame.filter(pl.col(told_where.where[asked.name])).select(schema.names())
    try:
        return _judge(asked, rule, about, frame)
    except MedallionError as error:
        return failed(asked, f"{error.problem.what} Fix: {error.problem.fix}")
    except NoQuery as error:
        return failed(asked, f"it cannot be judged: {error}. Fix: correct the check.")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        return unanswered(asked, error, "correct the check.", personal=bool(about.subject.pii))


def _judge(asked: Asked, rule: Check, about: About, frame: pl.LazyFrame) -> CheckResult:
    match rule:
        case Freshness():
            return _freshness(asked, rule, about, frame)
        case RowCount():
            return _row_count(asked, rule, about, frame)
        case Sql():
            return _query(asked, rule, about, frame)
        case Custom():
            return _custom(asked, rule, about, frame)
    raise AssertionError(rule.rule)


def _rows(frame: pl.LazyFrame) -> int:
    return int(frame.select(pl.len()).collect(engine="streaming").item())


# ------------------------------------------------------------------------------------------------ age and number


def _freshness(asked: Asked, rule: Freshness, about: About, frame: pl.LazyFrame) -> CheckResult:
    dtype = frame.collect_schema().get(rule.column)
    if dtype is None:
        return failed(asked, f"there is no column `{rule.column}`. Fix: name one of {', '.join(about.subject.types)}.")
    newest = frame.select(_instant(rule.column, dtype, about.zone).max()).collect(engine="streaming").item()
    if newest is None:
        return failed(asked, f"{rule.column} holds no time. Fix: name a column of times that is filled.")
    age = about.until - newest
    facts: dict[str, Scalar] = {
        "age_seconds": int(age.total_seconds()),
        "max_age_seconds": int(rule.max_age.total_seconds()),
        "newest": newest.isoformat(),
    }
    passed = age <= rule.max_age
    ago = f"{_span(age.total_seconds())} before {about.until.isoformat()}"
    summary = f"the newest {rule.column} is {newest.isoformat()}, {ago}."
    if not passed:
        summary += f" {_span(rule.max_age.total_seconds())} are allowed. Fix: see why the source is late."
    return told(asked, summary, facts, passed=passed)


def _instant(column: str, dtype: pl.DataType, zone: str) -> pl.Expr:
    value = pl.col(column)
    if dtype == pl.String:
        return from_text(value, "timestamp", TIMESTAMP, None, zone)
    if dtype == pl.Date:
        return midnight(value, zone)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        return instant(value, zone)
    return value.cast(TIMESTAMP)


def _span(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _row_count(asked: Asked, rule: RowCount, about: About, frame: pl.LazyFrame) -> CheckResult:
    rows = about.subject.rows if rule.where is None else _rows(frame)
    facts: dict[str, Scalar] = {"rows": rows}
    broken = []
    for name, limit in (("min", rule.min), ("max", rule.max)):
        if limit is not None:
            facts[name] = limit
            if rows < limit if name == "min" else rows > limit:
                broken.append(f"{_LIMITS[name]} {limit:,} are expected")
    if rule.max_change is not None and about.before:
        change = abs(about.newest - about.before) / about.before
        facts |= {"before": about.before, "change": change, "max_change": rule.max_change}
        if change > rule.max_change:
            broken.append(
                f"the partition has {about.newest:,}, the one before {about.before:,}: a change of {change:.1%},"
                f" and {rule.max_change:.1%} is allowed"
            )
    summary = f"{rows:,} rows" + (
        f"; {'; '.join(broken)}. Fix: see what the source left out or sent twice." if broken else "."
    )
    return told(asked, summary, facts, passed=not broken)


# ------------------------------------------------------------------------------------------------ queries and functions


def _query(asked: Asked, rule: Sql, about: About, frame: pl.LazyFrame) -> CheckResult:
    text, named = query(rule.query)
    tables = {name: about.around.live(table) for name, table in named.items()}
    hidden = about.subject.pii.union(*(about.around.hidden(table) for table in named.values()))
    known = {column for rows in (frame, *tables.values()) for column in rows.collect_schema()}
    read = {name: ColumnTimes(rows.collect_schema()).plain(rows) for name, rows in {"this": frame, **tables}.items()}
    try:
        broken = pl.SQLContext(read, eager=False).execute(settled(text, about.around.now))
        return _found(asked, about, broken, "no row returned by the query", hidden=hidden, known=known)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        of_names = isinstance(error, _ABOUT_NAMES)
        return unanswered(asked, error, "correct the check.", personal=bool(hidden) and not of_names)


def _found(
    asked: Asked, about: About, broken: pl.LazyFrame, must_be: str, *, hidden: frozenset[str], known: AbstractSet[str]
) -> CheckResult:
    """The verdict on rows that break a rule.

    Where some columns are ``hidden``, so is each whose name is not ``known``: it may be one of them under another name.
    """
    failing = _rows(broken)
    first = broken.head(SAMPLE).collect(engine="streaming") if failing else pl.DataFrame()
    masked = hidden.union(set(first.columns) - known) if hidden else hidden
    shown = sample(first.to_dicts(), masked)
    return counted(asked, rows=max(about.subject.rows, failing), failing=failing, must_be=must_be, shown=shown)


def _custom(asked: Asked, rule: Custom, about: About, frame: pl.LazyFrame) -> CheckResult:
    hidden, root = about.subject.pii, about.around.root
    try:
        function = function_named(rule.function, root)
    except NoFunction as error:
        return failed(asked, f"{error} Fix: write `package.module:function` below the project's folder.")
    arguments: Mapping[str, object] = rule.args
    try:
        with importable(root):
            answer = function(frame, **arguments)
            rows = answer.lazy() if isinstance(answer, pl.DataFrame) else answer
            if isinstance(rows, pl.LazyFrame):
                must_be = f"no row returned by {rule.function}"
                return _found(asked, about, rows, must_be, hidden=hidden, known=set(frame.collect_schema()))
    except Exception as error:  # noqa: BLE001 - whatever the owner's function does
        at = f"mend {rule.function}; it failed at {_line(error)}."
        return unanswered(asked, error, at, personal=bool(hidden))
    if not isinstance(answer, bool):
        kind = type(answer).__name__
        return failed(asked, f"{rule.function} gave {kind}. Fix: return true or false, or a frame of the failing rows.")
    summary = f"{rule.function} said {'yes' if answer else 'no. Fix: see what it looks at'}."
    return told(asked, summary, {"rows": about.subject.rows}, passed=answer)


def _line(error: BaseException) -> str:
    """Where it was raised: ``rules.py:17``."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"
