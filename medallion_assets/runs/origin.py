"""Where silver rows came from, and what became of a bronze part: from the address that every silver row carries."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from medallion_assets.bronze.reader import scan
from medallion_assets.errors import ConfigError
from medallion_assets.lake.manifest import Commit, FileFact, Head, Part
from medallion_assets.lake.ports import Store
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.silver.columns import BRONZE_PART, FROM
from medallion_assets.silver.text import as_text

__all__ = ["Origin", "origins", "rows_of_part"]


@dataclass(frozen=True, slots=True)
class Origin:
    """The event since which every attribute of a silver row has had its value."""

    row: Mapping[str, object]
    """Keys of the silver row, and where it has versions the start of this one."""
    commit: int
    partition: str
    part: Part
    run_id: str
    committed_at: str
    """ISO 8601, UTC."""
    rows: tuple[int, ...]
    """Positions (from 0) of the key's rows in the part; empty when keys are spelt otherwise in bronze."""
    files: tuple[FileFact, ...]
    """Of the source, those that the part holds rows of; all of the load where that cannot be told."""


def origins(
    plan: DatasetPlan, silver: SilverPlan, frame: pl.LazyFrame, *, head: Head, store: Store, keys: Mapping[str, str]
) -> tuple[Origin, ...]:
    """Of the rows of ``frame`` (a silver table) whose ``keys`` have these values as text, by key, oldest version first.

    Raises ConfigError CLI-014 for a name that is no column of the table; Corrupt, StorageError.
    """
    schema = frame.collect_schema()
    unknown = [name for name in keys if name not in schema]
    if unknown or not keys:
        what = f"{silver.entity} has no column {unknown[0]!r}." if unknown else "No row is named."
        raise ConfigError(
            "CLI-014", what, where="--row", fix=f"write --row {silver.keys[0] if silver.keys else 'column'}=value."
        )
    shown = [*dict.fromkeys((*silver.keys, *keys)), *([FROM] if FROM in schema else [])]
    wanted = [as_text(pl.col(name), schema[name]) == value for name, value in keys.items()]
    found = frame.filter(*wanted).select(*shown, BRONZE_PART).sort(*shown).collect()
    commits = {commit.n: commit for commit in head.live}
    return tuple(
        _origin(plan, {n: row[n] for n in shown}, str(row[BRONZE_PART]), commits=commits, store=store, keys=keys)
        for row in found.iter_rows(named=True)
    )


def rows_of_part(frame: pl.LazyFrame, address: str) -> pl.LazyFrame:
    """The rows of a silver table that have their values since an event in this part: ``<commit>/<part>``."""
    return frame.filter(pl.col(BRONZE_PART) == address)


def _origin(
    plan: DatasetPlan, row: Mapping[str, object], address: str, *, commits: Mapping[int, Commit], store: Store,
    keys: Mapping[str, str],
) -> Origin:  # fmt: skip
    number, ordinal = (int(n) for n in address.split("/"))
    commit = commits.get(number)
    if commit is None:
        raise ConfigError(
            "CLI-007", f"Bronze commit {number}, from which the row came, is not live any more.", where=plan.name,
            fix=f"medallion run {plan.name}: the table is behind its bronze.",
        )  # fmt: skip
    part = next(p for p in commit.load.parts if p.ordinal == ordinal)
    return Origin(
        row, number, commit.load.partition, part, commit.load.run_id, commit.load.finished_at.isoformat(),
        _positions(plan, commit, ordinal, store, keys), tuple(_files(commit, part)),
    )  # fmt: skip


def _positions(
    plan: DatasetPlan, commit: Commit, ordinal: int, store: Store, keys: Mapping[str, str]
) -> tuple[int, ...]:
    rows = scan(store, plan.bronze.path, [commit])
    schema = rows.collect_schema()
    named = {column.name: column.source_names for column in plan.columns}
    conditions = [pl.col("_part") == ordinal]
    for key, value in keys.items():
        source = next((name for name in named.get(key, (key,)) if name in schema), None)
        if source is None:
            return ()
        conditions.append(as_text(pl.col(source), schema[source]) == value)
    return tuple(rows.filter(*conditions).select("_row").collect()["_row"].to_list())


def _files(commit: Commit, part: Part) -> Iterator[FileFact]:
    """By position, which says something only where files and parts hold the same rows."""
    load = commit.load
    if sum(file.rows for file in load.source.files) != load.rows:
        yield from load.source.files
        return
    first = sum(p.rows for p in load.parts if p.ordinal < part.ordinal)
    end, start = first + part.rows, 0
    for file in load.source.files:
        if start < end and first < start + file.rows:
            yield file
        start += file.rows
