"""Loads whose parts exist: frames written as Parquet into a store, without the writer of the product."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from io import BytesIO

import polars as pl

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.lake.manifest import Column, Commit, Load, Part, Pattern
from medallion_assets.lake.ports import Store
from medallion_assets.lake.window import Window
from medallion_assets_tests.bronze.loads import PATH, load_of

__all__ = ["commit_parts", "store_load", "store_part"]


def store_part(store: Store, path: str, frame: pl.DataFrame, ordinal: int) -> Part:
    data = BytesIO()
    frame.write_parquet(data)
    raw = data.getvalue()
    store.put_if_absent(f"{PATH}/{path}", raw)
    return Part(path, ordinal, frame.height, len(raw), sha256(raw).hexdigest())


def store_load(
    store: Store,
    window: Window,
    frames: Sequence[pl.DataFrame],
    quarantine: pl.DataFrame | None = None,
    *,
    attempt: str = "a",
    pattern: Pattern = "full",
) -> Load:
    load = load_of(window, attempt, attempt=attempt, pattern=pattern)
    parts = tuple(
        store_part(store, f"{load.path}/part-{i:05d}-{attempt}.parquet", frame, i) for i, frame in enumerate(frames, 1)
    )
    bad = None
    if quarantine is not None:
        bad = store_part(store, f"{load.path}/_quarantine/part-00001-{attempt}.parquet", quarantine, 1)
    schema = {name: str(type_) for frame in frames for name, type_ in frame.schema.items()}
    return replace(
        load,
        parts=parts,
        rows=sum(p.rows for p in parts),
        schema=tuple(Column(name, type_) for name, type_ in schema.items()),
        refused=0 if quarantine is None else quarantine.height,
        quarantine=bad,
        content=sha256("".join(p.sha256 for p in parts).encode()).hexdigest(),
    )


def commit_parts(store: Store, window: Window, *frames: pl.DataFrame, attempt: str = "a") -> Commit:
    log = CommitLog(store, PATH)
    return log.publish(store_load(store, window, frames, attempt=attempt), log.head())[0]
