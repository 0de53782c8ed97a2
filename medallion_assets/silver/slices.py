"""``partition_by``: ``col``, ``day(col)`` or ``month(col)`` as columns of the table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from medallion_assets.errors import StorageError

__all__ = ["Slice", "slices"]

_FORM = re.compile(r"(?:(day|month)\((.+)\)|(.+))\Z")


@dataclass(frozen=True, slots=True)
class Slice:
    """A column that a table is partitioned by. ``name``: ``col``, ``col_day`` (Date) or ``col_month`` (``YYYY-MM``)."""

    column: str
    part: Literal["day", "month"] | None

    @property
    def name(self) -> str:
        return f"{self.column}_{self.part}" if self.part else self.column

    def expression(self, schema: Mapping[str, pl.DataType], timezone: str) -> pl.Expr:
        """Days and months are those of ``timezone``. Raises StorageError SLV-001 without such a column of times."""
        dtype = schema.get(self.column)
        if dtype is None or not isinstance(dtype, pl.Date | pl.Datetime):
            raise StorageError("SLV-001", f"`partition_by` wants the {self.part} of {self.column!r}, which is no time.")
        local = pl.col(self.column)
        if isinstance(dtype, pl.Datetime):
            local = local.dt.convert_time_zone(timezone)
        value = local.dt.date() if self.part == "day" else local.dt.strftime("%Y-%m")
        return value.alias(self.name)


def slices(partition_by: Sequence[str]) -> tuple[Slice, ...]:
    """As an intent spells them, in order."""
    return tuple(_slice(text) for text in partition_by)


def _slice(text: str) -> Slice:
    found = _FORM.match(text)
    if found is None or found[1] is None:
        return Slice(text, None)
    return Slice(found[2], "day" if found[1] == "day" else "month")
