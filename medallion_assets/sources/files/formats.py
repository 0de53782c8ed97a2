"""What a file is, and its reader."""

import re
from collections.abc import Generator

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.source import Columnar, Csv, FixedWidth, Format, Json
from medallion_assets.lake.ports import Batch
from medallion_assets.sources.files.stored import Content
from medallion_assets.sources.files.text import as_utf8

__all__ = ["batches", "check_format"]

_PACKED = re.compile(r"\.(?:gz|gzip|zst|zstd|bz2|zip)\Z")
_LINES_OF_OBJECTS = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{[^\n]*\}[ \t\r]*\n\s*\{")
_PARQUET = b"PAR1"


def check_format(form: Format | None, where: str) -> None:
    """Raises ConfigError SRC-001 for a format that this version cannot read."""
    if form is not None and not (isinstance(form, Csv | Json | FixedWidth) or form.type == "parquet"):
        raise ConfigError(
            "SRC-001",
            f"File format `{form.type}` is not built in this version.",
            where=where,
            fix="Use csv, tsv, json, jsonl, fixed_width or parquet.",
        )


def batches(content: Content, asked: Format | None, *, changes: bool) -> Generator[Batch, None, None]:
    """Batches of one file. ``changes``: it holds what changed, not the complete state.

    Raises ConfigError SRC-001, ExtractionError SRC-022 (format not known) and what its reader raises.
    """
    form = asked or _guess(content)
    name, where = content.name, content.where
    check_format(form, where)
    match form:
        case Csv():
            from medallion_assets.sources.files.csv import read_csv

            yield from read_csv(as_utf8(content.stream, form.encoding, where), form, name=name, where=where)
        case Json(type="jsonl", records=None):
            from medallion_assets.sources.files.json import read_json_lines

            yield from read_json_lines(
                as_utf8(content.stream, form.encoding, where),
                nested=form.nested, name=name, where=where, changes=changes,
            )  # fmt: skip
        case Json():
            from medallion_assets.sources.files.json import read_json

            stream = as_utf8(content.stream, form.encoding, where)
            yield from read_json(stream, nested=form.nested, records=form.records, name=name, where=where)
        case FixedWidth():
            from medallion_assets.sources.files.fixed_width import read_fixed_width

            stream = as_utf8(content.stream, form.encoding, where)
            yield from read_fixed_width(stream, form, name=name, where=where, changes=changes)
        case _:
            from medallion_assets.sources.files.parquet import read_parquet

            yield from read_parquet(content.path or content.seekable(), where)


def _guess(content: Content) -> Csv | Json | Columnar:
    """By the first bytes where they are clear, else by the suffix."""
    start = content.stream.peek(1)
    if start.startswith(_PARQUET):
        return Columnar(type="parquet")
    suffix = _PACKED.sub("", content.name.lower()).rpartition("/")[2].rpartition(".")[2]
    match suffix:
        case "csv" | "txt":
            return Csv(type="csv")
        case "tsv" | "tab":
            return Csv(type="tsv")
        case "jsonl" | "ndjson":
            return Json(type="jsonl")
        case "json":
            return Json(type="jsonl" if _LINES_OF_OBJECTS.match(start) else "json")
        case "parquet" | "pq":
            return Columnar(type="parquet")
    raise ExtractionError(
        "SRC-022",
        "Neither the file's name nor its first bytes say what it is.",
        where=content.where,
        fix="Set source.format to csv, tsv, json, jsonl or parquet.",
    )
