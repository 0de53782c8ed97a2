"""The base of every spec and the scalars of the grammar.

Values come from YAML as ``str``, ``list``, ``dict`` and, where a plain scalar is not text, as :class:`Plain`, which
keeps the characters as typed beside the value. So a key that holds text keeps ``1.10`` and ``True`` as written, and a
key that holds a number refuses ``"5"``. Python values (``5``, ``True``, ``None``) are accepted in the same places.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

__all__ = [
    "Bare",
    "Columns",
    "Count",
    "Date",
    "Duration",
    "Flag",
    "Fraction",
    "Int",
    "Json",
    "JsonMap",
    "Keys",
    "Many",
    "Map",
    "Name",
    "Number",
    "Plain",
    "Positive",
    "Scalar",
    "Size",
    "Spec",
    "Text",
    "TypeName",
    "canonical_type",
    "refusal",
    "shown",
    "text_of",
    "thaw",
]


@dataclass(frozen=True, slots=True)
class Plain:
    """A plain YAML scalar that is not text: its characters and its value (``None``, bool, int or float)."""

    text: str
    value: bool | int | float | None


class Spec(BaseModel):
    """One typed part of an intent: frozen, unknown keys forbidden, built when first used (cold start)."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def refusal(code: str, what: str, fix: str = "") -> PydanticCustomError:
    """Make the error that a validator raises: it becomes a Problem of that code, at the place of the value."""
    return PydanticCustomError("medallion", "{what}", {"code": code, "what": what, "fix": fix})


def shown(value: object) -> str:
    """Write a value the way the owner wrote it, at most 60 characters."""
    if isinstance(value, Plain):
        text = value.text or "null"
    elif isinstance(value, str):
        text = f"'{value}'"
    elif isinstance(value, Mapping):
        text = "a mapping"
    elif isinstance(value, list | tuple):
        text = "a list"
    else:
        text = str(value)
    return text if len(text) <= 60 else text[:56] + "…" + text[-1]


def _value(given: object) -> object:
    return given.value if isinstance(given, Plain) else given


def thaw(given: object) -> object:
    """Turn a loaded value into plain Python: None, bool, int, float, str, list, dict."""
    if isinstance(given, Plain):
        return given.value
    if isinstance(given, Mapping):
        return {str(key): thaw(value) for key, value in given.items()}
    if isinstance(given, list | tuple):
        return [thaw(value) for value in given]
    return given


def _null(expected: str, given: object) -> PydanticCustomError:
    if isinstance(given, Plain) and not given.text:
        return refusal(
            "INT-008", f"Nothing is written, and {expected} is expected.", f"write {expected}, or remove the line."
        )
    text = given.text if isinstance(given, Plain) else "null"
    quoted = f'for the text quote it: "{text}"' if expected == "text" else f"write {expected}"
    return refusal("INT-008", f"`{text}` is null, and {expected} is expected.", f"{quoted}; or remove the line.")


def _wrong(expected: str, given: object, fix: str = "") -> PydanticCustomError:
    if _value(given) is None:
        return _null(expected, given)
    return refusal("INT-006", f"{shown(given)} is not {expected}.", fix or f"write {expected}.")


def text_of(given: object) -> str:
    """Text as typed. Raises a validation error (INT-006, INT-008) for a null, a list or a mapping."""
    match given:
        case Plain(value=None):
            raise _null("text", given)
        case Plain(text=text):
            return text
        case str():
            return given
        case bool():
            return "true" if given else "false"
        case int() | float():
            return str(given)
    raise _wrong("text", given)


def _flag(given: object) -> bool:
    value = _value(given)
    if isinstance(value, bool):
        return value
    raise _wrong("true or false", given)


def _int(given: object) -> int:
    value = _value(given)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    fix = "write the digits without quotes, `_` or leading zeros." if isinstance(value, str) else ""
    raise _wrong("a whole number", given, fix)


def _number(given: object) -> float | int:
    value = _value(given)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise _wrong("a number", given)


def _scalar(given: object) -> str | int | float | bool:
    value = _value(given)
    if isinstance(value, str | int | float):
        return value
    raise _wrong("text", given)


