"""Orders: a log of changes as JSON Lines, with events that come late, twice and out of order."""

from pathlib import Path

import numpy as np
import polars as pl

from medallion_assets.samples.draw import Ints, World
from medallion_assets.samples.sample import Daily, Expected, amount, chunks

__all__ = ["Orders"]

_STATUS = np.array(["new", "paid", "packed", "shipped"])
_DAY, _HOUR, _MOST = 86_400, 3_600, 4


class Orders:
    """One event in ten comes a day or two late, one in twenty-five comes twice, and no day is in order."""

    name = "shop.orders"
    intent = """
system: shop
table: orders
description: Every change of an order, as it arrives
source: {type: file, path: "data/orders/orders_{run_date}.jsonl"}
load: {pattern: cdc, operation: {column: op}}
columns: {order_id: {type: int64, nullable: false}, amount: "decimal(12,2)", updated_at: timestamp}
silver:
  - {model: scd_type_2, keys: order_id, order_by: updated_at, entity: order_history}
  - {model: scd_type_1, keys: order_id, order_by: updated_at}
"""

    def write(self, world: World, folder: Path, expected: Expected) -> int:
        """About ``rows`` events in all."""
        written = 0
        with Daily(world, folder, "data/orders/orders_{day}.jsonl") as files:
            for ids in chunks(max(1, world.rows // 3)):
                events = _events(world, ids)
                _expect(world, events, expected)
                for day, rows in _arrivals(world, events):
                    files.add(day, _text(world, rows))
                    written += rows.height
        return written


def _events(world: World, ids: Ints) -> pl.DataFrame:
    """order_id, k (its number), seconds since the start, op, status and cents; in the order of keys and time."""
    of, k = ids[:, None], np.arange(_MOST)
    count = 1 + world.below(_MOST, "orders count", ids)[:, None]
    gaps = np.where(k == 0, 0, _HOUR * (1 + world.below(30, "orders gap", of, k)))
    at = world.below(world.days * _DAY, "orders created", ids)[:, None] + np.cumsum(gaps, axis=1)
    ends = (world.below(10, "orders deleted", ids) == 0)[:, None] & (count > 1)
    deleted = ends & (k == count - 1)
    there = (k < count) & (at < world.days * _DAY)
    row, number = np.nonzero(there)
    return pl.DataFrame(
        {
            "order_id": ids[row],
            "k": number,
            "at": at[there],
            "op": np.where(deleted, "D", np.where(k == 0, "I", "U"))[there],
            "status": _STATUS[number],
            "cents": world.below(1_000_000, "orders amount", of, k)[there],
        }
    )


def _expect(world: World, events: pl.DataFrame, expected: Expected) -> None:
    following = pl.when(pl.col("order_id") == pl.col("order_id").shift(-1)).then(pl.col("at").shift(-1))
    told = events.with_columns(following.alias("end"))
    amounts = amount("cents").cast(pl.Decimal(12, 2)).alias("amount")
    columns = ("order_id", "status", amounts, _instant(world, "at").alias("updated_at"))
    living = told.filter(pl.col("op") != "D")
    interval = (
        _instant(world, "at").alias("effective_from"), _instant(world, "end").alias("effective_to"),
        pl.col("end").is_null().alias("is_current"),
    )  # fmt: skip
    expected.add("silver_shop_order_history", living.select(*columns, *interval))
    expected.add("silver_shop_orders", living.filter(pl.col("end").is_null()).select(*columns))


def _instant(world: World, seconds: str) -> pl.Expr:
    start = int(world.midnight.timestamp())
    return ((pl.col(seconds) + start) * 1_000_000).cast(pl.Datetime("us", "UTC"))


def _arrivals(world: World, events: pl.DataFrame) -> list[tuple[int, pl.DataFrame]]:
    """The day on which each event arrives, and again for some; out of order within the day."""
    of, k = events["order_id"].to_numpy(), events["k"].to_numpy()
    chance = world.below(20, "orders late", of, k)
    late = np.where(chance < 2, chance + 1, 0)
    day = np.minimum(events["at"].to_numpy() // _DAY + late, world.days - 1)
    twice = world.below(25, "orders twice", of, k) == 0
    again = events.with_columns(day=pl.Series(np.minimum(day + 1, world.days - 1)), place=pl.Series(k + _MOST))
    once = events.with_columns(day=pl.Series(day), place=pl.Series(k))
    rows = pl.concat([once, again.filter(pl.Series(twice))])
    shuffle = world.below(2**40, "orders place", rows["order_id"].to_numpy(), rows["place"].to_numpy())
    rows = rows.with_columns(place=pl.Series(shuffle)).sort("day", "place", "order_id")
    return [(int(str(day)), some) for (day,), some in rows.partition_by("day", as_dict=True).items()]


def _text(world: World, rows: pl.DataFrame) -> str:
    """JSON Lines; a delete says nothing but its key and time."""
    says = pl.col("op") != "D"
    told = rows.select(
        "op",
        "order_id",
        pl.when(says).then("status").alias("status"),
        pl.when(says).then(amount("cents")).alias("amount"),
        _instant(world, "at").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("updated_at"),
    )
    return told.write_ndjson()
