"""Events: a log as CSV in which one row in twenty-five is delivered twice."""

from pathlib import Path

import numpy as np
import polars as pl

from medallion_assets.samples.draw import Ints, World
from medallion_assets.samples.sample import Daily, Expected, chunks

__all__ = ["Events"]

_KINDS = np.array(["view", "click", "search", "buy"])
_DAY = 86_400


class Events:
    """What is delivered again comes with the next day's file."""

    name = "web.events"
    intent = """
system: web
table: events
description: What visitors do; some of it is delivered twice
source: {type: file, path: "data/events/events_{run_date}.csv"}
load: incremental
columns: {event_id: {type: string, nullable: false}, user_id: int64, at: timestamp}
silver: {model: event, keys: event_id, event_time: at}
"""

    def write(self, world: World, folder: Path, expected: Expected) -> int:
        """``rows`` events, and those that come again."""
        written = 0
        with Daily(world, folder, "data/events/events_{day}.csv", "event_id,user_id,kind,at\n") as files:
            for ids in chunks(max(1, world.rows)):
                seconds = world.below(world.days * _DAY, "events at", ids)
                rows = _rows(world, ids, seconds)
                day = seconds // _DAY
                written += files.add_csv(rows.with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ")), day)
                twice = (world.below(25, "events twice", ids) == 0) & (day + 1 < world.days)
                again = rows.filter(pl.Series(twice)).with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
                written += files.add_csv(again, day[twice] + 1)
                expected.add("silver_web_events", rows)
        return written


def _rows(world: World, ids: Ints, seconds: Ints) -> pl.DataFrame:
    start = int(world.midnight.timestamp())
    return pl.DataFrame(
        {
            "event_id": [f"e{n:010d}" for n in ids],
            "user_id": world.below(max(1, world.rows // world.days), "events user", ids),
            "kind": _KINDS[world.below(len(_KINDS), "events kind", ids)],
            "at": (start + seconds) * 1_000_000,
        }
    ).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
