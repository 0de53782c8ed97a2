"""Silver tables, and the parts of bronze, as CSV beside them, for those who read nothing else.

``<silver path>`` below ``exports/csv`` holds ``part-00001-<content>.csv`` … of at most 500,000 rows, then
``_export.json``, which names them: a reader that takes the parts it names sees one version of the table, whatever is
written meanwhile.

``<bronze path>`` below ``exports/csv`` holds a CSV file for every Parquet part of the live loads, under its name, and
an ``_export.json``, too. Nothing here is ever read to decide anything about the data: the next load, or ``repair``,
mends it, and ``clear_csv`` takes away what is asked for no longer.

Nulls are empty, an empty text is ``""``; times are ISO 8601 in UTC, nested values JSON, bytes text or hexadecimal.
"""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from typing import Any

import polars as pl

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.reader import part_rows
from medallion_assets.errors import StorageError
from medallion_assets.lake.manifest import Head, Part
from medallion_assets.lake.ports import Store, Table
from medallion_assets.lake.results import Refined
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.silver.text import as_text

__all__ = ["bronze_path", "clear_bronze", "clear_csv", "export_bronze", "export_csv", "export_path"]

_INDEX = "_export.json"
_ROWS = 500_000
_SAID = {"path", "rows", "bytes", "sha256"}
"""What an index says of a part."""


def export_path(silver: SilverPlan) -> str:
    """Where the parts lie in the table's store."""
    return f"exports/csv/{silver.path}"


def export_csv(silver: SilverPlan, table: Table, done: Refined, store: Store) -> bool:
    """Write what ``done`` left, unless it is there already; whether it was written. Raises StorageError."""
    folder = export_path(silver)
    named = _named(store, folder)
    if named is not None and named.get("content") == done.content and _is_whole(store, folder, named):
        return False
    frame = table.scan(done.table_version)
    parts = []
    for number, rows in enumerate(_as_text(frame).collect_batches(chunk_size=_ROWS, maintain_order=True), 1):
        parts.append(_put(store, folder, f"part-{number:05d}-{done.content[:12]}.csv", rows))
    index = {"table": str(silver.entity), "content": done.content, "bronze_commit": done.bronze_n, "parts": parts}
    store.put(f"{folder}/{_INDEX}", json.dumps(index, indent=2).encode())
    with suppress(StorageError):  # what stays is named by nobody, and the next export removes it
        _delete(store, folder, _files(store, folder).keys() - {_INDEX, *(part["path"] for part in parts)})
    return True


def clear_csv(silver: SilverPlan, store: Store) -> None:
    """Take the export of a table that has none any more away. Raises StorageError."""
    if "csv" not in silver.exports:
        for info in store.list(export_path(silver)):
            store.delete(info.path)


def bronze_path(plan: DatasetPlan) -> str:
    """Where the CSV files of the dataset's parts lie in bronze's store."""
    return f"exports/csv/{plan.bronze.path}"


def export_bronze(plan: DatasetPlan, store: Store, *, thorough: bool = False) -> tuple[str, ...]:
    """Bring the CSV files of a dataset's bronze to the head of its log, part by part; the paths written.

    A file of the size that the index says is taken for whole; ``thorough`` reads it against its SHA-256. What cannot be
    read or removed costs no other part its copy: the first such error is raised when all else is done.
    Raises StorageError, Corrupt (BRZ-…).
    """
    folder = bronze_path(plan)
    there = _files(store, folder)  # before the log is read: what is committed meanwhile is named then
    if not plan.bronze.csv:
        _delete(store, folder, there)
        return ()
    log = CommitLog(store, plan.bronze.path)
    head, written, sizes = log.head(), list[str](), dict(there)
    while True:
        faults = _bring(plan, head, store, sizes, written, thorough=thorough)
        seen, head = head.n, log.extend(head)
        if head.n == seen:  # else another run committed, and may have been told of an index that this one replaced
            break
    _delete(store, folder, there.keys() - _live(head) - {_INDEX})
    for fault in faults:
        raise fault
    return tuple(f"{folder}/{name}" for name in written)


