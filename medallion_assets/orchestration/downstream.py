"""For assets of your own below a silver table: its contract as a type of pandas frames, and when to compute again."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from medallion_assets.intent.check import InSet, NotNull, Range, RowRule
from medallion_assets.orchestration.definitions import quiet
from medallion_assets.plan.model import ColumnPlan, DatasetPlan, SilverPlan
from medallion_assets.project import Project
from medallion_assets.silver.types import sql_type

if TYPE_CHECKING:
    from dagster_pandas import PandasColumn
    from dagster_pandas.constraints import Constraint

__all__ = ["ON_RELOAD", "pandas_type"]

ON_RELOAD = dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())
"""Compute when something above is new, also in a partition of long ago: ``eager`` alone looks at the newest only."""

_ALONE = frozenset({"scd_type_1", "full_merge_dedupe"})
"""Models with one row a key."""


def pandas_type(project: Project, table: str) -> dg.DagsterType:
    """The contract of ``silver/<domain>/<entity>`` as a type that an input of yours is checked against::

        @dg.asset(ins={"orders": dg.AssetIn(["silver", "sales", "orders"], dagster_type=pandas_type(project, "…"))})
        def report(orders: pd.DataFrame) -> …

    A column that the intent gives a type must be there with a dtype that this type has in pandas; what may not be null
    is not, a single key of a table with one row a key is unique, and rules of severity error about all rows (not_null,
    range of numbers, in_set of text) hold. Needs dagster-pandas. Raises ConfigError CLI-002 for an unknown table.
    """
    import dagster_pandas

    create: Any = dagster_pandas.create_dagster_pandas_dataframe_type
    plan, silver = project.silver(table)
    entity = silver.entity
    with quiet():
        made: dg.DagsterType = create(
            f"{entity.domain}__{entity.entity}__v{entity.version}" + (f"__{entity.tenant}" if entity.tenant else ""),
            plan.description or f"Rows of {entity}.",
            list(_columns(plan, silver)),
        )
    return made


def _columns(plan: DatasetPlan, silver: SilverPlan) -> "Iterator[PandasColumn]":
    import dagster_pandas

    made: Any = dagster_pandas.PandasColumn
    kept = {*silver.keys, *silver.order_by, *(silver.attributes or (column.name for column in plan.columns))}
    for column in plan.columns:
        if column.name in kept and column.name not in silver.exclude:
            yield made(column.name, list(_constraints(column, silver)))


def _constraints(column: ColumnPlan, silver: SilverPlan) -> "Iterator[Constraint]":
    import dagster_pandas.constraints

    constraints: Any = dagster_pandas.constraints  # its constructors have no annotations
    name, key = column.name, column.name in silver.keys
    if column.type is not None:
        yield constraints.ColumnDTypeInSetConstraint(_dtypes(sql_type(column.type), nulls=not key and column.nullable))
    rules = [check.rule for check in silver.checks if check.severity == "error" and isinstance(check.rule, RowRule)]
    strict = [
        rule for rule in rules if rule.where is None and rule.threshold == 0 and name in getattr(rule, "columns", ())
    ]
    if key or not column.nullable or any(isinstance(rule, NotNull) for rule in strict):
        yield constraints.NonNullableColumnConstraint()
    if silver.keys == (name,) and silver.model in _ALONE:
        yield constraints.UniqueColumnConstraint(ignore_missing_vals=False)
    for rule in strict:
        if isinstance(rule, Range) and not rule.exclusive:
            if isinstance(rule.min, int | float):
                yield constraints.MinValueColumnConstraint(rule.min, ignore_missing_vals=True)
            if isinstance(rule.max, int | float):
                yield constraints.MaxValueColumnConstraint(rule.max, ignore_missing_vals=True)
        elif isinstance(rule, InSet) and column.type == "string":
            yield constraints.CategoricalColumnConstraint(set(rule.values), ignore_missing_vals=True)


def _dtypes(dtype: pl.DataType, *, nulls: bool) -> set[str]:
    """What the IO manager makes of a column of this type: with nulls it may be another than without."""
    series = [pl.Series([], dtype=dtype), *([pl.Series([None], dtype=dtype)] if nulls else [])]
    return {str(values.to_pandas().dtype) for values in series}
