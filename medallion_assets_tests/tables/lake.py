"""Rows and states of small tables."""

from dataclasses import replace
from typing import Any

import polars as pl

from medallion_assets.lake.ports import Table, TableState

__all__ = ["ROWS", "held_by", "state"]

ROWS = pl.DataFrame({"id": [1, 2, 3], "name": ["a", "ü", None], "is_current": [True, False, True]})


def state(n: int, **more: Any) -> TableState:
    """As a run up to bronze commit ``n`` leaves it, of three rows."""
    told = TableState(
        n, bronze_sha256="h" * 64, intent="i", accounting={"rows": 3}, content="c", load_date="2024-01-02"
    )
    return replace(told, **more)


def held_by(table: Table) -> pl.DataFrame:
    """All rows, by id."""
    return table.scan().collect().sort("id")
