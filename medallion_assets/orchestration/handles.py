"""What assets hand one another: where the rows are and how to read them, never the rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medallion_assets.lake.ids import DatasetId, EntityId
from medallion_assets.lake.manifest import Commit
from medallion_assets.lake.ports import Table
from medallion_assets.plan.model import Model

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BronzeHandle", "SilverHandle"]

_SLICED: Mapping[Model, str] = {
    "periodic_snapshot": "load_date",
    "event": "_run_date",
    "incremental_merge": "_run_date",
}
"""Models whose rows belong to one run date each, with the column that says to which."""


@dataclass(frozen=True, slots=True)
class BronzeHandle:
    """Some live loads of a dataset, as one reader saw them."""

    dataset: DatasetId
    commits: tuple[Commit, ...]
    """By n."""
    read: "Callable[[], pl.LazyFrame]"

    @property
    def partitions(self) -> tuple[str, ...]:
        """Keys of the partitions the loads belong to, sorted."""
        return tuple(sorted({commit.load.partition for commit in self.commits}))

    @property
    def rows(self) -> int:
        return sum(commit.load.rows for commit in self.commits)

    def scan(self) -> "pl.LazyFrame":
        """The loads' rows, all columns as the source spells them, then ``_commit _part _row``.

        Every part is verified against the commit log first. Raises Corrupt (BRZ-…).
        """
        return self.read()


@dataclass(frozen=True, slots=True)
class SilverHandle:
    """A version of a silver table, or those of its rows that belong to some run dates."""

    entity: EntityId
    model: Model
    table: Table
    version: int
    """The table's own (Delta)."""
    run_dates: tuple[str, ...] | None = None
    """``YYYY-MM-DD`` of the partitions asked for; None: the whole table."""

    def scan(self) -> "pl.LazyFrame":
        """The rows of ``run_dates`` where each row belongs to one (periodic_snapshot, event, incremental_merge);
        otherwise the whole table, for a state is not made of days. Of an hourly dataset: all hours of those dates.
        """
        whole = self.table.scan(self.version)
        column = _SLICED.get(self.model)
        if self.run_dates is None or column is None:
            return whole
        import polars as pl

        return whole.filter(pl.col(column).cast(pl.String).is_in(self.run_dates))
