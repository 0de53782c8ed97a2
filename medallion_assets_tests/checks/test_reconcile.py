"""The accounting equations: each can break, and says so with its numbers."""

from dataclasses import replace

from medallion_assets.checks.reconcile import Account, discrepancies

GOOD = Account(
    bronze=10,
    bronze_by_partition={"2024-01-01": 4, "2024-01-02": 6},
    rows_in=10,
    rows_in_by_partition={"2024-01-01": 4, "2024-01-02": 6},
    events=6,
    duplicates=2,
    filtered=1,
    quarantined=1,
    rows=5,
    counted=5,
    one_each=False,
)


def test_an_account_that_balances_has_nothing_to_say() -> None:
    assert discrepancies(GOOD) == ()
    assert discrepancies(replace(GOOD, rows_in_by_partition={})) == ()


def test_a_lost_row_is_named_in_the_partition_that_lost_it() -> None:
    lost = replace(GOOD, rows_in=9, rows_in_by_partition={"2024-01-01": 4, "2024-01-02": 5}, events=5)
    assert discrepancies(lost) == (
        "the commit log holds 10 rows, silver read 9",
        "partition 2024-01-02 holds 6 rows, silver read 5",
    )


def test_an_unexplained_row_and_a_table_that_differs_from_the_report() -> None:
    assert discrepancies(replace(GOOD, duplicates=1)) == (
        "10 rows were read and 9 are explained (6 events, 1 duplicates, 1 filtered, 1 quarantined)",
    )
    assert discrepancies(replace(GOOD, counted=4)) == ("the run reported 5 rows in the table, it holds 4",)
    assert discrepancies(replace(GOOD, rows=5, one_each=True)) == ("6 events must be as many rows, the table holds 5",)


def test_a_partition_that_only_one_side_knows_is_found() -> None:
    moved = replace(GOOD, rows_in_by_partition={"2024-01-01": 4, "2024-01-03": 6})
    assert discrepancies(moved) == (
        "partition 2024-01-02 holds 6 rows, silver read 0",
        "partition 2024-01-03 holds 0 rows, silver read 6",
    )
