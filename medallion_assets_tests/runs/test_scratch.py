"""Where memory ends: a folder that is gone with its owner, however that ends."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest

from medallion_assets.runs.scratch import Scratch

ROWS = pl.DataFrame({"a": [1]})
KILLED = """
import os, signal
import polars as pl
from medallion_assets.runs.scratch import Scratch
scratch = Scratch()
scratch.write(pl.DataFrame({"a": [1]}))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_made_at_the_first_use_and_gone_when_it_is_left(place: Path) -> None:
    with Scratch() as scratch:
        assert not [*place.iterdir()]
        assert pl.read_parquet(scratch.write(ROWS)).equals(ROWS)
    assert not [*place.iterdir()]


def test_the_next_takes_away_what_a_killed_process_left(place: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], check=False, env={**os.environ, "TMPDIR": str(place)})
    (left,) = place.iterdir()
    assert (left / "000001.parquet").exists()
    with Scratch() as scratch:
        assert scratch.folder != left
        assert [*place.iterdir()] == [scratch.folder]


def test_but_nothing_of_those_who_live(place: Path) -> None:
    (place / "medallion-scratch-begun").mkdir()
    (place / "medallion-1000").mkdir()
    with Scratch() as other, Scratch() as scratch:
        theirs = other.write(ROWS)
        assert scratch.folder != other.folder
        assert theirs.exists()
    assert {path.name for path in place.iterdir()} == {"medallion-scratch-begun", "medallion-1000"}