_ANY_SCALAR = {"type": ["string", "number", "boolean"]}
Text = Annotated[str, BeforeValidator(text_of), WithJsonSchema(_ANY_SCALAR)]
"""Text, kept as typed: ``007``, ``1.10``, ``true`` and ``2022-11-28`` stay these characters."""
Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
Int = Annotated[int, BeforeValidator(_int), WithJsonSchema({"type": "integer"})]
Count = Annotated[int, Field(ge=0), BeforeValidator(_int), WithJsonSchema({"type": "integer", "minimum": 0})]
Positive = Annotated[int, Field(ge=1), BeforeValidator(_int), WithJsonSchema({"type": "integer", "minimum": 1})]
Number = Annotated[float, BeforeValidator(_number), WithJsonSchema({"type": "number"})]
Scalar = Annotated[str | int | float | bool, BeforeValidator(_scalar), WithJsonSchema(_ANY_SCALAR)]
Json = Annotated[object, BeforeValidator(thaw), WithJsonSchema({})]
"""Any JSON value: None, bool, int, float, str, list, dict."""
JsonMap = Annotated[dict[str, object], BeforeValidator(thaw), WithJsonSchema({"type": "object"})]

_NAME = re.compile(r"[a-z0-9_]{1,128}\Z")


def _name(given: object) -> str:
    text = text_of(given)
    if _NAME.match(text):
        return text
    suggestion = re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_")[:128]
    raise refusal(
        "INT-011",
        f"{shown(given)} cannot be a name.",
        "use lower-case letters, digits and `_`, at most 128" + (f", like `{suggestion}`." if suggestion else "."),
    )


Name = Annotated[
    str, BeforeValidator(_name), WithJsonSchema({"type": ["string", "integer"], "pattern": "^[a-z0-9_]{1,128}$"})
]
"""A name that becomes a path segment: ``[a-z0-9_]+``, at most 128 characters."""

_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d|w)\Z")
_DURATION_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def _duration(given: object) -> timedelta:
    if isinstance(given, timedelta):
        return given
    if isinstance(given, str) and (found := _DURATION.match(given)):
        try:
            return int(found[1]) * _DURATION_UNITS[found[2]]
        except OverflowError:
            pass
    raise refusal(
        "INT-010",
        f"{shown(given)} is not a duration.",
        "write a whole number and a unit: 500ms, 30s, 5m, 1h, 7d, 2w.",
    )


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,9}(ms|s|m|h|d|w)$", "examples": ["30s", "7d"]}),
]

_SIZE = re.compile(r"(\d{1,12})(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)\Z")
_SIZE_UNITS = {
    "B": 1,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}


def _size(given: object) -> int:
    if isinstance(given, str) and (found := _SIZE.match(given)):
        return int(found[1]) * _SIZE_UNITS[found[2]]
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    raise refusal("INT-010", f"{shown(given)} is not a size.", "write a whole number and a unit: 500KB, 64MiB, 1GiB.")


Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,12}([KMGT]i?)?B$", "examples": ["64MiB"]}),
]
"""Bytes. Written as ``64MiB``; a bare number is refused in YAML, because it has no unit."""

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)%\Z")


def _fraction(given: object) -> float:
    value = _value(given)
    if isinstance(value, str) and (found := _PERCENT.match(value)):
        value = float(found[1]) / 100
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise refusal(
        "INT-010", f"{shown(given)} is not a share.", "write a number from 0 to 1, or a percentage: 0.01 or 1%."
    )


Fraction = Annotated[
    float,
    BeforeValidator(_fraction),
    WithJsonSchema(
        {"type": ["number", "string"], "minimum": 0, "maximum": 1, "pattern": r"^\d{1,3}(\.\d+)?%$", "examples": ["1%"]}
    ),
]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")


def _date(given: object) -> date:
    if isinstance(given, date):
        return given
    if isinstance(given, str) and _DATE.match(given):
        try:
            return date.fromisoformat(given)
        except ValueError:
            pass
    raise refusal("INT-010", f"{shown(given)} is not a date.", "write YYYY-MM-DD, like 2024-01-31.")


