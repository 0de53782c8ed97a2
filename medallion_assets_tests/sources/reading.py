"""Reading files in tests: a project's folder, a spec as in YAML, one partition."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import polars as pl

from medallion_assets.intent.source import Csv, File
from medallion_assets.lake.manifest import FileFact
from medallion_assets.lake.ports import Batch, Refused, Request
from medallion_assets.lake.window import Partition, Window
from medallion_assets.sources.files.csv import BLOCK_BYTES, read_csv
from medallion_assets.sources.files.local import LocalFiles
from medallion_assets.sources.files.source import FileSource


@dataclass(frozen=True)
class Got:
    rows: pl.DataFrame
    refused: tuple[Refused, ...]
    files: tuple[FileFact, ...] = ()

    @property
    def table(self) -> list[tuple[object, ...]]:
        return self.rows.rows()

    @property
    def refusals(self) -> list[tuple[str, int, str]]:
        return [(r.reason, r.line, r.raw) for r in self.refused]


def day(text: str = "2024-01-31") -> Partition:
    start = datetime.combine(date.fromisoformat(text), datetime.min.time(), timezone.utc)
    return Partition(Window(start, start + timedelta(days=1)), text, date.fromisoformat(text))


def gathered(batches: list[Batch], files: tuple[FileFact, ...] = ()) -> Got:
    frames = [batch.rows for batch in batches]
    rows = pl.concat(frames, how="diagonal") if frames else pl.DataFrame()
    return Got(rows, tuple(r for batch in batches for r in batch.refused), files)


def read(
    root: Path,
    path: str | list[str],
    partition: str = "2024-01-31",
    *,
    whole: bool = True,
    ledger: Mapping[str, tuple[str, FileFact]] | None = None,
    compression: str = "auto",
    member: str | None = None,
    values: Mapping[str, str] | None = None,
    **form: object,
) -> Got:
    spec = {"type": "file", "path": path, "compression": compression, "member": member} | (
        {"format": form} if form else {}
    )
    known = values or {}
    source = FileSource(File.model_validate(spec), LocalFiles(root), "UTC", whole, lambda reference: known[reference])
    with source.read(Request(day(partition), ledger=ledger or {})) as reading:
        batches = list(reading)
        return gathered(batches, reading.facts.files)


def csv(data: bytes | str, block_bytes: int = BLOCK_BYTES, /, **spec: object) -> Got:
    stream: io.BufferedReader = io.BufferedReader(io.BytesIO(data.encode() if isinstance(data, str) else data))
    form = Csv.model_validate({"type": "csv"} | spec)
    return gathered(list(read_csv(stream, form, name="a.csv", where="a.csv", block_bytes=block_bytes)))
