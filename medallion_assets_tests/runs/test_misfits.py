"""Values that are not of their contract's type, under every schema mode, against a judge of plain Python."""

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medallion_assets.errors import CheckError, StorageError
from medallion_assets.lake.results import Drift
from medallion_assets.runs.build import Built
from medallion_assets_tests.silver.lake import Lake, plan_of, text

SILVER = "{model: scd_type_1, keys: id}"
QUARANTINE = "quarantine: {max_rows: 1000000}"
INTEGERS = {"int32": 2**31, "int64": 2**63}
NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
CELLS = st.sampled_from([
    None, "", "0", "7", "-12", "1.50", "1.5", "2.125", "2147483647", "2147483648", "-2147483649", "9223372036854775808",
    "12345678.25", "1234567.25", "x", "NaN", "2024-02-30", "2024-01-02", "2024-01-02T03:04:05Z", '"quoted"', "é\\n",
    "1e400", "123456789012345678901234567890",
])  # fmt: skip


@dataclass
class Judged:
    """What plain Python makes of a cell: a value, a wider value, or neither (both None of what is there: rescued)."""

    value: Any = None
    wide: Any = None


def judge(cell: str | None, sql: str) -> Judged:
    """``sql``: int32, int64, decimal(9,2) or date."""
    if not cell:
        return Judged()
    if sql == "date":
        try:
            return Judged(date.fromisoformat(cell)) if len(cell) == 10 else Judged(wide=moment(cell))
        except ValueError:
            return Judged()
    if not NUMBER.fullmatch(cell):
        return Judged()
    number = Decimal(cell)
    if sql in INTEGERS:
        low_enough = -INTEGERS[sql] <= number < INTEGERS[sql]
        return Judged(int(number)) if number == int(number) and low_enough and "." not in cell else wider(number, 12)
    scale = -int(number.normalize().as_tuple().exponent)
    if scale <= 2 and abs(number) < 10**7:
        return Judged(number)
    return wider(number, 12)


def wider(number: Decimal, scale: int) -> Judged:
    fits = -int(number.normalize().as_tuple().exponent) <= scale and abs(number) < 10 ** (38 - scale)
    return Judged(wide=number) if fits else Judged()


def moment(cell: str) -> datetime | None:
    return datetime.fromisoformat(cell.replace("Z", "+00:00")) if re.match(r"\d{4}-\d\d-\d\dT", cell) else None


def built(mode: str, sql: str, cells: list[str | None]) -> Built:
    lake = Lake(plan_of(SILVER, "incremental", f"columns: {{v: '{sql}'}}\nschema_mode: {mode}\n{QUARANTINE}"))
    for day, cell in enumerate(cells, 1):
        lake.commit(f"2024-01-{day:02d}", text([{"id": day, "v": cell}], ["id", "v"]))
    return lake.build()


def plain(value: Any) -> Any:
    """As a Decimal, an instant or a date, whatever type the table has."""
    if isinstance(value, int | float):
        return Decimal(value)
    return value


@settings(max_examples=40)
@given(sql=st.sampled_from(["int32", "int64", "decimal(9,2)", "date"]), cells=st.lists(CELLS, min_size=1, max_size=5))
def test_a_misfit_is_rescued_and_a_wider_value_widens_or_waits(sql: str, cells: list[str | None]) -> None:
    told = [judge(cell, sql) for cell in cells]
    wide = [n for n, one in enumerate(told, 1) if one.wide is not None]
    rescued = {n: cell for n, (cell, one) in enumerate(zip(cells, told, strict=True), 1)
               if cell and one.value is None and one.wide is None}  # fmt: skip

    lenient = built("lenient", sql, cells)
    assert sorted(lenient.quarantine["commit"]) == wide
    assert set(lenient.quarantine["reason"]) <= {"too_wide"}
    rows = {row["id"]: row for row in lenient.rows.to_dicts()}
    assert rows.keys() == set(range(1, len(cells) + 1)) - set(wide)
    for n, row in rows.items():
        assert plain(row["v"]) == plain(told[n - 1].value)
        assert row.get("_rescued") == (json.dumps({"v": rescued[n]}, ensure_ascii=False, separators=(",", ":"))
                                       if n in rescued else None)  # fmt: skip

    auto = built("auto", sql, cells)
    assert auto.quarantine.height == 0
    if wide and isinstance(auto.rows.schema["v"], pl.Decimal):  # now that the type is wider, others fit it, too
        for n in [n for n, cell in rescued.items() if NUMBER.fullmatch(cell)]:
            found = wider(Decimal(rescued[n]), auto.rows.schema["v"].scale)
            if found.wide is not None:
                told[n - 1], rescued = found, {k: v for k, v in rescued.items() if k != n}
    for row in auto.rows.to_dicts():
        one = told[row["id"] - 1]
        expected = one.wide if one.wide is not None else one.value
        if wide and sql == "date" and isinstance(expected, date) and not isinstance(expected, datetime):
            expected = datetime(expected.year, expected.month, expected.day, tzinfo=timezone.utc)
        assert plain(row["v"]) == plain(expected)
    kinds = {drift.kind: drift for drift in auto.drift}
    assert kinds.keys() == ({"widened"} if wide else set()) | ({"rescued"} if rescued else set())
    if wide:
        assert (kinds["widened"].rows, kinds["widened"].first_partition) == (len(wide), f"2024-01-{wide[0]:02d}")
    if rescued:
        assert (kinds["rescued"].rows, kinds["rescued"].first_partition) == (
            len(rescued),
            f"2024-01-{min(rescued):02d}",
        )

    if wide or rescued:
        with pytest.raises(CheckError, match="CHK-012"):
            built("strict", sql, cells)


