"""Whole builds on an engine: the tables of other systems, and what Polars makes of random streams."""

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from medallion_assets.runs.room import Room
from medallion_assets_tests.runs.test_room import QUICK, compare, cramped
from medallion_assets_tests.silver.oracle import Spec
from medallion_assets_tests.silver.test_models import MIXED, OTHERS, SPECS, lake_of, loads
from medallion_assets_tests.silver.test_vectors import NAMES, require_the_same_table

__all__ = ["cramped"]


@pytest.fixture(params=["duckdb", pytest.param("spark", marks=pytest.mark.service)])
def room(request: pytest.FixtureRequest) -> Room:
    if request.param == "duckdb":
        return Room("duckdb", memory=2**28)
    return Room("spark", spark=request.getfixturevalue("spark"))


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_the_one_that_the_other_system_made(name: str, room: Room) -> None:
    require_the_same_table(name, room)


def test_any_stream_gives_what_polars_gives(cramped: None, room: Room) -> None:
    """On Spark few, each of which takes seconds, and none is made smaller when it fails."""
    few = room.engine == "spark"

    @settings(QUICK, max_examples=4 if few else 8, phases=[Phase.generate] if few else list(Phase))
    @given(data=st.data(), spec=st.sampled_from([*SPECS, *OTHERS]))
    def same(spec: Spec, data: st.DataObject) -> None:
        found = data.draw(loads(MIXED))
        if found:
            assert compare(lake_of(spec, found), room).choice.engine == room.engine

    same()
