"""What the log of a Delta table says of its columns and files."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import polars as pl

from medallion_assets.tables.encoded import polars_type

if TYPE_CHECKING:
    import deltalake

__all__ = ["files_of", "flush", "name_of", "paths_of", "schema_of", "slices_of"]


def schema_of(table: "deltalake.DeltaTable") -> dict[str, pl.DataType]:
    """Columns in the table's order."""
    fields: list[Mapping[str, object]] = json.loads(table.schema().to_json())["fields"]
    return {str(f["name"]): polars_type(str(f["type"])) for f in fields}


def slices_of(url: str, table: "deltalake.DeltaTable", keys: Sequence[str]) -> dict[tuple[object, ...], list[str]]:
    """Files of each combination of partition values."""
    if not keys:
        files = paths_of(url, table)
        return {(): files} if files else {}
    actions = pl.DataFrame(table.get_add_actions(flatten=True)).select("path", *(f"partition.{key}" for key in keys))
    values = {name_of(str(path)): tuple(of_file) for path, *of_file in actions.iter_rows()}
    found: dict[tuple[object, ...], list[str]] = {}
    for uri in paths_of(url, table):
        found.setdefault(values[name_of(uri)], []).append(uri)
    return found


def files_of(table: "deltalake.DeltaTable") -> list[tuple[str, int, int | None]]:
    """Every file's path as the log spells it, its bytes, and its rows when the log says."""
    return pl.DataFrame(table.get_add_actions()).select("path", "size_bytes", "num_records").rows()


def paths_of(url: str, table: "deltalake.DeltaTable") -> list[str]:
    """Where the files lie. deltalake spells the folder of a local table as in a URL, with %20 for a space."""
    if not url.startswith("/"):
        return table.file_uris()
    return [f"{url}/{unquote(path)}" for path, *_ in files_of(table)]


def name_of(path: str) -> str:
    """A file's name, which is unique; its path is spelled differently in the log and in a URI."""
    return unquote(path.rpartition("/")[2])


def flush(url: str, table: "deltalake.DeltaTable", before: Iterable[str], version: int) -> None:
    """Files that came since ``version``, which had those of ``before``, and its log entries, then their folders, on a
    local file system. An entry that a crash takes away under a later one would break the table.
    """
    if not url.startswith("/"):
        return
    known = set(before)
    log = [Path(url) / "_delta_log" / f"{n:020d}.json" for n in range(version + 1, table.version() + 1)]
    new = [Path(path) for path in paths_of(url, table) if path not in known]
    folders = {folder for path in (*new, *log) for folder in path.parents if folder.is_relative_to(url)}
    for path in (*new, *log, *sorted(folders)):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
