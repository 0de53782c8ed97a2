"""What a file is, and its reader."""

import re
from collections.abc import Generator

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.source import Columnar, Csv, Excel, FixedWidth, Format, Json, Xml
from medallion_assets.lake.ports import Batch
from medallion_assets.sources.files.stored import Content
from medallion_assets.sources.files.text import as_utf8

__all__ = ["batches"]

_PACKED = re.compile(r"\.(?:gz|gzip|zst|zstd|bz2|zip)\Z")
_LINES_OF_OBJECTS = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{[^\n]*\}[ \t\r]*\n\s*\{")
_MAGIC = {b"PAR1": "parquet", b"Obj\x01": "avro"}
_SUFFIXES = {
    "csv": "csv", "txt": "csv", "tsv": "tsv", "tab": "tsv", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet",
    "pq": "parquet", "avro": "avro", "xlsx": "excel", "xlsm": "excel", "xls": "excel", "xlsb": "excel", "ods": "excel",
}  # fmt: skip


def batches(content: Content, asked: Format | None, *, changes: bool) -> Generator[Batch, None, None]:
    """Batches of one file. ``changes``: it holds what changed, not the complete state.

    Raises ExtractionError SRC-022 (format not known) and what its reader raises.
    """
    form = asked or _guess(content)
    name, where = content.name, content.where
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
        case Columnar(type="avro"):
            from medallion_assets.sources.files.avro import read_avro

            yield from read_avro(content.stream, where=where)
        case Excel():
            from medallion_assets.sources.files.excel import read_excel

            yield from read_excel(content, form)
        case Xml():
            from medallion_assets.sources.files.xml import read_xml

            yield from read_xml(content.stream, form, name=name, where=where)
        case FixedWidth():
            from medallion_assets.sources.files.fixed_width import read_fixed_width

            stream = as_utf8(content.stream, form.encoding, where)
            yield from read_fixed_width(stream, form, name=name, where=where, changes=changes)
        case _:
            from medallion_assets.sources.files.parquet import read_parquet

            yield from read_parquet(content.path or content.seekable(), where)


def _guess(content: Content) -> Csv | Json | Columnar | Excel:
    """By the first bytes where they are clear, else by the suffix."""
    start = content.stream.peek(1)
    suffix = _PACKED.sub("", content.name.lower()).rpartition("/")[2].rpartition(".")[2]
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            return _named(kind)
    if suffix == "json":
        return Json(type="jsonl" if _LINES_OF_OBJECTS.match(start) else "json")
    if suffix in _SUFFIXES:
        return _named(_SUFFIXES[suffix])
    raise ExtractionError(
        "SRC-022",
        "Neither the file's name nor its first bytes say what it is.",
        where=content.where,
        fix="Set source.format; xml and fixed_width need more than their name: a mapping with `type`.",
    )


def _named(kind: str) -> Csv | Json | Columnar | Excel:
    """The format of a name, with nothing said about it."""
    match kind:
        case "csv" | "tsv":
            return Csv(type=kind)
        case "jsonl":
            return Json(type=kind)
        case "parquet" | "avro":
            return Columnar(type=kind)
        case "excel":
            return Excel(type=kind)
    raise AssertionError(kind)
