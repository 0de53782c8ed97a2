"""Which texts are paths of objects, the same rule for every store."""

import re

from medallion_assets.errors import StorageError

__all__ = ["TEMPORARY", "segments_of"]

TEMPORARY = ".tmp-"
"""Names that begin like this are files being written; no object may have one."""


_PLAIN = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9_=.-]*(?:/[A-Za-z0-9_=-][A-Za-z0-9_=.-]*)*\Z")
"""What nearly every path looks like; matching it is all that needs to be checked then."""


def segments_of(path: str) -> tuple[str, ...]:
    """The names between the slashes of ``path``.

    Raises StorageError STO-001 unless the path is relative, non-empty, Unicode, and free of empty names,
    ``.``, ``..``, NUL, backslashes and temporary names.
    """
    segments = tuple(path.split("/"))
    if _PLAIN.match(path):
        return segments
    if any(not _is_name(s) for s in segments):
        raise StorageError(
            "STO-001",
            f"{path!r} is not the path of an object: names separated by '/', relative, without '..', NUL or backslash.",
            where=ascii(path),
            fix="Check the names that the path is made of.",
        )
    return segments


def _is_name(segment: str) -> bool:
    if segment in {"", ".", ".."} or segment.startswith(TEMPORARY) or "\0" in segment or "\\" in segment:
        return False
    return not any("\ud800" <= c <= "\udfff" for c in segment)
