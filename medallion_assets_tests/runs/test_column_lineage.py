"""Columns of silver by the columns of bronze that they are made of, model by model."""

from pathlib import Path

import pytest

from medallion_assets.project import Project
from medallion_assets.runs.column_lineage import column_sources

COMMON = """
system: s
table: t
source: {type: file, path: "data/{run_date}.csv"}
columns: {id: {source_names: [Id, ID]}, amount: {type: int64, source_names: Amt}}
"""
CDC = "load: {pattern: cdc, operation: {column: what}}"
DEBEZIUM = "load: {pattern: cdc, operation: {envelope: debezium}}"
MARKED = "load: {pattern: incremental, deleted: {column: gone}}"
HISTORY = "load: {pattern: current_history, interval: {start: since, end: until, current: flag}}"


def _sources(root: Path, rest: str, columns: list[str], *schemas: list[str]) -> dict[str, list[str]]:
    (root / "intents").mkdir()
    (root / "intents/t.yaml").write_text(f"{COMMON}{rest}\n", "utf-8")
    plan = Project.load(root, variables={}).plan("s.t")
    found = column_sources(plan, plan.silvers[0], columns, schemas)
    return {name: list(sources) for name, sources in found.items()}


@pytest.mark.parametrize(
    ("rest", "schemas", "expected"),
    [
        (
            f"{CDC}\nsilver: {{model: derived_event, keys: id, order_by: at}}",
            [["what", "ID", "Amt", "at", "city"]],
            {
                "id": ["ID"], "changed_at": ["at"], "change_type": ["what", "Amt", "city"],
                "changed_columns": ["Amt", "city"], "before": ["Amt", "city"], "after": ["Amt", "city"],
                "_run_date": [],
            },
        ),
        (
            f"{CDC}\nsilver: {{model: derived_event, keys: id, order_by: at, track: amount}}",
            [["what", "Id", "Amt", "at", "city"]],
            {"before": ["Amt"], "change_type": ["what", "Amt"]},
        ),
        (
            f"{HISTORY}\nsilver: {{model: scd_type_2, keys: id}}",
            [["Id", "since", "until", "flag", "city"]],
            {
                "effective_from": ["since", "until", "flag"], "effective_to": ["since", "until", "flag"],
                "city": ["city"], "amount": [],
            },
        ),
        (
            f"{MARKED}\nsilver: {{model: scd_type_1, keys: id, order_by: at, delete_mode: tombstone}}",
            [["Id", "at", "gone"], ["ID", "at", "gone"]],
            {"id": ["Id", "ID"], "is_deleted": ["gone"], "deleted_at": ["gone", "at"]},
        ),
        (
            f"{DEBEZIUM}\nsilver: {{model: scd_type_1, keys: id, order_by: at}}",
            [["before", "after", "op", "ts_ms"]],
            {"id": ["before", "after"], "amount": ["before", "after"]},
        ),
        (  # the intent's own column has the name of one that another model adds
            f"{DEBEZIUM}\nsilver: {{model: scd_type_2, keys: id, order_by: changed_at}}",
            [["schema", "payload"]],
            {"id": ["payload"], "changed_at": ["payload"], "effective_from": ["payload"]},
        ),
        (
            "load: full\nsilver: {model: periodic_snapshot}",
            [["Id", "Amt"]],
            {"id": ["Id"], "amount": ["Amt"], "load_date": [], "_rescued": ["Amt"]},
        ),
    ],
)  # fmt: skip
def test_every_column_is_made_of_what_decides_it(
    tmp_path: Path, rest: str, schemas: list[list[str]], expected: dict[str, list[str]]
) -> None:
    assert _sources(tmp_path, rest, list(expected), *schemas) == expected


def test_a_renamed_column_does_not_take_part_in_the_one_that_has_its_old_name(tmp_path: Path) -> None:
    """Bronze's ``Amt`` is ``amount``; what is still called so in silver is nothing of it."""
    rest = "load: full\nsilver: {model: periodic_snapshot}"
    assert _sources(tmp_path, rest, ["amount", "Amt"], ["Id", "Amt"]) == {"amount": ["Amt"], "Amt": []}
