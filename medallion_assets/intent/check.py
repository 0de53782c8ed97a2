"""``checks``: what the owner promises about the rows."""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema

from medallion_assets.intent.base import (
    Columns,
    Count,
    Duration,
    Flag,
    Fraction,
    JsonMap,
    Keys,
    Many,
    Name,
    Plain,
    Spec,
    Text,
    refusal,
    shown,
)
from medallion_assets.intent.source import FunctionName
from medallion_assets.intent.tagged import Tagged

__all__ = [
    "Check",
    "CheckBase",
    "Custom",
    "Expression",
    "Freshness",
    "InSet",
    "NotNull",
    "Range",
    "References",
    "Regex",
    "RowCount",
    "RowRule",
    "Sql",
    "TableRule",
    "Unique",
    "default_name",
]


class CheckBase(Spec):
    """Keys of every rule."""

    name: Name | None = None
    """Default: rule_columns."""
    description: Text | None = None
    at: Literal["bronze", "silver"] = "silver"
    severity: Literal["error", "warn", "info"] | None = None
    """Default: error for a rule that fails the run, otherwise warn."""
    where: Text | None = None
    """SQL condition: the rule holds for these rows only."""


class RowRule(CheckBase):
    """A rule that each row keeps or breaks."""

    on_failure: Literal["fail", "warn", "drop", "quarantine"] = "fail"
    threshold: Fraction = 0.0
    """Tolerated share of rows."""


class TableRule(CheckBase):
    """A rule about the table as a whole."""

    on_failure: Literal["fail", "warn"] = "fail"


class NotNull(RowRule):
    rule: Literal["not_null"]
    columns: Keys


def _bound(given: object) -> int | float | str:
    value = given.value if isinstance(given, Plain) else given
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return value
    raise refusal("INT-006", f"{shown(given)} is not a bound.", "write a number, or a date or time as text.")


Bound = Annotated[int | float | str, BeforeValidator(_bound), WithJsonSchema({"type": ["number", "string"]})]


class Range(RowRule):
    rule: Literal["range"]
    columns: Keys
    min: Bound | None = None
    max: Bound | None = None
    exclusive: Flag = False


class Regex(RowRule):
    rule: Literal["regex"]
    columns: Keys
    pattern: Text


class InSet(RowRule):
    rule: Literal["in_set"]
    columns: Keys
    values: Many[Text]
    """As typed; compared as text with text columns, as values of the column's type with others."""


class References(RowRule):
    rule: Literal["references"]
    columns: Keys
    to: Text
    """``silver/<domain>/<entity>``."""
    to_columns: Columns = ()
    """Default: the same names."""


class Expression(RowRule):
    rule: Literal["expression"]
    expression: Text
    """SQL condition that every row must meet."""


class Unique(TableRule):
    rule: Literal["unique"]
    columns: Keys


class Freshness(TableRule):
    rule: Literal["freshness"]
    column: Text
    max_age: Duration


class RowCount(TableRule):
    rule: Literal["row_count"]
    min: Count | None = None
    max: Count | None = None
    max_change: Fraction | None = None
    """Share by which the count may differ from the previous partition's."""


class Sql(TableRule):
    rule: Literal["sql"]
    query: Text
    """Returns the rows that break the rule."""


class Custom(TableRule):
    rule: Literal["custom"]
    function: FunctionName
    args: JsonMap = Field(default_factory=dict)


Check: TypeAlias = Annotated[
    NotNull | Range | Regex | InSet | References | Expression | Unique | Freshness | RowCount | Sql | Custom,
    Tagged("rule", "check rule"),
]


def default_name(check: Check) -> str:
    """The name of a check that has none: rule and columns, as ``[a-z0-9_]+``."""
    columns = getattr(check, "columns", None) or [getattr(check, "column", "")]
    words = "_".join([check.rule, *columns]).lower()
    return re.sub(r"[^a-z0-9_]+", "_", words).strip("_")[:128]
