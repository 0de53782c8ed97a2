"""What the rules of checks may look at besides the rows they are about."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import polars as pl

from medallion_assets.errors import ConfigError
from medallion_assets.lake.ports import Table
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.silver.columns import AFTER, BEFORE, IS_CURRENT, IS_DELETED, RESCUED

__all__ = ["Around", "personal"]


def personal(plan: DatasetPlan, silver: SilverPlan | None = None) -> frozenset[str]:
    """Columns whose values nobody is shown: those marked ``pii``, and what holds their values besides."""
    names = frozenset(column.name for column in plan.columns if column.pii)
    if not names or silver is None:
        return names
    return names | {RESCUED, *((BEFORE, AFTER) if silver.model == "derived_event" else ())}


@dataclass(frozen=True)
class Around:
    """The moment, the other tables, the folder."""

    now: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    tables: Callable[[str], Table] | None = None
    """The table ``silver/<domain>/<entity>``. Raises MedallionError."""
    hidden: Callable[[str], frozenset[str]] = lambda _: frozenset()
    """Its columns that are ``personal``."""
    root: Path = field(default_factory=Path)
    """The project's folder, where functions of checks are found."""

    def live(self, name: str) -> pl.LazyFrame:
        """Rows of another table that are there now: current, not deleted. Raises ConfigError CHK-005."""
        table = None if self.tables is None else self.tables(name)
        if table is None or table.version is None:
            raise ConfigError("CHK-005", f"{name} has never been built.", where="checks", fix=f"run {name} first.")
        rows = table.scan()
        columns = rows.collect_schema()
        if IS_CURRENT in columns:
            rows = rows.filter(pl.col(IS_CURRENT))
        return rows.filter(~pl.col(IS_DELETED)) if IS_DELETED in columns else rows
