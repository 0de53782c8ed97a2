"""Rows become immutable parts: the same rows give the same parts and the same bytes, whatever batches they came in.

Reading, parsing and cutting happen in the caller's thread; encoding, hashing and storing in two others, because one
leaves a core idle while it waits for the disk. At most three parts are under way, fewer when they are large. Nothing
here makes data exist: that is the commit's business.
"""

import io
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, final

from medallion_assets.bronze.parts import Cut, Cutter
from medallion_assets.errors import StorageError
from medallion_assets.lake.manifest import Column, Part, Schema
from medallion_assets.lake.ports import Batch, Progress, Refused, Store

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Compression", "Written", "rewrite", "write"]

Compression = Literal["zstd", "snappy", "gzip", "lz4", "brotli"]

_ROW_GROUP_ROWS = 1 << 17
"""Fixed, because the writer's own choice depends on how the rows lie in memory, and the bytes must not."""
_ZSTD_LEVEL = 1
"""2 % larger than level 3, and a tenth of the whole ingest faster."""
_TEXT_STATISTICS = {"min": False, "max": False, "distinct_count": False, "null_count": True}
"""The least and greatest text of a column of numbers or dates as text helps no reader, and costs 7 % of an ingest."""
_WRITERS = 2
_WAITING_PARTS = 3
_WAITING_BYTES = 128 << 20
_MAX_REFUSED_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Written:
    """What lies in the store now, in no commit yet. Fields as in ``lake.manifest.Load``."""

    parts: tuple[Part, ...]
    rows: int
    schema: Schema
    """Every column met, in the order they were met; present also when there are no rows and so no parts."""
    refused: int
    quarantine: Part | None
    content: str


def write(  # noqa: PLR0917 - the contract between ingest and writer
    reading: Iterable[Batch],
    store: Store,
    folder: str,
    base: str,
    attempt: str,
    part_rows: int,
    part_bytes: int,
    compression: Compression,
    progress: Progress | None = None,
    *,
    bounds: Sequence[str] = (),
) -> Written:
    """Write the rows of ``reading`` to ``folder/part-00001-<attempt>.parquet`` …, the refused ones beside them.

    ``folder`` and ``base``, to which the parts' paths are relative, are paths in ``store``. A part ends before the row
    that would make it more than ``part_rows`` rows or ``part_bytes`` bytes of values (uncompressed). ``progress`` gets
    the rows read so far. ``bounds`` names columns whose least and greatest value, as text, go into the parts.

    Raises whatever ``reading`` and ``store`` raise; StorageError BRZ-013 (a column comes with two types), BRZ-020
    (more than 256 MiB of refused rows). What was written until then stays, and no commit names it.
    """
    at = _Place(store, folder, base, attempt, compression, tuple(bounds))
    cutter = Cutter(part_rows, part_bytes)
    quarantine = _Quarantine(folder)
    types: dict[str, str] = {}
    rows = 0
    with _Behind() as behind:
        for batch in reading:
            _learn(types, batch.rows, folder)
            quarantine.add(batch.refused)
            rows += batch.rows.height
            for part in cutter.add(batch.rows):
                behind.put(at.part, part)
            if progress is not None:
                progress("write", rows)
        for part in cutter.end():
            behind.put(at.part, part)
        parts = behind.finish()
    held = at.quarantine(quarantine.frame()) if quarantine.rows else None
    hashes = [part.sha256 for part in parts] + ([held.sha256] if held is not None else [])
    schema = tuple(Column(name, dtype) for name, dtype in types.items())
    return Written(parts, rows, schema, quarantine.rows, held, sha256("\n".join(hashes).encode()).hexdigest())


def rewrite(
    part: Part, rows: "pl.DataFrame", store: Store, base: str, *, attempt: str, compression: Compression
) -> Part:  # fmt: skip
    """``rows``, some of those of ``part``, as a part beside it under the same ordinal; paths are below ``base``."""
    folder = part.path.rpartition("/")[0]
    at = _Place(store, f"{base}/{folder}", base, attempt, compression, tuple(part.minimum))
    return at.part(part.ordinal, rows)


