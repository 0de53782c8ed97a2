"""How far each partition of a topic has been read, and how far a read goes. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass

from medallion_assets.lake.manifest import CursorValue

__all__ = ["Span", "as_cursor", "from_cursor", "shares", "topic_of"]


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of one partition, ``start`` included, ``end`` not."""

    partition: int
    start: int
    end: int


def as_cursor(offsets: Mapping[int, int], topic: str | None = None) -> CursorValue:
    """``0:17,1:4``: partition and next offset, by partition; behind ``id@`` where the topic's own id is known."""
    pairs = ",".join(f"{partition}:{offset}" for partition, offset in sorted(offsets.items()))
    return pairs if topic is None else f"{topic}@{pairs}"


def from_cursor(cursor: CursorValue) -> dict[int, int]:
    """The offsets, as ``as_cursor`` wrote them."""
    pairs = (pair.partition(":") for pair in cursor.rpartition("@")[2].split(",") if pair)
    return {int(partition): int(offset) for partition, _, offset in pairs}


def topic_of(cursor: CursorValue) -> str | None:
    """The topic's own id, if it was known."""
    return cursor.rpartition("@")[0] or None


def shares(spans: list[Span], most: int | None) -> list[Span]:
    """The spans cut to ``most`` offsets together: each gets as much as another, what one does not need the others.

    Which are cut depends on the spans alone, so that a read that is begun again asks for the same.
    """
    if most is None:
        return spans
    left, given = most, {}
    for place, span in enumerate(sorted(spans, key=lambda s: (s.end - s.start, s.partition))):
        share = min(span.end - span.start, left // (len(spans) - place))
        given[span.partition] = share
        left -= share
    return [Span(s.partition, s.start, s.start + given[s.partition]) for s in spans]
