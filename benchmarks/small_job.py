"""A small job from a cold command line: a CSV of 1,000 rows through bronze and silver, and what others need for it.

    python benchmarks/small_job.py [--repeat 10] [--dlt PYTHON]

Each line is the best of ``--repeat`` processes (the least disturbed one), in its own empty folder: wall time, CPU time,
and the ratio of the wall time to the bare Polars script's. ``--dlt`` names the Python of an environment with dlt and
its DuckDB destination, which does not share one with this project. The bytecode cache is warm, as it is for an
installed package.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROWS = 1_000
DATASETS = 11
CLEAN = {k: v for k, v in os.environ.items() if k not in ("DAGSTER_HOME", "MEDALLION_ENV", "PYTHONDONTWRITEBYTECODE")}

INTENT = """
system: shop
table: orders_{n}
source: {{type: file, path: "data/orders_{{run_date}}.csv"}}
load: full
silver: {{model: scd_type_1, keys: order_id, order_by: updated_at}}
"""

BARE = """
import polars as pl
pl.scan_csv("data/orders_2024-01-01.csv", infer_schema=False).sink_parquet("bronze.parquet")
rows = pl.scan_parquet("bronze.parquet").sort("updated_at").unique("order_id", keep="last")
rows.sink_parquet("silver.parquet")
"""

DLT = """
import csv, dlt
def rows():
    with open("data/orders_2024-01-01.csv") as file:
        yield from csv.DictReader(file)
orders = dlt.resource(rows, name="orders", primary_key="order_id", write_disposition="merge")
dlt.pipeline("small", destination="duckdb", dataset_name="silver", pipelines_dir="state").run(orders)
"""

DAGSTER = """
import dagster as dg
import polars as pl

@dg.asset
def bronze() -> None:
    pl.scan_csv("data/orders_2024-01-01.csv", infer_schema=False).sink_parquet("bronze.parquet")

@dg.asset(deps=[bronze])
def silver() -> None:
    rows = pl.scan_parquet("bronze.parquet").sort("updated_at").unique("order_id", keep="last")
    rows.sink_parquet("silver.parquet")

defs = dg.Definitions(assets=[bronze, silver])
"""

MARGINAL = """
import sys, time
from pathlib import Path
from medallion_assets.cli.progress import Reporter
from medallion_assets.cli.run import Dates, plan_work, run
from medallion_assets.project import Project
project = Project.load(Path())
marks = []
for plan in project.plans:
    work, failures = plan_work(project, [plan.name], Dates("2024-01-01"))
    outcome = run(project, work, failures, Reporter(project.scrub))
    assert outcome.exit_code == 0 and outcome.wrote
    marks.append(outcome.seconds)
print(sorted(marks[1:])[len(marks) // 2])
"""


@dataclass(frozen=True)
class Job:
    name: str
    command: list[str]
    target_s: float | None = None


def prepare(folder: Path, datasets: int) -> None:
    """A project of that many datasets on one file, and the scripts of the others."""
    for part in ("intents", "data", "home"):
        (folder / part).mkdir()
    for n in range(datasets):
        (folder / f"intents/orders_{n}.yaml").write_text(INTENT.format(n=n))
    dice = random.Random(0)
    lines = ["order_id,customer_id,amount,status,updated_at"]
    for n in range(ROWS):
        at = f"2024-01-01T{dice.randrange(24):02d}:{dice.randrange(60):02d}:00Z"
        lines.append(f"{n},{dice.randrange(200)},{dice.random() * 100:.2f},{dice.choice(('new', 'paid'))},{at}")
    (folder / "data/orders_2024-01-01.csv").write_text("\n".join(lines) + "\n")
    for name, text in (("bare.py", BARE), ("dlt_job.py", DLT), ("dagster_job.py", DAGSTER), ("marginal.py", MARGINAL)):
        (folder / name).write_text(text)


def once(job: Job, datasets: int = 1) -> tuple[float, float, str]:
    """Wall seconds, CPU seconds and output of one process in a new folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, datasets)
        home = {"DAGSTER_HOME": str(folder / "home")} if "dagster_job.py" in job.command else {}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        done = subprocess.run(
            job.command, cwd=folder, env={**CLEAN, **home}, capture_output=True, text=True, check=False
        )
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            raise SystemExit(f"{job.name} failed:\n{done.stdout}{done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, done.stdout


def best(job: Job, repeat: int) -> tuple[float, float]:
    runs = [once(job) for _ in range(repeat + 1)][1:]
    return min(wall for wall, _, _ in runs), min(cpu for _, cpu, _ in runs)


def jobs(dlt_python: str | None) -> list[Job]:
    python = sys.executable
    medallion = [python, "-m", "medallion_assets.cli.app"]
    found = [
        Job("bare Polars script", [python, "bare.py"]),
        Job("medallion validate", [*medallion, "validate"]),
        Job("medallion run", [*medallion, "run", "--date", "2024-01-01"], 0.45),
        Job("medallion run --dagster", [*medallion, "run", "--dagster", "--date", "2024-01-01"], 1.8),
    ]
    if dlt_python is not None:
        found.append(Job("dlt, merge into DuckDB", [dlt_python, "dlt_job.py"]))
    if find_spec("dagster") is not None:
        select = ["asset", "materialize", "--select", "*", "-f", "dagster_job.py"]
        found.append(Job("dagster asset materialize", [python, "-m", "dagster", *select]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--dlt", metavar="PYTHON")
    arguments = parser.parse_args()
    print(f"{'job':28s}{'wall s':>8s}{'cpu s':>8s}{'ratio':>8s}{'aim s':>8s}")
    bare: float | None = None
    for job in jobs(arguments.dlt):
        wall, cpu = best(job, arguments.repeat)
        bare = bare or wall
        aim = "" if job.target_s is None else f"{job.target_s:8.2f}"
        print(f"{job.name:28s}{wall:8.2f}{cpu:8.2f}{wall / bare:8.1f}{aim}", flush=True)
    marginal = Job("each further dataset", [sys.executable, "marginal.py"])
    further = min(float(once(marginal, DATASETS)[2]) for _ in range(max(2, arguments.repeat // 3)))
    print(f"{marginal.name:28s}{further:8.3f}{'':16s}{0.08:8.2f}")


if __name__ == "__main__":
    main()
