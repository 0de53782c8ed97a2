"""Backfills: a range that stopped goes on behind what is done, from the command line and as a retried Dagster run."""

import os
import signal
import subprocess
import sys
import time

import dagster as dg
import polars as pl
import pytest

from medallion_assets.orchestration.definitions import load_definitions
from medallion_assets_tests.end_to_end.project import Project, day

INTENT = """
system: retail
table: orders
source: {type: python, function: "feed:orders", args: {on: "{run_date}"}}
load: incremental
partitions: {start: 2024-01-01, end: 2024-03-01}
silver: {model: scd_type_1, keys: id}
"""
FEED = """
import os, time
from pathlib import Path


def orders(window, on):
    with Path("read").open("a") as log:
        log.write(on + "\\n")
    if os.environ.get("BREAK") == on:
        raise OSError("the source is down")
    time.sleep(float(os.environ.get("SLOW", "0")))
    return [{"id": "of " + on, "day": on}]
"""
DAYS = [day(n) for n in range(10)]


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "feed", raising=False)
    project.write("intents/orders.yaml", INTENT)
    project.write("feed.py", FEED)
    return project


def _read(project: Project) -> list[str]:
    """Days that the source was asked for since the last time."""
    log = project.root / "read"
    found = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return found


def _silver(project: Project) -> list[str]:
    rows = pl.read_delta(str(project.root / "lake/silver/domain=retail/entity=orders/v1"))
    return sorted(str(key).removeprefix("of ") for key in rows["id"])


def test_missing_goes_on_where_it_stopped(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.medallion("run", "--from", DAYS[0], "--to", DAYS[3]).succeeded()
    assert _read(shop) == DAYS[:4]

    done = shop.medallion("run", "--from", DAYS[0], "--to", DAYS[9], "--missing").succeeded()
    assert _read(shop) == DAYS[4:]
    assert "4 partitions are loaded and whole; they were left out." in done.output
    assert _silver(shop) == DAYS


def test_a_part_that_was_damaged_is_missing(shop: Project) -> None:
    shop.medallion("run", "--from", DAYS[0], "--to", DAYS[3]).succeeded()
    _read(shop)
    (part,) = (shop.root / "lake/bronze").rglob(f"dt={DAYS[1]}/part-*.parquet")
    part.write_bytes(part.read_bytes()[:-1] + b"x")

    shop.medallion("run", "--from", DAYS[0], "--to", DAYS[3], "--missing").succeeded()
    assert _read(shop) == [DAYS[1]]


def test_with_nothing_missing_silver_is_brought_up_to_date(shop: Project) -> None:
    shop.medallion("run", "--from", DAYS[0], "--to", DAYS[3]).succeeded()
    _read(shop)
    shop.medallion("run", "--from", DAYS[0], "--to", DAYS[3], "--missing").succeeded()
    assert _read(shop) == [DAYS[3]]
    assert _silver(shop) == DAYS[:4]


def test_missing_without_a_range_is_refused(shop: Project) -> None:
    refused = shop.medallion("run", "--missing")
    assert (refused.exit_code, "CLI-005" in refused.output) == (1, True)


def test_a_backfill_killed_at_any_moment_goes_on(shop: Project) -> None:
    """Killed three times, then left to end: every day is there once, and few are read twice."""
    command = [sys.executable, "-m", "medallion_assets.cli.app", "-C", str(shop.root), "run", "--missing",
               "--from", DAYS[0], "--to", DAYS[9]]  # fmt: skip
    for _ in range(3):
        before = len(shop.commits("retail", "orders"))
        process = subprocess.Popen(command, env={**os.environ, "SLOW": "0.2"}, stderr=subprocess.DEVNULL)
        while len(shop.commits("retail", "orders")) < before + 2 and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    shop.medallion("run", "--from", DAYS[0], "--to", DAYS[9], "--missing").succeeded()

    read = _read(shop)
    assert sorted(set(read)) == DAYS
    assert len(read) <= len(DAYS) + 3
    assert _silver(shop) == DAYS
    assert len(shop.commits("retail", "orders")) == len(DAYS)


def range_job() -> dg.JobDefinition:
    """What a worker of Dagster builds anew for each try."""
    defs = dg.Definitions.merge(load_definitions(), dg.Definitions(jobs=[dg.define_asset_job("everything")]))
    return defs.resolve_job_def("everything")


def test_a_retried_dagster_run_goes_on_behind_what_its_first_try_committed(
    shop: Project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("MEDALLION_PROJECT", str(shop.root))
    monkeypatch.setenv("BREAK", DAYS[4])
    tags = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[9]}
    job = dg.reconstructable(range_job)
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("home"))) as instance:
        failed = dg.execute_job(job, instance, tags=tags)
        assert not failed.success
        first = _read(shop)
        monkeypatch.delenv("BREAK")
        again = dg.execute_job(
            job, instance, tags=tags, reexecution_options=dg.ReexecutionOptions(failed.run_id), raise_on_error=True
        )

    assert again.success
    assert first == DAYS
    assert _read(shop) == [DAYS[4]]
    assert _silver(shop) == DAYS
