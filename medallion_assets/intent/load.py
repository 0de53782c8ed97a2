"""``load``: how the rows of a source relate to those that came before."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from medallion_assets.intent.base import Duration, Flag, JsonMap, Many, Name, Positive, Scalar, Size, Spec, Text
from medallion_assets.intent.tagged import Tagged

__all__ = [
    "Cdc",
    "Chunk",
    "CurrentHistory",
    "Cursor",
    "Deleted",
    "Full",
    "FullRefresh",
    "Incremental",
    "Interval",
    "Late",
    "Load",
    "LoadBase",
    "Operation",
]


class Cursor(Spec):
    """The column that says what is new. ``partition``: its window; ``since_last``: above the highest value so far."""

    column: Text
    mode: Literal["partition", "since_last"] = "partition"
    initial: Scalar | None = None
    """Where ``since_last`` starts; default: everything."""
    lookback: Duration = timedelta(0)
    on_null: Literal["fail", "include", "drop"] = "fail"


class Chunk(Spec):
    """The size of a bronze part: whichever limit is reached first."""

    rows: Positive = 100_000
    bytes: Size = 256 * 2**20


class FullRefresh(Spec):
    """Load the whole state now and then."""

    every: Duration
    source: JsonMap = Field(default_factory=dict)
    """Keys merged over ``source`` for that load; null removes one."""


class Late(Spec):
    """Rows whose own time is before their window's start."""

    mode: Literal["allow", "warn", "drop", "quarantine", "fail"] = "allow"
    max_lateness: Duration = timedelta(days=7)
    column: Text | None = None


class Deleted(Spec):
    """The column that marks a row of an incremental load as deleted."""

    column: Text
    values: Many[Text] = ("true", "1")


class LoadBase(Spec):
    """Keys of every pattern: where and how bronze is written."""

    store: Name | None = None
    chunk: Chunk = Chunk.model_construct()
    formats: Many[Literal["parquet", "csv"]] = ("parquet",)
    """Parquet is the data, and always written; ``csv``: CSV files of the parts, too, for other readers."""
    compression: Literal["zstd", "snappy", "gzip", "lz4", "brotli"] = "zstd"


class Full(LoadBase):
    """Each load is the complete table."""

    pattern: Literal["full"]


class Incremental(LoadBase):
    """Each load holds new and changed rows."""

    pattern: Literal["incremental"]
    cursor: Cursor | None = None
    full_refresh: FullRefresh | None = None
    late_data: Late = Late.model_construct()
    deleted: Deleted | None = None


_DEBEZIUM = {"insert": ("c", "r"), "update": ("u",), "delete": ("d",), "truncate": ("t",)}


class Operation(Spec):
    """The column that says what a cdc row does, and its codes."""

    column: Text | None = None
    insert: Many[Text] = ("I",)
    update: Many[Text] = ("U",)
    delete: Many[Text] = ("D",)
    truncate: Many[Text] = ()
    case_sensitive: Flag = False
    envelope: Literal["none", "debezium"] = "none"
    """Debezium's events have codes of their own, unless others are given, and need no ``column``."""

    @property
    def codes(self) -> Mapping[str, tuple[str, ...]]:
        """The codes that hold, by what they mean: ``insert``, ``update``, ``delete``, ``truncate``."""
        given = {name: getattr(self, name) for name in _DEBEZIUM}
        if self.envelope == "none":
            return given
        return {name: given[name] if name in self.model_fields_set else code for name, code in _DEBEZIUM.items()}


class Cdc(LoadBase):
    """Each row is an insert, an update or a delete."""

    pattern: Literal["cdc"]
    operation: Operation
    cursor: Cursor | None = None
    full_refresh: FullRefresh | None = None
    late_data: Late = Late.model_construct()


class Interval(Spec):
    """The columns that hold a row's own validity."""

    start: Text
    end: Text
    current: Text | None = None
    closed: Flag = False
    """The end is the last day of validity, not the first after it."""


class CurrentHistory(LoadBase):
    """Each row is a version that carries its own interval."""

    pattern: Literal["current_history"]
    interval: Interval


Load: TypeAlias = Annotated[Full | Incremental | Cdc | CurrentHistory, Tagged("pattern", "load pattern")]
