"""100,000 changes into a silver table of 5 million rows, against rewriting the table once and deltalake's MERGE.

    python benchmarks/silver.py [--rows 5000000] [--runs 3] [--model scd_type_2 scd_type_1]

The table has 9 columns of its owner (bigint, timestamp, text, decimal, date, boolean) and is kept as Delta, scd_type_2
partitioned by is_current: three keys in seven have two versions. The batch is one cdc partition: 60,000 updates, 10,000
deletes and 30,000 inserts of keys at random. Measured, each in a process of its own, interleaved, the median shown:

- ``rewrite``: Polars reads every file of the table and writes its rows once, streaming, at the same codec (zstd 1).
- ``merge``: deltalake's MERGE closes and adds the same rows; for scd_type_2 the changed keys come twice, as usual.
- ``refine``: ours, from the committed bronze partition to the committed table: parts verified, rows typed and judged,
  fsync, accounting, content hash.

Time is from the first statement after the imports to the last; memory the highest RssAnon of /proc/self/status.

    python benchmarks/silver.py --batches 5 [--rows 20000000] [--keys random recent]

Days of 100,000 changes that follow one another, each absorbed in a process of its own: ``random`` keys of the whole
table, or ``recent`` ones, of the newest hundredth. The table grew day by day, too: keys came a million a day, then, for
scd_type_2, three in seven of them changed. Beside each batch: ``rewrite``, after it.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from tempfile import mkdtemp

INTENT = """
system: shop
table: orders
source: {type: file, path: "changes_{run_date}.parquet"}
load: {pattern: cdc, operation: {column: op}}
partitions: {start: 2024-01-01}
silver: {model: MODEL, keys: id, order_by: at}
"""
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")
UPDATES, DELETES, INSERTS = 60_000, 10_000, 30_000
DAILY = 1_000_000
"""Rows of a day by which a table grows."""


def peak_rss_anon(stop: threading.Event, peak: list[int]) -> None:
    while not stop.wait(0.01):
        status = Path("/proc/self/status").read_text()
        peak[0] = max(peak[0], int(status.split("RssAnon:")[1].split()[0]))


def changes(ids: "object", day: int, op: str, seed: int) -> "object":
    import numpy as np
    import polars as pl

    chance = np.random.default_rng(seed)
    keys = pl.Series("id", ids)
    n = len(keys)
    start = 1_704_067_200_000_000 + (day - 1) * 86_400_000_000
    numbers = pl.DataFrame(
        {"id": keys, "at": start + chance.integers(0, 86_000_000_000, n), "customer": chance.integers(0, 1_000_000, n),
         "cents": chance.integers(0, 10_000_000, n), "day": chance.integers(18_000, 20_000, n),
         "word": chance.integers(0, 10**12, n), "flag": chance.integers(0, 2, n)}
    )  # fmt: skip
    return numbers.select(
        "id", pl.col("at").cast(pl.Datetime("us", "UTC")), pl.col("customer"),
        (pl.col("cents").cast(pl.Decimal(12, 2)) / 100).cast(pl.Decimal(12, 2)).alias("price"),
        pl.col("day").cast(pl.Int32).cast(pl.Date), pl.col("flag").cast(pl.Boolean),
        pl.format("customer number {}", "customer").alias("name"), pl.col("word").cast(pl.String).alias("note"),
        pl.lit("open").alias("status"), pl.lit(op).alias("op"),
    )  # fmt: skip


def prepared(folder: Path, rows: int, model: str) -> None:
    """A project whose table has absorbed two days, with the third in bronze."""
    import numpy as np
    import polars as pl

    from medallion_assets import Project

    (folder / "intents").mkdir(parents=True)
    (folder / "intents/orders.yaml").write_text(INTENT.replace("MODEL", model))
    keys = rows * 7 // 10 if model == "scd_type_2" else rows
    chance = np.random.default_rng(7)
    changed = chance.choice(keys, rows - keys, replace=False)
    touched = chance.choice(keys, UPDATES + DELETES, replace=False)
    days = {
        1: [changes(np.arange(keys), 1, "I", 1)],
        2: [changes(changed, 2, "U", 2)] if len(changed) else [changes(np.arange(1), 2, "U", 2)],
        3: [
            changes(touched[:UPDATES], 3, "U", 3), changes(touched[UPDATES:], 3, "D", 4),
            changes(np.arange(keys, keys + INSERTS), 3, "I", 5),
        ],
    }  # fmt: skip
    for day, frames in days.items():
        pl.concat(frames).write_parquet(folder / f"changes_{DAYS[day - 1]}.parquet")
    project = Project.load(folder)
    plan = project.plan("shop.orders")
    for key in DAYS[:2]:
        project.ingest(plan, project.partition(plan, key))
    project.refine(plan, plan.silvers[0])
    project.ingest(plan, project.partition(plan, DAYS[2]))


def grown(folder: Path, rows: int, model: str) -> None:
    """A project whose table has absorbed days of new keys, then days of changes, each on its own."""
    import numpy as np

    (folder / "intents").mkdir(parents=True)
    (folder / "intents/orders.yaml").write_text(INTENT.replace("MODEL", model))
    keys = rows * 7 // 10 if model == "scd_type_2" else rows
    changed = np.random.default_rng(7).choice(keys, rows - keys, replace=False)
    days = [
        (op, some)
        for op, ids in (("I", np.arange(keys)), ("U", changed))
        for some in np.array_split(ids, max(1, len(ids) // DAILY)) if len(some)
    ]  # fmt: skip
    for day, (op, ids) in enumerate(days, 1):
        absorbed(folder, day, [changes(ids, day, op, day)])


def absorbed(folder: Path, day: int, frames: list[object], *, refined: bool = True) -> None:
    """Ingest a day's changes; with ``refined`` bring the table up to them, too."""
    import polars as pl

    from medallion_assets import Project

    key = (date(2024, 1, 1) + timedelta(days=day - 1)).isoformat()
    pl.concat(frames).write_parquet(folder / f"changes_{key}.parquet")
    project = Project.load(folder)
    plan = project.plan("shop.orders")
    project.ingest(plan, project.partition(plan, key))
    if refined:
        project.refine(plan, plan.silvers[0])


