"""Users: the complete list as CSV every day, from which a history of every user follows."""

from pathlib import Path

import numpy as np
import polars as pl

from medallion_assets.samples.draw import Flags, Ints, World
from medallion_assets.samples.sample import Daily, Expected, chunks

__all__ = ["Users"]

_CITIES = np.array(["Aachen", "Bonn", "Celle", "Dresden", "Emden", "Fürth", "Gotha", "Halle"])
_PLANS = np.array(["free", "team", "business"])
_DAY_US = 86_400_000_000
_CELLS = 200_000
"""Users times days that are worked out at once."""


class Users:
    """A tenth of them change on any day; one in twenty leaves; one in five joins after the first day."""

    name = "shop.users"
    intent = """
system: shop
table: users
description: The complete list of users, every day
source: {type: file, path: "data/users/users_{run_date}.csv"}
load: full
columns: {user_id: {type: int64, nullable: false}, email: {type: string, pii: true}, revision: int64}
silver: {model: scd_type_2, keys: user_id}
checks:
  - {rule: not_null, columns: [email, city]}
  - {rule: in_set, columns: plan, values: [free, team, business]}
"""

    def write(self, world: World, folder: Path, expected: Expected) -> int:
        """About ``rows`` rows in all: a list of a ``days``-th of them every day."""
        written = 0
        with Daily(world, folder, "data/users/users_{day}.csv", "user_id,email,city,plan,revision\n") as files:
            for ids in chunks(max(1, world.rows // world.days), max(1, _CELLS // world.days)):
                since, alive, begins = _lives(world, ids)
                for day in range(world.days):
                    here = alive[:, day]
                    rows = _rows(world, ids[here], since[here, day])
                    written += files.add_csv(rows, np.full(rows.height, day))
                expected.add("silver_shop_users", _versions(world, ids, alive, begins))
        return written


def _lives(world: World, ids: Ints) -> tuple[Ints, Flags, Flags]:
    """A row a user, a column a day: the day of the last change, whether there is one, whether a version begins."""
    days, of = np.arange(world.days), ids[:, None]
    late = world.below(5, "users joins", ids) == 0
    born = np.where(late, world.below(world.days, "users born", ids), 0)[:, None]
    leaves = world.below(20, "users leaves", ids) == 0
    gone = np.where(leaves, born[:, 0] + 1 + world.below(world.days, "users gone", ids), world.days + 1)[:, None]
    begins = ((world.below(10, "users change", of, days) == 0) & (days > born)) | (days == born)
    alive = (days >= born) & (days < gone)
    since: Ints = np.maximum.accumulate(np.where(begins, days, -1), axis=1)
    return since, alive, begins & alive


def _rows(world: World, ids: Ints, since: Ints) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": ids,
            "email": [f"user{n}@example.com" for n in ids],
            "city": _CITIES[world.below(len(_CITIES), "users city", ids, since)],
            "plan": _PLANS[world.below(len(_PLANS), "users plan", ids, since)],
            "revision": since,
        }
    )


def _versions(world: World, ids: Ints, alive: Flags, begins: Flags) -> pl.DataFrame:
    user, day = np.nonzero(begins)
    last = np.append(user[1:] != user[:-1], True)
    # The first day without the user, or none.
    left = np.where(alive[:, -1], -1, world.days - np.argmax(alive[:, ::-1], axis=1))[user]
    end = np.where(last, left, np.append(day[1:], -1))
    start = int(world.midnight.timestamp() * 1_000_000)
    return (
        _rows(world, ids[user], day)
        .with_columns(
            pl.Series("effective_from", start + day * _DAY_US),
            pl.Series("effective_to", np.where(end < 0, -1, start + end * _DAY_US)),
        )
        .with_columns(
            pl.col("effective_from").cast(pl.Datetime("us", "UTC")),
            pl.when(pl.col("effective_to") >= 0).then("effective_to").cast(pl.Datetime("us", "UTC")),
            pl.Series("is_current", end < 0),
        )
    )