Date = Annotated[date, BeforeValidator(_date), WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"})]


def _many(given: object) -> object:
    if isinstance(given, tuple):
        return given
    return tuple(given) if isinstance(given, list) else (given,)


@dataclass(frozen=True, slots=True)
class Bare:
    """Marks ``Annotated[Column, Bare("type")]``: text alone stands for the mapping that holds it under ``key``."""

    key: str

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._open, handler(source))

    def _open(self, given: object) -> object:
        return {self.key: given} if isinstance(given, str) else given


T = TypeVar("T")
Many: TypeAlias = Annotated[tuple[T, ...], BeforeValidator(_many)]
"""A list; a list of one may be written as the one."""
Map: TypeAlias = dict[str, T]
Columns = Annotated[tuple[Text, ...], BeforeValidator(_many)]
"""Column names."""
Keys = Annotated[tuple[Text, ...], Field(min_length=1), BeforeValidator(_many)]
"""At least one column name."""

_TYPES = {
    "string": "string text varchar char nvarchar utf8 large_utf8 large_string str",
    "boolean": "boolean bool bit",
    "int8": "int8 tinyint",
    "int16": "int16 smallint",
    "int32": "int32 int integer",
    "int64": "int64 bigint long",
    "uint8": "uint8",
    "uint16": "uint16",
    "uint32": "uint32",
    "uint64": "uint64",
    "float32": "float32 real",
    "float64": "float64 double float",
    "date": "date date32",
    "time": "time time64 time64[us]",
    "timestamp": "timestamp datetime timestamp_ntz timestamp[us]",
    "timestamptz": "timestamptz timestamp_tz timestamp[us,tz=utc]",
    "binary": "binary bytea varbinary blob large_binary bytes",
    "json": "json jsonb variant",
}
_CANONICAL = {alias: name for name, aliases in _TYPES.items() for alias in aliases.split()} | {
    "double precision": "float64",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
}
_TEXT_WITH_LENGTH = re.compile(r"(?:n?varchar|char|varbinary|binary)\(\d+\)\Z")
_DECIMAL = re.compile(r"(?:decimal|numeric|decimal128)\((\d{1,2})(?:,(\d{1,2}))?\)\Z")


def canonical_type(text: str) -> str:
    """Turn an SQL or Arrow type name into the canonical spelling of ``plan.model.ColumnPlan.type``.

    Case and spaces around commas do not matter. Raises a validation error (INT-012) for an unknown type.
    """
    asked = re.sub(r"\s*([(),\[\]])\s*", r"\1", " ".join(text.lower().split()))
    if found := _CANONICAL.get(asked):
        return found
    if _TEXT_WITH_LENGTH.match(asked):
        return "binary" if "binary" in asked else "string"
    if found_decimal := _DECIMAL.match(asked):
        precision, scale = int(found_decimal[1]), int(found_decimal[2] or 0)
        if 1 <= precision <= 38 and scale <= precision:
            return f"decimal({precision},{scale})"
        raise refusal("INT-012", f"'{text}' is not a decimal.", "use a precision of 1 to 38 and a scale within it.")
    if asked in {"decimal", "numeric"}:
        raise refusal("INT-012", f"'{text}' has no precision and scale.", f'say how many digits: "{asked}(18,2)".')
    raise refusal("INT-012", f"'{text}' is not a type.", _type_fix(asked))


def _type_fix(asked: str) -> str:
    from difflib import get_close_matches

    known = [*_CANONICAL, "decimal(p,s)"]
    near = get_close_matches(asked, known, 1)
    return f"use one of {', '.join(_TYPES)}, decimal(p,s)." + (f" Did you mean `{near[0]}`?" if near else "")


def _type_name(given: object) -> str:
    return canonical_type(text_of(given))


TypeName = Annotated[str, BeforeValidator(_type_name), WithJsonSchema({"type": "string", "examples": list(_TYPES)})]
"""A canonical type name; written as any SQL or Arrow spelling that :func:`canonical_type` knows."""
