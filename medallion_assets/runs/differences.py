"""How many rows two tables have that the other has not, also of tables that memory does not hold."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from medallion_assets.lake.pieces import Pieces
from medallion_assets.runs.scratch import Scratch
from medallion_assets.silver.content import differing, hashes
from medallion_assets.tables.reading import reading

__all__ = ["differences"]

_PIECE = 1_000_000
_SHARES = 64


def differences(table: pl.LazyFrame, rows: Pieces, scratch: Scratch, *, where: str) -> tuple[int, int]:
    """How many rows only ``rows`` has and only ``table``, which is ``where``, of one schema, with their repetitions.

    Raises Corrupt SLV-015 when the table cannot be read.
    """
    if rows.fits:
        with reading(where):
            there = table.collect()
        return differing(pl.concat([hashes(rows.whole()), hashes(there, -1)]))
    shares: dict[int, list[Path]] = {}
    for some in _hashed(table, rows, where):
        told = some.with_columns(share=pl.col("a") % _SHARES)
        for (share,), part in told.partition_by("share", as_dict=True, include_key=False).items():
            shares.setdefault(int(str(share)), []).append(scratch.write(part))
    found = [differing(pl.read_parquet(files)) for files in shares.values()]
    return sum(more for more, _ in found), sum(less for _, less in found)


def _hashed(table: pl.LazyFrame, rows: Iterable[pl.DataFrame], where: str) -> Iterator[pl.DataFrame]:
    for some in rows:
        yield hashes(some)
    with reading(where):
        for some in table.collect_batches(chunk_size=_PIECE, maintain_order=False):
            yield hashes(some, -1)
