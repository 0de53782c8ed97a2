"""A range of cells of a sheet: ``A3:F200``, and ``A:F``, ``A3:F``, ``3:200``, where an end that is not said is open."""

import re
from dataclasses import dataclass

__all__ = ["Cells", "cells", "column_number"]

_RANGE = re.compile(r"\$?([A-Z]{0,3})\$?(\d{0,7}):\$?([A-Z]{0,3})\$?(\d{0,7})", re.IGNORECASE)
_MOST_ROWS, _MOST_COLUMNS = 1 << 20, 1 << 14


@dataclass(frozen=True, slots=True)
class Cells:
    """Rows from 1 and columns from 0, the last ones included."""

    first_row: int = 1
    last_row: int = _MOST_ROWS
    first_column: int = 0
    last_column: int = _MOST_COLUMNS - 1


def cells(text: str) -> Cells | None:
    """The range that a text means; None when it means none."""
    found = _RANGE.fullmatch(text.strip())
    if found is None:
        return None
    left, top, right, bottom = found.groups()
    if bool(left) is not bool(right) or not (left or top):
        return None
    given = Cells(
        int(top or 1),
        int(bottom or _MOST_ROWS),
        column_number(left) if left else 0,
        column_number(right) if right else _MOST_COLUMNS - 1,
    )
    fits = 1 <= given.first_row <= given.last_row <= _MOST_ROWS
    return given if fits and given.first_column <= given.last_column < _MOST_COLUMNS else None


def column_number(letters: str) -> int:
    """``A`` is 0, ``Z`` 25, ``AA`` 26."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number - 1
