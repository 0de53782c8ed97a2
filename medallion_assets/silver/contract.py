"""How every load of a dataset becomes typed rows: the columns that the intent names, operations, spelling."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from medallion_assets.errors import StorageError
from medallion_assets.lake.manifest import Pattern
from medallion_assets.silver.columns import RESERVED
from medallion_assets.silver.envelope import Envelope

__all__ = [
    "Codes",
    "Contract",
    "Marked",
    "Named",
    "Spelling",
    "rules_of",
    "set_aside",
    "sources",
    "withheld_flag",
]


@dataclass(frozen=True, slots=True)
class Named:
    """A column that the contract names. ``type``: canonical SQL spelling, or None when it is learned."""

    name: str
    type: str | None = None
    source_names: tuple[str, ...] = ()
    format: str | None = None
    nullable: bool = True
    default: str | int | float | bool | None = None


@dataclass(frozen=True, slots=True)
class Codes:
    """Values of the operation column (under its name in bronze) of a cdc load."""

    column: str
    upsert: tuple[str, ...]
    delete: tuple[str, ...]
    truncate: tuple[str, ...] = ()
    case_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    """The column (under its name in bronze) whose ``values`` mark a row of an incremental load as deleted."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spelling:
    """How text is read before anything else."""

    trim: bool = False
    empty_as_null: bool = False
    null_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    """How every load of a dataset becomes typed rows."""

    timezone: str
    named: tuple[Named, ...] = ()
    keys: tuple[str, ...] = ()
    order_by: tuple[str, ...] = ()
    spelling: Spelling = Spelling()
    codes: Codes | None = None
    """None: the operation is a column like others (event, periodic_snapshot), every row an upsert."""
    marked: Marked | None = None
    envelope: Envelope | None = None
    """Rows of cdc loads come as Debezium's events, opened by ``silver.envelope``."""
    mode: Literal["strict", "lenient", "auto"] = "strict"
    """What becomes of a value that is not one of its column's type: strict: a fault. Otherwise a wider one is a fault,
    any other leaves its cell null and its text in the column of rescued values."""
    rescued: tuple[str, ...] = ()
    """Columns of which some value is rescued. One that is not among them has a fault there: then look again."""
    sliced: tuple[str, ...] = ()
    """Columns that the table is partitioned by as they are: an empty text is null there, as it is in Delta."""
    withheld: tuple[str, ...] = ()
    """Columns of which some event withholds the value: each has a flag beside it (``withheld_flag``)."""

    def of(self, name: str) -> Named:
        return next((n for n in self.named if n.name == name), Named(name))


def withheld_flag(name: str) -> str:
    """Name of the boolean that says of a row that its value of column ``name`` was not supplied."""
    return f"{RESERVED}withheld:{name}"


def rules_of(contract: Contract, pattern: Pattern) -> Contract:
    """What of the contract holds for rows of loads of one pattern: operations and envelopes are those of cdc loads."""
    return contract if pattern == "cdc" else replace(contract, codes=None, envelope=None)


def sources(schema: Sequence[str], contract: Contract) -> dict[str, str]:
    """Final name → bronze name of every column of a load that has one, in bronze order.

    Raises StorageError SLV-004 when a column of bronze and a renamed one end under one name.
    """
    claimed = {
        source: named.name
        for named in contract.named
        for source in [next((s for s in named.source_names or (named.name,) if s in schema), None)]
        if source is not None
    }
    found: dict[str, str] = {}
    for source in schema:
        name = claimed.get(source, source)
        if name in found:
            raise StorageError(
                "SLV-004", f"Columns {found[name]!r} and {source!r} of bronze are both called {name!r}.",
                fix="give one of them another name in `columns`.",
            )  # fmt: skip
        found[name] = source
    return found


def set_aside(source: str) -> str:
    """The name under which a bronze column comes to ``conform`` and ``learnable``: never that of an internal one."""
    return f"{RESERVED}source:{source}" if source.startswith(RESERVED) else source
