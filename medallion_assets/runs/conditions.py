"""SQL conditions of checks (``where``, ``expression``) as boolean columns beside the rows that they are about.

Polars' SQL: expressions over the row's own columns and nothing else, so a condition reads no file, no other table and
no other row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl

from medallion_assets.intent.check import Check, Expression
from medallion_assets.runs.one_row import beyond_one_row
from medallion_assets.runs.sql_text import ColumnTimes, depends_on_the_moment, settled

__all__ = ["Conditioned", "conditioned", "sql_columns"]


@dataclass(frozen=True)
class Conditioned:
    """``frame`` with the conditions of checks, by the check's name."""

    frame: pl.LazyFrame
    where: Mapping[str, str] = field(default_factory=dict)
    """The column that is true where the check applies."""
    holds: Mapping[str, str] = field(default_factory=dict)
    """The column that is false where the expression is not met."""
    wrong: Mapping[str, str] = field(default_factory=dict)
    """Why a check's SQL cannot be used."""


def conditioned(
    frame: pl.LazyFrame, schema: pl.Schema, checks: Mapping[str, Check], now: datetime | None
) -> Conditioned:
    """Adds a column for each condition; of a check whose SQL is wrong there is none.

    ``now`` is the moment of SQL's ``now()``; None: an answer may not depend on it, because it decides what is stored.
    """
    times = ColumnTimes(schema)
    where: dict[str, str] = {}
    holds: dict[str, str] = {}
    wrong: dict[str, str] = {}
    added: list[pl.Expr] = []
    for number, (name, rule) in enumerate(checks.items()):
        asked = [(rule.where, where, "where")]
        asked += [(rule.expression, holds, "holds")] if isinstance(rule, Expression) else []
        for text, into, kind in asked:
            if text is None:
                continue
            ready = text if now is None else settled(text, now)
            why = _fault(text, ready, times.plain(pl.LazyFrame(schema=schema)), now)
            if why is not None:
                wrong[name] = why
            else:
                into[name] = f"__{kind}_{number}"
                added.append(pl.sql_expr(ready).alias(into[name]))
    ready_frame = times.restored(times.plain(frame).with_columns(added)) if added else frame
    return Conditioned(ready_frame, where, holds, wrong)


def sql_columns(rule: Check) -> tuple[str, ...]:
    """Columns that the SQL of a check names; none where it cannot be read."""
    texts = [rule.where, rule.expression if isinstance(rule, Expression) else None]
    return tuple(dict.fromkeys(name for text in texts if text is not None for name in _roots(text)))


def _roots(text: str) -> list[str]:
    try:
        return pl.sql_expr(text).meta.root_names()
    except pl.exceptions.PolarsError:
        return []


def _fault(text: str, ready: str, rows: pl.LazyFrame, now: datetime | None) -> str | None:
    """What is wrong with a condition over such ``rows`` (there are none); None: nothing."""
    try:
        condition = pl.sql_expr(ready)
        schema = rows.collect_schema()
        absent = [name for name in condition.meta.root_names() if name not in schema]
        if absent:
            return f"there is no column `{absent[0]}`; there are {', '.join(schema)}."
        step = beyond_one_row(condition)
        if step is not None:
            return f"`{text}` looks at more than one row ({step}); the rule `sql` may."
        kind = rows.select(condition.alias("c")).collect().schema["c"]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        return f"`{text}` is no condition: {' '.join(str(error).split())[:300]}."
    if kind != pl.Boolean:
        return f"`{text}` is {kind}, not true or false."
    if now is None and depends_on_the_moment(text):
        return f"`{text}` depends on when it is asked, and a table must not; use on_failure fail or warn."
    return None
