"""A folder for what memory does not hold, for as long as a run needs it.

Its owner holds a lock in it, which the kernel gives back whatever becomes of the owner: who makes a folder takes those
of the dead away.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO

import polars as pl

from medallion_assets.errors import StorageError

__all__ = ["Scratch"]

_PREFIX, _OWNER = "medallion-scratch-", "owner"


class Scratch:
    """Made at the first use, in the folder for temporary files (``TMPDIR``); gone when it is left."""

    def __init__(self) -> None:
        self._made: Path | None = None
        self._lock: IO[bytes] | None = None
        self._numbers: Iterator[int] = count(1)

    def __enter__(self) -> "Scratch":  # noqa: PYI034 - typing.Self is not in Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._made is not None:
            shutil.rmtree(self._made, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()

    @property
    def folder(self) -> Path:
        if self._made is None:
            _sweep()
            self._made = Path(tempfile.mkdtemp(prefix=_PREFIX))
            # Under another name until it is locked: nobody sees it free.
            new = self._made / f"{_OWNER}.new"
            self._lock = new.open("xb")
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            new.rename(self._made / _OWNER)
        return self._made

    def write(self, rows: pl.DataFrame) -> Path:
        """A new Parquet file with these rows. Raises StorageError SLV-019 when the disk is full."""
        path = self.folder / f"{next(self._numbers):06d}.parquet"
        try:
            rows.write_parquet(path, compression="lz4", statistics=False)
        except OSError as error:
            raise StorageError(
                "SLV-019", f"What memory does not hold cannot be written: {error.strerror or error}.",
                where=str(self.folder),
                fix="free some space, point TMPDIR at a larger disk, or allow more memory (engines.memory).",
            ) from error  # fmt: skip
        return path


def _sweep() -> None:
    """Take away the folders whose owner is gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Not those of others, those without an owner yet, nor those whose owner lives.
        with suppress(OSError), (folder / _OWNER).open("r+b") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
