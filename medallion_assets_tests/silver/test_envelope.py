"""Debezium's events, whole, wrapped, flattened and as structs, against the oracle of plain changes."""

import json
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medallion_assets.errors import InvalidProject
from medallion_assets_tests.silver.lake import MISFITS_ALLOWED, Lake, plan_of
from medallion_assets_tests.silver.oracle import WITHHELD, Loaded, Row, Spec, oracle
from medallion_assets_tests.silver.test_models import (
    MIXED,
    OTHERS,
    PATTERNS,
    SPECS,
    as_text,
    frame,
    loads,
    parsed,
    planned,
)  # fmt: skip

QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LOAD = "{pattern: cdc, operation: {envelope: debezium}}"
T = "t: {type: timestamp, format: epoch_ms, source_names: [__source_ts_ms, t]}"
S = "s: {type: integer, source_names: [__source_lsn, s]}"
COLUMNS = f"columns: {{{T}}}\n{MISFITS_ALLOWED}"
CODES = {"I": "c", "U": "u", "D": "d", "T": "t"}
FORMS = ("whole", "wrapped", "flat", "marked", "structs")


def event(row: Row, read: bool) -> Row:
    """A change as Debezium tells it; ``read``: an insert is a row of the first snapshot."""
    op = "r" if read and row["op"] == "I" else CODES[row["op"]]
    image = None if op == "t" else {c: row[c] for c in ("k", "a", "b")}
    before, after = (image, None) if op == "d" else (None, image)
    ms = int(row["t"].timestamp() * 1000)
    return {
        "before": before,
        "after": after,
        "source": {"ts_ms": ms, "lsn": row.get("s", 7)},
        "op": op,
        "ts_ms": 1,
        "ts_us": 1000,
    }


TOMBSTONE: Row = {"before": None, "after": None, "source": None, "op": None, "ts_ms": None, "ts_us": None}


def told(events: list[Row], form: str) -> pl.DataFrame:
    """The events as a load: nested values as JSON text, or as structs."""
    if form == "wrapped":
        whole = [None if e is TOMBSTONE else json.dumps(e) for e in events]
        return pl.DataFrame({"schema": ['{"type":"struct"}'] * len(events), "payload": whole},
                            schema={"schema": pl.String, "payload": pl.String})  # fmt: skip
    if form in ("flat", "marked"):
        return pl.DataFrame([flat(e, form) for e in events], schema=dict.fromkeys(flat(TOMBSTONE, form), pl.String))
    if form == "structs":
        image = pl.Struct({"k": pl.Int64, "a": pl.Int64, "b": pl.String})
        source = pl.Struct({"ts_ms": pl.Int64, "lsn": pl.Int64})
        ms = pl.Int64()
        types = {"before": image, "after": image, "source": source, "op": pl.String(), "ts_ms": ms, "ts_us": ms}
        return pl.DataFrame(events, schema=types)
    cells = [{c: v if v is None or c == "op" else json.dumps(v) for c, v in e.items()} for e in events]
    return pl.DataFrame(cells, schema=dict.fromkeys(TOMBSTONE, pl.String))


def flat(e: Row, form: str) -> Row:
    image = e["after"] or e["before"] or {"k": None, "a": None, "b": None}
    row = {c: None if v is None else str(v) for c, v in image.items()}
    place = {f"__source_{c}": None if e["source"] is None else str(e["source"][c]) for c in ("ts_ms", "lsn")}
    if form == "marked":  # an operation beside the mark, because nothing else tells a truncate
        mark = None if e["op"] is None else "true" if e["op"] == "d" else "false"
        return {**row, **place, "__deleted": mark, "__op": e["op"] if e["op"] == "t" else None}
    return {**row, **place, "__op": e["op"]}


def lake_of(spec: Spec) -> Lake:
    return Lake(planned(spec, LOAD, COLUMNS.replace(T, f"{T}, {S}") if spec.second else COLUMNS))


