"""Claims: fixed-width lines as a mainframe writes them, a claim's line before those of its items."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from medallion_assets.samples.draw import Ints, World
from medallion_assets.samples.sample import Daily, Expected, amount, chunks

__all__ = ["Claims"]

_CODES = np.array(["A100", "B210", "C370", "D999"])
_MOST = 3


class Claims:
    """Each claim comes once, with one to three items."""

    name = "mainframe.claims"
    intent = """
system: mainframe
table: claims
description: Claims and their items, in fixed columns
source:
  type: file
  path: data/claims/claims_{run_date}.dat
  format:
    type: fixed_width
    code: {start: 1, width: 1}
    record_types:
      - {code: C, role: parent, fields: [{name: claim_id, width: 10}, {name: service_date, width: 10}]}
      - {code: I, role: child, fields: [{name: item, width: 2}, {name: procedure, width: 6}, {name: amount, width: 10}]}
      - {code: T, role: skip}
    output: flatten
load: incremental
columns: {claim_id: string, service_date: date, item: int64, amount: "decimal(10,2)"}
silver: {model: event, keys: [claim_id, item]}
"""

    def write(self, world: World, folder: Path, expected: Expected) -> int:
        """About ``rows`` items, on the days of their claims."""
        written = 0
        with Daily(world, folder, "data/claims/claims_{day}.dat") as files:
            for ids in chunks(max(1, world.rows // 2)):
                days = world.below(world.days, "claims day", ids)
                items = _items(world, ids, days)
                for (day,), some in items.partition_by("day", as_dict=True, maintain_order=True).items():
                    files.add(int(str(day)), _text(some))
                written += items.height
                expected.add("silver_mainframe_claims", items.drop("day"))
            for day in range(world.days):
                files.add(day, "T end of file\n")
        return written


def _items(world: World, ids: Ints, days: Ints) -> pl.DataFrame:
    item = np.arange(_MOST)
    there = item < 1 + world.below(_MOST, "claims items", ids)[:, None]
    row, number = np.nonzero(there)
    cents = world.below(500_000, "claims amount", ids[:, None], item)[there]
    return pl.DataFrame(
        {
            "claim_id": [f"{n:010d}" for n in ids[row]],
            "service_date": [world.start + timedelta(days=int(n)) for n in days[row]],
            "item": number + 1,
            "procedure": _CODES[world.below(len(_CODES), "claims code", ids[:, None], item)[there]],
            "amount": cents,
            "day": days[row],
        }
    ).with_columns(amount("amount").cast(pl.Decimal(10, 2)).alias("amount"))


def _text(items: pl.DataFrame) -> str:
    lines: list[str] = []
    last = ""
    for row in items.iter_rows(named=True):
        if row["claim_id"] != last:
            last = row["claim_id"]
            lines.append(f"C{last:10}{row['service_date'].isoformat():10}\n")
        lines.append(f"I{row['item']:<2}{row['procedure']:6}{row['amount']:>10}\n")
    return "".join(lines)
