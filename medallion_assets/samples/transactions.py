"""Transactions: a table of an SQLite database, read a day at a time by its time of booking."""

import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl

from medallion_assets.samples.draw import Ints, World
from medallion_assets.samples.sample import Expected, chunks

__all__ = ["Transactions"]

_DAY = 86_400


class Transactions:
    """Rows are only added."""

    name = "bank.transactions"
    intent = """
system: bank
table: transactions
description: Bookings, from a database
source: {type: database, connection: bank}
load: {pattern: incremental, cursor: {column: booked_at}}
columns: {transaction_id: {type: int64, nullable: false}, cents: int64, booked_at: timestamp}
silver: {model: scd_type_1, keys: transaction_id, order_by: booked_at}
checks: [{rule: range, columns: cents, min: -1000000, max: 1000000}]
"""

    def write(self, world: World, folder: Path, expected: Expected) -> int:
        """``rows`` transactions into ``data/bank.db``."""
        path = folder / "data/bank.db"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as database:
            database.execute(
                "CREATE TABLE transactions"
                " (transaction_id INTEGER PRIMARY KEY, account TEXT, cents INTEGER, booked_at DATETIME)"
            )
            for ids in chunks(max(1, world.rows)):
                rows = _rows(world, ids)
                told = rows.with_columns(pl.col("booked_at").dt.strftime("%Y-%m-%d %H:%M:%S"))
                database.executemany("INSERT INTO transactions VALUES (?, ?, ?, ?)", told.iter_rows())
                expected.add("silver_bank_transactions", rows)
            database.commit()
        return max(1, world.rows)


def _rows(world: World, ids: Ints) -> pl.DataFrame:
    start, seconds = int(world.midnight.timestamp()), world.below(world.days * _DAY, "transactions at", ids)
    return pl.DataFrame(
        {
            "transaction_id": ids,
            "account": [f"DE{n:08d}" for n in world.below(10_000, "transactions account", ids)],
            "cents": world.below(2_000_001, "transactions cents", ids) - 1_000_000,
            "booked_at": (start + seconds) * 1_000_000,
        }
    ).with_columns(pl.col("booked_at").cast(pl.Datetime("us", "UTC")))