def commit(lake: Lake, load: Loaded, form: str, tombstones: bool, appends: bool = False) -> None:
    if load.pattern != "cdc":
        parts = [frame(p, load.pattern) for p in load.parts]
    else:
        events = [[event(r, read=form != "flat") for r in p] for p in load.parts]
        behind = [[x for e in p for x in ([e, TOMBSTONE] if tombstones and e["op"] == "d" else [e])] for p in events]
        parts = [told(p, form) for p in behind]
    lake.commit(load.start.date().isoformat(), *parts, pattern=load.pattern, refused=load.refused, appends=appends)


@st.composite
def changes(draw: st.DrawFn, patterns: Any) -> tuple[list[Loaded], list[str]]:
    """Loads of which some changes withhold a value, and the form of each."""
    found, forms = draw(loads(patterns)), []
    for i, load in enumerate(found):
        forms.append(draw(st.sampled_from(FORMS)))
        if load.pattern != "cdc":
            continue
        columns = ["b"] if forms[-1] == "structs" else ["a", "b"]
        parts = tuple(tuple(draw(held(row, columns)) for row in part) for part in load.parts)
        found[i] = replace(load, parts=parts)
    return found, forms


@st.composite
def held(draw: st.DrawFn, row: Row, columns: list[str]) -> Row:
    return row | {c: WITHHELD for c in columns if row["op"] != "I" and draw(st.integers(0, 2)) == 0}


@pytest.mark.parametrize("patterns", PATTERNS[2:], ids="+".join)
@QUICK
@given(data=st.data(), spec=st.sampled_from([*SPECS, *OTHERS]), tombstones=st.booleans())
def test_any_stream_of_events_gives_what_the_oracle_gives(
    spec: Spec, tombstones: bool, patterns: Any, data: st.DataObject
) -> None:
    found, forms = data.draw(changes(patterns))
    if not any(part for load in found for part in load.parts):
        return
    lake = lake_of(spec)
    for load, form in zip(found, forms, strict=True):
        commit(lake, load, form, tombstones)
    built, expected = lake.build(), oracle(found, spec)
    rows = [{c: row.get(c) for c in built.rows.columns} for row in expected.rows]
    assert [parsed(row) for row in built.rows.to_dicts()] == [as_text(row) for row in rows]
    account = built.accounting
    behind = sum(r["op"] == "D" for x in found if x.pattern == "cdc" for p in x.parts for r in p) if tombstones else 0
    assert (account["events"], account["duplicates"], account["filtered"], account["quarantined"]) == (
        expected.events, expected.duplicates, expected.filtered + behind, 0
    )  # fmt: skip


@QUICK
@given(data=st.data(), spec=st.sampled_from([*SPECS, *OTHERS]))
def test_neither_arrival_nor_form_leaves_a_trace(spec: Spec, data: st.DataObject) -> None:
    found, forms = data.draw(changes(MIXED))
    if not any(part for load in found for part in load.parts):
        return
    one, other = lake_of(spec), lake_of(spec)
    for load, form in zip(found, forms, strict=True):
        commit(one, load, form, tombstones=False)
    for i in data.draw(st.permutations([*range(len(found)), 0])):
        form = (
            "structs" if forms[i] == "structs" else data.draw(st.sampled_from(["whole", "wrapped", "flat", "marked"]))
        )
        commit(other, found[i], form, tombstones=data.draw(st.booleans()))
    expected, built = one.build(), other.build()
    assert built.rows.drop("_bronze_part").to_dicts() == expected.rows.drop("_bronze_part").to_dicts()


# ------------------------------------------------------------------------------------------------ single rules

SCD1 = "{model: scd_type_1, keys: id, order_by: lsn}"
LSN = "columns: {lsn: {type: int64, source_names: __source_lsn}}\nquarantine: {max_rows: 9}"


