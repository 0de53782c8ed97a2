"""Rows that come too late: their own time lies more than ``max_lateness`` before the window that they come with."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from medallion_assets.errors import CheckError, ExtractionError
from medallion_assets.intent.load import Cdc, Incremental, Late
from medallion_assets.intent.load import Cursor as Spec
from medallion_assets.lake.manifest import SourceFacts
from medallion_assets.lake.ports import Batch, Reading, Refused
from medallion_assets.lake.window import Partition
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.runs.cursor import Counted, Cursor

__all__ = ["LATE_ROWS", "Punctual"]

LATE_ROWS = "late_rows"
"""Fact of a load: how many rows came too late, whatever became of them."""
_NAMED = 3


@dataclass
class Punctual:
    """``reading`` with what ``late_data`` of the intent says of rows that are too late; it counts them.

    A row without a time is not late. Iterating raises ExtractionError SRC-111, SRC-112 (no such column, or no times),
    and CheckError CHK-017 at the first batch with such a row in mode ``fail``.
    """

    reading: Reading | Counted
    late: Late
    times: Cursor
    limit: datetime
    """The earliest time that is not too late."""
    where: str
    read: int = 0
    found: int = 0

    @staticmethod
    def of(plan: DatasetPlan, partition: Partition, reading: Reading | Counted) -> "Punctual | None":
        """None where nothing can be late: every row is allowed, or all of time is one window."""
        load = plan.load
        if not isinstance(load, Incremental | Cdc) or load.late_data.mode == "allow" or not plan.late_column:
            return None
        named = next((c for c in plan.columns if plan.late_column in c.source_names), None)
        where = f"{plan.file}:{plan.line}  {plan.name} {partition.key}"
        times = Cursor(
            Spec(column=plan.late_column), plan.calendar.timezone, named.type if named else None,
            named.format if named else None, where,
        )  # fmt: skip
        return Punctual(reading, load.late_data, times, partition.window.start - load.late_data.max_lateness, where)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.reading:
            yield self._judged(batch)

    @property
    def facts(self) -> SourceFacts:
        told = self.reading.facts
        return SourceFacts(told.files, {**told.facts, LATE_ROWS: str(self.found)}) if self.found else told

    def _judged(self, batch: Batch) -> Batch:
        rows, column = batch.rows, self.times.spec.column
        first, self.read = self.read, self.read + rows.height
        if not rows.height:
            return batch
        if column not in rows.columns:
            raise ExtractionError(
                "SRC-112", f"The source has no column {column}, by which `late_data` tells what is late.",
                where=self.where, fix=f"name one of {', '.join(rows.columns)}.",
            )  # fmt: skip
        told = self.times.typed(rows[column])
        if not isinstance(told.dtype, pl.Datetime):
            raise ExtractionError(
                "SRC-111", f"{column} holds numbers, and only a time can be late.", where=self.where,
                fix="name a column of times: `late_data: {column: …}`.",
            )  # fmt: skip
        late: pl.Series = (told < self.limit).fill_null(value=False)
        count = int(late.sum())
        self.found += count
        if not count or self.late.mode == "warn":
            return batch
        if self.late.mode == "fail":
            self._refuse(late, first)
        refused = self._refused(rows, late, first) if self.late.mode == "quarantine" else ()
        return Batch(rows.filter(~late), (*batch.refused, *refused))

    def _refuse(self, late: pl.Series, first: int) -> None:
        numbers = [first + n for n in late.arg_true().head(_NAMED).to_list()]
        raise CheckError(
            "CHK-017",
            f"Rows came too late: {self.times.spec.column} is before {self.limit.isoformat()}, first in row "
            f"{', '.join(map(str, numbers))}. Nothing was committed.",
            where=self.where,
            fix="load them with the window they belong to, raise `max_lateness`, or choose another mode.",
        )

    def _refused(self, rows: pl.DataFrame, late: pl.Series, first: int) -> Iterator[Refused]:
        detail = f"{self.times.spec.column} is before {self.limit.isoformat()}"
        raws = rows.filter(late).write_ndjson().splitlines()
        for n, raw in zip(late.arg_true().to_list(), raws, strict=True):
            yield Refused("late", detail, "", first + n, raw)
