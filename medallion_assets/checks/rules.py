"""Row rules as expressions: true where a row breaks the rule. One definition for every engine.

The kind of a column decides how it is compared. Callers that know the schema pass it as ``types``; without it, or
for text columns, values are read from their text, which is slower and gives the same answer.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timezone
from decimal import Decimal
from functools import reduce
from operator import or_

import narwhals as nw
from narwhals.dtypes import DType

from medallion_assets.errors import ConfigError
from medallion_assets.intent.check import Check, Expression, InSet, NotNull, Range, References, Regex

__all__ = ["Bound", "Types", "bound", "meaning", "moves_rows", "violation"]

Types = Mapping[str, DType]
Bound = int | float | Decimal | date | datetime
"""``date`` stands for its midnight; an aware ``datetime`` is in UTC."""

_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_SPELLINGS = (
    ("T", " "),
    (r"(Z|\+00:00)$", ""),
    (r"^(.{10})$", "${1} 00:00:00"),
    (r"^(.{16})$", "${1}:00"),
    (r"\.0+$", ""),
    (r"(\.\d*[1-9])0+$", "${1}"),
)
_TIME = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|\+00:00)?)?$"


def violation(
    rule: Check, types: Types | None = None, *, where: str | None = None, holds: str | None = None
) -> nw.Expr:
    """True where a row breaks a row rule in any of its columns; never null. Not for ``references``.

    ``where`` and ``holds`` are boolean columns with the rule's two SQL conditions: only rows for which ``where`` is
    true can break it; an expression is broken where ``holds`` is false, and unknown (null) is not false.

    A null breaks not_null and passes every other rule. Text that is not a number, or not an ISO 8601 date or time,
    is outside every range of numbers or times; so is NaN. A regex is searched for, not anchored.
    Raises ConfigError CHK-001 (a bound that is neither number nor time), CHK-002 (a rule that is not about rows),
    CHK-003 (a range of numbers on a column of times, or the reverse).
    """
    broken = _violation(rule, types or {}, holds)
    return broken if where is None else broken & _filled(nw.col(where))


def _violation(rule: Check, types: Types, holds: str | None) -> nw.Expr:
    match rule:
        case Expression() if holds is not None:
            return _filled(~nw.col(holds))
        case NotNull():
            return _any([nw.col(c).is_null() for c in rule.columns])
        case Range():
            return _any([_outside(c, rule, types.get(c)) for c in rule.columns])
        case Regex():
            return _any([_filled(~_text(c, types.get(c)).str.contains(rule.pattern)) for c in rule.columns])
        case InSet():
            values = tuple(str(v) for v in rule.values)
            return _any([_filled(_not_among(c, values, types.get(c))) for c in rule.columns])
        case _:
            raise _not_of_rows(rule)


def moves_rows(rule: Check) -> bool:
    """Whether rows that break the rule leave the data (dropped or quarantined) before the table is built."""
    return rule.on_failure in ("drop", "quarantine")


def meaning(rule: Check) -> str:
    """What a row must be, for a sentence: ``icao is not null``."""
    if isinstance(rule, Expression):
        return rule.expression
    if not isinstance(rule, NotNull | Range | Regex | InSet | References):
        return rule.rule
    return f"{_names(rule.columns)} {_predicate(rule)}"


def _predicate(rule: NotNull | Range | Regex | InSet | References) -> str:
    match rule:
        case NotNull():
            return "not null"
        case Range():
            low, high = ("more than ", "less than ") if rule.exclusive else ("at least ", "at most ")
            limits = [f"{word}{limit}" for word, limit in ((low, rule.min), (high, rule.max)) if limit is not None]
            return " and ".join(limits)
        case Regex():
            return f"matching {rule.pattern}"
        case InSet():
            return f"one of {', '.join(str(v) for v in rule.values)}"
        case References():
            return f"found in {rule.to}"


def bound(written: str | float | Decimal) -> Bound:
    """A limit as the owner wrote it: a number, or a number, date or timestamp as text. Raises ConfigError CHK-001."""
    if not isinstance(written, str):
        return written
    text = written.strip()
    if re.match(_NUMBER, text):
        return Decimal(text)
    try:
        if len(text) == len("2024-01-31"):
            return date.fromisoformat(text)
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError(
            "CHK-001",
            f"{written!r} is neither a number nor a date or timestamp.",
            fix="write a number, 2024-01-31 or 2024-01-31T08:30:00Z.",
        ) from None
    return instant if instant.tzinfo is None else instant.astimezone(timezone.utc)


def _outside(column: str, rule: Range, dtype: DType | None) -> nw.Expr:
    limits = [(limit, low) for limit, low in ((rule.min, True), (rule.max, False)) if limit is not None]
    broken = []
    for written, is_low in limits:
        value, limit = _comparable(column, bound(written), dtype)
        if is_low:
            broken.append(value <= limit if rule.exclusive else value < limit)
        else:
            broken.append(value >= limit if rule.exclusive else value > limit)
        if dtype is None or dtype == nw.String:
            broken.append(~nw.col(column).is_null() & value.is_null())
        elif dtype.is_float():
            broken.append(value.is_nan())
    return _any([_filled(part) for part in broken])


def _comparable(column: str, limit: Bound, dtype: DType | None) -> tuple[nw.Expr, nw.Expr]:
    """The column and the limit as two expressions of one kind; the column's is null where it has no such value."""
    if dtype is None or dtype == nw.String:
        return _text_times(column, limit) if isinstance(limit, date) else _text_numbers(column, limit)
    if isinstance(limit, date) != dtype.is_temporal() or not (dtype.is_numeric() or dtype in (nw.Date, nw.Datetime)):
        raise ConfigError(
            "CHK-003",
            f"the limit {limit} cannot be compared with column `{column}` of type {dtype}.",
            fix="give a limit of the column's kind, or the column another type under `columns`.",
        )
    if isinstance(dtype, nw.Datetime) and isinstance(limit, date):
        limit = _instant(limit, aware=dtype.time_zone is not None)
    return nw.col(column), nw.lit(limit)


