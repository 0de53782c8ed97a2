"""CSV of 8 million rows into bronze, against a bare Polars ``scan_csv().sink_parquet()`` of the same codec.

    python benchmarks/bronze_csv.py [FILE] [--times 4] [--runs 3]

Without a FILE, TPC-H lineitem at scale 1.35 (1.04 GB) is generated with tpchgen-cli.

Every measurement is a process of its own; runs are interleaved, the median is shown. Time is from the first statement
after the imports to the last byte on disk (bronze: SHA-256 and fsync of every part, and the commit; bare Polars:
neither). Memory is
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
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp


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


INTENT = """
system: tpch
table: lineitem
source: {type: file, path: lineitem.csv}
partitions: {cadence: none}
load: full
"""


def bronze(source: Path, target: Path) -> Callable[[], int]:
    import numpy as np

    import medallion_assets.runs.ingest  # noqa: F401 - as above
    from medallion_assets import Project

    np.zeros(1)
    (target / "intents").mkdir()
    (target / "intents/lineitem.yaml").write_text(INTENT)
    (target / "lineitem.csv").hardlink_to(source)
    project = Project.load(target)
    (plan,) = project.plans

    def run() -> int:
        return project.ingest(plan, project.newest(plan)).commit.load.rows

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


def generated(folder: Path) -> Path:
    tool = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run(
        [tool, "csv", "-s", "1.35", "--tables", "lineitem", "--output-dir", folder], check=True, capture_output=True
    )
    return folder / "lineitem.csv"


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
    arguments.add_argument("source", type=Path, nargs="?")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--times", type=int, default=1)
    arguments.add_argument("--child", choices=["bare", "bronze"], help=argparse.SUPPRESS)
    arguments.add_argument("--target", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.child:
        child(given.child, given.source, given.target)
        return
    with TemporaryDirectory() as folder:
        source = given.source or generated(Path(folder))
        compare(source, given.runs)
        if given.times > 1:
            compare(repeated(source, given.times), given.runs)


if __name__ == "__main__":
    main()
