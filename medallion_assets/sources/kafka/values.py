"""What a message holds, as cells of text: the members of its value, and where it stands beside them."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timezone
from decimal import Decimal
from io import BytesIO
from typing import Any, Literal, Protocol
from uuid import UUID

from medallion_assets.errors import ExtractionError
from medallion_assets.lake.ports import Refused
from medallion_assets.sources.files.json_rows import Rows

__all__ = ["Message", "Poison", "Schemas", "Values"]

_MAGIC = 0
_HEAD = 5
"""Bytes before a value that a schema registry's serialiser wrote: 0, and the schema's number in four."""


class Message(Protocol):
    """Of ``confluent_kafka.Message`` what is needed here."""

    def value(self) -> bytes | None: ...
    def key(self) -> bytes | None: ...
    def headers(self) -> list[tuple[str, bytes | None]] | None: ...
    def partition(self) -> int: ...
    def offset(self) -> int: ...
    def timestamp(self) -> tuple[int, int]: ...


class Poison(Exception):
    """A value that is not what the intent says; the text says why."""


@dataclass
class Schemas:
    """Avro schemas of a registry by number, each asked for once. ``get`` gives the JSON of a path below its URL."""

    get: Callable[[str], Mapping[str, Any]]
    known: dict[int, Any] = field(default_factory=dict)

    def of(self, number: int) -> Any:
        import fastavro

        if number not in self.known:
            answer = self.get(f"/schemas/ids/{number}")
            if answer.get("references"):
                raise ExtractionError(
                    "SRC-133", f"Schema {number} refers to others, which is not read.", where="schema registry",
                    fix="register it as one schema, or read the topic as raw.",
                )  # fmt: skip
            self.known[number] = fastavro.parse_schema(json.loads(answer["schema"]))
        return self.known[number]


@dataclass
class Values:
    """Messages of one topic as rows."""

    topic: str
    form: Literal["json", "avro", "raw"]
    schemas: Schemas | None
    rows: Rows

    def row(self, message: Message) -> dict[str, str | None] | Refused:
        """Cells by column: the members of the value (``raw``: the column ``value``), then ``kafka_partition``,
        ``kafka_offset``, ``kafka_timestamp`` (ISO 8601, UTC), ``kafka_key``, ``kafka_headers`` (a JSON list of pairs).

        Of a message without a value (a tombstone) the members of its key stand for it.
        """
        value, key = message.value(), message.key()
        try:
            told = self._cells(value) if value is not None else self._of_key(key)
            beside = _apart(self._beside(message, key), told)
        except Poison as error:
            return Refused("kafka", str(error), f"{self.topic}[{message.partition()}]", message.offset(), _shown(value))
        return {**told, **beside}

    def _cells(self, value: bytes) -> dict[str, str | None]:
        if self.form == "raw":
            return {"value": _text(value)}
        found = self.rows.cells(value if self.form == "json" else self._json(value))
        if isinstance(found, str):
            raise Poison(found)
        return found

    def _of_key(self, key: bytes | None) -> dict[str, str | None]:
        if key is None or self.form == "raw":
            return {}
        try:
            return self._cells(key)
        except Poison:
            return {}

    def _json(self, value: bytes) -> bytes:
        import fastavro

        if self.schemas is None or len(value) < _HEAD or value[0] != _MAGIC:
            raise Poison("no number of a schema stands before the value")
        schema = self.schemas.of(int.from_bytes(value[1:_HEAD], "big"))
        try:
            record = fastavro.schemaless_reader(BytesIO(value[_HEAD:]), schema, None)
        except (ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError) as error:
            raise Poison(f"not a value of its schema: {type(error).__name__}") from None
        return json.dumps(record, default=_plain, ensure_ascii=False).encode()

    def _beside(self, message: Message, key: bytes | None) -> dict[str, str | None]:
        kind, milliseconds = message.timestamp()
        at = datetime.fromtimestamp(milliseconds / 1000, timezone.utc) if kind else None
        headers = message.headers()
        return {
            "kafka_partition": str(message.partition()),
            "kafka_offset": str(message.offset()),
            "kafka_timestamp": None if at is None else at.isoformat(timespec="milliseconds"),
            "kafka_key": None if key is None else self._key(key),
            "kafka_headers": None if not headers else json.dumps([[n, _shown(v)] for n, v in headers]),
        }

    def _key(self, key: bytes) -> str:
        if self.form == "avro" and key[:1] == bytes([_MAGIC]) and len(key) >= _HEAD:
            try:
                return self._json(key).decode()
            except Poison:
                pass
        return _shown(key) or ""


def _apart(beside: dict[str, str | None], told: Mapping[str, str | None]) -> dict[str, str | None]:
    both = told.keys() & beside.keys()
    if both:
        raise Poison(f"the value has a member {min(both)}, which is the name of a column beside it")
    return beside


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Poison("the value is not UTF-8") from None


def _shown(value: bytes | None) -> str:
    """Text as it is, other bytes in base64 behind ``base64:``."""
    if value is None:
        return ""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(value).decode()


def _plain(value: object) -> str:
    """What JSON has no form for, as text: of a decimal its digits, of bytes base64, of times ISO 8601."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise Poison(f"a value of type {type(value).__name__}")
