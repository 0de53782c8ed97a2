"""Tables of assets in a store: a Parquet file under a fresh name, then the manifest that makes it the asset's value.

::

    <prefix>/<asset key>/[<partition>/]part-<id>.parquet
    <prefix>/<asset key>/[<partition>/]_manifest.json      {"format": 1, "path": …, "rows": …, "bytes": …, "sha256": …}

The manifest is replaced whole, so a reader sees the old table or the new one. What is read is verified first.
"""

import io
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, get_args
from urllib.parse import quote
from uuid import uuid4

import dagster as dg
import msgspec
import polars as pl

from medallion_assets.bronze.verify import Verified
from medallion_assets.errors import Corrupt, NotFound
from medallion_assets.lake.manifest import Part
from medallion_assets.lake.ports import Store
from medallion_assets.orchestration.parquet_io.frames import as_frame, conversion, wants_each

__all__ = ["ParquetIOManager"]

PARTITION_COLUMN = "partition_column"
"""Metadata of an asset: the column whose text says to which partition a row of a range belongs."""


class _Manifest(msgspec.Struct, frozen=True):
    path: str
    rows: int
    bytes: int
    sha256: str
    format: int = 1


class ParquetIOManager(dg.ConfigurableIOManager):
    """Base of those below; a subclass says which store. Nothing is contacted before the first read or write.

    An asset returns a frame of Polars, pyarrow or pandas; in a run over a range of partitions a dict of partition key
    → frame, or one frame and the metadata ``partition_column``. A parameter gets what it is annotated with:
    pl.LazyFrame (also without annotation), pl.DataFrame, pa.Table, pd.DataFrame; of several partitions their rows one
    after another, or with ``dict[str, …]`` each by itself.
    """

    prefix: str = ""

    @abstractmethod
    def open_store(self) -> Store:
        """The store, whose connections are its own."""

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Raises Failure for what is no table, StorageError for the store."""
        if obj is None:
            return
        name = context.asset_key.to_user_string()
        store, folder = self.open_store(), self._folder(context.asset_key)
        keys = tuple(context.asset_partition_keys) if context.has_asset_partitions else ()
        tables = self._tables(obj, keys, name, context.definition_metadata) if keys else {None: as_frame(obj, name)}
        rows = 0
        for key, table in tables.items():
            _write(store, _at(folder, key), table)
            rows += table.height
        context.add_output_metadata({"dagster/row_count": rows, "dagster/uri": store.url(folder)})

    def load_input(self, context: dg.InputContext) -> object:
        """Raises Failure when nothing was stored yet or the annotation is no table; Corrupt when bytes differ."""
        name = context.asset_key.to_user_string()
        store, folder = self.open_store(), self._folder(context.asset_key)
        annotation = context.dagster_type.typing_type
        if not context.has_asset_partitions:
            return conversion(annotation, name)(_read(store, folder, name))
        keys = tuple(context.asset_partition_keys)
        frames = {key: _read(store, _at(folder, key), f"{name} {key}") for key in keys}
        if wants_each(annotation):
            arguments = get_args(annotation)
            convert = conversion(arguments[-1] if arguments else Any, name)
            return {key: convert(frame) for key, frame in frames.items()}
        whole = next(iter(frames.values())) if len(frames) == 1 else pl.concat(frames.values(), how="diagonal_relaxed")
        return conversion(annotation, name)(whole)

    def _folder(self, key: dg.AssetKey) -> str:
        segments = [*self.prefix.strip("/").split("/"), *key.path]
        return "/".join(quote(segment, safe="") for segment in segments if segment)

    def _tables(
        self, obj: object, keys: Sequence[str], name: str, metadata: Mapping[str, object]
    ) -> "Mapping[str, pl.DataFrame]":
        if isinstance(obj, Mapping):
            if set(obj) != set(keys):
                raise dg.Failure(
                    f"{name} returned the partitions {sorted(map(str, obj))}; the run is for {list(keys)}.\n"
                    "Fix: return one frame for each key of context.partition_keys.",
                    allow_retries=False,
                )
            return {key: as_frame(obj[key], name) for key in keys}
        whole = as_frame(obj, name)
        if len(keys) == 1:
            return {keys[0]: whole}
        column = metadata.get(PARTITION_COLUMN)
        if not isinstance(column, str):
            raise dg.Failure(
                f"{name} returned one frame for {len(keys)} partitions.\nFix: return a dict of partition key to frame,"
                f" or name the column that tells them apart: metadata={{'{PARTITION_COLUMN}': …}}.",
                allow_retries=False,
            )
        text = whole[column].cast(pl.String)
        strangers = text.filter(~text.is_in(keys)).head(1).to_list()
        if strangers or text.has_nulls():
            stranger = strangers[0] if strangers else None
            raise dg.Failure(
                f"{name} returned rows of partition {stranger!r}, which is not part of the run.\n"
                f"Fix: give `{column}` the keys of context.partition_keys.",
                allow_retries=False,
            )
        return {key: whole.filter(text == key) for key in keys}


def _at(folder: str, key: str | None) -> str:
    return folder if key is None else f"{folder}/{quote(key, safe='')}"


def _write(store: Store, folder: str, table: pl.DataFrame) -> None:
    whole = io.BytesIO()
    table.write_parquet(whole, compression="zstd")
    data = whole.getvalue()
    name = f"part-{uuid4().hex}.parquet"
    store.put(f"{folder}/{name}", data)
    old = _manifest(store, folder)
    manifest = _Manifest(name, table.height, len(data), sha256(data).hexdigest())
    store.put(f"{folder}/_manifest.json", msgspec.json.encode(manifest))
    if old is not None:
        store.delete(f"{folder}/{old.path}")


def _manifest(store: Store, folder: str) -> _Manifest | None:
    try:
        raw = store.get(f"{folder}/_manifest.json")
    except NotFound:
        return None
    try:
        return msgspec.json.decode(raw, type=_Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise Corrupt(
            "BRZ-001", "The manifest of this table is not what was written.", where=store.url(folder),
            fix="Materialise the asset again.",
        ) from None  # fmt: skip


def _read(store: Store, folder: str, name: str) -> pl.LazyFrame:
    manifest = _manifest(store, folder)
    if manifest is None:
        raise dg.Failure(f"There is nothing stored for {name}.\nFix: materialise it first.", allow_retries=False)
    part = Part(manifest.path, 1, manifest.rows, manifest.bytes, manifest.sha256)
    fault = Verified().check(store, folder, part)
    if fault is not None:
        raise Corrupt(fault.code, f"{fault.path} {fault.what}.", where=store.url(folder), fix="Materialise it again.")
    url = store.url(f"{folder}/{manifest.path}")
    source = url if not url.startswith("memory:") else store.get(f"{folder}/{manifest.path}")
    return pl.scan_parquet(source, storage_options=dict(store.options) or None, glob=False, hive_partitioning=False)
