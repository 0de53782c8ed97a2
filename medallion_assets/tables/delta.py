"""Silver tables as Delta: one run is one commit, carrying the run's state and an application transaction.

The state lies in the commit's metadata under ``medallion``; the transaction ``(app_id, bronze n)`` keeps two runs from
both committing. A table whose rows something else changed last (RESTORE, a write) has no state and is built again;
OPTIMIZE and VACUUM change none, whoever runs them. deltalake never flushes to disk, so after a commit to a local folder
the new files and log entries are flushed here: a machine that crashes right after loses the newest version at most, and
bronze rebuilds it.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from math import ceil
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl

from medallion_assets.errors import Conflict, StorageError
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import FILE, TableState
from medallion_assets.lake.results import Compacted
from medallion_assets.tables.encoded import conflict, decoded, polars_type, refuse_older, storable
from medallion_assets.tables.files import among, others, tellable, told, written

if TYPE_CHECKING:
    import deltalake
    import pyarrow as pa
    from deltalake.transaction import AddAction, RemoveAction

__all__ = ["DeltaTable"]

_KEY = "medallion"
_UPKEEP = {"OPTIMIZE", "VACUUM START", "VACUUM END"}
"""Operations that leave the rows as they are. deltalake commits them behind a run that came meanwhile, unasked, so what
they carry of the state may be older than that run."""
_UNNAMED = timedelta(days=1)
_BATCH_ROWS = 65_536
_LARGE = 32 << 20
"""Bytes of a file that is not joined with others when its rows change."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class DeltaTable:
    """The Delta table at ``url``, an absolute folder or a URL. One instance sees one version, refreshed by ``reload``.

    Its own writes move it to the version they made. Raises Conflict SLV-002 when another run committed first,
    StorageError SLV-003 for a state at or below the table's, SLV-005 when Delta fails otherwise.
    """

    def __init__(self, url: str, options: Mapping[str, str], app_id: str) -> None:
        self._url = url
        self._options = dict(options) or None
        self._app_id = app_id
        self._table: deltalake.DeltaTable | None = None
        self.reload()

    def reload(self) -> None:
        """See the newest version."""
        import deltalake
        from deltalake.exceptions import DeltaError, TableNotFoundError

        if self._url.startswith("/") and "%" in self._url:
            raise StorageError(
                "SLV-005", "Delta can keep no table in a folder with a % in its name.", where=self._url,
                fix="give the folder another name, or keep the table as `format: parquet`.",
            )  # fmt: skip
        try:
            self._table = deltalake.DeltaTable(self._url, storage_options=self._options)
        except TableNotFoundError:
            self._table = None
        except DeltaError as error:
            raise self._failed(error) from error

    @property
    def version(self) -> int | None:
        return None if self._table is None else self._table.version()

    @property
    def absorbed(self) -> int | None:
        """Highest bronze commit of any run of ours, also of runs before a RESTORE."""
        return None if self._table is None else self._table.transaction_version(self._app_id)

    def state(self) -> TableState | None:
        """None when there is no table or the commit that changed its rows last says nothing."""
        found = self._said()
        return None if found is None else decoded(found)

    def _said(self) -> str | None:
        if self._table is None:
            return None
        entries: list[dict[str, object]] = []
        for limit in (1, 20, None):  # each entry is a file to read
            entries = self._table.history(limit)
            for entry in entries:
                if entry.get("operation") not in _UPKEEP:
                    return _text(entry)
        # Delta drops entries after a month: what is carried is then of that run, or it is of none.
        carried = _text(entries[0]) if entries else None
        return carried if carried is not None and decoded(carried).bronze_n == self.absorbed else None

    def scan(self, version: int | None = None) -> pl.LazyFrame:
        """All rows of a version, columns in the table's order, rows in none."""
        import deltalake

        if self._table is None:
            raise self._absent()
        table = self._table
        if version is not None and version != table.version():
            table = deltalake.DeltaTable(self._url, version=version, storage_options=self._options)
        schema = _schema(table)
        keys = table.metadata().partition_columns
        slices = [self._read(paths, schema, keys, values) for values, paths in _slices(self._url, table, keys).items()]
        return pl.concat(slices).select(*schema) if slices else pl.LazyFrame(schema=schema)

    def _read(
        self, paths: Sequence[str], schema: Mapping[str, pl.DataType], keys: Sequence[str], values: Sequence[object],
        *, file: str | None = None,
    ) -> pl.LazyFrame:  # fmt: skip
        """Files of one slice; with each row's own under ``file``."""
        stored = {name: dtype for name, dtype in schema.items() if name not in keys}
        rows = pl.scan_parquet(
            list(paths), hive_partitioning=False, schema=stored, missing_columns="insert", extra_columns="ignore",
            storage_options=self._options, glob=False, include_file_paths=file,
        )  # fmt: skip
        # Partition values come from the log. Reading them off the path would also find the folders above the table.
        return rows.with_columns(pl.lit(v, schema[key]).alias(key) for key, v in zip(keys, values, strict=True))

    def matching(self, keys: pl.DataFrame) -> pl.DataFrame:
        if self._table is None:
            raise self._absent()
        schema, by = _schema(self._table), self._table.metadata().partition_columns
        found = [pl.LazyFrame(schema={**schema, FILE: pl.String})]
        for values, paths in _slices(self._url, self._table, by).items():
            asked = (pl.col(k).eq_missing(pl.lit(v)) for k, v in zip(by, values, strict=True) if k in keys.columns)
            mine = keys.filter(pl.lit(value=True), *asked)
            if mine.height or not keys.width:
                rows = self._read(paths, schema, by, values, file=FILE).select(*schema, FILE)
                found.append(among(rows, mine))
        rows_found = pl.concat(found).collect(engine="streaming")
        names = {uri: _name(uri) for uri in rows_found[FILE].unique()}
        return rows_found.with_columns(pl.col(FILE).replace(names))

    @property
    def patchable(self) -> bool:
        if self._table is None:
            return False
        schema = _schema(self._table)
        return all(tellable(schema[name]) for name in self._table.metadata().partition_columns)

    def patch(self, gone: pl.DataFrame, rows: pl.DataFrame, state: TableState, *, by: Sequence[str]) -> int:
        self._refuse_older(state)
        if self._table is None:
            raise self._absent()
        with _Failures(self):
            self._table.create_write_transaction(
                list(self._patched(self._table, gone, rows, by)), "append", self._table.schema(),
                partition_by=self._table.metadata().partition_columns, commit_properties=self._properties(state),
            )  # fmt: skip
        return self._committed()

    def _patched(
        self, table: "deltalake.DeltaTable", gone: pl.DataFrame, rows: pl.DataFrame, by: Sequence[str]
    ) -> "Iterator[AddAction | RemoveAction]":
        """Write the files that hold a row of ``gone`` without it: large ones each for itself, small ones and the new
        rows of their slice together. A file that would be empty then is not read.

        So rows that change leave the files of those that do not: where some keys change more often than others, the
        files of the others are let alone after a while.
        """
        from deltalake.transaction import RemoveAction

        schema, keys = _schema(table), table.metadata().partition_columns
        rows = rows.select(storable(name, dtype) for name, dtype in rows.schema.items())
        new = rows.partition_by(keys, as_dict=True) if keys else {(): rows}
        touched, now = dict(gone[FILE].value_counts().iter_rows()), time_ns() // 1_000_000
        actions = {_name(path): (path, size, rows) for path, size, rows in _files(table)}
        slices = _slices(self._url, table, keys)
        for values in dict.fromkeys((*slices, *new)):
            paths = [uri for uri in slices.get(values, ()) if _name(uri) in touched]
            some = [uri for uri in paths if touched[_name(uri)] != actions[_name(uri)][2]]
            small = [uri for uri in some if actions[_name(uri)][1] < _LARGE]
            slice_ = dict(zip(keys, values, strict=True))
            for together in (*([uri] for uri in some if uri not in small), small):
                parts = []
                if together:
                    here = gone.filter(pl.col(FILE).is_in([_name(uri) for uri in together]))
                    parts.append(others(self._read(together, schema, keys, values), here.select(by).unique()))
                if together is small and values in new:
                    parts.append(new[values].lazy())
                if parts:
                    whole = pl.concat([part.select(n for n in schema if n not in keys) for part in parts])
                    yield from written(whole, self._url, self._options, slice_)
            for uri in paths:
                path, size, _ = actions[_name(uri)]
                yield RemoveAction(path, True, now, size, {k: told(v) for k, v in slice_.items()})

    def replace(self, rows: Pieces, state: TableState, *, partition_by: Sequence[str] = (), again: bool = False) -> int:
        from deltalake import write_deltalake

        data = _stored(rows.whole()) if rows.fits else _streamed(rows)
        self._refuse_older(state, again=again)
        properties = self._properties(state)
        keys = list(partition_by)
        if self._table is None:
            with _Failures(self):
                write_deltalake(
                    self._url, data, mode="error", partition_by=keys or None, storage_options=self._options,
                    commit_properties=properties,
                )  # fmt: skip
        else:
            with _Failures(self):
                write_deltalake(
                    self._table, data, mode="overwrite", schema_mode="overwrite", partition_by=keys,
                    commit_properties=properties,
                )  # fmt: skip
        return self._committed()

    def advance(self, state: TableState) -> int:
        self._refuse_older(state)
        if self._table is None:
            raise self._absent()
        with _Failures(self):
            self._table.create_write_transaction(
                [], "append", self._table.schema(), partition_by=self._table.metadata().partition_columns,
                commit_properties=self._properties(state),
            )  # fmt: skip
        return self._committed()

    def vacuum(self, age: timedelta, *, delete: bool = False) -> tuple[str, ...]:
        """Files that only versions superseded for longer than ``age`` (whole hours, rounded up) need, and those that no
        version ever named once they are a day old, too; relative to the table. With ``delete`` they are removed, and
        those versions cannot be read any more. A run that is going on may be writing what no version names yet.
        """
        if self._table is None:
            return ()
        found: set[str] = set()
        with _Failures(self):
            for oldest, full in ((age, False), (max(age, _UNNAMED), True)):
                found.update(
                    self._table.vacuum(
                        ceil(oldest / timedelta(hours=1)), dry_run=not delete, enforce_retention_duration=False,
                        commit_properties=self._carried(), full=full,
                    )
                )  # fmt: skip
        self._committed()
        return tuple(sorted(found))

    def optimize(self) -> Compacted:
        """Join small files of one slice into larger ones, up to 100 MB; rows and state stay. Raises Conflict SLV-002
        when a run changed the same files meanwhile.
        """
        if self._table is None:
            return Compacted(0, 0, 0, 0)
        before = [size for _, size, _ in _files(self._table)]
        from deltalake import WriterProperties

        zstd = WriterProperties(compression="ZSTD", compression_level=3)
        with _Failures(self):
            self._table.optimize.compact(writer_properties=zstd, commit_properties=self._carried())
        self._committed()
        after = [size for _, size, _ in _files(self._table)]
        return Compacted(len(before), sum(before), len(after), sum(after))

    def _carried(self) -> "deltalake.CommitProperties":
        """The state once more, for when its own commit is no longer in the log."""
        import deltalake

        found = self._said()
        return deltalake.CommitProperties(custom_metadata={} if found is None else {_KEY: found})

    def _committed(self) -> int:
        version, before = (-1, []) if self._table is None else (self._table.version(), _paths(self._url, self._table))
        self.reload()
        if self._table is None:
            raise StorageError("SLV-005", "The table is gone right after a commit.", where=self._url)
        _flush(self._url, self._table, before, version)
        return self._table.version()

    def _refuse_older(self, state: TableState, *, again: bool = False) -> None:
        refuse_older(self.absorbed, self.state(), state, again=again, where=self._url)

    def _properties(self, state: TableState) -> "deltalake.CommitProperties":
        import deltalake

        return deltalake.CommitProperties(
            custom_metadata={_KEY: json.dumps(asdict(state), sort_keys=True, separators=(",", ":"))},
            app_transactions=[deltalake.Transaction(self._app_id, state.bronze_n)],
            max_commit_retries=0,
        )

    def _absent(self) -> StorageError:
        return StorageError("SLV-006", "The table does not exist yet.", where=self._url, fix="run refine first.")

    def _failed(self, error: Exception) -> StorageError:
        # Its words come in lines with colours and arrows; what happened is in the last of them.
        lines = [text for line in _COLOUR.sub("", str(error)).splitlines() if (text := line.strip(" ↳"))]
        what = "; ".join(dict.fromkeys(lines)) or type(error).__name__
        return StorageError("SLV-005", f"Delta: {what}", where=self._url)

    def conflict(self) -> Conflict:
        """Another run was first."""
        return conflict(self._url)


