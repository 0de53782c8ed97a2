"""SHA-256 over what determines rows, so that a change of the intent is noticed and a change of comments is not."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, timedelta

from medallion_assets.intent.base import Spec

__all__ = ["canonical", "fingerprint"]


def fingerprint(*values: object) -> str:
    """Hex SHA-256 of the canonical JSON of the values: keys sorted, no spaces, UTF-8."""
    text = json.dumps([canonical(v) for v in values], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(value: object) -> object:
    """JSON value of a spec, plan or plain value. A spec's keys that hold their default are left out.

    So a key that a later version adds changes no fingerprint until it is used. Durations are milliseconds.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return [canonical(v) for v in value]
    if isinstance(value, timedelta):
        return value // timedelta(milliseconds=1)
    if isinstance(value, date):
        return value.isoformat()
    return {name: canonical(v) for name, v in _members(value)}


def _members(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, Spec):
        for name, info in type(value).model_fields.items():
            given = getattr(value, name)
            if info.is_required() or given != info.get_default(call_default_factory=True):
                yield name, given
    elif is_dataclass(value):
        yield from ((f.name, getattr(value, f.name)) for f in fields(value))
    else:
        raise TypeError(f"{type(value).__name__} has no canonical form")
