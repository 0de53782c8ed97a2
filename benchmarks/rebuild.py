"""A silver table built from nothing out of more events than memory holds.

    python benchmarks/rebuild.py [--events 50000000] [--memory 2GiB] [--engine polars duckdb] [--keep FOLDER]

Ten days of cdc events of a fifth as many keys (id, time, customer, price, text, flag) become scd_type_2, partitioned
by is_current, in Delta. Measured, each in a process of its own:

- ``rewrite``: Polars reads the bronze parts and writes their rows once, streaming, at the table's codec (zstd).
- an engine: ours, from the committed bronze partitions to the committed table: parts verified, rows typed, judged, put
  in order, versions made, fsync, accounting, content hash.

Time is from the first statement after the imports to the last. Memory is the highest RssAnon, and the highest of it
without what Polars' allocator has freed lazily (LazyFree in smaps_rollup), which the kernel takes when it wants to.
"""

import argparse
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import mkdtemp

INTENT = """
system: shop
table: orders
source: {type: file, path: "events_{run_date}.parquet"}
load: {pattern: cdc, operation: {column: op}}
partitions: {start: 2024-01-01}
silver: {model: scd_type_2, keys: id, order_by: at}
"""
DAYS = [f"2024-01-{day:02d}" for day in range(1, 11)]


def peaks(stop: threading.Event, highest: dict[str, int]) -> None:
    """RssAnon, and the part of it that is not free: in MiB."""
    while not stop.wait(0.05):
        told = dict(line.split(":", 1) for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
        anonymous, free = (int(told[name].split()[0]) // 1024 for name in ("Anonymous", "LazyFree"))
        for name, now in (("rss_anon_mib", anonymous), ("held_mib", anonymous - free)):
            highest[name] = max(highest.get(name, 0), now)


def events(rows: int, keys: int, day: int) -> "object":
    import numpy as np
    import polars as pl

    chance = np.random.default_rng(day)
    start = 1_704_067_200_000_000 + day * 86_400_000_000
    numbers = pl.DataFrame(
        {"id": chance.integers(0, keys, rows), "at": start + chance.integers(0, 86_400_000_000, rows),
         "customer": chance.integers(0, 1_000_000, rows), "cents": chance.integers(0, 10_000_000, rows),
         "flag": chance.integers(0, 2, rows), "op": chance.integers(0, 20, rows)}
    )  # fmt: skip
    return numbers.select(
        "id", pl.col("at").cast(pl.Datetime("us", "UTC")), "customer", (pl.col("cents") / 100).alias("price"),
        pl.format("customer number {}", "customer").alias("name"), pl.col("flag").cast(pl.Boolean),
        pl.when(pl.col("op") == 0).then(pl.lit("D")).otherwise(pl.lit("U")).alias("op"),
    )  # fmt: skip


def prepare(folder: Path, rows: int) -> None:
    from medallion_assets import Project

    (folder / "intents").mkdir(parents=True)
    (folder / "intents/orders.yaml").write_text(INTENT)
    project = Project.load(folder)
    plan = project.plan("shop.orders")
    for number, day in enumerate(DAYS):
        file = folder / f"events_{day}.parquet"
        events(rows // len(DAYS), rows // 5, number).write_parquet(file)  # type: ignore[attr-defined]
        project.ingest(plan, project.partition(plan, day))
        file.unlink()


def rewrite(folder: Path) -> dict[str, object]:
    import polars as pl

    parts = sorted((folder / "lake/bronze").rglob("part-*.parquet"))
    out = folder / "bare.parquet"
    pl.scan_parquet(parts, hive_partitioning=False).sink_parquet(out, compression="zstd", compression_level=1)
    written = out.stat().st_size
    out.unlink()
    return {"written": written}


def refine(folder: Path, engine: str, memory: str) -> dict[str, object]:
    from medallion_assets import Project

    shutil.rmtree(folder / "lake/silver", ignore_errors=True)
    (folder / "platform.yaml").write_text(f"engines: {{default: {engine}, memory: {memory}}}\n")
    project = Project.load(folder)
    plan = project.plan("shop.orders")
    done = project.refine(plan, plan.silvers[0])
    written = sum(file.stat().st_size for file in (folder / "lake/silver").rglob("*.parquet"))
    return {"written": written, "rows": done.rows, "content": done.content, "why": done.engine_why}


def child(folder: Path, what: str, memory: str) -> None:
    import polars as pl  # noqa: F401 - imports are not measured

    from medallion_assets import Project  # noqa: F401

    stop, highest = threading.Event(), dict[str, int]()
    watcher = threading.Thread(target=peaks, args=(stop, highest))
    watcher.start()
    started = time.perf_counter()
    try:
        found = rewrite(folder) if what == "rewrite" else refine(folder, what, memory)
    finally:
        seconds = time.perf_counter() - started
        stop.set()
        watcher.join()
    print(json.dumps({"what": what, "seconds": seconds, **highest, **found}))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--engine", nargs="+", default=["polars", "duckdb"])
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--child", nargs=3)
    asked = parser.parse_args()
    if asked.child:
        folder, what, memory = asked.child
        child(Path(folder), what, memory)
        return
    folder = asked.keep or Path(mkdtemp())
    try:
        if not (folder / "lake/bronze").exists():
            prepare(folder, asked.events)
        for what in ("rewrite", *asked.engine):
            command = [sys.executable, __file__, "--child", str(folder), what, asked.memory]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            print(done.stdout.strip() or f"{what}: {done.stderr.strip()[-2000:]}", flush=True)
    finally:
        if asked.keep is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
