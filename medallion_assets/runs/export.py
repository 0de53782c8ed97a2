"""A silver table as CSV beside it, for those who read nothing else.

``<silver path>`` below ``exports/csv`` holds ``part-00001-<content>.csv`` … of at most 500,000 rows, then
``_export.json``, which names them: a reader that takes the parts it names sees one version of the table, whatever is
written meanwhile.
Nulls are empty, an empty text is ``""``; times are ISO 8601 in UTC, nested values JSON, bytes text or hexadecimal.
"""

import json
from contextlib import suppress
from hashlib import sha256
from io import BytesIO

import polars as pl

from medallion_assets.errors import StorageError
from medallion_assets.lake.ports import Store, Table
from medallion_assets.lake.results import Refined
from medallion_assets.plan.model import SilverPlan
from medallion_assets.silver.text import as_text

__all__ = ["export_csv", "export_path"]

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
    text = frame.select(as_text(pl.col(name), dtype).alias(name) for name, dtype in frame.collect_schema().items())
    parts = []
    for number, rows in enumerate(text.collect_batches(chunk_size=_ROWS, maintain_order=True), 1):
        whole = BytesIO()
        rows.write_csv(whole)
        data, name = whole.getvalue(), f"part-{number:05d}-{done.content[:12]}.csv"
        store.put(f"{folder}/{name}", data)
        parts.append({"path": name, "rows": rows.height, "bytes": len(data), "sha256": sha256(data).hexdigest()})
    index = {"table": str(silver.entity), "content": done.content, "bronze_commit": done.bronze_n, "parts": parts}
    store.put(f"{folder}/{_INDEX}", json.dumps(index, indent=2).encode())
    kept = {f"{folder}/{name}" for name in (_INDEX, *(part["path"] for part in parts))}
    with suppress(StorageError):  # what stays is named by nobody, and the next export removes it
        for info in store.list(folder):
            if info.path not in kept:
                store.delete(info.path)
    return True


def _named(store: Store, folder: str) -> "dict[str, object] | None":
    try:
        found = json.loads(store.get(f"{folder}/{_INDEX}"))
    except (StorageError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("parts"), list) else None


def _is_whole(store: Store, folder: str, index: "dict[str, object]") -> bool:
    there = {info.path: info.bytes for info in store.list(folder)}
    parts = index["parts"]
    assert isinstance(parts, list)  # noqa: S101 - as _named says
    return all(there.get(f"{folder}/{part['path']}") == part["bytes"] for part in parts)