def whole(op: str | None, lsn: int | None, before: str | None, after: str | None) -> Row:
    return {"op": op, "source": f'{{"lsn": {lsn}}}', "before": before, "after": after}


def of(*events: Row, load: str = LOAD, silver: str = SCD1, more: str = LSN) -> Any:
    lake = Lake(plan_of(silver, load, more))
    lake.commit("2024-01-01", pl.DataFrame(list(events), schema=dict.fromkeys(events[0], pl.String)))
    return lake.build()


def test_values_are_the_characters_of_the_event() -> None:
    row = (
        '{"id": "007", "n": 1.10, "big": 9223372036854775808, "on": true, "list": [1, 2.0], '
        '"text": "a\\n\\u00e4", "no": null}'
    )
    built = of(whole("c", 1, None, row))
    assert built.rows.row(0, named=True) == {
        "id": "007", "n": Decimal("1.10"), "big": 9223372036854775808, "on": True, "list": "[1, 2.0]",
        "text": "a\nä", "no": None, "lsn": 1, "_run_date": date(2024, 1, 1), "_bronze_part": "1/1",
    }  # fmt: skip


def test_every_way_to_write_that_a_value_is_withheld() -> None:
    ways = ("__debezium_unavailable_value", "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==",
            "5f5f646562657a69756d5f756e617661696c61626c655f76616c7565", '["__debezium_unavailable_value"]')  # fmt: skip
    values = [f'{{"id": 1, "v": {json.dumps(v) if not v.startswith("[") else v}}}' for v in ways]
    built = of(whole("c", 1, None, '{"id": 1, "v": 42}'), *(whole("u", n, None, v) for n, v in enumerate(values, 2)))
    assert built.rows.select("id", "v", "lsn").rows() == [(1, 42, 5)]


def test_what_was_never_supplied_is_null_and_no_default_stands_for_it() -> None:
    more = "columns: {lsn: {type: int64, source_names: __source_lsn}, v: {type: string, default: x, nullable: false}}"
    rules = "\nquarantine: {max_rows: 9}\nchecks: [{rule: not_null, columns: v, on_failure: quarantine}]"
    held_back = whole("u", 1, None, f'{{"id": 1, "v": "{WITHHELD}"}}')
    built = of(held_back, whole("u", 2, None, '{"id": 2, "v": null}'), more=more + rules)
    assert (built.rows.select("id", "v").rows(), built.quarantine.height) == ([(1, None), (2, "x")], 0)


def test_an_event_that_cannot_be_read_is_in_quarantine_with_its_reason() -> None:
    built = of(
        whole("m", 1, None, '{"id": 1}'), whole(None, 2, None, '{"id": 2}'), whole("c", 3, None, None),
        whole("d", 4, None, None), whole("c", 5, None, "{broken"), whole("c", None, None, '{"id": 6}'),
        whole("c", 7, None, f'{{"id": "{WITHHELD}"}}'), whole("c", 8, None, '{"id": 8}'),
    )  # fmt: skip
    assert built.rows["id"].to_list() == [8]
    assert [r[:3] for r in built.quarantine.rows()] == [
        ("unknown_operation", "__op", "m"), ("unknown_operation", "__op", None), ("null_key", "id", None),
        ("null_key", "id", None), ("null_key", "id", None), ("null_order_by", "lsn", None), ("null_key", "id", None),
    ]  # fmt: skip


def test_codes_may_be_others_and_case_may_matter() -> None:
    load = "{pattern: cdc, operation: {envelope: debezium, insert: [C, new], delete: [d, gone], case_sensitive: true}}"
    built = of(
        whole("C", 1, None, '{"id": 1}'), whole("c", 2, None, '{"id": 2}'), whole("new", 3, None, '{"id": 3}'),
        whole("u", 4, None, '{"id": 4}'), whole("gone", 5, '{"id": 1}', None), whole("t", 0, None, None), load=load,
    )  # fmt: skip
    assert built.rows["id"].to_list() == [3, 4]
    assert built.quarantine.select("reason", "value").rows() == [("unknown_operation", "c")]


