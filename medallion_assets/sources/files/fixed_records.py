"""Fixed-width files whose lines are of several kinds: parents, the children that follow them, and what is skipped.

A child belongs to the parent line before it. Where that line was refused, or a line of no known kind stands between,
nobody can say whose child it is: it is refused as well, rather than given to the parent before. Memory is bounded by
a block of lines: of a parent only its own line is carried on.
"""

from typing import TYPE_CHECKING

from medallion_assets.intent.source import FixedWidth
from medallion_assets.lake.ports import Batch
from medallion_assets.sources.files.fixed_lines import (
    Cut,
    Lines,
    cell,
    layout,
    reason_of,
    refusals,
    refuse_length,
    wrong_length,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Records"]

_NONE_YET, _UNKNOWN = -2, -1
"""In place of a parent's row: there was none; whose child it is cannot be said."""
_ORPHAN = {_NONE_YET: "a child without a parent before it", _UNKNOWN: "a child behind a line that was refused"}


class Records:
    """Batches of a file with ``record_types``, as ``output`` says: a row for each child with its parent's fields
    (``flatten``; a parent without children is a row, too), or for each ``parent``, or for each ``child``.
    """

    def __init__(self, spec: FixedWidth, name: str, where: str) -> None:
        self._spec, self._name, self._where = spec, name, where
        behind_code = spec.code.width if spec.code.start == 1 else 0
        self._cuts = {record.code.strip(" "): layout(record.fields, behind_code) for record in spec.record_types}
        self._roles = {record.code.strip(" "): record.role for record in spec.record_types}
        self._carried: pl.DataFrame | None = None  # the last parent's line, when it can still have children
        self._has_child = False
        self._before = _NONE_YET

    def empty(self) -> "pl.DataFrame":
        import polars as pl

        return pl.DataFrame(schema=dict.fromkeys(self._columns(), pl.String))

    def batch(self, lines: Lines) -> Batch:
        return self._read(lines.rows, last=False)

    def end(self) -> Batch:
        """The last parent, when it has no child."""
        return self._read(Lines.of(b"", 1).rows, last=True)

    # ------------------------------------------------------------------ a block of lines

    def _read(self, fresh: "pl.DataFrame", *, last: bool) -> Batch:
        import polars as pl

        held = 0 if self._carried is None else 1
        rows = fresh if self._carried is None else pl.concat([self._carried, fresh])
        judged = self._judged(rows)
        refuse_length(judged, self._spec.ragged, self._where)
        role, sound = judged["role"], judged["problem"].is_null()
        row = pl.int_range(judged.height, eager=True)
        is_parent, is_child = (role == "parent") & sound, (role == "child") & sound
        hides = ~sound & role.ne_missing("child")
        parent = _last_seen(row, is_parent, hides, self._before)
        kept = is_child & (parent >= 0)
        with_child = set(parent.filter(kept).unique().to_list()) | ({0} if held and self._has_child else set())
        current = int(parent[-1]) if judged.height else self._before
        childless = is_parent & ~row.is_in(sorted(with_child | ({current} if not last else set())))
        self._carry(judged, current, current in with_child)
        bad = judged.with_columns(
            problem=pl.when(~sound).then(pl.col("problem")).otherwise(
                pl.when(is_child & ~kept).then(parent.replace_strict(_ORPHAN, default=None, return_dtype=pl.String))
            ),
            reason=pl.when(~sound).then(pl.col("reason")).otherwise(pl.lit("record")),
        ).filter(pl.col("problem").is_not_null())  # fmt: skip
        chosen = {"flatten": kept | childless, "parent": is_parent & (row >= held), "child": kept}[self._spec.output]
        return Batch(self._rows(judged, row.filter(chosen), parent, kept), refusals(bad, self._name))

    def _judged(self, rows: "pl.DataFrame") -> "pl.DataFrame":
        """With ``code``, ``role`` (null: unknown), ``problem`` and its ``reason``."""
        import polars as pl

        place = self._spec.code
        code = pl.col("text").str.slice(place.start - 1, place.width).str.strip_chars(" ")
        role = pl.col("code").replace_strict(self._roles, default=None, return_dtype=pl.String)
        unknown = pl.when(pl.col("role").is_null()).then(pl.format("no record type has the code '{}'", pl.col("code")))
        lengths = [
            pl.when(pl.col("code") == code).then(wrong_length(cuts, self._spec.ragged, place.start - 1 + place.width))
            for code, cuts in self._cuts.items()
            if self._roles[code] != "skip"
        ]
        reason = pl.when(pl.col("damage").is_null() & pl.col("role").is_null()).then(pl.lit("record"))
        return (
            rows.with_columns(code=code)
            .with_columns(role=pl.when(pl.col("damage").is_null()).then(role))
            .with_columns(problem=pl.coalesce(pl.col("damage"), unknown, *lengths))
            .with_columns(reason=reason.otherwise(reason_of()))
        )

    def _carry(self, judged: "pl.DataFrame", current: int, has_child: bool) -> None:
        if current >= 0:
            self._carried = judged[current : current + 1].select("text", "number", "damage")
            self._has_child, self._before = has_child, _UNKNOWN
        else:
            self._carried, self._has_child, self._before = None, False, current

    # ------------------------------------------------------------------ rows

    def _rows(
        self, judged: "pl.DataFrame", chosen: "pl.Series", parent: "pl.Series", is_child: "pl.Series"
    ) -> "pl.DataFrame":
        import polars as pl

        own = judged[chosen]
        if self._spec.output != "flatten":
            return own.select(self._cells(self._spec.output))
        parents = judged[parent.gather(chosen)].select(self._cells("parent"))
        own = own.with_columns(code=pl.when(is_child.gather(chosen)).then(pl.col("code")))
        return pl.concat([parents, own.select(self._cells("child"))], how="horizontal")

    def _columns(self) -> list[str]:
        roles = ("parent", "child") if self._spec.output == "flatten" else (self._spec.output,)
        return [column for role in roles for column in self._by_column(role)]

    def _by_column(self, role: str) -> dict[str, list[tuple[str, Cut]]]:
        """Columns of the kinds of a role, in the order of the intent: the codes that have one, and where it lies."""
        found: dict[str, list[tuple[str, Cut]]] = {}
        for code, cuts in self._cuts.items():
            for cut in cuts if self._roles[code] == role else ():
                found.setdefault(cut.name, []).append((code, cut))
        return found

    def _cells(self, role: str) -> "list[pl.Expr]":
        import polars as pl

        return [
            pl.coalesce(pl.when(pl.col("code") == code).then(cell(cut, self._spec.ragged)) for code, cut in kinds)
            .cast(pl.String)
            .alias(column)
            for column, kinds in self._by_column(role).items()
        ]


def _last_seen(row: "pl.Series", parents: "pl.Series", hides: "pl.Series", before: int) -> "pl.Series":
    """For each row the row of the last parent up to it, or why there is none."""
    import polars as pl

    frame = pl.DataFrame({"row": row, "parent": parents, "hides": hides})
    seen = pl.when(pl.col("parent")).then(pl.col("row")).when(pl.col("hides")).then(pl.lit(_UNKNOWN, pl.Int64))
    return frame.select(seen.forward_fill().fill_null(before)).to_series()
