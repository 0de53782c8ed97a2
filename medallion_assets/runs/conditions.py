"""SQL conditions of checks (``where``, ``expression``) as boolean columns beside the rows that they are about.

Polars' SQL: expressions over the row's own columns and nothing else, so a condition reads no file and no other table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from medallion_assets.intent.check import Check, Expression

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


def conditioned(frame: pl.LazyFrame, schema: pl.Schema, checks: Mapping[str, Check]) -> Conditioned:
    """Adds a column for each condition; of a check whose SQL is wrong there is none."""
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
            why = _fault(text, schema)
            if why is not None:
                wrong[name] = why
            else:
                into[name] = f"__{kind}_{number}"
                added.append(pl.sql_expr(text).alias(into[name]))
    return Conditioned(frame.with_columns(added) if added else frame, where, holds, wrong)


def sql_columns(rule: Check) -> tuple[str, ...]:
    """Columns that the SQL of a check names; none where it cannot be read."""
    texts = [rule.where, rule.expression if isinstance(rule, Expression) else None]
    return tuple(dict.fromkeys(name for text in texts if text is not None for name in _roots(text)))


def _roots(text: str) -> list[str]:
    try:
        return pl.sql_expr(text).meta.root_names()
    except pl.exceptions.PolarsError:
        return []


def _fault(text: str, schema: pl.Schema) -> str | None:
    """What is wrong with a condition over these columns; None: nothing. Tried on a row of nulls."""
    try:
        condition = pl.sql_expr(text)
        absent = [name for name in condition.meta.root_names() if name not in schema]
        if absent:
            return f"there is no column `{absent[0]}`; there are {', '.join(schema)}."
        kind = pl.DataFrame(schema=schema).clear(1).select(condition.alias("c")).schema["c"]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        return f"`{text}` is no condition: {' '.join(str(error).split())[:300]}."
    return None if kind == pl.Boolean else f"`{text}` is {kind}, not true or false."
