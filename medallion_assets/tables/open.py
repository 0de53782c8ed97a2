"""From a silver table's plan to the table, in the format that it asks for."""

from medallion_assets.errors import StorageError
from medallion_assets.lake.ports import Clock, Store, Table
from medallion_assets.plan.model import SilverPlan

__all__ = ["open_table", "refuse_other_format"]

_LOGS = {"delta": "_delta_log", "parquet": "_commits"}


def open_table(silver: SilverPlan, store: Store, clock: Clock) -> Table:
    """The newest version of a table in ``store``, or none. Raises StorageError SLV-005, SLV-015."""
    if silver.format == "parquet":
        from medallion_assets.tables.parquet import ParquetTable

        return ParquetTable(store, silver.path, silver.model, now=clock.now)
    from medallion_assets.tables.delta import DeltaTable

    return DeltaTable(store.url(silver.path), store.options, silver.path)


def refuse_other_format(silver: SilverPlan, table: Table, store: Store) -> None:
    """Raises StorageError SLV-014 when ``table``, which is to be written, is there in another format: its readers would
    go on with what it was.
    """
    if table.version is not None:
        return
    for format_, log in _LOGS.items():
        if format_ != silver.format and any(store.list(f"{silver.path}/{log}")):
            raise StorageError(
                "SLV-014", f"The table is in format {format_}; the intent says {silver.format}.",
                where=str(silver.entity),
                fix="give it a new `version`, and readers the time to move; or set `format` as it was.",
            )  # fmt: skip
