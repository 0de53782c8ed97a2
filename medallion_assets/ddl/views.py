"""What readers ask of a silver table: its present state, its state at a moment, its history."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from medallion_assets.plan.model import SilverPlan
from medallion_assets.silver.columns import FROM, IS_CURRENT, IS_DELETED, LOAD_DATE, TO

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Spelling", "View", "select", "views"]


class Spelling(Protocol):
    """How a dialect writes what a condition is made of."""

    def moment(self, columns: "Mapping[str, pl.DataType]", clock: "pl.DataType") -> str:
        """The moment that is asked for, of the type of ``clock``."""
        ...

    def identifier(self, name: str) -> str: ...
    def holds(self, column: str, *, wanted: bool) -> str:
        """A condition on a boolean column, which is written in the dialect already."""
        ...


@dataclass(frozen=True, slots=True)
class View:
    """Rows of the table ``t`` for which ``condition`` (in the dialect; empty: all) holds."""

    name: Literal["current", "as_of", "history"]
    condition: str
    clock: "pl.DataType | None" = None
    """Of ``as_of``: the type of the moment."""


def views(silver: SilverPlan, columns: "Mapping[str, pl.DataType]", table: str, spelling: Spelling) -> Iterator[View]:
    """The views of a table with these columns, whose quoted name is ``table``. None for models of events.

    A key that is deleted is in neither the present state nor that of a moment, whatever the delete mode left of it.
    """

    def column(name: str, of: str = "t") -> str:
        return f"{of}.{spelling.identifier(name)}"

    kept = silver.delete_mode == "tombstone" and IS_DELETED in columns
    alive = [spelling.holds(column(IS_DELETED), wanted=False)] if kept else []
    match silver.model:
        case "scd_type_2":
            start, end = column(FROM), column(TO)
            moment = spelling.moment(columns, columns[FROM])
            within = f"{start} <= {moment} AND ({end} IS NULL OR {end} > {moment})"
            yield View("current", " AND ".join([spelling.holds(column(IS_CURRENT), wanted=True), *alive]))
            yield View("as_of", " AND ".join([within, *alive]), columns[FROM])
            yield View("history", "")
        case "scd_type_1" | "full_merge_dedupe":
            yield View("current", " AND ".join(alive))
        case "periodic_snapshot":
            day, days = column(LOAD_DATE), column(LOAD_DATE, "s")
            newest = f"{day} = (SELECT MAX({days}) FROM {table} AS s"  # noqa: S608 - quoted
            yield View("current", f"{newest})")
            moment = spelling.moment(columns, columns[LOAD_DATE])
            yield View("as_of", f"{newest} WHERE {days} <= {moment})", columns[LOAD_DATE])


def select(columns: "Mapping[str, pl.DataType]", source: str, condition: str, spelling: Spelling) -> str:
    """These columns of ``source``, which is called ``t``, where ``condition`` holds."""
    listed = ", ".join(f"t.{spelling.identifier(column)}" for column in columns)
    return f"SELECT {listed}\nFROM {source} AS t" + (f"\nWHERE {condition}" if condition else "")
