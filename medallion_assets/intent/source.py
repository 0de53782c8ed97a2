"""``source``: where the rows of a dataset come from, and how a file's bytes are read."""

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema

from medallion_assets.intent.api import Api
from medallion_assets.intent.base import (
    Columns,
    Count,
    Flag,
    JsonMap,
    Many,
    Map,
    Name,
    Plain,
    Positive,
    Scalar,
    Spec,
    Text,
    refusal,
    shown,
)
from medallion_assets.intent.plugin import PluginSource
from medallion_assets.intent.request import SourceBase
from medallion_assets.intent.tagged import Tagged

__all__ = [
    "Api",
    "Bronze",
    "Columnar",
    "Csv",
    "Database",
    "DatasetName",
    "Excel",
    "File",
    "FixedWidth",
    "Format",
    "FunctionName",
    "FwCode",
    "FwField",
    "FwRecord",
    "Isolation",
    "Json",
    "Kafka",
    "KafkaValue",
    "Parallel",
    "Python",
    "Source",
    "Xml",
]


def _sheet(given: object) -> str | int:
    if isinstance(given, Plain):
        return given.value if isinstance(given.value, int) else given.text
    if isinstance(given, str | int):
        return given
    raise refusal("INT-006", f"{shown(given)} is not a sheet.", "write its name, or its number from 0.")


class Csv(Spec):
    """Separated text."""

    type: Literal["csv", "tsv"]
    delimiter: Text | None = None
    """Default: a comma for csv, a tab for tsv."""
    collapse: Flag = False
    """Several delimiters in a row count as one."""
    quote: Text = '"'
    """Empty: quotes mean nothing."""
    escape: Text | None = None
    header: Flag = True
    names: Columns = ()
    """Column names; with ``header: true`` they replace those of the file."""
    encoding: Text = "utf-8"
    comment: Text | None = None
    """Lines that start with this are skipped."""
    skip_rows: Count = 0
    """Lines before the header."""
    ragged: Literal["fail", "quarantine", "pad"] = "quarantine"
    """A row with too few or too many fields."""


class Json(Spec):
    """JSON, or one JSON value a line."""

    type: Literal["json", "jsonl"]
    records: Text | None = None
    """JMESPath to the list of rows; default: the document, when it is a list."""
    nested: Literal["json", "flatten"] = "json"
    """Objects and lists stay JSON text, or become columns joined with ``_``."""
    encoding: Text = "utf-8"


class Columnar(Spec):
    """Formats that carry their own schema."""

    type: Literal["parquet", "avro"]


class Excel(Spec):
    """A sheet of a workbook."""

    type: Literal["excel"]
    sheet: Annotated[str | int, BeforeValidator(_sheet), WithJsonSchema({"type": ["string", "integer"]})] = 0
    """Name, or number from 0."""
    range: Text | None = None
    """Cells, like ``A3:F200``."""
    header: Flag = True


class Xml(Spec):
    """Elements of an XML document."""

    type: Literal["xml"]
    records: Text
    """XPath to the elements that are rows: ``/feed/entry``, ``//entry``."""
    nested: Literal["json", "flatten"] = "json"
    """Elements with children or attributes become JSON text, or columns joined with ``_``."""


class FwField(Spec):
    """One field of a fixed-width line."""

    name: Text
    start: Positive | None = None
    """First character, from 1; default: after the field before, the first one after a code that begins the line."""
    width: Positive


class FwRecord(Spec):
    """One kind of line of a fixed-width file."""

    code: Text
    role: Literal["parent", "child", "skip"]
    fields: Many[FwField] = ()


class FwCode(Spec):
    """Where a line holds the code of its kind."""

    start: Positive = 1
    width: Positive = 1


class FixedWidth(Spec):
    """Lines cut at fixed places."""

    type: Literal["fixed_width"]
    fields: Many[FwField] = ()
    code: FwCode = FwCode.model_construct()
    record_types: Many[FwRecord] = ()
    output: Literal["flatten", "parent", "child"] = "flatten"
    """A row for each child with its parent's fields, for each parent, or for each child."""
    encoding: Text = "utf-8"
    ragged: Literal["fail", "quarantine", "pad"] = "quarantine"
    """A line shorter than its fields, or with text behind them. ``pad``: what is missing is null."""


