"""Typed rows in shares of their keys, so that a table can be computed from more rows than memory holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from medallion_assets.lake.ports import Engine
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.movers import Sorted, judged, require_within_limits
from medallion_assets.runs.scratch import Scratch
from medallion_assets.runs.typed import Typed
from medallion_assets.silver.columns import FULL, KNOWN, LOAD, OP, POS, Op
from medallion_assets.silver.keyed import Share

__all__ = ["Shared", "share_of", "shared"]

_SHARE = "__share"


@dataclass(frozen=True, slots=True)
class Shared:
    """What the rows of a reading come to, before there is a table."""

    shares: Sequence[Share]
    """Of the good rows; none has truncates."""
    truncates: pl.DataFrame
    unread: frozenset[int]
    """Full loads (ranks) of which some row's keys cannot be read."""
    bad: pl.DataFrame
    """For the quarantine, with their faults; in the order of the data."""
    rows_in: int
    dropped: int
    counts: Mapping[str, int]
    """As in ``Sorted``, and so are the samples."""
    samples: Mapping[str, str]


def shared(
    plan: DatasetPlan, silver: SilverPlan, typed: Typed, *, engine: Engine, number: int, by: Sequence[str],
    scratch: Scratch,
) -> Shared:  # fmt: skip
    """In memory, when all rows fit there, otherwise in files of ``scratch``: in ``number`` shares, those that are equal
    in the columns ``by`` in one. Raises ConfigError CHK-004, CheckError CHK-010, StorageError SLV-019.
    """
    keyed = bool(silver.keys) and any(load.pattern == "full" for load in typed.loads)
    if typed.reading.fits:
        rows = _Rows.of(judged(plan, silver, typed.rows), silver.keys if keyed else None)
        require_within_limits(plan, typed.loads, rows.found.bad)
        present = engine.frame(rows.present.unique()) if keyed else None
        share = Share(engine.frame(rows.upserts), present)
        return _shared([share], [rows])
    files: list[list[Path]] = [[] for _ in range(number)]
    keys: list[list[Path]] = [[] for _ in range(number)]
    all_rows: list[_Rows] = []
    for piece in typed.reading.pieces():
        rows = _Rows.of(judged(plan, silver, piece), silver.keys if keyed else None)
        for at, some in _cut(rows.upserts, by, number):
            files[at].append(scratch.write(some))
        for at, some in _cut(rows.present.unique(), by, number) if keyed else ():
            keys[at].append(scratch.write(some))
        all_rows.append(rows.without_rows())
    done = _shared([], all_rows)
    require_within_limits(plan, typed.loads, done.bad)
    nothing = engine.frame(all_rows[0].upserts)
    shares = [
        Share(engine.scan(some) if some else nothing, engine.scan(present) if present else None)
        for some, present in zip(files, keys, strict=True)
        if some or present
    ]
    return replace(done, shares=shares or [Share(nothing)])


def share_of(columns: Sequence[str], schema: Mapping[str, pl.DataType], number: int) -> pl.Expr:
    """The share of a row, from 0: rows that are equal in ``columns`` are in one."""
    plain = [name for name in columns if not schema[name].is_nested()]
    hashes = [_canonical(name, schema[name]).hash(seed) for seed, name in enumerate(plain, 1)]
    mixed = pl.sum_horizontal([value % number for value in hashes]) if hashes else pl.lit(0, pl.UInt64)
    return (mixed % number).cast(pl.Int64)


def _canonical(name: str, dtype: pl.DataType) -> pl.Expr:
    if not dtype.is_float():
        return pl.col(name)
    # One zero, one NaN.
    return pl.when(pl.col(name).is_nan()).then(pl.lit(float("nan"), dtype)).otherwise(pl.col(name) + 0.0)


def _cut(rows: pl.DataFrame, by: Sequence[str], number: int) -> Iterator[tuple[int, pl.DataFrame]]:
    if number == 1:
        yield 0, rows
        return
    told = rows.with_columns(share_of(by, rows.schema, number).alias(_SHARE))
    for (share,), some in told.partition_by(_SHARE, as_dict=True, include_key=False).items():
        yield int(str(share)), some


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some of the rows, sorted out."""

    found: Sorted
    upserts: pl.DataFrame
    """The good rows but truncates: deletes, too."""
    truncates: pl.DataFrame
    present: pl.DataFrame
    unread: frozenset[int]
    rows_in: int
    dropped: int

    @classmethod
    def of(cls, found: Sorted, keys: Sequence[str] | None) -> "_Rows":
        """``keys``: those whose presence in full loads is asked for."""
        cut = pl.col(OP) == Op.TRUNCATE
        truncates = found.good.filter(cut)
        full = found.rows.lazy().filter(pl.lit(value=False) if keys is None else FULL)
        unread = full.filter(~pl.col(KNOWN)).select(pl.col(LOAD).unique()).collect()[LOAD]
        present = full.filter(KNOWN).select(*(keys or ()), LOAD).collect()
        return cls(
            found, found.good.filter(~cut) if truncates.height else found.good, truncates,
            present, frozenset(unread), found.rows.height, found.dropped,
        )  # fmt: skip

    def without_rows(self) -> "_Rows":
        nothing = self.upserts.clear()
        found = replace(self.found, rows=nothing, good=nothing)
        return replace(self, found=found, upserts=nothing, present=self.present.clear())


def _shared(shares: Sequence[Share], rows: Sequence[_Rows]) -> Shared:
    counts: dict[str, int] = {}
    samples: dict[str, str] = {}
    for some in rows:
        for name, count in some.found.counts.items():
            counts[name] = counts.get(name, 0) + count
        samples |= {name: text for name, text in some.found.samples.items() if not samples.get(name)}
    return Shared(
        shares=shares,
        truncates=pl.concat([some.truncates for some in rows]),
        unread=frozenset().union(*(some.unread for some in rows)),
        bad=pl.concat([some.found.bad for some in rows]).sort(POS),
        rows_in=sum(some.rows_in for some in rows),
        dropped=sum(some.dropped for some in rows),
        counts=counts,
        samples=samples,
    )