def batch(folder: Path, day: int, keys: int, *, recent: bool) -> None:
    """Ingest a day of changes of ``keys`` keys, which are those from 0 on."""
    import numpy as np

    chance = np.random.default_rng(day)
    first = keys - max(keys // 100, UPDATES + DELETES) if recent else 0
    touched = first + chance.choice(keys - first, UPDATES + DELETES, replace=False)
    new = np.arange(keys, keys + INSERTS)
    frames = [changes(touched[:UPDATES], day, "U", day), changes(touched[UPDATES:], day, "D", day + 1000),
              changes(new, day, "I", day + 2000)]  # fmt: skip
    absorbed(folder, day, frames, refined=False)


def table_of(folder: Path) -> Path:
    return next((folder / "lake/silver").rglob("_delta_log")).parent


def rewrite(folder: Path, _: str) -> Callable[[], dict[str, object]]:
    import deltalake
    import polars as pl

    def run() -> dict[str, object]:
        files = deltalake.DeltaTable(str(table_of(folder))).file_uris()
        pl.scan_parquet(files, hive_partitioning=False).sink_parquet(
            folder / "bare.parquet", compression="zstd", compression_level=1
        )
        return {"written": (folder / "bare.parquet").stat().st_size}

    return run


def merge(folder: Path, model: str) -> Callable[[], dict[str, object]]:
    import deltalake
    import polars as pl

    def run() -> dict[str, object]:
        table = deltalake.DeltaTable(str(table_of(folder)))
        batch = pl.read_parquet(folder / f"changes_{DAYS[2]}.parquet").with_columns(
            pl.lit(None, pl.Date).alias("_run_date"), pl.lit(None, pl.String).alias("_bronze_part")
        )
        own = [c for c in batch.columns if c != "op"]
        if model == "scd_type_1":
            (
                table.merge(batch, "t.id = s.id", source_alias="s", target_alias="t")
                .when_matched_delete("s.op = 'D'")
                .when_matched_update({c: f"s.{c}" for c in own}, predicate="s.op <> 'D'")
                .when_not_matched_insert({c: f"s.{c}" for c in own}, predicate="s.op <> 'D'")
                .execute()
            )
        else:
            close = batch.filter(pl.col("op") != "I").with_columns(pl.col("id").alias("key"))
            new = batch.filter(pl.col("op") != "D").with_columns(pl.lit(None, pl.Int64).alias("key"))
            (
                table.merge(
                    pl.concat([close, new]), "t.id = s.key AND t.is_current = true", source_alias="s", target_alias="t"
                )
                .when_matched_update({"effective_to": "s.at", "is_current": "false"})
                .when_not_matched_insert(
                    {
                        **{c: f"s.{c}" for c in own},
                        "effective_from": "s.at",
                        "effective_to": "NULL",
                        "is_current": "true",
                    }
                )
                .execute()
            )
        return {"written": _new_bytes(folder)}

    return run


def refine(folder: Path, _: str) -> Callable[[], dict[str, object]]:
    import medallion_assets.runs.refine
    import medallion_assets.tables.delta  # noqa: F401 - imports are not measured
    from medallion_assets import Project

    project = Project.load(folder)
    plan = project.plan("shop.orders")

    def run() -> dict[str, object]:
        done = project.refine(plan, plan.silvers[0])
        files = len(_newest_log(folder, "remove"))
        return {
            "how": done.how, "changed": done.changed, "rows": done.rows, "written": _new_bytes(folder), "files": files
        }  # fmt: skip

    return run


def _new_bytes(folder: Path) -> int:
    """Bytes of Parquet that the newest version of the table added."""
    return sum(int(str(add["size"])) for add in _newest_log(folder, "add"))


def _newest_log(folder: Path, kind: str) -> list[dict[str, object]]:
    log = max((table_of(folder) / "_delta_log").glob("*.json"))
    lines = (json.loads(line) for line in log.read_text().splitlines())
    return [line[kind] for line in lines if kind in line]


JOBS = {"rewrite": rewrite, "merge": merge, "refine": refine}


def measured(job: str, folder: Path, model: str) -> dict[str, object]:
    """In this process."""
    run = JOBS[job](folder, model)
    stop, peak = threading.Event(), [0]
    watch = threading.Thread(target=peak_rss_anon, args=(stop, peak), daemon=True)
    watch.start()
    began = time.perf_counter()
    told = run()
    seconds = time.perf_counter() - began
    stop.set()
    watch.join()
    return {**told, "seconds": seconds, "mib": peak[0] / 1024}


def apart(job: str, prepared_: Path, model: str) -> dict[str, object]:
    """In a process of its own, on a copy of the project (links, but for the table's log)."""
    copy = Path(mkdtemp(dir=prepared_.parent)) / "project"
    subprocess.run(["cp", "-al", str(prepared_), str(copy)], check=True)
    told = once(job, copy, model)
    shutil.rmtree(copy.parent)
    return told


def once(job: str, folder: Path, model: str) -> dict[str, object]:
    """In a process of its own."""
    out = subprocess.run(
        [sys.executable, __file__, "--job", job, "--folder", str(folder), "--model", model],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    told: dict[str, object] = json.loads(out)
    return told


def shown(model: str, rows: int, runs: int) -> Iterator[str]:
    work = Path(mkdtemp())
    try:
        folder = work / "project"
        began = time.perf_counter()
        asked = ["--job", "prepare", "--folder", str(folder), "--model", model, "--rows", str(rows)]
        subprocess.run([sys.executable, __file__, *asked], check=True)
        print(f"{model}: prepared in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        found: dict[str, list[dict[str, object]]] = {job: [] for job in JOBS}
        for _ in range(runs):
            for job in JOBS:
                found[job].append(apart(job, folder, model))
        base = statistics.median(float(str(one["seconds"])) for one in found["rewrite"])
        for job, told in found.items():
            seconds = statistics.median(float(str(one["seconds"])) for one in told)
            memory = max(float(str(one["mib"])) for one in told)
            written = float(str(told[0]["written"])) / 1e6
            note = f"{told[0].get('how', '')} {told[0].get('changed', '')}".strip()
            yield f"| {model} | {job} | {seconds:.2f} | {seconds / base:.2f} | {memory:.0f} | {written:.0f} | {note} |"
    finally:
        shutil.rmtree(work)


def batches(model: str, rows: int, number: int, kinds: list[str]) -> Iterator[str]:
    work = Path(mkdtemp())
    try:
        began = time.perf_counter()
        asked = ["--model", model, "--folder", str(work / "grown"), "--job", "grow", "--rows", str(rows)]
        subprocess.run([sys.executable, __file__, *asked], check=True)
        print(f"{model}: grown in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        for keys in kinds:
            subprocess.run(["cp", "-al", str(work / "grown"), str(work / keys)], check=True)
            yield from _batches(model, work / keys, rows * 7 // 10 if model == "scd_type_2" else rows, number, keys)
    finally:
        shutil.rmtree(work)


def _batches(model: str, folder: Path, there: int, number: int, keys: str) -> Iterator[str]:
    for n in range(number):
        # Among the keys are some that were deleted: those come back.
        asked = ["--model", model, "--folder", str(folder), "--job", "batch", "--rows", str(there + n * INSERTS)]
        subprocess.run([sys.executable, __file__, *asked, "--day", str(100 + n), "--keys", keys], check=True)
        told, bare = (once(job, folder, model) for job in ("refine", "rewrite"))
        seconds, ratio = float(str(told["seconds"])), float(str(told["seconds"])) / float(str(bare["seconds"]))
        cells = (
            model, keys, n + 1, f"{seconds:.2f}", f"{bare['seconds']:.2f}", f"{ratio:.2f}", f"{told['mib']:.0f}",
            f"{int(str(told['written'])) / 1e6:.0f}", f"{int(str(bare['written'])) / 1e6:.0f}", told["files"],
            f"{told['how']} {told['changed']}",
        )  # fmt: skip
        yield f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--model", nargs="+", default=["scd_type_2", "scd_type_1"])
    parser.add_argument("--batches", type=int, default=0)
    parser.add_argument("--keys", nargs="+", default=["random", "recent"])
    parser.add_argument("--day", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    rows = asked.rows or (20_000_000 if asked.batches else 5_000_000)
    if asked.job == "prepare":
        prepared(asked.folder, rows, asked.model[0])
    elif asked.job == "grow":
        grown(asked.folder, rows, asked.model[0])
    elif asked.job == "batch":
        batch(asked.folder, asked.day, rows, recent=asked.keys == ["recent"])
    elif asked.job:
        print(json.dumps(measured(asked.job, asked.folder, asked.model[0])))
    elif asked.batches:
        print("| model | keys | batch | wall s | rewrite s | ratio | RssAnon MiB | MB written | rewritten | files | |")
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        for model in asked.model:
            for line in batches(model, rows, asked.batches, asked.keys):
                print(line, flush=True)
    else:
        print("| model | job | wall s | ratio | RssAnon MiB | MB written | what |\n|---|---|---|---|---|---|---|")
        for model in asked.model:
            for line in shown(model, rows, asked.runs):
                print(line, flush=True)


if __name__ == "__main__":
    main()
