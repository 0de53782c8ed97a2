"""Column names as a file gives them."""

from collections.abc import Sequence

__all__ = ["problem_of"]


def problem_of(names: Sequence[str]) -> str:
    """Why these cannot be the names of columns; empty when they can."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if any("\0" in name or "\r" in name for name in names):
        return "The header holds NUL or CR: the file has another encoding, or lines that end with CR alone."
    if "" in names:
        return f"Column {names.index('') + 1} of {len(names)} has no name."
    if twice:
        return f"Columns have the same name: {', '.join(twice)}."
    return ""
