"""Every model gives on every engine the rows that it gives on Polars."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from medallion_assets.engines.polars import PolarsEngine
from medallion_assets.lake.ports import Engine
from medallion_assets_tests.engines.streams import answers, stream

KINDS = [
    {"ordered": True, "positional": True, "truncates": True},
    {"ordered": True, "positional": False, "truncates": False},
    {"ordered": False, "positional": True, "truncates": True},
    {"ordered": False, "positional": False, "truncates": True},
]


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_the_models_give_the_rows_that_they_give_on_polars(engine: Engine, kind: int) -> None:
    few = engine.name == "spark"
    if engine.name == "polars" or (few and kind != 0):
        pytest.skip("what it says is known")
    asked = stream(1, **KINDS[kind], few=few)
    told = answers(PolarsEngine(), asked, few=few)
    for (name, rows, sorted_), (_, here, _) in zip(told, answers(engine, asked, few=few), strict=True):
        order = [] if sorted_ else here.columns
        assert (name, here.schema) == (name, rows.schema)
        assert_frame_equal(_in(order, here), _in(order, rows), check_exact=True)


def _in(order: list[str], rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(order) if order else rows
