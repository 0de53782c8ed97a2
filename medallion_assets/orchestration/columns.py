"""Which bronze columns each column of a silver table is made of, as Dagster shows it."""

from collections.abc import Sequence

import dagster as dg

from medallion_assets.intent.load import Cdc, CurrentHistory, Incremental
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.silver.columns import DELETED_AT, FROM, IS_CURRENT, IS_DELETED, OPERATION, RESCUED, TO

__all__ = ["column_lineage"]


def column_lineage(
    plan: DatasetPlan, silver: SilverPlan, columns: Sequence[str], bronze: Sequence[str], key: dg.AssetKey
) -> dg.TableColumnLineage:
    """``columns`` of the table, ``bronze``: those of the live loads, ``key``: the bronze asset.

    A column of the source has that one column under it, whatever it is called in the intent; those that the model adds
    have what decides them. A column that has nothing under it is left out.
    """
    under = _Under(plan, frozenset(bronze))
    order = tuple(name for column in silver.order_by for name in under.of(column))
    every = tuple(name for column in plan.columns if column.type is not None for name in under.of(column.name))
    interval = plan.load.interval if isinstance(plan.load, CurrentHistory) else None
    ends = (interval.start, interval.end) if interval is not None else ()
    starts = tuple(name for name in ends if name in under.bronze) or order
    added = {
        FROM: starts, TO: starts, IS_CURRENT: starts, RESCUED: every,
        **dict.fromkeys((IS_DELETED, DELETED_AT, OPERATION), under.operation),
    }  # fmt: skip
    deps = {name: added.get(name) or under.of(name) for name in columns}
    return dg.TableColumnLineage(
        {name: [dg.TableColumnDep(key, source) for source in sources] for name, sources in deps.items() if sources}
    )


class _Under:
    """Columns of the source under their names in bronze."""

    def __init__(self, plan: DatasetPlan, bronze: frozenset[str]) -> None:
        self.bronze = bronze
        self._named = {column.name: column.source_names for column in plan.columns}
        load = plan.load
        told = load.operation.column if isinstance(load, Cdc) else None
        marked = load.deleted.column if isinstance(load, Incremental) and load.deleted is not None else None
        self.operation = tuple(name for name in (told, marked) if name is not None and name in bronze)

    def of(self, column: str) -> tuple[str, ...]:
        found = next((name for name in self._named.get(column, (column,)) if name in self.bronze), None)
        return () if found is None else (found,)
