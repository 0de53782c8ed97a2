"""A process that ingests: ``python ingest_process.py ROOT FIRST_DAY LAST_DAY ROWS [WORD]``.

Prints ``ready``, waits for a line, then loads each day, whose rows are ``<day>-<i>`` for i below ROWS. A source that
grows between two runs is one with more ROWS. WORD distinguishes the rows of one process from another's.
"""

import sys
from pathlib import Path

from medallion_assets.lake.ports import Batch
from medallion_assets.stores.local import LocalStore
from medallion_assets_tests.runs.ingest_lake import FakeSource, rows, run

__all__ = ["batches"]


def batches(number: int, count: int, word: str = "") -> list[Batch]:
    ids = [f"{number}-{i}{word}" for i in range(count)]
    return [Batch(rows(*ids[i : i + 2])) for i in range(0, max(1, count), 2)]


def main(root: str, first: str, last: str, count: str, word: str = "") -> None:
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    sys.stdin.readline()
    store = LocalStore(Path(root))
    for number in range(int(first), int(last) + 1):
        done = run(store, FakeSource(batches(number, int(count), word)), key=f"2024-01-{number:02d}")
        print(number, done.commit.n, done.written, flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
