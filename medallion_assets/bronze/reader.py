"""Bronze rows as lazy frames: exactly the parts that commits name, verified first; folders are never listed.

Every frame has the columns of the loads (first-seen order, as the source spells them), then the address of each row:
``_commit`` (Int64), ``_part`` (Int64, the part's ordinal in its load) and ``_row`` (Int64, 0-based in the part).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from medallion_assets.bronze.verify import Fault, Verified, require, verify
from medallion_assets.errors import Corrupt, StorageError
from medallion_assets.lake.manifest import Column, Commit, Load, Part
from medallion_assets.lake.ports import Store

__all__ = [
    "ADDRESS",
    "Fault",
    "Verified",
    "frames",
    "part_rows",
    "pieces",
    "quarantined",
    "quarantined_part",
    "scan",
    "verify",
]

ADDRESS = ("_commit", "_part", "_row")
_QUARANTINE = pl.Schema(
    {"reason": pl.String(), "detail": pl.String(), "file": pl.String(), "line": pl.Int64(), "raw": pl.String()}
)
_DATETIME = re.compile(r"Datetime\(time_unit='(ms|us|ns)', time_zone=(?:None|'([^']+)')\)\Z")
_DECIMAL = re.compile(r"Decimal\(precision=(\d+), scale=(\d+)\)\Z")
_UNITS: dict[str, Literal["ms", "us", "ns"]] = {"ms": "ms", "us": "us", "ns": "ns"}
_PLAIN: dict[str, pl.DataType] = {
    str(t): t()
    for t in (
        pl.String, pl.Boolean, pl.Binary, pl.Date, pl.Time, pl.Float32, pl.Float64,
        pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64,
    )
}  # fmt: skip
_AT = "_row"  # the scan's own row index, before it becomes the address


def frames(
    store: Store, path: str, commits: Sequence[Commit], verified: Verified | None = None
) -> Iterator[tuple[Commit, pl.LazyFrame]]:
    """One frame a load with the load's own columns and types; verified when it is its turn.

    Joining many of them with ``pl.concat`` is slow (seconds for a thousand): use ``scan`` where the types agree.
    Raises Corrupt (BRZ-010 to BRZ-012).
    """
    for commit in commits:
        require(store, path, [commit], verified)
        yield commit, next(pieces(store, path, [commit], None))


def scan(store: Store, path: str, commits: Sequence[Commit], verified: Verified | None = None) -> pl.LazyFrame:
    """All rows of these loads, in the order of ``commits``, parts and positions; a column that a load lacks is null.

    Raises Corrupt (BRZ-010 to BRZ-012), and StorageError BRZ-013 when a column has different types in two loads:
    then use ``frames`` and decide on a common type.
    """
    _require_one_type(path, commits)
    require(store, path, commits, verified)
    return next(pieces(store, path, commits, None))


def quarantined(store: Store, path: str, load: Load) -> pl.DataFrame:
    """The rows that the source refused: reason, detail, file, line (Int64) and raw, in source order.

    Raises Corrupt (BRZ-010 to BRZ-012).
    """
    if load.quarantine is None:
        return pl.DataFrame(schema=_QUARANTINE)
    return quarantined_part(store, path, load.quarantine)


def quarantined_part(store: Store, path: str, part: Part) -> pl.DataFrame:
    """As ``quarantined``, of a part that need not be committed yet."""
    return part_rows(store, path, part).select(_QUARANTINE.names())


def part_rows(store: Store, path: str, part: Part) -> pl.DataFrame:
    """The rows of one part as they lie in it, verified. Raises Corrupt (BRZ-010 to BRZ-012)."""
    fault = Verified().check(store, path, part)
    if fault is not None:
        raise Corrupt(fault.code, f"{fault.path} {fault.what}.", where=store.url(path))
    return pl.read_parquet(_Located(store, path)(part), glob=False, hive_partitioning=False)


def pieces(store: Store, path: str, commits: Sequence[Commit], rows: int | None) -> Iterator[pl.LazyFrame]:
    """The rows of ``scan`` in frames of at most ``rows`` rows (None: in one); at least one frame. Nothing is verified.

    Raises StorageError BRZ-013 as ``scan`` does.
    """
    _require_one_type(path, commits)
    types = _types(commits, _Located(store, path))
    some: list[tuple[int, Part]] = []
    for n, part in ((commit.n, part) for commit in commits for part in commit.load.parts):
        if some and rows is not None and sum(other.rows for _, other in some) + part.rows > rows:
            yield _rows(some, types, _Located(store, path))
            some = []
        if rows is None or part.rows <= rows:
            some.append((n, part))
            continue
        located = _Located(store, path)
        for start in range(0, part.rows, rows):
            yield _rows([(n, part)], types, located, (start, rows))
    if some or not any(commit.load.parts for commit in commits):
        yield _rows(some, types, _Located(store, path))


def _rows(
    parts: Sequence[tuple[int, Part]], types: pl.Schema, located: "_Located", slice_: tuple[int, int] | None = None
) -> pl.LazyFrame:
    """``slice_``: first row and number of rows; None: all of them."""
    if not parts:
        return pl.LazyFrame(schema={**types, **dict.fromkeys(ADDRESS, pl.Int64())})
    rows = pl.scan_parquet(
        [located(part) for _, part in parts],  # type: ignore[arg-type] # a list of paths or of bytes, never mixed
        schema=types,
        missing_columns="insert",
        row_index_name=_AT,
        hive_partitioning=False,
        glob=False,
    )
    return _addressed(rows if slice_ is None else rows.slice(*slice_), parts)


def _addressed(rows: pl.LazyFrame, parts: Sequence[tuple[int, Part]]) -> pl.LazyFrame:
    """Turn the index over all parts into commit, part and position.

    One scan of all files with arithmetic on its index, because a concatenation of a thousand scans takes seconds.
    """
    columns = pl.exclude(_AT)
    if len(parts) == 1:
        n, part = parts[0]
        address = (pl.lit(n, pl.Int64), pl.lit(part.ordinal, pl.Int64), pl.col(_AT).cast(pl.Int64))
        return rows.select(columns, *(e.alias(name) for e, name in zip(address, ADDRESS, strict=True)))
    start = pl.Series([0, *(part.rows for _, part in parts[:-1])], dtype=pl.Int64).cum_sum()
    number = pl.Series([n for n, _ in parts], dtype=pl.Int64)
    ordinal = pl.Series([part.ordinal for _, part in parts], dtype=pl.Int64)

    def locate(index: pl.Series) -> pl.Series:
        index = index.cast(pl.Int64)
        at = start.search_sorted(index, side="right").cast(pl.Int64) - 1
        found = (number.gather(at), ordinal.gather(at), index - start.gather(at))
        return pl.DataFrame(dict(zip(ADDRESS, found, strict=True))).to_struct()

    struct = pl.Struct(dict.fromkeys(ADDRESS, pl.Int64))
    located = pl.col(_AT).map_batches(locate, return_dtype=struct, is_elementwise=True)
    return rows.select(columns, located.alias(_AT)).unnest(_AT)


def _types(commits: Sequence[Commit], located: "_Located") -> pl.Schema:
    """The union of the loads' columns with their Polars types, read from as few footers as will do.

    Loads with one schema have one set of types; within a load a later part may hold columns that the first lacks.
    """
    found: dict[str, pl.DataType] = {}
    done: set[tuple[Column, ...]] = set()
    for commit in commits:
        names = {c.name for c in commit.load.schema}
        for part in commit.load.parts:
            if commit.load.schema in done or names <= found.keys():
                break
            footer = pl.scan_parquet(located(part), glob=False, hive_partitioning=False).collect_schema()
            found = {**footer, **found}
        done.add(commit.load.schema)
    columns = {c.name: c.type for commit in commits for c in commit.load.schema}
    return pl.Schema({name: found[name] if name in found else _named_type(text) for name, text in columns.items()})


def _named_type(text: str) -> pl.DataType:
    """The type of a column that no part holds, from its name; Null, which joins with any, where that says too little.

    >>> _named_type("Datetime(time_unit='us', time_zone='UTC')")
    Datetime(time_unit='us', time_zone='UTC')
    """
    if match := _DATETIME.match(text):
        return pl.Datetime(_UNITS[match[1]], match[2])
    if match := _DECIMAL.match(text):
        return pl.Decimal(int(match[1]), int(match[2]))
    return _PLAIN.get(text, pl.Null())


def _require_one_type(path: str, commits: Sequence[Commit]) -> None:
    first: dict[str, tuple[str, int]] = {}
    for commit in commits:
        for column in commit.load.schema:
            type_, n = first.setdefault(column.name, (column.type, commit.n))
            if type_ != column.type:
                raise StorageError(
                    "BRZ-013",
                    f"Column {column.name!r} is {type_} in commit {n} and {column.type} in commit {commit.n}.",
                    where=path,
                    fix="Give the column a type under `columns` in the intent.",
                )


@dataclass(frozen=True, slots=True)
class _Located:
    """Where Polars reads a part: a local path, or the bytes, fetched once, where the store is not a folder."""

    store: Store
    path: str
    fetched: dict[str, bytes] = field(default_factory=dict)

    def __call__(self, part: Part) -> str | bytes:
        whole = f"{self.path}/{part.path}"
        url = self.store.url(whole)
        if Path(url).is_absolute():
            return url
        if whole not in self.fetched:
            self.fetched[whole] = self.store.get(whole)
        return self.fetched[whole]
