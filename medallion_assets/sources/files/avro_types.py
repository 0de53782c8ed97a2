"""Avro schemas as types of bronze, and each value exactly: what a logical type means is laid over the stored number.

fastavro is given the schema without logical types, because Python's own dates end in the year 9999 and its times at the
microsecond; integers of days, milliseconds, microseconds and nanoseconds go into the columns as they are.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Field", "NoType", "columns_of", "plain"]

Convert = Callable[[Any], Any]
_MAX_DIGITS = 38


class NoType(Exception):
    """A type that bronze cannot hold: the text says which, after the name of its column."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its Arrow type, and how a stored value becomes what Arrow takes for it (None: it is already)."""

    type: "pa.DataType"
    convert: Convert | None = None

    def column(self, values: list[Any]) -> "pa.Array":
        import pyarrow as pa

        convert = self.convert
        if convert is not None:
            values = [None if value is None else convert(value) for value in values]
        return pa.array(values, self.type)


def plain(schema: Any) -> Any:
    """The schema without logical types."""
    match schema:
        case list():
            return [plain(branch) for branch in schema]
        case dict():
            kept = {key: value for key, value in schema.items() if key != "logicalType"}
            for key in ("type", "items", "values"):
                if isinstance(kept.get(key), dict | list):
                    kept[key] = plain(kept[key])
            if isinstance(kept.get("fields"), list):
                kept["fields"] = [plain(field) for field in kept["fields"]]
            return kept
    return schema


def columns_of(schema: Any) -> dict[str, Field]:
    """The columns of a record. Raises NoType."""
    if not isinstance(schema, Mapping) or schema.get("type") != "record":
        raise NoType("the values are not records")
    types = _Types()
    types.learn(schema)
    if not schema.get("fields"):
        raise NoType("a record without fields")
    return {field["name"]: types.column(field) for field in schema["fields"]}


class _Types:
    """Types by name, and those under way: a type that holds itself has no end."""

    def __init__(self) -> None:
        self._named: dict[str, Any] = {}
        self._inside: list[int] = []

    def learn(self, schema: Any, space: str = "") -> None:
        """Every named type of ``schema``, by its full name and by its own."""
        match schema:
            case list():
                for branch in schema:
                    self.learn(branch, space)
            case dict():
                name, space = str(schema.get("name", "")), str(schema.get("namespace", space))
                if schema.get("type") in ("record", "enum", "fixed", "error"):
                    self._named.setdefault(name if "." in name or not space else f"{space}.{name}", schema)
                    self._named.setdefault(name.rpartition(".")[2], schema)
                for key in ("type", "items", "values"):
                    self.learn(schema.get(key), space)
                for field in schema.get("fields") or ():
                    self.learn(field.get("type"), space)

    def column(self, field: Mapping[str, Any]) -> Field:
        try:
            return self.field(field["type"])
        except NoType as error:
            raise NoType(f"{field['name']} ({error})") from None

    def field(self, schema: Any) -> Field:
        match schema:
            case list():
                return self._union(schema)
            case str() if schema in _PRIMITIVES:
                return _primitive(schema)
            case str() if schema in self._named:
                return self._once(self._named[schema])
            case {"logicalType": str() as logical} if (found := _logical(logical, schema)) is not None:
                return found
            case {"type": "record" | "array" | "map" | "enum" | "fixed"}:
                return self._once(schema)
            case {"type": inner}:
                return self.field(inner)
        raise NoType(f"type {schema}")

    def _once(self, schema: dict[str, Any]) -> Field:
        if id(schema) in self._inside:
            raise NoType("a type that holds itself")
        self._inside.append(id(schema))
        try:
            return self._complex(schema)
        finally:
            self._inside.pop()

    def _complex(self, schema: dict[str, Any]) -> Field:
        import pyarrow as pa

        match schema["type"]:
            case "enum":
                return Field(pa.string())
            case "fixed":
                return _logical(str(schema.get("logicalType")), schema) or Field(pa.binary())
            case "array":
                item = self._inner(schema["items"])
                return Field(pa.list_(item.type), _each(item.convert))
            case "map":
                value = self._inner(schema["values"])
                pair = pa.struct([("key", pa.string()), ("value", value.type)])
                return Field(pa.list_(pair), _pairs(value.convert))
        fields = {field["name"]: self.field(field["type"]) for field in schema.get("fields") or ()}
        if not fields:
            raise NoType("a record without fields")
        converts = {name: field.convert for name, field in fields.items() if field.convert is not None}
        return Field(pa.struct([(name, field.type) for name, field in fields.items()]), _members(converts))

    def _inner(self, schema: Any) -> Field:
        """Of a list or map: something that takes a byte, or a few bytes would stand for values without end."""
        found = self.field(schema)
        if schema in ("null", {"type": "null"}):
            raise NoType("a list of nothing")
        return found

    def _union(self, branches: list[Any]) -> Field:
        import pyarrow as pa

        fields = [self.field(branch) for branch in branches if branch not in ("null", {"type": "null"})]
        if not fields:
            return Field(pa.null())
        types = {str(field.type) for field in fields}
        plainly = all(field.convert is None for field in fields)
        if len(fields) == 1 or (len(types) == 1 and plainly):
            return fields[0]
        for narrow, wide in ((pa.int32(), pa.int64()), (pa.float32(), pa.float64())):
            if plainly and types == {str(narrow), str(wide)}:
                return Field(wide)
        raise NoType(f"a union of {', '.join(str(field.type) for field in fields)}")


_PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")


def _primitive(name: str) -> Field:
    import pyarrow as pa

    types = (pa.null(), pa.bool_(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.binary(), pa.string())
    return Field(dict(zip(_PRIMITIVES, types, strict=True))[name])


def _logical(name: str, schema: Mapping[str, Any]) -> Field | None:
    """None for a logical type that is unknown or stands on another type than its own: then it is to be ignored."""
    import pyarrow as pa

    base = schema["type"]
    utc = "UTC"
    simple: dict[tuple[str, object], Field] = {
        ("date", "int"): Field(pa.date32()),
        ("time-millis", "int"): Field(pa.time32("ms")),
        ("time-micros", "long"): Field(pa.time64("us")),
        ("timestamp-millis", "long"): Field(pa.timestamp("ms", utc)),
        ("timestamp-micros", "long"): Field(pa.timestamp("us", utc)),
        ("timestamp-nanos", "long"): Field(pa.timestamp("ns", utc)),
        ("local-timestamp-millis", "long"): Field(pa.timestamp("ms")),
        ("local-timestamp-micros", "long"): Field(pa.timestamp("us")),
        ("local-timestamp-nanos", "long"): Field(pa.timestamp("ns")),
        ("uuid", "string"): Field(pa.string()),
        ("uuid", "fixed"): Field(pa.string(), lambda value: str(UUID(bytes=value))),
    }
    if name == "decimal" and base in ("bytes", "fixed"):
        digits, scale = schema.get("precision"), schema.get("scale", 0)
        if not isinstance(digits, int) or not isinstance(scale, int) or not 0 <= scale <= digits:
            return None
        if digits > _MAX_DIGITS:
            raise NoType(f"a decimal of {digits} digits")
        return Field(pa.decimal128(digits, scale), _decimal(scale))
    return simple.get((name, base)) if isinstance(base, str) else None


def _decimal(scale: int) -> Convert:
    def convert(value: bytes) -> Decimal:
        number = int.from_bytes(value, "big", signed=True)
        digits = tuple(int(digit) for digit in str(abs(number)))
        return Decimal((int(number < 0), digits, -scale))

    return convert


def _each(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda values: [None if value is None else convert(value) for value in values]


def _pairs(convert: Convert | None) -> Convert:
    """A map as a list of keys and values, which every version of Polars and Delta holds."""
    one = convert or (lambda value: value)
    return lambda values: [
        {"key": key, "value": None if value is None else one(value)} for key, value in values.items()
    ]


def _members(converts: Mapping[str, Convert]) -> Convert | None:
    if not converts:
        return None

    def convert(record: dict[str, Any]) -> dict[str, Any]:
        for name, one in converts.items():
            if record[name] is not None:
                record[name] = one(record[name])
        return record

    return convert
