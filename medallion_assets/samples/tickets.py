"""Tickets: what a REST interface gives of each day, in pages; it makes them up as it is asked."""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import polars as pl

from medallion_assets.samples.draw import Ints, World
from medallion_assets.samples.sample import Expected, chunks

__all__ = ["Tickets"]

_STATES = np.array(["open", "waiting", "closed"])
_DAY = 86_400


class Tickets:
    """``GET /tickets?from=…&to=…&page=…&size=…``; a ticket has one row, on its day."""

    name = "desk.tickets"
    intent = """
system: desk
table: tickets
description: Tickets, from a REST interface; `medallion samples --serve` is its server
source:
  type: api
  connection: desk
  path: /tickets
  params: {from: "{window_start}", to: "{window_end}"}
  records: tickets
  pagination: {type: page, size_param: size, page_size: 100}
  concurrency: 4
load: incremental
columns: {ticket_id: {type: int64, nullable: false}, opened_at: timestamp, priority: int64}
silver: {model: scd_type_1, keys: ticket_id, order_by: opened_at}
"""

    def write(self, world: World, folder: Path, expected: Expected) -> int:  # noqa: ARG002 - nothing lies in files
        """Nothing but what is expected: the server makes ``rows`` tickets up."""
        for ids in chunks(max(1, world.rows)):
            expected.add("silver_desk_tickets", _rows(world, ids))
        return max(1, world.rows)

    @staticmethod
    def answer(world: World, params: Mapping[str, str]) -> str:
        """A page as JSON: of the tickets opened in ``[from, to)``, by number. Raises ValueError, KeyError."""
        start = int(world.midnight.timestamp())
        first, end = (_seconds(params[name]) - start for name in ("from", "to"))
        size, page = int(params.get("size", "100")), int(params.get("page", "1"))
        skip, found = (page - 1) * size, list[pl.DataFrame]()
        for ids in chunks(max(1, world.rows)):
            at = _opened(world, ids)
            mine = ids[(at >= first) & (at < end)]
            here = mine[max(0, skip) : max(0, skip + size)]
            skip -= len(mine)
            if len(here):
                found.append(_rows(world, here).with_columns(pl.col("opened_at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")))
            if skip + size <= 0:
                break
        return json.dumps({"tickets": pl.concat(found).to_dicts() if found else []})


def _seconds(text: str) -> int:
    told = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return int((told if told.tzinfo else told.replace(tzinfo=timezone.utc)).timestamp())


def _opened(world: World, ids: Ints) -> Ints:
    return world.below(world.days * _DAY, "tickets opened", ids)


def _rows(world: World, ids: Ints) -> pl.DataFrame:
    start = int(world.midnight.timestamp())
    return pl.DataFrame(
        {
            "ticket_id": ids,
            "subject": [f"Request number {n}" for n in ids],
            "state": _STATES[world.below(len(_STATES), "tickets state", ids)],
            "priority": 1 + world.below(4, "tickets priority", ids),
            "opened_at": (start + _opened(world, ids)) * 1_000_000,
        }
    ).with_columns(pl.col("opened_at").cast(pl.Datetime("us", "UTC")))
