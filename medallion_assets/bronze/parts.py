"""Cuts a stream of rows into parts by rows and bytes, at places that depend on the rows alone."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Cut", "Cutter", "row_bytes"]

_NESTED_BYTES = 64
"""A guess for a list or struct; only text and binary values are measured."""


class Cut(NamedTuple):
    """The rows of a part and the bytes of their values, or more."""

    rows: "pl.DataFrame"
    most_bytes: int


class Cutter:
    """Collects frames; gives out a part as soon as the next row would be too many or too much.

    A part's columns are those of its frames, in the order met; rows of a frame without a column have nulls there.
    """

    def __init__(self, part_rows: int, part_bytes: int) -> None:
        self._part_rows, self._part_bytes = part_rows, part_bytes
        self._frames: list[pl.DataFrame] = []
        self._rows = 0
        self._bytes = 0  # of the frames, or more

    def add(self, rows: "pl.DataFrame") -> Iterator["Cut"]:
        most = int(rows.estimated_size()) + _fixed_bytes(rows) * rows.height  # of a slice it would have to be counted
        while rows.height:
            head = rows.head(self._part_rows - self._rows)
            fits, size = self._measure(head, most)
            self._take(head.head(fits), size)
            if fits < head.height or self._rows == self._part_rows:
                yield from self.end()
            rows = rows.slice(fits)

    def end(self) -> Iterator["Cut"]:
        """The rows that are left, when there are some."""
        import polars as pl

        if self._rows:
            frames, size = self._frames, self._bytes
            self._frames, self._rows, self._bytes = [], 0, 0
            yield Cut(frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal"), size)

    def _take(self, rows: "pl.DataFrame", size: int) -> None:
        if rows.height:
            self._frames.append(rows)
            self._rows += rows.height
            self._bytes += size

    def _measure(self, rows: "pl.DataFrame", most: int) -> tuple[int, int]:
        """How many of ``rows`` (``most`` bytes at most) still fit, and their bytes or more.

        A row that alone is too large is a part of one.
        """
        if self._bytes + most <= self._part_bytes:
            return rows.height, most
        self._bytes = sum(int(frame.select(row_bytes(frame).sum()).item()) for frame in self._frames)
        until = rows.select(row_bytes(rows).cum_sum()).to_series()
        fits = int((until <= self._part_bytes - self._bytes).sum())
        if not fits and not self._rows:
            fits = 1
        return fits, int(until[fits - 1]) if fits else 0


def _fixed_bytes(rows: "pl.DataFrame") -> int:
    import polars as pl

    nested = sum(dtype.is_nested() for dtype in rows.dtypes)
    return 8 * sum(dtype not in (pl.String, pl.Binary) for dtype in rows.dtypes) + (_NESTED_BYTES - 8) * nested


def row_bytes(rows: "pl.DataFrame") -> "pl.Expr":
    """Bytes of each row's values: of text and binary as they are, 8 of anything fixed, a guess for what is nested."""
    import polars as pl

    text = [name for name, dtype in rows.schema.items() if dtype == pl.String]
    binary = [name for name, dtype in rows.schema.items() if dtype == pl.Binary]
    measured = [pl.col(name).str.len_bytes() for name in text] + [pl.col(name).bin.size() for name in binary]
    return pl.sum_horizontal(
        [*(m.fill_null(0).cast(pl.Int64) for m in measured), pl.repeat(_fixed_bytes(rows), pl.len(), dtype=pl.Int64)]
    )
