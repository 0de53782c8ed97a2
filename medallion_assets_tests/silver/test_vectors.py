"""Tables that other systems made of the same rows: Databricks, dlt, SQLMesh, and Spark 4.3 on random streams."""

import json
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from medallion_assets.runs.room import Room
from medallion_assets_tests.silver.lake import Lake, plan_of, text

FOLDER = Path(__file__).parents[1] / "vectors"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
DAY = datetime(2024, 1, 1, tzinfo=timezone.utc)
Row = dict[str, Any]


class Vector:
    """A vector, mapped to an intent and partitions of text as the vectors' README says."""

    def __init__(self, name: str) -> None:
        self.facts: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        seeds = self.facts.get("initial_as_events")
        self.batches: list[list[Row]] = [*([seeds] if seeds else []), *(b["rows"] for b in self.facts["batches"])]
        self.versions: list[Any] = [b.get("version") for b in self.facts["batches"]]
        self.cdc = self.facts["input_mode"] == "cdc"
        self.columns = list(dict.fromkeys(c for batch in self.batches for row in batch for c in row))

    @property
    def lake(self) -> Lake:
        facts = self.facts
        silver: Row = {"model": "scd_type_1" if facts["model"] == "scd1" else "scd_type_2", "keys": facts["keys"]}
        load: Any = "full"
        if self.cdc:
            rule, cut = facts["delete_rule"], facts.get("truncate_rule")
            codes = {"insert": "INSERT", "update": ["UPDATE", "false"], "delete": str(rule["equals"]).lower()}
            load = {"pattern": "cdc", "operation": {"column": rule["column"], **codes}}
            if cut is not None:
                load["operation"]["truncate"] = cut["equals"]
            silver["order_by"] = facts["sequence"]
            silver["exclude"] = [c for c in facts.get("exclude_from_target", []) if c != facts["sequence"]]
        for theirs, ours in (
            ("track_history_columns", "track"),
            ("track_history_except_columns", "track_except"),
            ("check_columns", "track"),
        ):
            if theirs in facts:
                silver[ours] = facts[theirs]
        return Lake(plan_of(json.dumps(silver), json.dumps(load)))

    def text_of(self, rows: list[Row]) -> Any:
        return text([{c: str(v).lower() if isinstance(v, bool) else v for c, v in row.items()} for row in rows],
                    self.columns)  # fmt: skip

    def expected(self) -> list[Row]:
        hidden = set(self.facts.get("exclude_from_target", []))
        start, end = (self.facts.get("interval", {}).get(k) for k in ("start", "end"))
        start, end = start or "__START_AT", end or "__END_AT"
        rows = []
        for row in self.facts["expected"]:
            told = {c: None if v is None else str(v) for c, v in row.items() if c not in hidden}
            if start in row:
                told |= {"effective_from": told.pop(start), "effective_to": told.pop(end)}
            rows.append(told)
        return rows

    def answer(self, batches: list[list[Row]], days: list[int], room: Room | None = None) -> list[Row]:
        lake = self.lake
        lake.room = room or lake.room
        for rows, day in zip(batches, days, strict=True):
            lake.commit((DAY + timedelta(days=day)).date().isoformat(), self.text_of(rows))
        built = lake.build()
        hidden = {*self.facts.get("exclude_from_target", []), "_run_date", "_bronze_part", "is_current"}
        if self.facts.get("expected_error"):
            count = sum(self.facts["expected_error_counts"].values())
            assert built.quarantine["reason"].to_list() == ["null_key"] * count
        return [{c: self.version(c, v) for c, v in row.items() if c not in hidden} for row in built.rows.to_dicts()]

    def version(self, column: str, value: Any) -> str | None:
        """A value as the vector writes it: of snapshots, the name of the batch whose day it is."""
        if value is None:
            return None
        if column in ("effective_from", "effective_to") and not self.cdc:
            place = (value - DAY).days
            if place == 0 and "first_valid_from" in self.facts:
                return "1970-01-01 00:00:00"
            return str(self.versions[place])
        return str(value)


def same(left: list[Row], right: list[Row]) -> bool:
    return sorted(map(str, (sorted(r.items()) for r in left))) == sorted(map(str, (sorted(r.items()) for r in right)))


@pytest.mark.parametrize("name", NAMES)
def test_the_table_is_the_one_that_the_other_system_made(name: str) -> None:
    require_the_same_table(name)


def require_the_same_table(name: str, room: Room | None = None) -> None:
    vector = Vector(name)
    answer = vector.answer(vector.batches, list(range(len(vector.batches))), room)
    expected = vector.expected()
    if vector.facts.get("expected_error"):
        # There the load fails; here the good rows of it stand, and the others are in quarantine.
        expected += [{"id": "2", "value": "ok"}]
    assert same(answer, expected), f"{answer}\n{expected}"


@pytest.mark.parametrize("name", [n for n in NAMES if Vector(n).cdc and not Vector(n).facts.get("expected_error")])
@pytest.mark.parametrize("seed", range(3))
def test_order_and_batches_of_changes_make_no_difference(name: str, seed: int) -> None:
    vector, chance = Vector(name), random.Random(seed)
    rows = [row for batch in vector.batches for row in batch]
    chance.shuffle(rows)
    count = chance.randint(1, 4)
    batches = [rows[i::count] for i in range(count)]
    days = list(range(count))
    chance.shuffle(days)
    assert same(vector.answer(batches, days), vector.expected())
