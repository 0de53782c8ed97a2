"""Loading a code location: from YAML files to the snapshot that Dagster's webserver asks for.

    python benchmarks/load.py [--intents 1000 3000] [--naive 300]

Each measurement is a process of its own: CPU seconds from the first statement after the imports of Dagster to the
serialised snapshot of the repository, the size of the snapshot, and the memory of the process. Every third intent has a
schedule (24 different ones) and every third a sensor. ``ours`` compiles the intents, ``again`` is the next process,
which reads their plans. ``naive`` is a job, a schedule and a sensor for each intent, of the same assets; it grows with
the square of their number, so it is measured at fewer.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

INTENT = """
system: system_{group}
table: table_{n}
description: Dataset {n}, as its owner describes it.
owners: [team:data]
source: {{type: file, path: "data/table_{n}_{{run_date}}.csv"}}
load: incremental
{extra}
columns:
  id: {{type: bigint, nullable: false, description: Number}}
  name: string
  amount: "decimal(18,2)"
  updated_at: timestamp
silver: {{model: scd_type_2, keys: id, order_by: updated_at}}
checks:
  - {{rule: not_null, columns: name, on_failure: warn}}
  - {{rule: range, columns: amount, min: 0}}
"""


def write(root: Path, count: int) -> None:
    (root / "intents").mkdir()
    for n in range(count):
        extra = {0: f'schedule: "0 {n % 24} * * *"', 1: "sensor: {interval: 60s}"}.get(n % 3, "")
        (root / f"intents/table_{n}.yaml").write_text(INTENT.format(n=n, group=n % 50, extra=extra))


def child(root: Path, what: str) -> None:
    import dagster as dg
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster._serdes import serialize_value

    began = time.process_time()
    from medallion_assets.orchestration.definitions import load_definitions

    defs = bare(root) if what == "bare" else load_definitions(root)
    if what == "naive":
        defs = naive(defs)
    read = time.process_time()
    snapshot = serialize_value(RepositorySnap.from_def(defs.get_repository_def()))
    ended = time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"build": read - began, "all": ended - began, "mb": len(snapshot) / 1e6, "mib": memory}))
    assert dg


def bare(root: Path):  # type: ignore[no-untyped-def]
    import dagster as dg

    days = dg.DailyPartitionsDefinition(start_date="2024-01-01")

    def op(key: list[str], above: list[dg.AssetKey], checks: list[str]) -> dg.AssetsDefinition:
        @dg.multi_asset(
            name="_".join(key),
            specs=[dg.AssetSpec(key, deps=above, partitions_def=days)],
            check_specs=[dg.AssetCheckSpec(name, asset=dg.AssetKey(key)) for name in checks],
        )
        def run(): ...  # type: ignore[no-untyped-def]

        return run

    assets = []
    for n in range(len(list((root / "intents").iterdir()))):
        bronze = dg.AssetKey(["bronze", f"system_{n % 50}", f"table_{n}"])
        assets.append(op([*bronze.path], [], ["checksum", "row_count", "schema"]))
        silver = ["silver", f"system_{n % 50}", f"table_{n}"]
        checks = ["keys", "intervals", "accounting", "not_null_name", "range_amount"]
        assets.append(op(silver, [bronze], checks))
    return dg.Definitions(assets=assets)


def naive(defs):  # type: ignore[no-untyped-def]
    import dagster as dg

    assets = [asset for asset in defs.assets or [] if isinstance(asset, dg.AssetsDefinition)]
    jobs, schedules, sensors = [], [], []
    for asset in assets[::2]:
        name = asset.op.name
        job = dg.define_asset_job(f"job_{name}", dg.AssetSelection.assets(*asset.keys))
        jobs.append(job)
        schedules.append(dg.ScheduleDefinition(name=f"cron_{name}", job=job, cron_schedule="0 6 * * *"))
        sensors.append(dg.SensorDefinition(name=f"files_{name}", job=job, evaluation_fn=lambda _: None))
    return dg.Definitions(assets=assets, jobs=jobs, schedules=schedules, sensors=sensors, resources=defs.resources)


def measured(count: int, what: str) -> dict[str, float]:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        write(root, count)
        command = [sys.executable, __file__, "--child", what, "--root", str(root)]
        for _ in range(2 if what == "again" else 1):
            answer = subprocess.run(command, check=True, capture_output=True, text=True)
        facts: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
        return facts


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--intents", type=int, nargs="+", default=[300, 1000, 3000])
    arguments.add_argument("--bare", type=int, nargs="*", default=[300, 1000, 3000])
    arguments.add_argument("--naive", type=int, nargs="*", default=[300, 1000])
    arguments.add_argument("--child", help=argparse.SUPPRESS)
    arguments.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.child:
        child(given.root, given.child)
        return
    print(f"{'':10}{'intents':>9}{'build s':>9}{'all CPU s':>11}{'ratio':>7}{'snapshot MB':>13}{'memory MiB':>12}")
    ours: dict[int, float] = {}
    jobs = {"ours": given.intents, "again": given.intents, "bare": given.bare, "naive": given.naive}
    for what, counts in jobs.items():
        for count in counts:
            facts = measured(count, what)
            ours.setdefault(count, facts["all"])
            ratio = facts["all"] / ours[count]
            print(
                f"{what:10}{count:9,}{facts['build']:9.2f}{facts['all']:11.2f}{ratio:7.1f}{facts['mb']:13.1f}"
                f"{facts['mib']:12.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
