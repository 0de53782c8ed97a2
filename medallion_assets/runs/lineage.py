"""Where the rows of a silver table came from: commits, parts and source files; and which rows came from a part.

A silver row carries the address of the bronze row that it is (``_bronze_part``); the commit log says which files,
window and run that part belongs to. For tables with keys the bronze rows of a key are found too, all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.errors import ConfigError
from medallion_assets.lake.manifest import Commit, FileFact, Head, Load
from medallion_assets.lake.ports import Store, Table
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.matched import ROW, Keys, match
from medallion_assets.silver.columns import (
    BRONZE_PART,
    CHANGE_TYPE,
    CHANGED_AT,
    COMMIT,
    FROM,
    IS_CURRENT,
    IS_DELETED,
    LOAD_DATE,
    OPERATION,
    PART,
    TO,
)
from medallion_assets.silver.text import as_text
from medallion_assets.tables.reading import reading

__all__ = ["BronzeRow", "Origin", "SilverRow", "bronze_rows", "part_named", "rows_by_part", "rows_from", "rows_where"]

_SHOWN = (FROM, TO, IS_CURRENT, IS_DELETED, LOAD_DATE, OPERATION, CHANGED_AT, CHANGE_TYPE)
"""Columns that tell the rows of one key apart."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A part of a load, or (``part`` 0) what the load says without a row: that a key is absent, for one."""

    commit: int
    part: int
    path: str | None
    """Of the part in the bronze store; None for part 0, or when it holds no row any more."""
    load: Load
    files: tuple[FileFact, ...]
    """The source files that it can have come from: one, where files and parts say so much."""
    live: bool
    """Not replaced since: silver is then to be brought up to date."""

    @property
    def address(self) -> str:
        """``commit/part``, as in the column ``_bronze_part``."""
        return f"{self.commit}/{self.part}"


@dataclass(frozen=True, slots=True)
class SilverRow:
    """``shown``: the keys, what tells the rows of one key apart, and what was asked for; personal values masked."""

    shown: Mapping[str, object]
    origin: Origin


@dataclass(frozen=True, slots=True)
class BronzeRow:
    """A row of bronze; ``row`` counts from 0 in its part."""

    origin: Origin
    row: int


def rows_where(
    plan: DatasetPlan, silver: SilverPlan, asked: Mapping[str, str], *, table: Table, store: Store
) -> tuple[SilverRow, ...]:
    """Rows of the table whose columns read as asked, each with its origin; sorted by what is shown.

    Raises ConfigError CLI-014 for a column that the table has not, StorageError SLV-006 without a table, BRZ-….
    """
    rows = table.scan()
    schema = rows.collect_schema()
    strange = [name for name in asked if name not in schema]
    if strange:
        raise ConfigError(
            "CLI-014", f"The table has no column {strange[0]!r}.", where=f"{silver.entity}  --row",
            fix=f"name some of {', '.join(schema)}.",
        )  # fmt: skip
    found = rows.filter(*(_reads(name, value, schema[name]) for name, value in asked.items()))
    with reading(str(silver.entity)):
        return tuple(_placed(plan, silver, found, tuple(asked), _Log(store, plan.bronze.path)))


def _reads(name: str, value: str, dtype: pl.DataType) -> pl.Expr:
    """Where the column's value is written so; of numbers, also in another way."""
    written = as_text(pl.col(name), dtype) == value
    return written | (pl.col(name) == pl.lit(value).cast(dtype, strict=False)) if dtype.is_numeric() else written


def rows_from(
    plan: DatasetPlan, silver: SilverPlan, origin: Origin, *, table: Table, store: Store, limit: int
) -> tuple[int, tuple[SilverRow, ...]]:
    """How many rows of the table came from this part, and the first of them. Raises StorageError SLV-006, BRZ-…."""
    rows = table.scan().filter(pl.col(BRONZE_PART) == origin.address)
    with reading(str(silver.entity)):
        count = int(rows.select(pl.len()).collect().item())
        return count, tuple(_placed(plan, silver, rows, (), _Log(store, plan.bronze.path), limit=limit))


def rows_by_part(plan: DatasetPlan, *, table: Table, store: Store) -> tuple[tuple[Origin, int], ...]:
    """Every part that rows of the table came from, with their number; by commit and part."""
    log = _Log(store, plan.bronze.path)
    with reading(plan.name):
        counted = table.scan().group_by(BRONZE_PART).agg(pl.len().alias("rows")).collect()
    found = [(log.origin(*_numbers(address)), rows) for address, rows in counted.iter_rows()]
    return tuple(sorted(found, key=lambda one: (one[0].commit, one[0].part)))