def _instant(limit: date, *, aware: bool) -> datetime:
    """Midnight of a date. Naive limits and naive columns are in UTC."""
    if not isinstance(limit, datetime):
        limit = datetime.combine(limit, time())
    return limit.replace(tzinfo=timezone.utc if aware else None)


def _text_numbers(column: str, limit: float | Decimal) -> tuple[nw.Expr, nw.Expr]:
    text = nw.col(column).cast(nw.String)
    number = nw.when(text.str.contains(_NUMBER)).then(text.str.strip_chars()).cast(nw.Float64)
    return number, nw.lit(float(limit))


def _text_times(column: str, limit: date) -> tuple[nw.Expr, nw.Expr]:
    """ISO 8601 in UTC sorts as text once it is spelled in one way: ``2024-01-31 08:30:00.25``."""
    text = nw.col(column).cast(nw.String)
    spelled = text
    for pattern, spelling in _SPELLINGS:
        spelled = spelled.str.replace_all(pattern, spelling)
    return nw.when(text.str.contains(_TIME)).then(spelled), nw.lit(_instant(limit, aware=False).isoformat(sep=" "))


def _not_among(column: str, values: tuple[str, ...], dtype: DType | None) -> nw.Expr:
    """Numbers are equal by value (1 and 1.0), instants too; anything else by its text."""
    if dtype is None or not (dtype.is_numeric() or isinstance(dtype, nw.Datetime)):
        return ~_text(column, dtype).is_in(values)
    if isinstance(dtype, nw.Datetime):
        instants = [bound(v) for v in values]
        aware = dtype.time_zone is not None
        return ~nw.col(column).is_in([_instant(v, aware=aware) for v in instants if isinstance(v, date)])
    numbers = [Decimal(v) for v in values if re.match(_NUMBER, v)]
    if dtype.is_integer():
        return ~nw.col(column).is_in([int(n) for n in numbers if n == int(n)])
    return ~nw.col(column).cast(nw.Float64).is_in([float(n) for n in numbers])


def _text(column: str, dtype: DType | None) -> nw.Expr:
    return nw.col(column) if dtype is not None and dtype == nw.String else nw.col(column).cast(nw.String)


def _filled(condition: nw.Expr) -> nw.Expr:
    return condition.fill_null(value=False)


def _any(conditions: list[nw.Expr]) -> nw.Expr:
    return reduce(or_, conditions)


def _names(columns: tuple[str, ...]) -> str:
    return f"{', '.join(columns)} {'is' if len(columns) == 1 else 'are'}"


def _not_of_rows(rule: Check) -> ConfigError:
    return ConfigError(
        "CHK-002", f"{rule.rule} is no rule about single rows.", where="checks",
        fix="use fail or warn, which judge the table.",
    )  # fmt: skip
