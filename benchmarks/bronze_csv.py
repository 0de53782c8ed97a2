"""CSV of 8 million rows to bronze parts, against a bare Polars ``scan_csv().sink_parquet()`` of the same codec.

    tpchgen-cli csv -s 1.35 --tables lineitem --output-dir DIR
    python benchmarks/bronze_csv.py DIR/lineitem.csv [--times 4] [--runs 3]

Every measurement is a process of its own; runs are interleaved, the median is shown. Time is from the first statement
after the imports to the last byte on disk (bronze: SHA-256 and fsync of every part; bare Polars: neither). Memory is
the highest RssAnon of /proc/self/status, sampled every 10 ms: mapped input pages are not counted. ``--times 4`` also
measures a file of that many times the rows, made by repeating them.
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
from tempfile import mkdtemp


def peak_rss_anon(stop: threading.Event, peak: list[int]) -> None:
    while not stop.wait(0.01):
        status = Path("/proc/self/status").read_text()
        peak[0] = max(peak[0], int(status.split("RssAnon:")[1].split()[0]))


def bare(source: Path, target: Path) -> Callable[[], int]:
    import polars as pl

    def run() -> int:
        pl.scan_csv(source).sink_parquet(target / "bare.parquet", compression="zstd")
        return 0

    return run


def bronze(source: Path, target: Path) -> Callable[[], int]:
    import numpy as np

    from medallion_assets.bronze.writer import write
    from medallion_assets.intent.load import Chunk
    from medallion_assets.intent.source import File
    from medallion_assets.lake.ports import Request
    from medallion_assets.plan.calendar import partition_of
    from medallion_assets.plan.model import Calendar
    from medallion_assets.sources.files.source import FileSource
    from medallion_assets.stores.local import LocalStore

    np.zeros(1)
    partition = partition_of(Calendar("none", date(2024, 1, 1), None, "UTC"), "all")
    spec = File.model_validate({"type": "file", "path": source.name})
    chunk, store = Chunk(), LocalStore(target)

    def run() -> int:
        with FileSource(spec, source.parent, "UTC", True, str).read(Request(partition)) as reading:
            return write(reading, store, "bronze/dt=all", "bronze", "bench", chunk.rows, chunk.bytes, "zstd").rows

    return run


def child(what: str, source: Path, target: Path) -> None:
    import polars as pl  # the import is not what is compared

    pl.DataFrame({"a": [1]}).lazy().collect()
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
        answer = subprocess.run(
            [sys.executable, __file__, "--child", what, "--target", str(target), str(source)],
            check=True,
            capture_output=True,
            text=True,
        )
        facts: dict[str, float] = json.loads(answer.stdout)
        facts["bytes"] = sum(path.stat().st_size for path in target.rglob("*.parquet"))
        return facts
    finally:
        shutil.rmtree(target)


def repeated(source: Path, times: int) -> Path:
    target = source.with_name(f"{source.stem}_{times}x{source.suffix}")
    if not target.exists():
        with source.open("rb") as rows, target.open("wb") as out:
            shutil.copyfileobj(rows, out, 1 << 24)
            for _ in range(times - 1):
                rows.seek(0)
                rows.readline()
                shutil.copyfileobj(rows, out, 1 << 24)
    return target


def compare(source: Path, runs: int) -> None:
    found: dict[str, list[dict[str, float]]] = {"bare": [], "bronze": []}
    for _ in range(runs):
        for what, facts in found.items():
            facts.append(measured(what, source))
    print(f"\n{source.name}: {source.stat().st_size / 1e9:.2f} GB, {found['bronze'][0]['rows']:,.0f} rows, {runs} runs")
    print(f"{'':8}{'wall s':>8}{'ratio':>8}{'CPU s':>8}{'RssAnon MiB':>13}{'Parquet MB':>12}   all walls")
    base = statistics.median(facts["seconds"] for facts in found["bare"])
    for what, facts in found.items():
        wall, cpu = (statistics.median(f[key] for f in facts) for key in ("seconds", "cpu"))
        memory, size = max(f["mib"] for f in facts), facts[0]["bytes"] / 1e6
        walls = " ".join(f"{f['seconds']:.2f}" for f in facts)
        print(f"{what:8}{wall:8.2f}{wall / base:8.2f}{cpu:8.2f}{memory:13.0f}{size:12.1f}   {walls}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("source", type=Path)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--times", type=int, default=1)
    arguments.add_argument("--child", choices=["bare", "bronze"], help=argparse.SUPPRESS)
    arguments.add_argument("--target", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.child:
        child(given.child, given.source, given.target)
        return
    compare(given.source, given.runs)
    if given.times > 1:
        compare(repeated(given.source, given.times), given.runs)


if __name__ == "__main__":
    main()
