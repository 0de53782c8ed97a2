"""A year of one intent, bronze and silver, as one Dagster run against a run a day.

    python benchmarks/backfill.py [--days 365] [--runs 30]

Each measurement is processes of its own, ``medallion run --dagster``, on SQLite, with a file of 100 rows a day. A run a
day is measured for ``--runs`` days only and told per day, because its time grows with the number of days.
"""

import argparse
import os
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

INTENT = """
system: shop
table: orders
source: {type: file, path: "data/{run_date}.csv"}
load: incremental
partitions: {start: 2024-01-01}
silver: {model: scd_type_2, keys: id, order_by: at}
checks: [{rule: not_null, columns: state}]
"""
FIRST = date(2024, 1, 1)


def write(root: Path, days: int) -> None:
    (root / "intents").mkdir()
    (root / "data").mkdir()
    (root / "intents/orders.yaml").write_text(INTENT)
    for n in range(days):
        day = FIRST + timedelta(days=n)
        lines = "".join(f"{i},{day}T{i % 24:02d}:00:00Z,{'new' if (n + i) % 3 else 'paid'}\n" for i in range(100))
        (root / f"data/{day}.csv").write_text("id,at,state\n" + lines)


def run(root: Path, *dates: str) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "medallion_assets.cli.app", "-C", str(root), "run", "--dagster", *dates]
    environment = {**os.environ, "DAGSTER_HOME": str(root / ".dagster")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--days", type=int, default=365)
    arguments.add_argument("--runs", type=int, default=30)
    given = arguments.parse_args()
    print(f"{'':28}{'days':>6}{'wall s':>9}{'s a day':>9}{'ratio':>7}")
    whole = 0.0
    for what, days in (("one run over the range", given.days), ("a run a day", given.runs)):
        with TemporaryDirectory() as folder:
            root = Path(folder)
            write(root, given.days)
            last = str(FIRST + timedelta(days=days - 1))
            if what == "a run a day":
                keys = [str(FIRST + timedelta(days=n)) for n in range(days)]
                seconds = sum(run(root, "--date", key) for key in keys)
            else:
                seconds = run(root, "--from", str(FIRST), "--to", last)
        whole = whole or seconds / days
        print(f"{what:28}{days:6,}{seconds:9.1f}{seconds / days:9.3f}{seconds / days / whole:7.1f}", flush=True)


if __name__ == "__main__":
    main()