def test_widening_does_not_depend_on_the_order_of_arrival() -> None:
    plan = plan_of(SILVER, "incremental", f"columns: {{v: int32}}\nschema_mode: auto\n{QUARANTINE}")
    days = {"2024-01-01": "7", "2024-01-02": "3000000000", "2024-01-03": "x", "2024-01-04": "1.25"}
    answers = []
    for order in (list(days), list(reversed(days))):
        lake = Lake(plan)
        for day in order:
            lake.commit(day, text([{"id": day[-2:], "v": days[day]}], ["id", "v"]))
        answers.append(lake.build())
    assert answers[0].rows.drop("_bronze_part").equals(answers[1].rows.drop("_bronze_part"))
    assert answers[0].rows.schema["v"] == pl.Decimal(38, 2)
    assert answers[0].drift == answers[1].drift == (
        Drift("v", "widened", "int32", "decimal(38,2)", "2024-01-02", 2),
        Drift("v", "rescued", "decimal(38,2)", "text", "2024-01-03", 1),
    )  # fmt: skip


def test_a_key_is_never_rescued_nor_widened_into_another_key() -> None:
    more = f"columns: {{id: int32}}\nschema_mode: auto\n{QUARANTINE}"
    lake = Lake(plan_of(SILVER, "incremental", more))
    lake.commit("2024-01-01", text([{"id": i, "v": 1} for i in ("1", "3000000000", "1.5", "x")], ["id", "v"]))
    done = lake.build()
    assert done.rows["id"].to_list() == [1, 3_000_000_000]
    assert done.quarantine.select("reason", "value").rows() == [("uncastable", "1.5"), ("uncastable", "x")]


def test_what_is_not_null_is_not_rescued() -> None:
    lake = Lake(plan_of(SILVER, "incremental", f"columns: {{v: {{type: int32, nullable: false}}}}\n{QUARANTINE}"))
    lake.commit("2024-01-01", text([{"id": "1", "v": "x"}, {"id": "2", "v": "2"}], ["id", "v"]))
    done = lake.build()
    assert done.rows["id"].to_list() == [2]
    assert "_rescued" not in done.rows.columns
    assert done.quarantine.select("reason", "value").rows() == [("uncastable", "x")]


def test_history_keeps_what_was_rescued_and_ends_it() -> None:
    silver = "{model: scd_type_2, keys: id}"
    lake = Lake(plan_of(silver, "full", f"columns: {{v: int32}}\n{QUARANTINE}"))
    for day, cell in (("2024-01-01", "1"), ("2024-01-02", "one"), ("2024-01-03", "uno"), ("2024-01-04", "1")):
        lake.commit(day, text([{"id": "1", "v": cell}], ["id", "v"]))
    rows = lake.build().rows.select("v", "_rescued", "is_current").rows()
    assert rows == [(1, None, False), (None, '{"v":"one"}', False), (None, '{"v":"uno"}', False), (1, None, True)]


def test_a_source_that_has_the_name_is_asked_to_rename_it() -> None:
    lake = Lake(plan_of(SILVER, "incremental", f"columns: {{v: int32}}\n{QUARANTINE}"))
    lake.commit("2024-01-01", text([{"id": "1", "_rescued": "x"}], ["id", "_rescued"]))
    with pytest.raises(StorageError, match="SLV-012"):
        lake.build()
