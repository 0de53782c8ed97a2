"""The cursor column of a load: which rows a run asks for, which of those that come are new, and how far it came.

Two modes. ``partition``: the rows of the partition's window, so that a backfill of an old day reads that day. Nothing
is remembered. ``since_last``: the rows from the highest value so far, less the lookback, up to now. Of those, rows that
bronze holds already are dropped, by what they are and how often, never by their cursor alone: a row that was committed
late at the source, with an older time or with the boundary's own, is found and kept.

Values are compared as numbers or as instants, never as text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Literal

import polars as pl

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.load import Cdc, Incremental
from medallion_assets.intent.load import Cursor as Spec
from medallion_assets.lake.manifest import Commit, CursorValue, SourceFacts
from medallion_assets.lake.ports import Batch, Bounds, Reading
from medallion_assets.lake.window import Partition
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.silver.text import LEARNED, as_text, from_text, instant, midnight
from medallion_assets.silver.types import TIMESTAMP

__all__ = ["Counted", "Cursor", "Known", "last_of"]

Kind = Literal["number", "time"]
_NUMBER = pl.Decimal(38, 12)
_VALUE = "__cursor"
_HASH_SEEDS = (1, 2)
_UTC = timezone.utc


@dataclass(frozen=True, slots=True)
class Cursor:
    """How one dataset counts. ``zone`` reads naive times and dates."""

    spec: Spec
    zone: str
    type: str | None
    """Of the column by the intent's ``columns``."""
    format: str | None
    where: str

    @staticmethod
    def of(plan: DatasetPlan) -> "Cursor | None":
        """None for a load without a cursor column."""
        load = plan.load
        if not isinstance(load, Incremental | Cdc) or load.cursor is None:
            return None
        column = load.cursor.column
        named = next((c for c in plan.columns if column in c.source_names), None)
        where = f"{plan.file}:{plan.line}  {plan.name}"
        return Cursor(
            load.cursor, plan.calendar.timezone, named.type if named else None, named.format if named else None, where
        )

    @property
    def appends(self) -> bool:
        return self.spec.mode == "since_last"

    def bounds(self, partition: Partition, before: CursorValue | None, now: datetime) -> Bounds:
        """What to ask for. ``before``: the highest value so far; ``now`` is the end for a cursor of times."""
        nulls = self.spec.on_null != "drop"
        if not self.appends:
            window = partition.window
            return Bounds(self.spec.column, _iso(window.start), _iso(window.end), nulls)
        if before is None:
            first = self.spec.initial
            lower = None if first is None else self._canonical(str(first))
        else:
            lower = self._less_lookback(before)
        timed = lower is None or not _is_number(lower)
        return Bounds(self.spec.column, lower, _iso(now) if timed else None, nulls)

    def _canonical(self, text: str) -> CursorValue:
        series = pl.Series(self.spec.column, [text])
        return _text(self.typed(series)[0])

    def _less_lookback(self, value: CursorValue) -> CursorValue:
        back = self.spec.lookback
        if not back:
            return value
        if _is_number(value):
            raise ConfigError(
                "SRC-110", f"`lookback: {back}` is a span of time, and {self.spec.column} counts in numbers.",
                where=self.where, fix="remove `lookback`, or choose a cursor column of times.",
            )  # fmt: skip
        return _iso(datetime.fromisoformat(value.replace("Z", "+00:00")) - back)

    def reaches(self, commit: Commit, bounds: Bounds) -> bool:
        """Whether the load may hold rows at or above the lower bound, or without a value."""
        after = commit.load.cursor_after
        nulls = self.spec.on_null == "include"
        return nulls or bounds.lower is None or after is None or _parsed(after) >= _parsed(bounds.lower)

    def overlap(self, rows: pl.DataFrame, bounds: Bounds) -> pl.DataFrame:
        """The rows at or above the lower bound, and those without a value."""
        if bounds.lower is None or bounds.column not in rows.columns or not rows.height:
            return rows
        values = self.typed(rows[bounds.column])
        held: pl.Series = (values >= _literal(bounds.lower)).fill_null(value=True)
        return rows.filter(held)

    def typed(self, values: pl.Series) -> pl.Series:
        """The column as numbers (Decimal) or instants (UTC); null where it is null or empty text.

        Raises ExtractionError SRC-111 for a value that is neither.
        """
        if values.dtype.is_integer() or isinstance(values.dtype, pl.Decimal):
            numbers: pl.Series = values.cast(_NUMBER)
            return numbers
        if isinstance(values.dtype, pl.Date | pl.Datetime):
            return self._instants(values)
        text = values if values.dtype == pl.String else _as_series(values)
        given = text.replace("", None) if text.dtype == pl.String else text
        wanted: tuple[str, ...] = (
            (self.type,) if self.type and self.type != "string" else (LEARNED, "timestamp", "date")
        )
        for sql in wanted:
            found = self._read(given, sql)
            if found is not None:
                return found
        sample = given.drop_nulls().head(1000)
        bad = next((str(v) for v in sample if self._read(pl.Series("v", [v]), wanted[-1]) is None), "")
        raise ExtractionError(
            "SRC-111",
            f"{self.spec.column} holds values that are neither numbers nor times all through, such as {bad!r}.",
            where=self.where,
            fix="choose a column that counts up, or say how it is written: `columns: {…: {type: …, format: …}}`.",
        )

    def _read(self, text: pl.Series, sql: str) -> pl.Series | None:
        """None unless every value is of the type."""
        number = sql == LEARNED or sql.startswith(("int", "uint", "decimal"))
        if number:
            found = text.str.strip_chars().cast(_NUMBER, strict=False)
            odd = text.str.contains(r"^\s*[+-]?[0-9]+(\.[0-9]{1,12})?\s*$").not_().fill_null(value=False)
            return None if odd.any() or found.null_count() != text.null_count() else found
        dtype = pl.Date() if sql == "date" else TIMESTAMP
        expression = from_text(pl.col(text.name), sql, dtype, self.format, self.zone)
        read = text.to_frame().select(expression.alias(text.name)).to_series()
        return None if read.null_count() != text.null_count() else self._instants(read)

    def _instants(self, values: pl.Series) -> pl.Series:
        frame = values.alias(_VALUE).to_frame()
        if isinstance(values.dtype, pl.Date):
            return frame.with_columns(midnight(pl.col(_VALUE), self.zone))[_VALUE]
        if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is None:
            return frame.with_columns(instant(pl.col(_VALUE), self.zone))[_VALUE]
        instants: pl.Series = values.dt.convert_time_zone("UTC").cast(TIMESTAMP)
        return instants


