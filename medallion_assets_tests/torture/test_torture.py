"""A few schedules of every case; ``make torture`` runs them by the hundred."""

import subprocess
import sys
from pathlib import Path

import pytest


def torture(*arguments: str) -> str:
    """In a process of its own: it forks, and this one has threads."""
    command = [sys.executable, "-m", "medallion_assets_tests.torture", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_local_lake_survives_and_both_mutants_are_caught() -> None:
    told = torture("--count", "5", "--seed", "4")
    rows = [line.split("  ")[0] for line in told.splitlines() if line.startswith("local")]
    assert len(rows) == 7
    assert told.count(": caught") == 2


@pytest.mark.service
@pytest.mark.parametrize(("backend", "count"), [("s3", 10), ("azure", 10)])
def test_every_object_store_survives(backend: str, count: int) -> None:
    assert torture("--backend", backend, "--count", str(count)).count(": caught") == 2


def test_a_naive_layout_doubles_or_loses_rows(tmp_path: Path) -> None:
    """Otherwise the kills would prove nothing. In a process of its own, for it forks."""
    script = (
        "import sys; from pathlib import Path; from random import Random\n"
        "from medallion_assets_tests.torture.naive import naive_losses\n"
        "print(*naive_losses(Path(sys.argv[1]), 20, Random(1), state_first=sys.argv[2] == 'yes'))"
    )
    told = {
        order: subprocess.run(
            [sys.executable, "-c", script, str(tmp_path), order], capture_output=True, text=True, check=True
        ).stdout.split()
        for order in ("yes", "no")
    }
    assert (told["yes"][0] != "0", told["no"][1] != "0") == (True, True), told
