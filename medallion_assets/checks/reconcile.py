"""Accounting: every bronze row is an event, a duplicate, filtered or in quarantine; nothing is lost or made up."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Account", "discrepancies"]


@dataclass(frozen=True, slots=True)
class Account:
    """The numbers of one silver table, over all live loads that it has absorbed. All are rows."""

    bronze: int
    """By the commit log."""
    bronze_by_partition: Mapping[str, int]
    rows_in: int
    """Read by the refine."""
    rows_in_by_partition: Mapping[str, int]
    """Empty: the refine did not count by partition."""
    events: int
    duplicates: int
    filtered: int
    quarantined: int
    rows: int
    """Of the table, by the refine."""
    counted: int
    """Of the table, counted now."""
    one_each: bool
    """The model keeps every event as one row (periodic_snapshot)."""


def discrepancies(account: Account) -> tuple[str, ...]:
    """A sentence for each equation that does not hold; none: the table is fully explained."""
    explained = account.events + account.duplicates + account.filtered + account.quarantined
    found = []
    if account.bronze != account.rows_in:
        found.append(f"the commit log holds {account.bronze:,} rows, silver read {account.rows_in:,}")
    if account.rows_in != explained:
        found.append(
            f"{account.rows_in:,} rows were read and {explained:,} are explained ({account.events:,} events,"
            f" {account.duplicates:,} duplicates, {account.filtered:,} filtered, {account.quarantined:,} quarantined)"
        )
    if account.rows_in_by_partition:
        found += _by_partition(account.bronze_by_partition, account.rows_in_by_partition)
    if account.rows != account.counted:
        found.append(f"the run reported {account.rows:,} rows in the table, it holds {account.counted:,}")
    if account.one_each and account.events != account.counted:
        found.append(f"{account.events:,} events must be as many rows, the table holds {account.counted:,}")
    return tuple(found)


def _by_partition(bronze: Mapping[str, int], read: Mapping[str, int]) -> list[str]:
    return [
        f"partition {key} holds {bronze.get(key, 0):,} rows, silver read {read.get(key, 0):,}"
        for key in sorted({*bronze, *read})
        if bronze.get(key, 0) != read.get(key, 0)
    ]
