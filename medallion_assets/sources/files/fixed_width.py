"""Fixed-width text: lines cut at places that the intent names, counted in characters.

A cell is the text of its place without the blanks that fill it; zeros stay. What stands behind the last field must be
blank, because bronze holds all that a source gave; a place between two fields that no field names is left out.
"""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.source import FixedWidth
from medallion_assets.lake.ports import Batch
from medallion_assets.sources.files.fixed_lines import (
    Lines,
    cell,
    layout,
    reason_of,
    refusals,
    refuse_length,
    wrong_length,
)
from medallion_assets.sources.files.fixed_records import Records
from medallion_assets.sources.files.lines import line_blocks

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_fixed_width"]

_BLOCK = 8 << 20
_FIX = "Check that this is a text file with a record a line, and its compression and encoding."


def read_fixed_width(
    stream: io.BufferedReader, spec: FixedWidth, *, name: str, where: str, changes: bool, block_bytes: int = _BLOCK
) -> Iterator[Batch]:
    """Batches of a fixed-width ``stream`` in UTF-8; the first has the columns and no rows.

    ``changes``: a file without a line says that nothing changed. As the complete state it would delete every key, and
    a failed upload looks the same. Raises ExtractionError SRC-009 (then), SRC-012 (a line of the wrong length under
    ``ragged: fail``), SRC-013 (a line longer than 64 MiB).
    """
    reader = Records(spec, name, where) if spec.record_types else _Plain(spec, name, where)
    yield Batch(reader.empty())
    seen = False
    for line, data in line_blocks(stream, block_bytes, where=where, fix=_FIX):
        lines = Lines.of(data, line)
        seen = seen or lines.rows.height > 0
        yield reader.batch(lines)
    if not (seen or changes):
        raise ExtractionError(
            "SRC-009",
            "The file is empty.",
            where=where,
            fix="Deliver at least one line, or load it as changes (load: incremental or cdc).",
        )
    yield reader.end()


class _Plain:
    """Lines of one kind."""

    def __init__(self, spec: FixedWidth, name: str, where: str) -> None:
        self._cuts = layout(spec.fields)
        self._ragged, self._name, self._where = spec.ragged, name, where

    def empty(self) -> "pl.DataFrame":
        import polars as pl

        return pl.DataFrame(schema={cut.name: pl.String for cut in self._cuts})

    def batch(self, lines: Lines) -> Batch:
        import polars as pl

        judged = lines.rows.with_columns(
            problem=pl.coalesce(pl.col("damage"), wrong_length(self._cuts, self._ragged)),
            reason=reason_of(),
        )
        refuse_length(judged, self._ragged, self._where)
        good = judged.filter(pl.col("problem").is_null())
        bad = judged.filter(pl.col("problem").is_not_null())
        return Batch(good.select(cell(cut, self._ragged) for cut in self._cuts), refusals(bad, self._name))

    def end(self) -> Batch:
        return Batch(self.empty())
