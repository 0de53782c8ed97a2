"""JSON Lines at once: lines that hold the same members in the same order become columns by one regular expression.

The expression is made from a line that was read as JSON: it takes members of exactly these names in this order, whose
values are numbers, words or text without escapes. What it matches is JSON, and its groups are the values as written.
Every other line is read by itself, with the same result.
"""

import re
from collections.abc import Sequence

import polars as pl

from medallion_assets.lake.ports import Batch, Refused
from medallion_assets.sources.files.json_rows import Element, Rows

__all__ = ["Quick"]

_SMALL = 1 << 16
"""Bytes up to which every line is read by itself."""
_LAYOUTS = 4
_MEMBERS = 200
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_VALUE = rf'("[^"\\\x00-\x1f]*"|{_NUMBER}|true|false|null)'
_AT, _LINE = "__at", "__line"


class Quick:
    """Reads blocks of whole lines one after another into ``rows``."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._patterns: dict[tuple[str, ...], str] = {}

    def batch(self, block: bytes, line: int) -> tuple[Batch, bool]:
        """The rows of a block, whose first line has this number, and whether it holds more than blank lines."""
        lines = self._lines(block)
        if lines is None:
            raw = enumerate(map(bytes.strip, block.split(b"\n")), line)
            elements = [Element(text, number) for number, text in raw if text]
            return self._rows.batch(elements), bool(elements)
        found, left = self._matched(lines)
        alone, places = list[dict[str, str | None]](), list[int]()
        refused: list[Refused] = []
        seen = bool(found)
        for at, text in left:
            element = Element(text.strip().encode(), line + at)
            if not element.raw:
                continue
            row, seen = self._rows.row(element), True
            if isinstance(row, Refused):
                refused.append(row)
            else:
                alone.append(row)
                places.append(at)
        rest = self._rows.columns.frame(alone)
        frames = [*found, rest.with_columns(pl.Series(_AT, places, pl.UInt32))]
        rows = pl.concat(frames, how="diagonal").sort(_AT).select(rest.columns)
        return Batch(rows, tuple(refused)), seen

    def _lines(self, block: bytes) -> pl.DataFrame | None:
        """``__at`` from 0 and ``__line``; None for what is small, or not UTF-8 as a whole."""
        if len(block) <= _SMALL:
            return None
        try:
            text = block.decode()
        except UnicodeDecodeError:
            return None
        whole = pl.Series(_LINE, [text.replace("\r\n", "\n")]).str.split("\n").explode()
        return pl.DataFrame(whole).with_row_index(_AT)

    def _matched(self, lines: pl.DataFrame) -> tuple[list[pl.DataFrame], list[tuple[int, str]]]:
        """Columns of the lines of a few layouts, with ``__at``, and all other lines, in order.

        The first line that is left over is a layout's, so columns are met in the order of the lines.
        """
        found: list[pl.DataFrame] = []
        left: list[tuple[int, str]] = []
        for _ in range(_LAYOUTS):
            lines = lines.filter(pl.col(_LINE) != "")
            if lines.is_empty():
                break
            at, text = lines.row(0)
            cells = self._rows.cells(text.strip().encode())
            matched = None
            if not isinstance(cells, str):
                self._rows.columns.meet([cells])
                matched = self._groups(lines, tuple(cells)) if len(cells) <= _MEMBERS else None
            if matched is None or matched[_AT][0] != at:
                left.append((at, text))
                lines = lines.slice(1)
            else:
                found.append(matched)
                lines = lines.join(matched, on=_AT, how="anti", maintain_order="left")
        return found, [*left, *lines.iter_rows()]

    def _groups(self, lines: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame | None:
        """The lines of this layout; None when there are none."""
        pattern = self._patterns.setdefault(tuple(names), _pattern(names))
        told = lines.select(_AT, pl.col(_LINE).str.extract_groups(pattern).alias(_LINE)).unnest(_LINE)
        values = told.columns[1:]
        some = told.filter(pl.col(values[0]).is_not_null())
        if some.is_empty():
            return None
        cell = pl.when(pl.col(values) != "null").then(pl.col(values).str.strip_prefix('"').str.strip_suffix('"'))
        return some.select(_AT, cell).rename(dict(zip(values, names, strict=True)))


def _pattern(names: Sequence[str]) -> str:
    members = r" ?, ?".join(f'"{re.escape(name)}" ?: ?{_VALUE}' for name in names)
    return rf"^\{{{members}\}}$"
