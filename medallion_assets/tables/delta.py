"""Silver tables as Delta: one run is one commit, carrying the run's state and an application transaction.

The state lies in the commit's metadata under ``medallion``; the transaction ``(app_id, bronze n)`` keeps two runs from
both committing. A table whose rows something else changed last (RESTORE, a write) has no state and is built again;
OPTIMIZE and VACUUM change none, whoever runs them. deltalake never flushes to disk, so after a commit to a local folder
the new files and log entries are flushed here: a machine that crashes right after loses the newest version at most, and
bronze rebuilds it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from itertools import pairwise
from math import ceil
from time import time_ns
from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl

from medallion_assets.errors import StorageError
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import FILE, TableState
from medallion_assets.lake.results import Compacted
from medallion_assets.tables.delta_log import files_of, flush, name_of, paths_of, schema_of, slices_of
from medallion_assets.tables.encoded import conflict, decoded, refuse_older, type_name
from medallion_assets.tables.files import among, others, stored, streamed, tellable, told, written
from medallion_assets.tables.reading import reading

if TYPE_CHECKING:
    import deltalake
    from deltalake.transaction import AddAction, RemoveAction

__all__ = ["DeltaTable"]

_KEY = "medallion"
_UPKEEP = {"OPTIMIZE", "VACUUM START", "VACUUM END"}
"""Operations that leave the rows as they are. deltalake commits them behind a run that came meanwhile, unasked, so what
they carry of the state may be older than that run."""
_UNNAMED = timedelta(days=1)
_LARGE = 32 << 20
"""Bytes of a file that is not joined with others when its rows change."""
_FRAME = re.compile(r"\d+: |at ")
_REFUSED = re.compile(r"append-only|[Ff]eature")
"""Commits that fail for what the table is, not for another commit."""
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
            raise self._failed(
                error, fix="restore the table's log, or move its folder away and run it again: bronze has all rows."
            ) from error
        except OSError as error:  # a store that does not answer
            raise self._failed(error) from error
        if self._table is not None:
            self._refuse_unreadable(self._table)

    def _refuse_unreadable(self, table: "deltalake.DeltaTable") -> None:
        """Rows that another tool took away, and columns that it renamed, without writing the files anew."""
        found = {"deletionVectors"} & {*(table.protocol().reader_features or ())}
        if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
            found.add("columnMapping")
        if found:
            raise StorageError(
                "SLV-005", f"Another tool gave the table {' and '.join(sorted(found))}, which is not read here.",
                where=self._url, fix="move its folder away and run it again: bronze has all rows.",
            )  # fmt: skip

    @property
    def version(self) -> int | None:
        return None if self._table is None else self._table.version()

    @property
    def absorbed(self) -> int | None:
        """Highest bronze commit of any run of ours, also of runs before a RESTORE."""
        return None if self._table is None else self._table.transaction_version(self._app_id)

    @property
    def partition_by(self) -> tuple[str, ...]:
        return () if self._table is None else tuple(self._table.metadata().partition_columns)

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
        schema = schema_of(table)
        keys = table.metadata().partition_columns
        slices = [
            self._read(paths, schema, keys, values) for values, paths in slices_of(self._url, table, keys).items()
        ]
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
        schema, by = schema_of(self._table), self.partition_by
        found = [pl.LazyFrame(schema={**schema, FILE: pl.String})]
        for values, paths in slices_of(self._url, self._table, by).items():
            asked = (pl.col(k).eq_missing(pl.lit(v)) for k, v in zip(by, values, strict=True) if k in keys.columns)
            mine = keys.filter(pl.lit(value=True), *asked)
            if mine.height or not keys.width:
                rows = self._read(paths, schema, by, values, file=FILE).select(*schema, FILE)
                found.append(among(rows, mine))
        with reading(self._url):
            rows_found = pl.concat(found).collect(engine="streaming")
        names = {uri: name_of(uri) for uri in rows_found[FILE].unique()}
        return rows_found.with_columns(pl.col(FILE).replace(names))

    @property
    def patchable(self) -> bool:
        if self._table is None:
            return False
        schema = schema_of(self._table)
        return all(tellable(schema[name]) for name in self.partition_by)

    def patch(self, gone: pl.DataFrame, rows: pl.DataFrame, state: TableState, *, by: Sequence[str]) -> int:
        self._refuse_older(state)
        if self._table is None:
            raise self._absent()
        with self._committing():
            try:
                actions = list(self._patched(self._table, gone, rows, by))
            except (pl.exceptions.PolarsError, FileNotFoundError):
                # Polars does not say whether it was reading or writing.
                with reading(self._url):
                    self.scan().select(pl.all().null_count()).collect(engine="streaming")
                raise
            self._table.create_write_transaction(
                actions, "append", self._table.schema(),
                partition_by=list(self.partition_by), commit_properties=self._properties(state),
            )  # fmt: skip
        return self._now()

    def _patched(
        self, table: "deltalake.DeltaTable", gone: pl.DataFrame, rows: pl.DataFrame, by: Sequence[str]
    ) -> "Iterator[AddAction | RemoveAction]":
        """Write the files that hold a row of ``gone`` without it: large ones each for itself, small ones and the new
        rows of their slice together. A file that would be empty then is not read.

        So rows that change leave the files of those that do not: where some keys change more often than others, the
        files of the others are let alone after a while.
        """
        from deltalake.transaction import RemoveAction

        schema, keys = schema_of(table), table.metadata().partition_columns
        rows = stored(rows.lazy()).collect()
        new = rows.partition_by(keys, as_dict=True) if keys else {(): rows}
        touched, now = dict(gone[FILE].value_counts().iter_rows()), time_ns() // 1_000_000
        actions = {name_of(path): (path, size, rows) for path, size, rows in files_of(table)}
        slices = slices_of(self._url, table, keys)
        for values in dict.fromkeys((*slices, *new)):
            paths = [uri for uri in slices.get(values, ()) if name_of(uri) in touched]
            some = [uri for uri in paths if touched[name_of(uri)] != actions[name_of(uri)][2]]
            small = [uri for uri in some if actions[name_of(uri)][1] < _LARGE]
            slice_ = dict(zip(keys, values, strict=True))
            for together in (*([uri] for uri in some if uri not in small), small):
                parts = []
                if together:
                    here = gone.filter(pl.col(FILE).is_in([name_of(uri) for uri in together]))
                    parts.append(others(self._read(together, schema, keys, values), here.select(by).unique()))
                if together is small and values in new:
                    parts.append(new[values].lazy())
                if parts:
                    whole = pl.concat([part.select(n for n in schema if n not in keys) for part in parts])
                    yield from written(whole, self._url, self._options, slice_)
            for uri in paths:
                path, size, _ = actions[name_of(uri)]
                yield RemoveAction(unquote(path), True, now, size, {k: told(v) for k, v in slice_.items()})

    def replace(self, rows: Pieces, state: TableState, *, partition_by: Sequence[str] = (), again: bool = False) -> int:
        self._refuse_older(state, again=again)
        whole = stored(rows.lazy())
        self._refuse_twins(whole.collect_schema())
        with self._committing():
            if self._takes(whole.collect_schema(), partition_by):
                self._replaced(whole, state, list(partition_by))
            else:
                self._rewritten(rows, state, list(partition_by))
        return self._now()

    def _refuse_twins(self, columns: Iterable[str]) -> None:
        for one, other in pairwise(sorted(columns, key=str.lower)):
            if one.lower() == other.lower():
                raise StorageError(
                    "SLV-004", f"{one} and {other} are one name to Delta.", where=self._url,
                    fix="rename one of them in `columns`, exclude it, or keep the table as `format: parquet`.",
                )  # fmt: skip

    def _takes(self, schema: Mapping[str, pl.DataType], partition_by: Sequence[str]) -> bool:
        """Whether files that are already written can become the whole table in one commit: the log must be able to say
        which slice they belong to, and deltalake changes neither slices nor protocol in such a commit.
        """
        if not all(name in schema and tellable(schema[name]) for name in partition_by):
            return False
        if self._table is None:
            return True
        local = pl.Datetime("us")
        fits = local in schema_of(self._table).values() or local not in schema.values()
        return fits and self.partition_by == tuple(partition_by)

    def _replaced(self, rows: pl.LazyFrame, state: TableState, partition_by: list[str]) -> None:
        """Write the files ourselves: deltalake's writer holds gigabytes of a table that comes in a stream."""
        from deltalake import Schema
        from deltalake.transaction import create_table_with_add_actions

        fields = [
            {"name": name, "type": type_name(dtype), "nullable": True, "metadata": {}}
            for name, dtype in rows.collect_schema().items()
        ]
        schema = Schema.from_json(json.dumps({"type": "struct", "fields": fields}))
        actions = list(written(rows, self._url, self._options, {}, partition_by))
        properties = self._properties(state)
        if self._table is None:
            create_table_with_add_actions(
                self._url, schema, actions, mode="error", partition_by=partition_by, storage_options=self._options,
                commit_properties=properties,
            )  # fmt: skip
        else:
            self._table.create_write_transaction(
                [*actions], "overwrite", schema, partition_by=partition_by, commit_properties=properties
            )

    def _rewritten(self, rows: Pieces, state: TableState, partition_by: list[str]) -> None:
        from deltalake import WriterProperties, write_deltalake

        write_deltalake(
            self._url if self._table is None else self._table, streamed(rows),
            mode="error" if self._table is None else "overwrite",
            schema_mode=None if self._table is None else "overwrite",
            partition_by=(partition_by or None) if self._table is None else partition_by,  # None: as it is
            storage_options=self._options, commit_properties=self._properties(state),
            writer_properties=WriterProperties(compression="ZSTD", compression_level=1),
        )  # fmt: skip

    def advance(self, state: TableState) -> int:
        self._refuse_older(state)
        if self._table is None:
            raise self._absent()
        with self._committing():
            self._table.create_write_transaction(
                [], "append", self._table.schema(), partition_by=list(self.partition_by),
                commit_properties=self._properties(state),
            )  # fmt: skip
        return self._now()

    def vacuum(self, age: timedelta, *, delete: bool = False) -> tuple[str, ...]:
        """Files that only versions superseded for longer than ``age`` (whole hours, rounded up) need, and those that no
        version ever named once they are a day old, too; relative to the table. With ``delete`` they are removed, and
        those versions cannot be read any more. A run that is going on may be writing what no version names yet.
        """
        if self._table is None:
            return ()
        found: set[str] = set()
        with self._committing():
            for oldest, full in ((age, False), (max(age, _UNNAMED), True)):
                found.update(
                    self._table.vacuum(
                        ceil(oldest / timedelta(hours=1)), dry_run=not delete, enforce_retention_duration=False,
                        commit_properties=self._carried(), full=full,
                    )
                )  # fmt: skip
        return tuple(sorted(found))

    def optimize(self) -> Compacted:
        """Join small files of one slice into larger ones, up to 100 MB; rows and state stay. Raises Conflict SLV-002
        when a run changed the same files meanwhile.
        """
        if self._table is None:
            return Compacted(0, 0, 0, 0)
        before = [size for _, size, _ in files_of(self._table)]
        from deltalake import WriterProperties

        zstd = WriterProperties(compression="ZSTD", compression_level=3)
        with self._committing():
            self._table.optimize.compact(writer_properties=zstd, commit_properties=self._carried())
        after = [size for _, size, _ in files_of(self._table)]
        return Compacted(len(before), sum(before), len(after), sum(after))

    def _carried(self) -> "deltalake.CommitProperties":
        """The state once more, for when its own commit is no longer in the log."""
        import deltalake

        found = self._said()
        return deltalake.CommitProperties(custom_metadata={} if found is None else {_KEY: found})

    @contextmanager
    def _committing(self) -> Iterator[None]:
        """What is done within becomes durable and the version that is seen. A lost race is a Conflict, and what Delta
        and Polars fail with otherwise is an error of ours.
        """
        from deltalake.exceptions import CommitFailedError, DeltaError

        # deltalake moves the table that it commits to.
        version, before = (-1, []) if self._table is None else (self._table.version(), paths_of(self._url, self._table))
        try:
            yield
        except (CommitFailedError, DeltaError, OSError, pl.exceptions.PolarsError) as error:
            lost = isinstance(error, CommitFailedError) and not _REFUSED.search(str(error))
            if lost or (isinstance(error, DeltaError) and "already exists" in str(error)):
                raise conflict(self._url) from error
            raise self._failed(error) from error
        self.reload()
        if self._table is None:
            raise StorageError("SLV-005", "The table is gone right after a commit.", where=self._url)
        flush(self._url, self._table, before, version)

    def _now(self) -> int:
        if self._table is None:
            raise self._absent()
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

    def _failed(self, error: Exception, *, fix: str = "") -> StorageError:
        # Its words come in lines with colours and arrows; what happened is in the last of them, before its own stack.
        lines = [text for line in _COLOUR.sub("", str(error)).splitlines() if (text := line.strip(" ↳"))]
        told = [line for line in lines if not _FRAME.match(line)]
        what = "; ".join(dict.fromkeys(told)) or type(error).__name__
        return StorageError("SLV-005", f"Delta: {what}", where=self._url, fix=fix)


def _text(entry: Mapping[str, object]) -> str | None:
    found = entry.get(_KEY)
    return found if isinstance(found, str) else None
