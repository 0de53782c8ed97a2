"""What a table holds, as a checksum that changes with its rows, and how two tables differ, as a number of rows.

Rows are told apart by 128 bits of hash: two different ones look equal once in 10^20 tables of a billion rows. The sums
of these numbers do not depend on the order of the rows, and follow rows that come and go without the others.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import polars as pl

__all__ = ["content", "differing", "hashes", "moved"]

_SEEDS = (1, 2)
_WRAP = 1 << 64


def content(pieces: Iterable[pl.DataFrame], without: Sequence[str]) -> str:
    """Checksum over names, types and values of all columns but ``without``: equal rows in any order and any pieces (of
    one schema, at least one) give the same.

    Another version of Polars may hash otherwise: its name is part of the text.
    """
    head, sums = "", [0] * len(_SEEDS)
    for rows in pieces:
        kept = rows.drop(without)
        head, sums = _head(kept.schema), [before + more for before, more in zip(sums, _sums(kept), strict=True)]
    return _text(head, sums)


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


def hashes(rows: pl.DataFrame, number: int = 1) -> pl.DataFrame:
    """Two hashes of each row, ``a`` and ``b``, and ``n``, which is ``number``."""
    a, b = (rows.hash_rows(seed) for seed in _SEEDS)
    return pl.DataFrame({"a": a, "b": b}).with_columns(n=pl.lit(number))


def differing(hashed: pl.DataFrame) -> tuple[int, int]:
    """How many rows only the one table has and only the other, with their repetitions, out of the ``hashes`` of both:
    the one's with ``n`` 1, the other's with -1. They have one schema.
    """
    counts = hashed.group_by("a", "b").agg(pl.col("n").sum())["n"]
    return int(counts.filter(counts > 0).sum()), -int(counts.filter(counts < 0).sum())
