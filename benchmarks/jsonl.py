"""JSON Lines into bronze, against a bare Polars ``scan_ndjson().sink_parquet()`` of the same codec.

    python benchmarks/jsonl.py [FILE] [--mb 500] [--runs 3]

Without a FILE, the orders of ``medallion samples`` are repeated to so many MB. Every measurement is a process of its
own; runs are interleaved, the median is shown. Bronze keeps the characters of every number and proves every line to be
one object; it hashes and flushes each part and commits. Bare Polars does none of this. Memory is the highest RssAnon.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

INTENT = """
system: shop
table: orders
source: {type: file, path: rows.jsonl}
partitions: {cadence: none}
load: full
"""


def peak_rss_anon(stop: threading.Event, peak: list[int]) -> None:
    while not stop.wait(0.01):
        status = Path("/proc/self/status").read_text()
        peak[0] = max(peak[0], int(status.split("RssAnon:")[1].split()[0]))


def bare(source: Path, target: Path) -> Callable[[], int]:
    import polars as pl

    def run() -> int:
        pl.scan_ndjson(source).sink_parquet(target / "bare.parquet", compression="zstd")
        return 0

    return run


def bronze(source: Path, target: Path) -> Callable[[], int]:
    import medallion_assets.runs.ingest  # noqa: F401 - the import is not what is compared
    from medallion_assets import Project

    (target / "intents").mkdir()
    (target / "intents/orders.yaml").write_text(INTENT)
    (target / "rows.jsonl").hardlink_to(source)
    project = Project.load(target)
    (plan,) = project.plans

    def run() -> int:
        return project.ingest(plan, project.newest(plan)).commit.load.rows

    return run


def child(what: str, source: Path, target: Path) -> None:
    run = {"bare": bare, "bronze": bronze}[what](source, target)
    stop, peak = threading.Event(), [0]
    watch = threading.Thread(target=peak_rss_anon, args=(stop, peak))
    watch.start()
    began, cpu = time.perf_counter(), time.process_time()
    rows = run()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    stop.set()
    watch.join()
    print(json.dumps({"seconds": took, "cpu": cpu, "mib": peak[0] / 1024, "rows": rows}))


def measured(what: str, source: Path) -> dict[str, float]:
    target = Path(mkdtemp(dir=source.parent))
    try:
        command = [sys.executable, __file__, "--child", what, "--target", str(target), str(source)]
        facts: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return facts
    finally:
        shutil.rmtree(target)


def generated(folder: Path, mb: int) -> Path:
    from medallion_assets.samples.draw import World
    from medallion_assets.samples.orders import Orders
    from medallion_assets.samples.sample import Expected

    Orders().write(World(300_000, 1, 1, date(2024, 1, 1)), folder, Expected(folder / "expected"))
    piece = (folder / "data/orders/orders_2024-01-01.jsonl").read_bytes()
    with (folder / "rows.jsonl").open("wb") as out:
        while out.tell() < mb * 1_000_000:
            out.write(piece)
    return folder / "rows.jsonl"


def main() -> None:
    """See the module."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("source", type=Path, nargs="?")
    arguments.add_argument("--mb", type=int, default=500)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--child", choices=["bare", "bronze"], help=argparse.SUPPRESS)
    arguments.add_argument("--target", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.child:
        child(given.child, given.source, given.target)
        return
    with TemporaryDirectory() as folder:
        source = given.source or generated(Path(folder), given.mb)
        found: dict[str, list[dict[str, float]]] = {"bare": [], "bronze": []}
        for _ in range(given.runs):
            for what, facts in found.items():
                facts.append(measured(what, source))
        print(f"{source.stat().st_size / 1e6:,.0f} MB, {found['bronze'][0]['rows']:,.0f} rows, {given.runs} runs")
        print(f"{'':8}{'wall s':>8}{'ratio':>8}{'CPU s':>8}{'RssAnon MiB':>13}")
        base = statistics.median(facts["seconds"] for facts in found["bare"])
        for what, facts in found.items():
            wall, cpu = (statistics.median(f[key] for f in facts) for key in ("seconds", "cpu"))
            memory = max(f["mib"] for f in facts)
            print(f"{what:8}{wall:8.2f}{wall / base:8.2f}{cpu:8.2f}{memory:13.0f}")


if __name__ == "__main__":
    main()
