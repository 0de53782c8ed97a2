"""Which bronze columns each column of a silver table is made of: what the UI, ``medallion lineage`` and events show."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from medallion_assets.intent.load import Cdc, CurrentHistory, Incremental
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.silver.columns import (
    AFTER,
    BEFORE,
    CHANGE_TYPE,
    CHANGED_AT,
    CHANGED_COLUMNS,
    DELETED_AT,
    FROM,
    IS_CURRENT,
    IS_DELETED,
    OPERATION,
    RESCUED,
    TO,
)
from medallion_assets.silver.envelope import form
from medallion_assets.silver.slices import slices

__all__ = ["column_sources"]


def column_sources(
    plan: DatasetPlan, silver: SilverPlan, columns: Sequence[str], schemas: Sequence[Collection[str]]
) -> Mapping[str, tuple[str, ...]]:
    """Bronze columns by silver column, in the order of ``columns``. ``schemas``: the columns of each live load.

    A column that was renamed, cast or filled with a default is made of the one that it was; what a model adds, of the
    columns that decide it (``effective_from`` of ``order_by``). Places of rows (``_run_date``) are made of none.
    """
    distinct = list(dict.fromkeys(tuple(schema) for schema in schemas))
    return {name: tuple(dict.fromkeys(_Sources(plan, silver, distinct).of(name))) for name in columns}


class _Sources:
    def __init__(self, plan: DatasetPlan, silver: SilverPlan, schemas: Sequence[Sequence[str]]) -> None:
        self.plan, self.silver, self.schemas = plan, silver, schemas
        self.named = {column.name: column.source_names or (column.name,) for column in plan.columns}

    def of(self, name: str) -> Iterator[str]:
        """One column may be spelled differently in different loads."""
        own = [source for schema in self.schemas for source in self._owned(name, schema)]
        yield from own or self._added(name)

    def _owned(self, name: str, schema: Sequence[str]) -> Iterator[str]:
        found = next((source for source in self.named.get(name, (name,)) if source in schema), None)
        claimed = {source for other, sources in self.named.items() if other != name for source in sources[:1]}
        if found is not None and (name in self.named or found not in claimed):
            yield found
        elif found is None and form(schema) == "whole" and name not in self._model_columns:
            yield from (column for column in ("payload", "before", "after") if column in schema)

    def _added(self, name: str) -> Iterator[str]:
        for slice_ in slices(self.silver.partition_by):
            if slice_.name == name and slice_.column != name:
                yield from self.of(slice_.column)
        for source in self._model_columns.get(name, ()):
            yield from self.of(source)

    @property
    def _model_columns(self) -> Mapping[str, Sequence[str]]:
        """Columns that models add, and what decides them: names in silver or in bronze.

        A column that the intent itself gives one of these names is none of them.
        """
        order, told = self.silver.order_by, self._told
        span: Sequence[str] = order
        if isinstance(self.plan.load, CurrentHistory):
            said = self.plan.load.interval
            span = [said.start, said.end, *((said.current,) if said.current else ())]
        tracked = self._tracked
        added: dict[str, Sequence[str]] = {
            FROM: span, TO: (*span, *told), IS_CURRENT: (*span, *told), IS_DELETED: told,
            DELETED_AT: (*told, *order), OPERATION: told, CHANGED_AT: order, CHANGE_TYPE: (*told, *tracked),
            CHANGED_COLUMNS: tracked, BEFORE: tracked, AFTER: tracked,
            RESCUED: [column.name for column in self.plan.columns if column.type is not None],
        }  # fmt: skip
        theirs = {*self.named, *self.silver.keys, *order}
        return {name: sources for name, sources in added.items() if name not in theirs}

    @property
    def _told(self) -> Sequence[str]:
        """The column that says what a row does."""
        load = self.plan.load
        if isinstance(load, Cdc):
            return ["op" if load.operation.envelope == "debezium" else load.operation.column or ""]
        return [load.deleted.column] if isinstance(load, Incremental) and load.deleted is not None else []

    @property
    def _tracked(self) -> Sequence[str]:
        if self.silver.track:
            return self.silver.track
        out = {*self.silver.keys, *self.silver.order_by, *self.silver.track_except, *self.silver.exclude, *self._told}
        claimed = {source for sources in self.named.values() for source in sources}
        free = [column for schema in self.schemas for column in schema if column not in claimed]
        return [name for name in dict.fromkeys((*self.named, *free)) if name not in out]
