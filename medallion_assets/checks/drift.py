"""Schema drift: what a load's columns are, against the contract and against the partition before it.

The text formats give text for every column, so a type drifts only between loads whose source has types.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from medallion_assets.lake.manifest import Schema

__all__ = ["Change", "Loaded", "Named", "since_contract", "since_previous"]

TEXT = "String"
NOTHING = "Null"


@dataclass(frozen=True, slots=True)
class Named:
    """A column that the contract names. ``type`` is the canonical SQL spelling; None: any."""

    name: str
    source_names: tuple[str, ...]
    type: str | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The schema of one partition's load."""

    partition: str
    schema: Schema


@dataclass(frozen=True, slots=True)
class Change:
    """One column that is not what it was, or not what the contract says."""

    column: str
    against: Literal["contract", "previous"]
    old: str | None
    """Type in the contract or in the previous partition; None: the column was not there."""
    new: str | None
    """Type in this load; None: the column is gone."""
    first_partition: str
    """The earliest partition of the run of partitions up to this one that have the column like this; of values, the
    earliest that has one."""
    rescued: int = 0
    """Rows whose value is null in the table, its text in ``_rescued``."""

    def __str__(self) -> str:
        where = "the contract" if self.against == "contract" else "the previous partition"
        if self.rescued:
            values = f"{self.rescued:,} value{'' if self.rescued == 1 else 's'} of another type than {self.old}"
            return f"`{self.column}` has {values}, kept as text in `_rescued`, first in {self.first_partition}"
        if self.old is None:
            change = f"is new ({self.new}; not in {where})"
        elif self.new is None:
            change = f"is missing ({self.old} in {where})"
        else:
            change = f"is {self.new} (was {self.old} in {where})"
        return f"`{self.column}` {change}, first in {self.first_partition}"


def since_previous(load: Loaded, before: Sequence[Loaded], contract: Sequence[Named] = ()) -> tuple[Change, ...]:
    """Changes against the last of ``before``, which holds earlier partitions in order; none when it is empty.

    A column that ``contract`` knows under both its old and its new name did not change. Order: columns of the previous
    partition, then new ones, each in the order of its schema. A column that was only null (type Null) and one that
    becomes only null do not drift.
    """
    if not before:
        return ()
    old, new = (_final(one.schema, contract) for one in (before[-1], load))
    names = [*old, *(name for name in new if name not in old)]
    return tuple(
        Change(name, "previous", old.get(name), new.get(name), load.partition)
        for name in names
        if old.get(name) != new.get(name) and NOTHING not in (old.get(name), new.get(name))
    )


def since_contract(
    load: Loaded,
    before: Sequence[Loaded],
    contract: Sequence[Named],
    *,
    closed: bool,
    fits: Callable[[str, str], bool] | None = None,
) -> tuple[Change, ...]:
    """Columns that the contract names and the load lacks or types otherwise; ``closed``: also those unnamed.

    ``fits(type in the contract, type in the load)`` defaults to: every bronze value has the contract's type, or is
    text whose cast will tell.
    """
    fits = fits or _holds
    types = _types(load.schema)
    changes = []
    claimed: set[str] = set()
    for named in contract:
        present = next((name for name in named.source_names if name in types), None)
        if present is None:
            changes.append(_since(named.source_names[0], named.type or "any type", None, load, before))
            continue
        claimed.add(present)
        if named.type is not None and not fits(named.type, types[present]):
            changes.append(_since(present, named.type, types[present], load, before))
    if closed:
        changes += [_since(name, None, type_, load, before) for name, type_ in types.items() if name not in claimed]
    return tuple(changes)


def _since(column: str, old: str | None, new: str | None, load: Loaded, before: Sequence[Loaded]) -> Change:
    first = load.partition
    for earlier in reversed(before):
        if _types(earlier.schema).get(column) != new:
            break
        first = earlier.partition
    return Change(column, "contract", old, new, first)


def _final(schema: Schema, contract: Sequence[Named]) -> dict[str, str]:
    """Types by the names of the contract."""
    types = _types(schema)
    names = {next((s for s in named.source_names if s in types), ""): named.name for named in contract}
    return {names.get(name, name): dtype for name, dtype in types.items()}


def _types(schema: Schema) -> dict[str, str]:
    return {column.name: column.type for column in schema}


_INTEGERS = ("int8", "int16", "int32", "int64")
_UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
_POLARS = {
    "string": "String",
    "boolean": "Boolean",
    "float32": "Float32",
    "float64": "Float64",
    "date": "Date",
    "time": "Time",
    "binary": "Binary",
    "json": "String",
}
_POLARS |= {name: name.replace("int", "Int") for name in _INTEGERS}
_POLARS |= {name: name.replace("uint", "UInt") for name in _UNSIGNED}


def _holds(contract: str, loaded: str) -> bool:
    """Whether every value of the bronze type is a value of the contract's, or is text that the cast decides."""
    if loaded in (TEXT, NOTHING):
        return True
    if contract in ("string", "json"):
        return True
    family = contract.partition("(")[0].strip()
    if family in ("timestamp", "timestamptz"):
        return loaded == "Date" or loaded.startswith("Datetime")
    if family == "decimal":
        return loaded.startswith(("Decimal", "Int", "UInt"))
    if family == "float64":
        return loaded in ("Float64", "Float32") or loaded.startswith(("Int", "UInt"))
    return loaded == _POLARS.get(family) or loaded in _narrower(family)


def _narrower(integer: str) -> tuple[str, ...]:
    """Polars names of the integer types whose every value the SQL type holds."""
    if integer in _INTEGERS:
        below = (*_INTEGERS[: _INTEGERS.index(integer)], *_UNSIGNED[: _INTEGERS.index(integer)])
    elif integer in _UNSIGNED:
        below = _UNSIGNED[: _UNSIGNED.index(integer)]
    else:
        return ()
    return tuple(_POLARS[name] for name in below)