class _Failures:
    """Errors of Delta as ours: a lost race is a Conflict."""

    def __init__(self, table: DeltaTable) -> None:
        self._table = table

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from deltalake.exceptions import CommitFailedError, DeltaError

        if isinstance(error, CommitFailedError):
            raise self._table.conflict() from error
        if isinstance(error, DeltaError):
            if "already exists" in str(error):
                raise self._table.conflict() from error
            raise self._table._failed(error) from error
        if isinstance(error, OSError):  # a full disk, a folder that may not be written
            raise self._table._failed(error) from error


def _stored(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(storable(name, dtype) for name, dtype in rows.schema.items())


def _streamed(rows: Pieces) -> "pa.RecordBatchReader":
    """One piece after the other, each read when it is its turn, and few of its rows at once in a form for Delta."""
    import pyarrow as pa

    schema = _stored(pl.DataFrame(schema=rows.schema)).to_arrow().schema
    some = (_stored(some).to_arrow().cast(schema) for piece in rows for some in piece.iter_slices(_BATCH_ROWS))
    batches = (batch for table in some for batch in table.to_batches())
    return pa.RecordBatchReader.from_batches(schema, batches)


def _text(entry: Mapping[str, object]) -> str | None:
    found = entry.get(_KEY)
    return found if isinstance(found, str) else None


def _schema(table: "deltalake.DeltaTable") -> dict[str, pl.DataType]:
    fields: list[Mapping[str, object]] = json.loads(table.schema().to_json())["fields"]
    return {str(f["name"]): polars_type(str(f["type"])) for f in fields}


def _slices(url: str, table: "deltalake.DeltaTable", keys: Sequence[str]) -> dict[tuple[object, ...], list[str]]:
    """Files of each combination of partition values."""
    if not keys:
        files = _paths(url, table)
        return {(): files} if files else {}
    actions = pl.DataFrame(table.get_add_actions(flatten=True)).select("path", *(f"partition.{key}" for key in keys))
    # A file's name is unique; its path is spelled differently in the log and in a URI.
    values = {_name(str(path)): tuple(of_file) for path, *of_file in actions.iter_rows()}
    found: dict[tuple[object, ...], list[str]] = {}
    for uri in _paths(url, table):
        found.setdefault(values[_name(uri)], []).append(uri)
    return found


def _files(table: "deltalake.DeltaTable") -> list[tuple[str, int, int | None]]:
    """Every file's path as the log spells it, its bytes, and its rows when the log says."""
    return pl.DataFrame(table.get_add_actions()).select("path", "size_bytes", "num_records").rows()


def _paths(url: str, table: "deltalake.DeltaTable") -> list[str]:
    """Where the files lie. deltalake spells the folder of a local table as in a URL, with %20 for a space."""
    if not url.startswith("/"):
        return table.file_uris()
    return [f"{url}/{unquote(path)}" for path, *_ in _files(table)]


def _name(path: str) -> str:
    return unquote(path.rpartition("/")[2])


def _flush(url: str, table: "deltalake.DeltaTable", before: Iterable[str], version: int) -> None:
    """Files that came since ``version``, which had those of ``before``, and its log entries, then their folders, on a
    local file system. An entry that a crash takes away under a later one would break the table.
    """
    if not url.startswith("/"):
        return
    known = set(before)
    log = [Path(url) / "_delta_log" / f"{n:020d}.json" for n in range(version + 1, table.version() + 1)]
    new = [Path(path) for path in _paths(url, table) if path not in known]
    for path in (*new, *log, *sorted({p.parent for p in (*new, *log)}), Path(url)):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
