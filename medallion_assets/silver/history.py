"""current_history: versions that carry their own intervals; of each key and start the latest row stands."""

from dataclasses import dataclass

import polars as pl

from medallion_assets.silver.columns import FROM, IS_CURRENT, POS, SINCE, TO
from medallion_assets.silver.text import midnight

__all__ = ["Interval", "intervals"]

_LAST, _FOREVER = "__last", 9999
"""Years from here on mean that an interval has no end."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Final names of the columns that hold a row's validity. ``closed``: ``end`` is the last day, not the first after
    it.
    """

    start: str
    end: str
    current: str | None
    closed: bool

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.start, self.end, *(() if self.current is None else (self.current,)))


def intervals(
    rows: pl.LazyFrame, keys: tuple[str, ...], columns: tuple[str, ...], interval: Interval, timezone: str
) -> pl.LazyFrame:
    """``rows`` (``columns`` and POS) as versions: ``columns`` but those of the interval, effective_from, effective_to

    (null: current), is_current, then SINCE; one row per key and start, sorted by them.

    Dates are local midnights. An interval has no end when the end is null or in year 9999, or ``current`` is true.
    Nothing is computed from neighbours: what overlaps is found by the check of intervals.
    """
    schema = rows.collect_schema()
    same = rows.with_columns(pl.col(POS).min().over(columns).alias(SINCE), pl.col(POS).max().over(columns).alias(_LAST))
    distinct = same.filter(pl.col(POS) == pl.col(_LAST))
    began = _instant(interval.start, schema, timezone)
    latest = distinct.with_columns(began.alias(FROM)).with_columns(pl.col(POS).max().over(*keys, FROM).alias(_LAST))
    versions = latest.filter(pl.col(POS) == pl.col(_LAST)).with_columns(_end(interval, schema, timezone).alias(TO))
    kept = [c for c in columns if c not in interval.columns]
    return versions.select(*kept, FROM, TO, pl.col(TO).is_null().alias(IS_CURRENT), SINCE).sort(*keys, FROM)


def _instant(column: str, schema: pl.Schema, timezone: str) -> pl.Expr:
    value = pl.col(column)
    return midnight(value, timezone) if isinstance(schema[column], pl.Date) else value


def _end(interval: Interval, schema: pl.Schema, timezone: str) -> pl.Expr:
    value = pl.col(interval.end)
    if interval.closed:
        local = value if isinstance(schema[interval.end], pl.Date) else value.dt.convert_time_zone(timezone).dt.date()
        end = midnight(local.dt.offset_by("1d"), timezone)
    else:
        end = _instant(interval.end, schema, timezone)
    open_ = value.dt.year() >= _FOREVER
    if interval.current is not None:
        open_ = open_ | _true(interval.current, schema)
    return pl.when(open_.fill_null(value=False)).then(None).otherwise(end)


def _true(column: str, schema: pl.Schema) -> pl.Expr:
    value = pl.col(column)
    if isinstance(schema[column], pl.Boolean):
        return value
    return value.cast(pl.String).str.strip_chars().str.to_lowercase().is_in(["1", "true", "t", "y", "yes"])
