"""Whether an expression of Polars is about one row at a time.

Polars says so of single steps only (``meta.is_row_separable`` looks at the outermost), so the steps are read here. What
is not known to look at one row is taken to look at more: its answer could change with the rows around it.
"""

import json
from collections.abc import Iterator

import polars as pl

__all__ = ["beyond_one_row"]

_STEPS = frozenset({"Alias", "BinaryExpr", "Cast", "Column", "Function", "Literal", "Ternary"})
_FUNCTIONS = frozenset({
    "Abs", "ArrayExpr", "BinaryExpr", "Bitwise", "Boolean", "Ceil", "Clip", "Coalesce", "ConcatExpr", "Exp", "FillNull",
    "Floor", "ListExpr", "Log", "Log1p", "MaxHorizontal", "MinHorizontal", "Negate", "Pow", "Round", "RoundSF", "Sign",
    "Sql", "StringExpr", "StructExpr", "TemporalExpr", "Trigonometry", "Atan2",
})  # fmt: skip
_ALL_ROWS = frozenset({"Any", "All", "IsDuplicated", "IsUnique", "IsFirstDistinct", "IsLastDistinct"})
"""Of the functions named ``Boolean``, those that compare rows."""


def beyond_one_row(condition: pl.Expr) -> str | None:
    """Name of a step that looks at other rows (``Agg``, ``Over``, ``Len`` …); None: there is none."""
    return next(_beyond(json.loads(condition.meta.serialize(format="json"))), None)


def _beyond(step: object) -> Iterator[str]:
    if isinstance(step, str):
        yield step
    elif isinstance(step, dict):
        for kind, inside in step.items():
            if kind not in _STEPS:
                yield kind
            elif kind == "Function":
                yield from _function(inside)
            elif kind not in ("Column", "Literal"):
                yield from _inner(inside)


def _function(call: dict[str, object]) -> Iterator[str]:
    name, options = _named(call["function"])
    if name not in _FUNCTIONS:
        yield name
    elif name == "Boolean" and _named(options)[0] in _ALL_ROWS:
        yield _named(options)[0]
    inputs = call["input"]
    for step in inputs if isinstance(inputs, list) else ():
        yield from _beyond(step)


def _named(function: object) -> tuple[str, object]:
    """A name alone, or with what belongs to it."""
    return next(iter(function.items())) if isinstance(function, dict) else (str(function), "")


def _inner(parts: object) -> Iterator[str]:
    """Steps below one that is fine: its parts that are steps; operators, types and names are none."""
    if isinstance(parts, list):
        for part in parts[:1]:  # an alias is [step, name]
            yield from _beyond(part)
    elif isinstance(parts, dict):
        for part in ("left", "right", "expr", "predicate", "truthy", "falsy"):
            if part in parts:
                yield from _beyond(parts[part])
