"""Every model gives on every engine the rows that it gives on Polars."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from medallion_assets.engines.polars import PolarsEngine
from medallion_assets.lake.ports import Engine
from medallion_assets_tests.engines.frames import MAKE
from medallion_assets_tests.engines.streams import Stream, answers, stream

KINDS = [
    {"ordered": True, "positional": True, "truncates": True},
    {"ordered": True, "positional": False, "truncates": False},
    {"ordered": False, "positional": True, "truncates": True},
    {"ordered": False, "positional": False, "truncates": True},
]


@cache
def expected(kind: int, seed: int) -> tuple[Stream, list[tuple[str, pl.DataFrame, bool]]]:
    asked = stream(seed, **KINDS[kind])
    return asked, [*answers(PolarsEngine(), asked)]


@pytest.fixture(params=[name for name in MAKE if name != "polars"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    made = MAKE[request.param](tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_the_models_give_the_rows_that_they_give_on_polars(engine: Engine, kind: int) -> None:
    asked, told = expected(kind, 1)
    for (name, rows, sorted_), (_, here, _) in zip(told, answers(engine, asked), strict=True):
        order = [] if sorted_ else here.columns
        assert (name, here.schema) == (name, rows.schema)
        assert_frame_equal(_in(order, here), _in(order, rows), check_exact=True)


def _in(order: list[str], rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort(order) if order else rows