def bronze_rows(
    plan: DatasetPlan, silver: SilverPlan, keys: Keys, head: Head, *, store: Store
) -> tuple[BronzeRow, ...]:
    """All rows of live loads with one of the keys, in the order of the data: what the table knows of them.

    Raises as ``match``.
    """
    log = _Log(store, plan.bronze.path, head)
    rows = match(plan, silver, keys, head, store=store).rows
    return tuple(
        BronzeRow(log.origin(n, part, row), row) for n, part, row in rows.select(COMMIT, PART, ROW).iter_rows()
    )


def part_named(plan: DatasetPlan, text: str, *, store: Store) -> Origin:
    """The part called ``commit/part``, or by the end of its path. Raises ConfigError CLI-002; Corrupt, StorageError."""
    log = _Log(store, plan.bronze.path)
    head, _, tail = text.partition("/")
    if head.isdecimal() and tail.isdecimal():
        commit = log.commit(int(head))
        if commit is not None and (tail == "0" or any(p.ordinal == int(tail) for p in commit.load.parts)):
            return log.origin(int(head), int(tail))
    for commit in log.commits():
        for part in commit.load.parts:
            if text == part.path or text.endswith((f"/{part.path}", f"/{part.path.rpartition('/')[2]}")):
                return log.origin(commit.n, part.ordinal)
            if part.path.endswith(f"/{text}"):
                return log.origin(commit.n, part.ordinal)
    raise ConfigError(
        "CLI-002", f"The log of {plan.name} names no part '{text}'.", where=f"{plan.name}  --part",
        fix="write commit/part as in the column _bronze_part (3/1), or the path of a part.",
    )  # fmt: skip


class _Log:
    """The commit log, of which old entries are read only when something came from them."""

    def __init__(self, store: Store, path: str, head: Head | None = None) -> None:
        self._log, self._path = CommitLog(store, path), path
        self._head = self._log.head() if head is None else head
        self._live = {commit.n: commit for commit in self._head.live}
        self._all: dict[int, Commit] | None = None

    def commits(self) -> Iterator[Commit]:
        """Live ones first: their parts are where they are now."""
        yield from self._live.values()
        yield from (commit for n, commit in self._replaced.items() if n not in self._live)

    def commit(self, n: int) -> Commit | None:
        return self._live.get(n) or self._replaced.get(n)

    @property
    def _replaced(self) -> Mapping[int, Commit]:
        if self._all is None:
            self._all = {record.n: record for record in self._log.commits() if isinstance(record, Commit)}
        return self._all

    def origin(self, n: int, part: int, row: int | None = None) -> Origin:
        commit = self.commit(n)
        if commit is None:
            raise ConfigError(
                "CLI-002", f"The log has no load {n}.", where=self._path, fix="medallion verify says what it lacks."
            )
        path = next((f"{self._path}/{p.path}" for p in commit.load.parts if p.ordinal == part), None)
        return Origin(n, part, path, commit.load, _files(commit.load, part, row), n in self._live)


def _files(load: Load, part: int, row: int | None) -> tuple[FileFact, ...]:
    """The files that rows of a part were in: parts hold the rows of files one after another.

    All files where counts cannot say: rows were refused or taken out, or the part is the load itself.
    """
    files = load.source.files
    if part == 0 or load.refused or sum(f.rows for f in files) != sum(p.rows for p in load.parts):
        return files
    start = sum(p.rows for p in load.parts if p.ordinal < part)
    end = start + next((p.rows for p in load.parts if p.ordinal == part), 0)
    if row is not None:
        start, end = start + row, start + row + 1
    found, at = [], 0
    for file in files:
        if at < end and at + file.rows > start:
            found.append(file)
        at += file.rows
    return tuple(found)


def _numbers(address: str) -> tuple[int, int]:
    commit, _, part = address.partition("/")
    return int(commit), int(part)


def _placed(
    plan: DatasetPlan,
    silver: SilverPlan,
    rows: pl.LazyFrame,
    asked: Sequence[str],
    log: _Log,
    *,
    limit: int | None = None,
) -> Iterator[SilverRow]:
    present = rows.collect_schema().names()
    names = [name for name in dict.fromkeys((*silver.keys, *asked, *_SHOWN)) if name in present]
    personal = {column.name for column in plan.columns if column.pii} - {*asked}
    shown = rows.select(*names, BRONZE_PART).sort(*names, BRONZE_PART)
    for row in (shown if limit is None else shown.head(limit)).collect().iter_rows(named=True):
        n, part = _numbers(row.pop(BRONZE_PART))
        yield SilverRow({k: "***" if k in personal else v for k, v in row.items()}, log.origin(n, part))