def _learn(types: dict[str, str], rows: "pl.DataFrame", where: str) -> None:
    for name, dtype in rows.schema.items():
        if types.setdefault(name, str(dtype)) != str(dtype):
            raise StorageError(
                "BRZ-013",
                f"The column {name} comes as {types[name]} and as {dtype} in one load.",
                where=where,
                fix="Give the column one type at the source.",
            )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where parts go, and how a frame becomes one."""

    store: Store
    folder: str
    base: str
    attempt: str
    compression: Compression
    bounds: tuple[str, ...]

    def part(self, ordinal: int, rows: "pl.DataFrame") -> Part:
        least, greatest = {}, {}
        for name in self.bounds:
            if name in rows.columns and (low := rows[name].min()) is not None:
                least[name], greatest[name] = str(low), str(rows[name].max())
        return self._put(f"{self.folder}/part-{ordinal:05d}-{self.attempt}.parquet", ordinal, rows, least, greatest)

    def quarantine(self, rows: "pl.DataFrame") -> Part:
        return self._put(f"{self.folder}/_quarantine/part-00001-{self.attempt}.parquet", 1, rows, {}, {})

    def _put(
        self, path: str, ordinal: int, rows: "pl.DataFrame", least: dict[str, str], greatest: dict[str, str]
    ) -> Part:
        import polars as pl

        buffer = io.BytesIO()
        all_text = all(dtype == pl.String for dtype in rows.dtypes)
        rows.write_parquet(
            buffer,
            compression=self.compression,
            compression_level=_ZSTD_LEVEL if self.compression == "zstd" else None,
            statistics=dict(_TEXT_STATISTICS) if all_text else True,
            row_group_size=_ROW_GROUP_ROWS,
        )
        data = buffer.getvalue()
        part = Part(
            path=path.removeprefix(f"{self.base}/"),
            ordinal=ordinal,
            rows=rows.height,
            bytes=len(data),
            sha256=sha256(data).hexdigest(),
            minimum=least,
            maximum=greatest,
        )
        self.store.put(path, data)
        return part


@final
class _Behind:
    """Threads that make parts while the next rows are read; nothing of them is left when the block ends."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_WRITERS, "bronze-writer")
        self._waiting: deque[tuple[Future[Part], int]] = deque()
        self._done: list[Part] = []
        self._count = 0

    def __enter__(self) -> "_Behind":
        return self

    def __exit__(self, *exc: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def put(self, make: "Callable[[int, pl.DataFrame], Part]", cut: Cut) -> None:
        """Hand over a part. Waits while too much is under way; raises what an earlier part raised."""
        while self._waiting and self._is_full(cut.most_bytes):
            self._take()
        self._count += 1
        self._waiting.append((self._threads.submit(make, self._count, cut.rows), cut.most_bytes))

    def finish(self) -> tuple[Part, ...]:
        while self._waiting:
            self._take()
        return tuple(self._done)

    def _is_full(self, size: int) -> bool:
        under_way = sum(waiting for _, waiting in self._waiting)
        failed = any(future.done() and future.exception() is not None for future, _ in self._waiting)
        return failed or len(self._waiting) >= _WAITING_PARTS or under_way + size > _WAITING_BYTES

    def _take(self) -> None:
        future, _ = self._waiting.popleft()
        self._done.append(future.result())


class _Quarantine:
    """Refused rows, held as columns until the end."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._frames: list[pl.DataFrame] = []
        self._bytes = 0
        self.rows = 0

    def add(self, refused: tuple[Refused, ...]) -> None:
        import polars as pl

        if not refused:
            return
        schema = {"reason": pl.String, "detail": pl.String, "file": pl.String, "line": pl.Int64, "raw": pl.String}
        frame = pl.DataFrame({name: [getattr(row, name) for row in refused] for name in schema}, schema=schema)
        self._frames.append(frame)
        self._bytes += int(frame.estimated_size())
        self.rows += frame.height
        if self._bytes > _MAX_REFUSED_BYTES:
            first = refused[0]
            raise StorageError(
                "BRZ-020",
                f"{self.rows:,} rows were refused, more than 256 MiB; the last ones because of: {first.detail}.",
                where=f"{first.file}:{first.line}",
                fix="Look at the format of the source: its delimiter, quotes and encoding.",
            )

    def frame(self) -> "pl.DataFrame":
        import polars as pl

        return pl.concat(self._frames)
