"""A backfill under Dagster's own processes, all killed in its midst; an event log that another program holds."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from urllib.request import Request, urlopen

import polars as pl
import pytest

from medallion_assets_tests.browser.server import ROOT, free_port, wait_for
from medallion_assets_tests.end_to_end.project import Project, day

pytestmark = pytest.mark.service  # minutes of real processes

INTENT = """
system: retail
table: orders
source: {type: python, function: "feed:orders", args: {on: "{run_date}"}}
load: incremental
partitions: {start: 2024-01-01, end: 2024-03-01}
silver: {model: scd_type_1, keys: id}
"""
FEED = """
import time


def orders(window, on):
    time.sleep(0.5)
    return [{"id": "of " + on}]
"""
DAYS = [day(n) for n in range(12)]
KEYS = (("bronze", "retail", "orders"), ("silver", "retail", "orders"))
LONGEST_S = 300
BACKFILL = """
mutation($p: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $p) { __typename ... on LaunchBackfillSuccess { backfillId } }
}
"""
STATUS = """
query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill { status } } }
"""


class Dagster:
    """Webserver and daemon on a project, each with all of its children in a process group of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.home, self.port = root, root / ".dagster", free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "MEDALLION"))}
        self.environment = {**kept, "DAGSTER_HOME": str(self.home), "MEDALLION_PROJECT": str(root)}
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        # Both would make the tables of a new home at once.
        opened = [sys.executable, "-c", "import dagster; dagster.DagsterInstance.get().dispose()"]
        subprocess.run(opened, env=self.environment, check=True)
        commands = (
            ["dagster_webserver", "-h", "127.0.0.1", "-p", str(self.port), "-w", "workspace.yaml"],
            ["dagster._daemon", "run", "-w", "workspace.yaml"],
        )
        with (self.root / "dagster.log").open("ab") as log:
            for command in commands:
                process = subprocess.Popen(
                    [sys.executable, "-m", *command], cwd=self.root, env=self.environment, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
                self.processes.append(process)
        wait_for(self.url, self.processes, self.root / "dagster.log")

    def kill(self) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):  # one that could not start has no group
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()

    def ask(self, query: str, **variables: object) -> dict[str, object]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"{self.url}/graphql", body, {"content-type": "application/json"})
        with urlopen(request, timeout=60) as answer:
            found: dict[str, object] = next(iter(json.load(answer)["data"].values()))
        return found


@pytest.fixture
def dagster(project: Project) -> Iterator[Dagster]:
    project.write("intents/orders.yaml", INTENT)
    project.write("feed.py", FEED)
    shutil.copy(ROOT / "workspace.yaml", project.root)
    running = Dagster(project.root)
    running.home.mkdir()
    shutil.copy(ROOT / "dagster.yaml", running.home)
    try:
        yield running
    finally:
        running.kill()


def _until(what: str, done: object) -> None:
    deadline = time.monotonic() + LONGEST_S
    assert callable(done)
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def _silver(project: Project) -> list[str]:
    rows = pl.read_delta(str(project.root / "lake/silver/domain=retail/entity=orders/v1"))
    return sorted(str(key).removeprefix("of ") for key in rows["id"])


def test_a_backfill_ends_exact_although_every_process_is_killed(project: Project, dagster: Dagster) -> None:
    dagster.start()
    asked = {
        "assetSelection": [{"path": list(key)} for key in KEYS], "partitionNames": DAYS, "fromFailure": False
    }  # fmt: skip
    backfill = dagster.ask(BACKFILL, p=asked)["backfillId"]
    _until("three days", lambda: len(project.commits("retail", "orders")) >= 3)
    dagster.kill()
    assert len(project.commits("retail", "orders")) < len(DAYS)
    dagster.start()
    _until("the backfill's end", lambda: dagster.ask(STATUS, id=backfill)["status"] == "COMPLETED_SUCCESS")

    assert _silver(project) == DAYS
    assert len(project.commits("retail", "orders")) == len(DAYS)
    project.medallion("verify").succeeded()
    project.medallion("verify", "--silver").succeeded()
    project.medallion("gc", "--grace", "0s", "--delete").succeeded()
    assert len(project.parts("retail", "orders")) == len(DAYS)


@contextmanager
def _held(base: Path, seconds: float) -> Iterator[None]:
    """Another program writes to a database for so long."""

    def hold() -> None:
        with sqlite3.connect(base, timeout=60, isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            other.execute("ROLLBACK")

    thread = Thread(target=hold)
    thread.start()
    yield
    thread.join()


def test_an_event_log_that_is_held_delays_a_run_and_loses_nothing(project: Project, dagster: Dagster) -> None:
    command = [sys.executable, "-m", "medallion_assets.cli.app", "-C", str(project.root), "run", "--dagster"]

    def run(key: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, "--date", key], env=dagster.environment, capture_output=True, text=True, check=False
        )

    first = run(DAYS[0])
    assert first.returncode == 0, first.stderr
    bases = sorted(dagster.home.rglob("*.db"))
    assert bases
    for number, base in enumerate(bases[:3], 1):
        with _held(base, 3):
            done = run(DAYS[number])
        assert done.returncode == 0, (base, done.stderr)
    assert _silver(project) == DAYS[: min(len(bases), 3) + 1]
