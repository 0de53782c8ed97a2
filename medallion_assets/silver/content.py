"""What a table holds, as a checksum that changes with its rows, and how two tables differ, as a number of rows.

Rows are told apart by 128 bits of hash: two different ones look equal once in 10^20 tables of a billion rows. The sums
of these numbers do not depend on the order of the rows, and follow rows that come and go without the others.
"""

from collections.abc import Sequence
from hashlib import sha256

import polars as pl

__all__ = ["changed_rows", "content", "moved"]

_SEEDS = (1, 2)
_WRAP = 1 << 64


def content(rows: pl.DataFrame, without: Sequence[str]) -> str:
    """Checksum over names, types and values of all columns but ``without``: equal rows in any order give the same.

    Another version of Polars may hash otherwise: its name is part of the text.
    """
    kept = rows.drop(without)
    return _text(_head(kept.schema), _sums(kept))


def moved(told: str, gone: pl.DataFrame, come: pl.DataFrame, without: Sequence[str]) -> str | None:
    """What ``content`` says of a table of which it said ``told``, after rows went and others came.

    None when another version of Polars said that, or of other columns.
    """
    head, _, numbers = told.rpartition(":")
    gone, come = gone.drop(without), come.drop(without)
    if not (head == _head(come.schema) == _head(gone.schema)):
        return None
    before = (int(numbers[:16], 16), int(numbers[16:], 16))
    return _text(head, [b - g + c for b, g, c in zip(before, _sums(gone), _sums(come), strict=True)])


def _head(schema: pl.Schema) -> str:
    return f"{pl.__version__}:{sha256(repr([(n, str(t)) for n, t in schema.items()]).encode()).hexdigest()[:16]}"


def _text(head: str, sums: Sequence[int]) -> str:
    return f"{head}:{''.join(f'{number % _WRAP:016x}' for number in sums)}"


def _sums(rows: pl.DataFrame) -> tuple[int, ...]:
    """Of the rows' hashes, one a seed; what overflows is left out."""
    return tuple(int(rows.hash_rows(seed).sum() or 0) if rows.width else 0 for seed in _SEEDS)


def changed_rows(old: pl.DataFrame, new: pl.DataFrame) -> int:
    """Rows that one has and the other has not, counted with their repetitions; both have the same schema."""
    told = pl.concat([_hashes(new).with_columns(n=pl.lit(1)), _hashes(old).with_columns(n=pl.lit(-1))])
    return int(told.group_by("a", "b").agg(pl.col("n").sum().abs())["n"].sum())


def _hashes(rows: pl.DataFrame) -> pl.DataFrame:
    a, b = (rows.hash_rows(seed) for seed in _SEEDS)
    return pl.DataFrame({"a": a, "b": b})