def clear_bronze(plan: DatasetPlan, store: Store) -> None:
    """Remove the CSV files that no live load of the dataset holds: all, when it is to have none.

    Raises StorageError, Corrupt for a damaged log.
    """
    folder = bronze_path(plan)
    there = _files(store, folder)  # before the log is read: what is committed meanwhile is named then
    if there:
        live = {_INDEX, *_live(CommitLog(store, plan.bronze.path).head())} if plan.bronze.csv else set[str]()
        _delete(store, folder, there.keys() - live)


def _bring(
    plan: DatasetPlan, head: Head, store: Store, sizes: dict[str, int], written: list[str], *, thorough: bool
) -> list[StorageError]:
    """Write what ``head`` has and ``sizes``, name → bytes in the folder, lacks, and the index; what went wrong."""
    folder = bronze_path(plan)
    index = _named(store, folder) or {"parts": []}
    known = {part["path"]: part for part in index["parts"] if sizes.get(part["path"]) == part["bytes"]}
    parts, faults = [], list[StorageError]()
    for name, part in _live(head).items():
        # What this run wrote is not read again.
        whole = name in known and (not thorough or name in written or _is_intact(store, folder, known[name]))
        if not whole:
            try:
                known[name] = _put_part(plan, store, name, part)
            except StorageError as error:
                faults.append(error)
                continue
            written.append(name)
            sizes[name] = known[name]["bytes"]
        parts.append(known[name])
    if index != (told := {"dataset": str(plan.dataset), "commit": head.n, "parts": parts}):
        store.put(f"{folder}/{_INDEX}", json.dumps(told, indent=2).encode())
    return faults


def _live(head: Head) -> dict[str, Part]:
    """CSV file → the part that it is of."""
    return {f"{part.path.removesuffix('.parquet')}.csv": part for commit in head.live for part in commit.load.parts}


def _files(store: Store, folder: str) -> dict[str, int]:
    """What lies in the folder: name → bytes."""
    return {info.path.removeprefix(f"{folder}/"): info.bytes for info in store.list(folder)}


def _delete(store: Store, folder: str, names: Collection[str]) -> None:
    for name in names:
        store.delete(f"{folder}/{name}")


def _is_intact(store: Store, folder: str, part: Mapping[str, Any]) -> bool:
    try:
        return sha256(store.get(f"{folder}/{part['path']}")).hexdigest() == str(part["sha256"])
    except StorageError:
        return False


def _put_part(plan: DatasetPlan, store: Store, name: str, part: Part) -> dict[str, Any]:
    rows = _as_text(part_rows(store, plan.bronze.path, part).lazy()).collect()
    return _put(store, bronze_path(plan), name, rows)


def _as_text(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(as_text(pl.col(name), dtype).alias(name) for name, dtype in rows.collect_schema().items())


def _put(store: Store, folder: str, name: str, rows: pl.DataFrame) -> dict[str, Any]:
    """Write a part; what an index says of it."""
    whole = BytesIO()
    rows.write_csv(whole)
    data = whole.getvalue()
    store.put(f"{folder}/{name}", data)
    return {"path": name, "rows": rows.height, "bytes": len(data), "sha256": sha256(data).hexdigest()}


def _named(store: Store, folder: str) -> dict[str, Any] | None:
    """The index; None when there is none, or something else in its place."""
    try:
        found = json.loads(store.get(f"{folder}/{_INDEX}"))
    except (StorageError, ValueError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("parts"), list):
        return None
    whole = all(isinstance(part, dict) and part.keys() == _SAID for part in found["parts"])
    return found if whole and all(isinstance(part["path"], str) for part in found["parts"]) else None


def _is_whole(store: Store, folder: str, index: dict[str, Any]) -> bool:
    there = {info.path: info.bytes for info in store.list(folder)}
    return all(there.get(f"{folder}/{part['path']}") == part["bytes"] for part in index["parts"])