@pytest.mark.parametrize(("sensitive", "kept"), [("false", [2]), ("true", [1, 2])])
def test_without_an_envelope_case_matters_when_it_is_said_to(sensitive: str, kept: list[int]) -> None:
    load = f"{{pattern: cdc, operation: {{column: op, delete: [x], insert: [i, I], case_sensitive: {sensitive}}}}}"
    lake = Lake(plan_of("{model: scd_type_1, keys: id, order_by: at}", load, "quarantine: {max_rows: 9}"))
    rows = {"id": ["1", "2", "1"], "at": ["1", "1", "2"], "op": ["i", "I", "X"]}
    lake.commit("2024-01-01", pl.DataFrame(rows))
    built = lake.build()
    assert (built.rows["id"].to_list(), built.quarantine.height) == (kept, len(kept) - 1)


def test_every_event_is_a_row_of_an_event_table_its_operation_beside_it() -> None:
    built = of(
        whole("c", 1, None, '{"id": 1}'), whole("d", 2, '{"id": 1}', None),
        {"op": None, "source": None, "before": None, "after": None}, silver="{model: event}",
    )  # fmt: skip
    assert built.rows.select("id", "lsn", "op").rows() == [(1, 1, "c"), (1, 2, "d")]
    assert built.accounting["filtered"] == 1


def test_counts_since_1970_are_times_and_dates() -> None:
    more = """
columns:
  at: {type: timestamp, format: epoch_us}
  day: {type: date, format: epoch_days}
quarantine: {max_rows: 9}
"""
    one, odd = '{"id": 1, "at": 1704067200000001, "day": 19723}', '{"id": 2, "at": 1, "day": "x"}'
    built = of(
        whole("c", 1, None, one), whole("c", 1, None, odd), more=more, silver="{model: scd_type_1, keys: [id, day]}"
    )  # fmt: skip
    assert built.rows.select("at", "day").rows() == [
        (datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=timezone.utc), date(2024, 1, 1))
    ]  # fmt: skip
    assert built.quarantine["reason"].to_list() == ["uncastable"]


def test_metadata_is_in_the_table_only_under_a_name_of_the_contract() -> None:
    more = "columns: {moved: {type: int64, source_names: __ts_ms}, __x: string}"
    rows = {**whole("c", 1, None, '{"id": 1}'), "ts_ms": "5", "transaction": "{}"}
    built = of(rows, silver="{model: scd_type_1, keys: id, exclude: [__x]}", more=more)
    assert built.rows.drop("_run_date", "_bronze_part").to_dicts() == [{"id": 1, "moved": 5}]


def test_a_cdc_load_needs_a_column_or_an_envelope() -> None:
    with pytest.raises(InvalidProject, match="INT-005"):
        plan_of(SCD1, "{pattern: cdc, operation: {insert: I}}")


def test_a_strict_contract_is_that_of_the_rows_and_not_of_the_envelope() -> None:
    strict = "schema_mode: strict\ncolumns: {id: int64, lsn: {type: int64, source_names: __source_lsn}}"
    assert of(whole("c", 1, None, '{"id": 1}'), more=strict).rows["id"].to_list() == [1]


def test_tombstones_alone_are_a_load_of_nothing() -> None:
    create = json.dumps({"op": "c", "source": {"lsn": 1}, "before": None, "after": {"id": 1}})
    lake = Lake(plan_of(SCD1, LOAD, LSN))
    lake.commit("2024-01-01", pl.DataFrame({"schema": ["{}"], "payload": [create]}))
    lake.commit("2024-01-02", pl.DataFrame({"payload": [None, None]}, schema={"payload": pl.String}))
    built = lake.build()
    assert built.rows.select("id", "lsn").rows() == [(1, 1)]
    assert (built.accounting["rows_in"], built.accounting["quarantined"]) == (3, 0)
