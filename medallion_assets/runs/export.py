"""Silver tables, and the parts of bronze, as CSV beside them, for those who read nothing else.

``<silver path>`` below ``exports/csv`` holds ``part-00001-<content>.csv`` … of at most 500,000 rows, then
``_export.json``, which names them: a reader that takes the parts it names sees one version of the table, whatever is
written meanwhile.

``<bronze path>`` below ``exports/csv`` holds a CSV file for every Parquet part of the live loads, under its name, and
an ``_export.json``, too. Nothing here is ever read to decide anything: the next load, or ``repair``, mends it.

Nulls are empty, an empty text is ``""``; times are ISO 8601 in UTC, nested values JSON, bytes text or hexadecimal.
"""

import json
from collections.abc import Collection
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from typing import Any

import polars as pl

from medallion_assets.bronze.reader import part_rows
from medallion_assets.errors import StorageError
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import Store, Table
from medallion_assets.lake.results import Refined
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.silver.text import as_text

__all__ = ["export_bronze", "export_csv", "export_path"]

_INDEX = "_export.json"
_ROWS = 500_000


def export_path(silver: SilverPlan) -> str:
    """Where the parts lie in the table's store."""
    return f"exports/csv/{silver.path}"


def export_csv(silver: SilverPlan, table: Table, done: Refined, store: Store) -> bool:
    """Write what ``done`` left, unless it is there already; whether it was written. Raises StorageError."""
    folder = export_path(silver)
    named = _named(store, folder)
    if named is not None and named["content"] == done.content and _is_whole(store, folder, named):
        return False
    frame = table.scan(done.table_version)
    parts = []
    for number, rows in enumerate(_as_text(frame).collect_batches(chunk_size=_ROWS, maintain_order=True), 1):
        parts.append(_put(store, folder, f"part-{number:05d}-{done.content[:12]}.csv", rows))
    index = {"table": str(silver.entity), "content": done.content, "bronze_commit": done.bronze_n, "parts": parts}
    store.put(f"{folder}/{_INDEX}", json.dumps(index, indent=2).encode())
    with suppress(StorageError):  # what stays is named by nobody, and the next export removes it
        _drop_others(store, folder, {str(part["path"]) for part in parts})
    return True


def export_bronze(plan: DatasetPlan, head: Head, store: Store) -> tuple[str, ...]:
    """Bring the CSV files of a dataset's bronze to ``head``, part by part; the paths written.

    What no live load holds any more goes first: it may have been expunged. Raises StorageError, Corrupt (BRZ-…).
    """
    bronze = plan.bronze.path
    folder = f"exports/csv/{bronze}"
    live = {_csv_of(part.path): part for commit in head.live for part in commit.load.parts}
    _drop_others(store, folder, live.keys())
    there = {info.path.removeprefix(f"{folder}/"): info.bytes for info in store.list(folder)}
    index = _named(store, folder) or {"commit": 0, "parts": []}
    known = {part["path"]: part for part in index["parts"] if there.get(part["path"]) == part["bytes"]}
    parts, written = [], list[str]()
    for name, part in live.items():
        if name not in known:
            rows = _as_text(part_rows(store, bronze, part).lazy()).collect()
            known[name] = _put(store, folder, name, rows)
            written.append(f"{folder}/{name}")
        parts.append(known[name])
    if index != (told := {"dataset": str(plan.dataset), "commit": head.n, "parts": parts}):
        store.put(f"{folder}/{_INDEX}", json.dumps(told, indent=2).encode())
    return tuple(written)


def _csv_of(part: str) -> str:
    return f"{part.removesuffix('.parquet')}.csv"


def _as_text(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.select(as_text(pl.col(name), dtype).alias(name) for name, dtype in rows.collect_schema().items())


def _put(store: Store, folder: str, name: str, rows: pl.DataFrame) -> dict[str, object]:
    """Write a part; what an index says of it."""
    whole = BytesIO()
    rows.write_csv(whole)
    data = whole.getvalue()
    store.put(f"{folder}/{name}", data)
    return {"path": name, "rows": rows.height, "bytes": len(data), "sha256": sha256(data).hexdigest()}


def _drop_others(store: Store, folder: str, names: Collection[str]) -> None:
    kept = {f"{folder}/{name}" for name in (_INDEX, *names)}
    for info in store.list(folder):
        if info.path not in kept:
            store.delete(info.path)


def _named(store: Store, folder: str) -> dict[str, Any] | None:
    try:
        found = json.loads(store.get(f"{folder}/{_INDEX}"))
    except (StorageError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("parts"), list) else None


def _is_whole(store: Store, folder: str, index: dict[str, Any]) -> bool:
    there = {info.path: info.bytes for info in store.list(folder)}
    return all(there.get(f"{folder}/{part['path']}") == part["bytes"] for part in index["parts"])