def last_of(live: Sequence[Commit]) -> Commit | None:
    """The newest live load that appended: its ``cursor_after`` is how far the dataset has come."""
    return next((commit for commit in reversed(live) if commit.load.appends), None)


# ------------------------------------------------------------------------------------------------ rows held already


@dataclass
class Known:
    """How often each row of the overlap is in bronze: 128 bits of hash (``a``, ``b``), ``known``, and how many of them
    the read has met (``met``).
    """

    counts: pl.DataFrame

    @staticmethod
    def of(frames: Sequence[pl.DataFrame]) -> "Known":
        """Of rows whose columns may differ from frame to frame."""
        rows = pl.concat([_hashes(rows) for rows in frames])
        return Known(rows.group_by("a", "b").len("known").with_columns(pl.lit(0, pl.UInt32).alias("met")))

    def unknown(self, rows: pl.DataFrame) -> pl.Series:
        """Which rows are not held: of equal rows the first ``known`` of the whole read are."""
        hashes = _hashes(rows)
        told = hashes.join(self.counts, on=["a", "b"], how="left", maintain_order="left")
        place = pl.col("met") + pl.int_range(pl.len()).over("a", "b")
        new = told.select((pl.col("known").is_null() | (place >= pl.col("known"))).alias("new"))["new"]
        if not new.all():
            here = hashes.group_by("a", "b").len("here")
            self.counts = (
                self.counts.join(here, on=["a", "b"], how="left")
                .with_columns(pl.col("met") + pl.col("here").fill_null(0))
                .drop("here")
            )
        return new


def _hashes(rows: pl.DataFrame) -> pl.DataFrame:
    """Two 64-bit sums over the values that are there: neither the order of columns nor one that is null counts."""
    told = [as_text(pl.col(name), dtype).alias(name) for name, dtype in rows.schema.items()]
    text = rows.select(told)
    sums = [
        pl.sum_horizontal(
            pl.lit(0, pl.UInt64),
            *(
                pl.when(pl.col(name).is_not_null())
                .then(pl.concat_str(pl.lit(f"{name}\0"), pl.col(name)).hash(seed))
                .otherwise(pl.lit(0, pl.UInt64))
                for name in text.columns
            ),
        ).alias(letter)
        for seed, letter in zip(_HASH_SEEDS, "ab", strict=True)
    ]
    return text.select(sums)


# ------------------------------------------------------------------------------------------------ a read that counts


