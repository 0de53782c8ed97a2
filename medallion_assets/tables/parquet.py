"""Silver tables as plain Parquet, for readers that know of no table format.

::

    load_date=2024-01-31/current/part-….parquet      the rows that hold
    load_date=2024-01-31/history/part-….parquet      scd_type_2: versions that have ended
    load_date=2024-01-31/_metadata.json              copies, for those who begin at the folder: what is in it,
    load_date=2024-01-31/_checksums.json             and the SHA-256 of each file
    _commits/<version, 20 digits>.json               what the table is; creating it is the commit

A version is written whole into the folder of the newest partition that it has absorbed; of a periodic_snapshot each
copy lies in the folder of its own date, and the others stay. Files are written first and never touched again, so that
readers go on with the version that they began with. Until a vacuum a folder may hold files of older versions, too;
those that its ``_checksums.json`` names are one version. Every file is verified before a row of it is used.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from hashlib import sha256
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import polars as pl

from medallion_assets.errors import AlreadyExists, Corrupt, NotFound, StorageError, StoreUnavailable
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import FILE, ObjectInfo, Store, TableState
from medallion_assets.lake.results import Compacted
from medallion_assets.plan.model import Model
from medallion_assets.silver.columns import IS_CURRENT, LOAD_DATE
from medallion_assets.tables.copies import NAMES, copies_of
from medallion_assets.tables.encoded import conflict, refuse_older, storable
from medallion_assets.tables.files import NULL_FOLDER, PLAIN, among, others, told
from medallion_assets.tables.versions import DataFile, Version, decode, encode

__all__ = ["ParquetTable"]

_ROWS = 1_000_000
"""Of a file."""
_UNNAMED = timedelta(days=1)
_PAUSES_S = (0.05, 0.2, 0.8, 3.0)
"""Between the tries to find out whether a commit arrived."""


def _now() -> datetime:
    return datetime.now(timezone.utc)


class ParquetTable:
    """The table in folder ``path`` of ``store``. One instance sees one version, refreshed by ``reload``.

    Its own writes move it to the version they made. Raises Conflict SLV-002 when another run committed first,
    StorageError SLV-003 for a state at or below the table's, SLV-006 without the version that is asked for, Corrupt
    SLV-015 for what is not as it was written.
    """

    def __init__(
        self, store: Store, path: str, model: Model, *, now: Callable[[], datetime] = _now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._store = store
        self._path = path
        self._model = model
        self._now = now
        self._sleep = sleep
        self._verified: set[str] = set()
        self._seen: Version | None = None
        self.reload()

    # ------------------------------------------------------------------ reading

    def reload(self) -> None:
        """See the newest version."""
        self._seen = self._newest()

    def _newest(self) -> Version | None:
        n = max((found for found, _ in self._listed()), default=-1)
        raw = None if n < 0 else self._bytes(n)
        while raw is not None and (later := self._bytes(n + 1)) is not None:  # a listing may be short
            n, raw = n + 1, later
        return None if raw is None else decode(raw, self._where(n))

    def _listed(self) -> Iterator[tuple[int, ObjectInfo]]:
        for info in self._store.list(f"{self._path}/_commits"):
            name = info.path.rpartition("/")[2].removesuffix(".json")
            if name.isdecimal():
                yield int(name), info

    def _bytes(self, n: int) -> bytes | None:
        try:
            return self._store.get(self._object(n))
        except NotFound:
            return None

    @property
    def version(self) -> int | None:
        return None if self._seen is None else self._seen.n

    @property
    def absorbed(self) -> int | None:
        return None if self._seen is None else self._seen.state.bronze_n

    @property
    def partition_by(self) -> tuple[str, ...]:
        return () if self._seen is None else self._seen.partition_by

    def state(self) -> TableState | None:
        """None when there is no table."""
        return None if self._seen is None else self._seen.state

    def scan(self, version: int | None = None) -> pl.LazyFrame:
        """All rows of a version, columns in the table's order, rows in none; verified when they are read."""
        chosen = self._required()
        if version is not None and version != chosen.n:
            raw = self._bytes(version)
            if raw is None:
                raise StorageError(
                    "SLV-006", f"Version {version} of the table is not there any more.", where=self._where(version),
                    fix="read the newest one; `retention.silver` says how long others are kept.",
                )  # fmt: skip
            chosen = decode(raw, self._where(version))
        return pl.defer(
            partial(self._rows, chosen.files, chosen.columns),  # type: ignore[arg-type] # it is made lazy anyway
            schema=pl.Schema(chosen.columns),
        )  # fmt: skip

    def _required(self) -> Version:
        if self._seen is None:
            raise StorageError(
                "SLV-006", "The table does not exist yet.", where=self._store.url(self._path), fix="run refine first."
            )
        return self._seen

    def _rows(self, files: Sequence[DataFile], columns: Mapping[str, pl.DataType]) -> pl.LazyFrame:
        sources = [self._source(file) for file in files]
        if not sources:
            return pl.LazyFrame(schema=columns)
        return pl.scan_parquet(
            sources,  # type: ignore[arg-type] # a list of paths or a list of bytes, never mixed
            schema=columns, glob=False, hive_partitioning=False,
        )  # fmt: skip

    def _source(self, file: DataFile) -> str | bytes:
        """What Polars can read, verified: a local path, or the bytes where the store is not a folder."""
        path = f"{self._path}/{file.path}"
        local = Path(self._store.url(path))
        if local.is_absolute() and file.path in self._verified:
            return str(local)
        try:
            data = self._store.get(path)
        except NotFound:
            raise self._damaged(file, "is missing") from None
        if len(data) != file.bytes:
            raise self._damaged(file, f"has {len(data)} bytes, {file.bytes} were committed")
        if (found := sha256(data).hexdigest()) != file.sha256:
            raise self._damaged(file, f"has SHA-256 {found[:12]}…, {file.sha256[:12]}… was committed")
        self._verified.add(file.path)
        return str(local) if local.is_absolute() else data

    def _damaged(self, file: DataFile, what: str) -> Corrupt:
        return Corrupt(
            "SLV-015", f"{file.path} {what}.", where=self._store.url(self._path),
            fix="medallion rebuild makes the table anew from bronze; or restore the file.",
        )  # fmt: skip

    def matching(self, keys: pl.DataFrame) -> pl.DataFrame:
        seen = self._required()
        found = [pl.LazyFrame(schema={**seen.columns, FILE: pl.String()})]
        found += [
            among(self._rows([file], seen.columns), keys).with_columns(pl.lit(file.path).alias(FILE))
            for file in seen.files
        ]
        return pl.concat(found).collect(engine="streaming")

    @property
    def patchable(self) -> bool:
        return self._seen is not None

    # ------------------------------------------------------------------ writing

    def replace(self, rows: Pieces, state: TableState, *, partition_by: Sequence[str] = (), again: bool = False) -> int:
        self._refuse_older(state, again=again)
        return self._written(rows, state, tuple(partition_by), ())

    def patch(self, gone: pl.DataFrame, rows: pl.DataFrame, state: TableState, *, by: Sequence[str]) -> int:
        self._refuse_older(state)
        seen, touched = self._required(), set(gone[FILE])
        copies = self._model == "periodic_snapshot"
        kept = tuple(file for file in seen.files if copies and file.path not in touched)
        rest = self._rows([file for file in seen.files if file not in kept], seen.columns)
        if gone.height:
            rest = others(rest, gone.select(by).unique())
        come = rows.select(storable(name, dtype) for name, dtype in rows.schema.items()).select(*seen.columns)
        whole = pl.concat([rest.collect(engine="streaming"), come])
        return self._written(Pieces.of(whole), state, seen.partition_by, kept)

    def advance(self, state: TableState) -> int:
        self._refuse_older(state)
        seen = self._required()
        return self._commit(replace(seen, n=seen.n + 1, state=state, writer=uuid4().hex))

    def _refuse_older(self, state: TableState, *, again: bool = False) -> None:
        refuse_older(self.absorbed, self.state(), state, again=again, where=self._store.url(self._path))

    def _written(
        self, rows: Pieces, state: TableState, partition_by: tuple[str, ...], kept: tuple[DataFile, ...]
    ) -> int:
        columns = [storable(name, dtype) for name, dtype in rows.schema.items()]
        schema = pl.DataFrame(schema=rows.schema).select(columns).schema
        n, writer = (0 if self._seen is None else self._seen.n + 1), uuid4().hex
        layout = _Layout(self._model, state.load_date or NULL_FOLDER, partition_by)  # nothing absorbed has a date
        files = list(kept)
        for piece in rows if rows.height or not kept else ():
            if rows.height and not piece.height:
                continue
            for folder, part in layout.parts(piece.select(columns)):
                data = _parquet(part)
                path = f"{folder}/part-{len(files) - len(kept) + 1:05d}-{n}-{writer[:12]}.parquet"
                self._store.put(f"{self._path}/{path}", data)
                files.append(DataFile(path, part.height, len(data), sha256(data).hexdigest(), n))
        before = self._seen
        done = self._commit(Version(n, dict(schema), partition_by, tuple(files), state, writer))
        self._refresh_copies(before)
        return done

    def _commit(self, version: Version) -> int:
        """Raises Conflict SLV-002. An error of the network says nothing: the same bytes are tried again, and whoever
        finds them there knows that the answer was lost and not the commit.
        """
        raw, path = encode(version), self._object(version.n)
        for pause in (*_PAUSES_S, None):
            try:
                self._store.put_if_absent(path, raw)
                break
            except AlreadyExists:
                with suppress(StoreUnavailable):
                    if self._store.get(path) != raw:
                        raise conflict(self._store.url(self._path)) from None
                    break
            except StoreUnavailable:
                if pause is None:
                    raise
            self._sleep(pause or 0)
        self._seen = version
        return version.n

    # ------------------------------------------------------------------ copies

    def _refresh_copies(self, before: Version | None) -> None:
        """Write those of the folders that this version was written to, again if a newer one appeared meanwhile, and
        take those away that would mislead: of a day that is no part of the table any more, or behind its newest.
        """
        newest = self._required()
        touched = {file.folder for file in newest.files if file.version == newest.n}
        live = {file.folder for file in newest.files}
        gone = {file.folder for file in before.files} - live if before is not None else set()
        for folder in gone:
            if self._model == "periodic_snapshot" or folder > max(live):
                for name in NAMES:
                    self._store.delete(f"{self._path}/{folder}/{name}")
        while True:
            self._write_copies(newest, touched)
            later = self._newest()
            if later is None or later.n == newest.n:
                return
            newest = later

    def _write_copies(self, version: Version, folders: Iterable[str]) -> tuple[str, ...]:
        written = []
        for folder in sorted({file.folder for file in version.files}.intersection(folders)):
            for name, data in copies_of(version, self._model, folder):
                path = f"{self._path}/{folder}/{name}"
                if self._content(path) != data:
                    self._store.put(path, data)
                    written.append(path)
        return tuple(written)

    def _content(self, path: str) -> bytes | None:
        try:
            return self._store.get(path)
        except NotFound:
            return None

    def repair(self) -> tuple[str, ...]:
        """Make the copies of the newest version what they should be; the paths written."""
        if self._seen is None:
            return ()
        return self._write_copies(self._seen, {file.folder for file in self._seen.files})

    # ------------------------------------------------------------------ upkeep

    def optimize(self) -> Compacted:
        """There is nothing to join: each version has been written whole."""
        sizes = [] if self._seen is None else [file.bytes for file in self._seen.files]
        return Compacted(len(sizes), sum(sizes), len(sizes), sum(sizes))

    def vacuum(self, age: timedelta, *, delete: bool = False) -> tuple[str, ...]:
        """Objects that only versions superseded for longer than ``age`` need, and those that no version ever named once
        they are a day old, too; relative to the table. With ``delete`` they are removed.
        """
        self.reload()
        if self._seen is None:
            return ()
        now = self._now()
        objects = {info.path.removeprefix(f"{self._path}/"): info for info in self._store.list(self._path)}
        commits = dict(self._listed())
        old = {n for n, next_ in pairwise(sorted(commits)) if now - commits[next_].modified > age and n < self._seen.n}
        kept = {file for n in commits.keys() - old for file in self._files(n)}
        names, folders = {file.path for file in kept}, {file.folder for file in kept}
        retired = set[str]()
        for n in old:
            with suppress(Corrupt):  # nobody names its files then
                retired |= {file.path for file in self._files(n)}

        def unwanted(inside: str, info: ObjectInfo) -> bool:
            folder, _, name = inside.partition("/")
            if not folder.startswith(f"{LOAD_DATE}=") or inside in names:
                return False
            if name in NAMES:
                return folder not in folders
            return inside in retired or now - info.modified > max(age, _UNNAMED)

        found = [f"_commits/{n:020d}.json" for n in sorted(old)]
        found += [inside for inside, info in objects.items() if unwanted(inside, info)]
        if delete:
            self.repair()  # a copy that a crash left behind would name what goes
            for inside in found:
                self._store.delete(f"{self._path}/{inside}")
            self._store.sweep(self._path, now - max(age, _UNNAMED), delete=True)
        return tuple(sorted(inside for inside in found if inside in objects))

    def _files(self, n: int) -> tuple[DataFile, ...]:
        raw = self._bytes(n)
        return () if raw is None else decode(raw, self._where(n)).files

    def _object(self, n: int) -> str:
        return f"{self._path}/_commits/{n:020d}.json"

    def _where(self, n: int) -> str:
        return self._store.url(self._object(n))


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where rows of a version lie."""

    model: Model
    day: str
    partition_by: tuple[str, ...]

    def parts(self, rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
        """Folder and rows of every file; of no rows one file all the same, so that readers find the columns."""
        sliced = rows.partition_by(self.partition_by, as_dict=True) if self.partition_by and rows.height else {(): rows}
        for values, part in sliced.items():
            folder = self._folder(dict(zip(self.partition_by, values, strict=False)))
            for piece in part.iter_slices(_ROWS) if part.height else (part,):
                yield folder, piece

    def _folder(self, values: Mapping[str, object]) -> str:
        copies, versions = self.model == "periodic_snapshot", self.model == "scd_type_2"
        day = told(values.get(LOAD_DATE)) if copies else None
        kind = "history" if versions and values.get(IS_CURRENT) is False else "current"
        named = [
            f"{name}={NULL_FOLDER if value is None else told(value)}"
            for name, value in values.items()
            if not (copies and name == LOAD_DATE) and not (versions and name == IS_CURRENT)
        ]
        # A folder is for people's eyes; its values are in the files, too.
        plain = all(PLAIN.match(part) for name in named for part in name.split("=", 1))
        return "/".join((f"{LOAD_DATE}={day or self.day}", kind, *(named if plain else ())))


def _parquet(rows: pl.DataFrame) -> bytes:
    whole = BytesIO()
    rows.write_parquet(whole, compression="zstd")
    return whole.getvalue()