Format: TypeAlias = Annotated[Csv | Json | Columnar | Excel | Xml | FixedWidth, Tagged("type", "file format")]


class File(SourceBase):
    """Files of a store, or below the project."""

    type: Literal["file"]
    store: Name | None = None
    """A store of platform.yaml; default: a path below the project."""
    path: Many[Text]
    """Globs, which may hold template fields."""
    format: Format | None = None
    """Default: told by suffix and first bytes."""
    compression: Literal["auto", "none", "gzip", "zstd", "bz2", "zip"] = "auto"
    member: Text | None = None
    """Glob of the members of a zip."""


Isolation: TypeAlias = Literal["read_uncommitted", "read_committed", "repeatable_read", "snapshot", "serializable"]


class Parallel(Spec):
    """Read a table in ranges of a column, side by side."""

    column: Text
    count: Positive


class Database(SourceBase):
    """A table or a query of a database."""

    type: Literal["database"]
    connection: Name | None = None
    url: Text | None = None
    table: Text | None = None
    """Default: the intent's ``table``."""
    query: Text | None = None
    select: Columns = ()
    where: Text | None = None
    params: Map[Scalar] = Field(default_factory=dict)
    """Values bound to ``:name`` in ``query`` and ``where``."""
    parallel: Parallel | None = None
    fetch_rows: Positive = 50_000
    isolation: Isolation | None = None
    """Of the read's transaction; default: one snapshot."""


class KafkaValue(Spec):
    """How a message's value is read."""

    format: Literal["json", "avro", "raw"] = "json"
    envelope: Literal["none", "debezium"] = "none"


class Kafka(SourceBase):
    """A topic, read to its end at the time of the run."""

    type: Literal["kafka"]
    connection: Name | None = None
    brokers: Many[Text] = ()
    topic: Text
    group: Text | None = None
    value: KafkaValue = KafkaValue.model_construct()
    start_at: Literal["earliest", "latest"] = "earliest"
    max_messages: Positive | None = None


def _function(given: object) -> str:
    if isinstance(given, str):
        module, colon, name = given.partition(":")
        if colon and name.isidentifier() and all(part.isidentifier() for part in module.split(".")):
            return given
    raise refusal("INT-010", f"{shown(given)} does not name a function.", "write `package.module:function`.")


FunctionName = Annotated[
    str, BeforeValidator(_function), WithJsonSchema({"type": "string", "pattern": r"^[\w.]+:\w+$"})
]


class Python(SourceBase):
    """A function of yours that yields batches of rows."""

    type: Literal["python"]
    function: FunctionName
    args: JsonMap = Field(default_factory=dict)


def _dataset(given: object) -> str:
    if isinstance(given, str) and re.match(r"[a-z0-9_]+\.[a-z0-9_]+\Z", given):
        return given
    raise refusal("INT-010", f"{shown(given)} does not name a dataset.", "write `system.table` of another intent.")


DatasetName = Annotated[
    str, BeforeValidator(_dataset), WithJsonSchema({"type": "string", "pattern": r"^[a-z0-9_]+\.[a-z0-9_]+$"})
]


class Bronze(SourceBase):
    """The bronze of another intent: this one adds a silver table to it."""

    type: Literal["bronze"]
    dataset: DatasetName


_SYNONYMS = {
    **dict.fromkeys(("postgres", "postgresql", "mysql", "mssql", "sqlserver", "oracle", "sqlite", "sql"), "database"),
    **dict.fromkeys(("rest", "http", "https", "rest_api"), "api"),
    **dict.fromkeys(("csv", "json", "parquet", "excel", "s3", "files", "folder", "local"), "file"),
    **dict.fromkeys(("stream", "topic", "events"), "kafka"),
}
Source: TypeAlias = Annotated[
    File | Api | Database | Kafka | Python | Bronze | PluginSource,
    Tagged("type", "source type", synonyms=tuple(_SYNONYMS.items()), group="medallion_assets.sources"),
]