@dataclass
class Counted:
    """``reading`` less the rows that were not asked for or are held already; counts what it drops."""

    reading: Reading
    cursor: Cursor
    bounds: Bounds
    before: CursorValue | None
    known: Known | None
    highest: CursorValue | None = None
    outside: int = 0
    duplicates: int = 0
    nulls: int = 0
    late: int = 0

    def __enter__(self) -> "Counted":  # noqa: PYI034 - Self is not in Python 3.10
        self.reading.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.reading.__exit__(*exc)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.reading:
            yield Batch(self._kept(batch.rows), batch.refused)

    @property
    def facts(self) -> SourceFacts:
        told = self.reading.facts
        numbers = {
            "outside": self.outside,
            "held_already": self.duplicates,
            "nulls": self.nulls,
            "late_found": self.late,
        }
        return SourceFacts(told.files, {**told.facts, **{f"cursor_{k}": str(v) for k, v in numbers.items() if v}})

    @property
    def cursor_after(self) -> CursorValue | None:
        """The highest value read, or what was there before."""
        found = [value for value in (self.before, self.highest) if value is not None]
        return max(found, key=_parsed) if found else None

    def _kept(self, rows: pl.DataFrame) -> pl.DataFrame:
        column = self.bounds.column
        if not rows.height:
            return rows
        if column not in rows.columns:
            raise ExtractionError(
                "SRC-112", f"The source has no column {column}, by which the load counts.", where=self.cursor.where,
                fix=f"name one of {', '.join(rows.columns)}.",
            )  # fmt: skip
        typed = self.cursor.typed(rows[column]).alias(_VALUE)
        self._refuse_nulls(typed)
        inside = self._inside(typed)
        self.outside += int((~inside).sum())
        self.nulls += typed.null_count()
        kept, values = rows.filter(inside), typed.filter(inside)
        if self.known is not None and kept.height:
            new = self.known.unknown(kept)
            self.duplicates += int((~new).sum())
            highest, kept, values = values.max(), kept.filter(new), values.filter(new)
        else:
            highest = values.max()
        if highest is not None:
            text = _text(highest)
            self.highest = text if self.highest is None else max(self.highest, text, key=_parsed)
        if self.before is not None and self.cursor.appends:
            self.late += int((values < _literal(self.before)).sum() or 0)
        return kept

    def _refuse_nulls(self, values: pl.Series) -> None:
        if self.cursor.spec.on_null == "fail" and values.null_count():
            raise ExtractionError(
                "SRC-113", f"{values.null_count():,} rows have no {self.bounds.column}, by which the load counts.",
                where=self.cursor.where, fix="correct them, or say `on_null: include` or `on_null: drop`.",
            )  # fmt: skip

    def _inside(self, values: pl.Series) -> pl.Series:
        inside = pl.Series(_VALUE, [True] * len(values), dtype=pl.Boolean)
        numbers = values.dtype == _NUMBER
        for bound, lower in ((self.bounds.lower, True), (self.bounds.upper, False)):
            if bound is None or (not lower and numbers and not _is_number(bound)):
                continue
            if numbers != _is_number(bound):
                raise ExtractionError(
                    "SRC-111",
                    f"{self.bounds.column} holds {'numbers' if numbers else 'times'}, and the bound is {bound}.",
                    where=self.cursor.where,
                    fix="choose a cursor column of the kind that was used before, or of times.",
                )  # fmt: skip
            limit = _literal(bound)
            inside = inside & ((values >= limit) if lower else (values < limit))
        kept: pl.Series = inside.fill_null(value=self.cursor.spec.on_null != "drop")
        return kept


def _as_series(values: pl.Series) -> pl.Series:
    return values.to_frame("v").select(as_text(pl.col("v"), values.dtype)).to_series()


def _is_number(value: CursorValue) -> bool:
    return "T" not in value


def _parsed(value: CursorValue) -> tuple[bool, Decimal | datetime]:
    return _is_number(value), _literal(value)


def _literal(value: CursorValue) -> Decimal | datetime:
    return Decimal(value) if _is_number(value) else datetime.fromisoformat(value.replace("Z", "+00:00"))


def _text(value: object) -> CursorValue:
    """A number without needless zeros, an instant in ISO 8601 with Z."""
    if isinstance(value, datetime):
        return _iso(value)
    number = Decimal(str(value))
    whole = number.to_integral_value()
    return f"{whole:f}" if number == whole else f"{number.normalize():f}"


def _iso(instant: datetime) -> CursorValue:
    return instant.astimezone(_UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
