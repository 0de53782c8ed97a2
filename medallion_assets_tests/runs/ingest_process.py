"""Processes that ingest, to be killed and to race."""

from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from resource import RLIMIT_FSIZE, setrlimit
from signal import SIGKILL
from typing import TYPE_CHECKING

from medallion_assets.errors import StorageError
from medallion_assets.lake.ports import Batch
from medallion_assets.stores.local import LocalStore
from medallion_assets_tests.forks import forks
from medallion_assets_tests.runs.ingest_lake import FakeSource, rows, run

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["Loader", "batches", "start"]


def batches(number: int, count: int, word: str = "") -> list[Batch]:
    ids = [f"{number}-{i}{word}" for i in range(count)]
    return [Batch(rows(*ids[i : i + 2])) for i in range(0, max(1, count), 2)]


def main(root: str, first: int, last: int, count: int, word: str, limit: int | None, pipe: "Connection") -> None:
    """What a started process does."""
    if limit is not None:
        setrlimit(RLIMIT_FSIZE, (limit, limit))
    pipe.send("ready")
    pipe.recv()
    store = LocalStore(Path(root))
    try:
        for number in range(first, last + 1):
            done = run(store, FakeSource(batches(number, count, word)), key=f"2024-01-{number:02d}")
            pipe.send((number, done.commit.n, done.written))
    except StorageError as error:
        pipe.send(f"{error.code} {error}")


@dataclass(frozen=True)
class Loader:
    """A process that is ready to load, or does."""

    process: ForkServerProcess
    pipe: "Connection"
    errors: list[str] = field(default_factory=list)
    """What it died of, once it has ended."""

    def go(self) -> None:
        self.pipe.send("go")

    def end(self) -> list[tuple[int, int, bool]]:
        """Day, commit and whether it was written, of each load that it reported before it ended or was killed."""
        told: list[tuple[int, int, bool]] = []
        with suppress(EOFError, ConnectionResetError):
            while True:
                said = self.pipe.recv()
                (self.errors if isinstance(said, str) else told).append(said)
        self.process.join(60)
        assert self.process.exitcode in (0, -SIGKILL)
        return told


def start(root: Path, first: int, last: int, count: int, word: str = "", *, limit: int | None = None) -> Loader:
    """Loads each day, whose rows are ``<day>-<i>`` for i below ``count``, once it is told to go.

    A source that grows between two runs is one with more rows. ``word`` distinguishes the rows of one process from
    another's. No file may be larger than ``limit`` bytes.
    """
    ours, theirs = forks().Pipe()
    process = forks().Process(target=main, args=(str(root), first, last, count, word, limit, theirs))
    process.start()
    theirs.close()
    assert ours.recv() == "ready"
    return Loader(process, ours)
