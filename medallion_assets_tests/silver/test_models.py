"""The models against the oracle, on streams of every mixture of patterns and delete modes."""

from datetime import datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medallion_assets_tests.silver.lake import CDC, Lake, plan_of
from medallion_assets_tests.silver.oracle import Answer, Loaded, Row, Spec, oracle

DAY = datetime(2024, 1, 1, tzinfo=timezone.utc)
SCHEMA = {"k": pl.Int64, "t": pl.Datetime("us", "UTC"), "a": pl.Int64, "b": pl.String}
QUICK = settings(max_examples=int(__import__("os").environ.get("NEX","40")), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def rows(pattern: str) -> st.SearchStrategy[Row]:
    # Few values and half days, so that ties, equal neighbours and exact boundaries are common.
    cells = {
        "k": st.integers(0, 2),
        "t": st.integers(-1, 8).map(lambda half: DAY + half * timedelta(hours=12)),
        "a": st.one_of(st.none(), st.integers(0, 1)),
        "b": st.sampled_from(["x", "", None]),
    }
    if pattern == "cdc":
        cells["op"] = st.sampled_from(["I", "U", "U", "D", "D", "T"])
    return st.fixed_dictionaries(cells)


@st.composite
def loads(draw: st.DrawFn, patterns: tuple[str, ...]) -> list[Loaded]:
    found = []
    slots = draw(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(patterns)), unique=True, max_size=5))
    for n, (day, pattern) in enumerate(slots, 1):
        if any(d == day and (p == "full") == (pattern == "full") for d, p in slots[: n - 1]):
            continue
        parts = draw(st.lists(st.lists(rows(pattern), max_size=4).map(tuple), min_size=1, max_size=2))
        refused = draw(st.sampled_from([0, 0, 0, 1])) if pattern == "full" else 0
        found.append(Loaded(n, pattern, DAY + timedelta(days=day), tuple(parts), refused))
    return [Loaded(i, x.pattern, x.start, x.parts, x.refused) for i, x in enumerate(found, 1)]


def frame(part: tuple[Row, ...], pattern: str) -> pl.DataFrame:
    schema: dict[str, Any] = {**SCHEMA, **({"op": pl.String} if pattern == "cdc" else {})}
    return pl.DataFrame([tuple(r[c] for c in schema) for r in part], schema=schema, orient="row")


def lake_of(spec: Spec, found: list[Loaded]) -> Lake:
    scd2 = spec.model == "scd_type_2"
    silver = (
        f"{{model: {spec.model}, keys: k, delete_mode: {spec.delete_mode}"
        + (", order_by: t" if spec.ordered else ", exclude: t")
        + (f", ignore_nulls: {str(spec.ignore_nulls).lower()}")
        + (", erase_absent: true" if spec.erase_absent else "")
        + (f", track: [{', '.join(spec.track)}]" if scd2 and spec.track != ("a", "b") else "")
        + "}"
    )
    lake = Lake(plan_of(silver, CDC))
    for x in found:
        parts = [frame(p, x.pattern) for p in x.parts]
        key = x.start.date().isoformat()
        lake.commit(key, *parts, pattern=x.pattern, refused=x.refused)  # type: ignore[arg-type]
    return lake


SPECS = [
    *(Spec(model, delete_mode=mode) for model in ("scd_type_1", "scd_type_2")
      for mode in ("ignore", "tombstone", "hard_delete", "erase")),
    Spec("scd_type_2", delete_mode="erase", erase_absent=True),
    Spec("scd_type_2", ordered=False),
    Spec("scd_type_1", ordered=False, delete_mode="tombstone"),
    Spec("scd_type_2", ignore_nulls=True),
    Spec("scd_type_1", ignore_nulls=True, delete_mode="tombstone"),
    Spec("scd_type_2", track=("a",)),
    Spec("scd_type_2", track=("b",), delete_mode="tombstone"),
]  # fmt: skip
PATTERNS = [("full",), ("incremental",), ("cdc",), ("full", "cdc"), ("full", "incremental", "cdc")]


def compare(spec: Spec, found: list[Loaded]) -> Answer:
    built = lake_of(spec, found).build()
    expected = oracle(found, spec)
    assert built.rows.to_dicts() == [{c: row.get(c) for c in built.rows.columns} for row in expected.rows]
    account = built.accounting
    assert account["rows_in"] == sum(len(p) for x in found for p in x.parts)
    told = {n: account[n] for n in ("events", "duplicates", "filtered", "quarantined")}
    assert told == {
        "events": expected.events, "duplicates": expected.duplicates, "filtered": expected.filtered, "quarantined": 0
    }  # fmt: skip
    assert account["rows_in"] == sum(told.values())
    assert account["absence_deletes"] == expected.absences
    return expected


@pytest.mark.parametrize("patterns", PATTERNS, ids="+".join)
@QUICK
@given(data=st.data(), spec=st.sampled_from(SPECS))
def test_any_stream_gives_what_the_oracle_gives(spec: Spec, patterns: tuple[str, ...], data: st.DataObject) -> None:
    found = data.draw(loads(patterns))
    if found:
        compare(spec, found)
