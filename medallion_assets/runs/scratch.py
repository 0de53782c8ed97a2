"""A folder for what memory does not hold, for as long as a run needs it."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import polars as pl

from medallion_assets.errors import StorageError

__all__ = ["Scratch"]


class Scratch:
    """Made at the first use, in the folder for temporary files (``TMPDIR``); gone when it is left."""

    def __init__(self) -> None:
        self._made: TemporaryDirectory[str] | None = None
        self._numbers: Iterator[int] = count(1)

    def __enter__(self) -> "Scratch":  # noqa: PYI034 - typing.Self is not in Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._made is not None:
            self._made.cleanup()

    @property
    def folder(self) -> Path:
        if self._made is None:
            self._made = TemporaryDirectory(prefix="medallion-", ignore_cleanup_errors=True)
        return Path(self._made.name)

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
