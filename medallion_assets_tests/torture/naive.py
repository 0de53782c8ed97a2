"""What most pipelines do, under the same kills: part files, a metadata file, a state file, each written on its own.

``files first`` writes the rows, then how far it came; ``state first`` the other way round. Both are careful: every file
is written under another name and renamed. It does not help.
"""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from random import Random
from uuid import uuid4

from medallion_assets_tests.torture.world import in_child

__all__ = ["naive_losses"]


def naive_losses(folder: Path, count: int, random: Random, *, state_first: bool) -> tuple[int, int]:
    """Schedules in which rows were lost, and in which rows were doubled."""
    lost = doubled = 0
    for n in range(count):
        root = folder / f"{'state' if state_first else 'files'}-{n}"
        root.mkdir(parents=True)
        rows: list[int] = []
        for turn in range(3):
            rows += range(len(rows), len(rows) + random.randint(1, 9))
            kill = random.randint(1, 4) if turn < 2 else 0
            in_child(lambda root=root, rows=rows, kill=kill: _load(root, rows, kill, state_first=state_first)).end()  # type: ignore[misc]
        found = [row for part in root.glob("part-*") for row in json.loads(part.read_text())]
        lost += bool(set(rows) - set(found))
        doubled += len(found) != len(set(found))
    return lost, doubled


def _load(root: Path, rows: Sequence[int], kill: int, *, state_first: bool) -> None:
    """Append what is new since the state; die before write number ``kill``."""
    state = root / "state.json"
    done = json.loads(state.read_text()) if state.exists() else 0
    part = (root / f"part-{uuid4().hex}", json.dumps(rows[done:]))
    writes = [part, (root / "metadata.json", json.dumps({"rows": len(rows)})), (state, json.dumps(len(rows)))]
    for number, (path, text) in enumerate(reversed(writes) if state_first else writes, 1):
        if number == kill:
            os.kill(os.getpid(), signal.SIGKILL)
        new = root / f".{path.name}"
        new.write_text(text)
        new.rename(path)
