"""All problems of all files are answered at once, each at its place."""

import pytest

from medallion_assets.errors import InvalidProject
from medallion_assets.intent.parse import parse_project
from medallion_assets.intent.platform import Platform

TWELVE = """\
system: Retail
table: null
source: {type: file, pth: orders.csv, format: {type: csv, delimiter: ;, quoting: all}}
load: {pattern: incremental, cursor: {column: updated_at, mode: since}, chunk: {rows: 0}}
partitions: {cadence: dayly, timezone: Europe/Berln}
columns: {amount: decimal(18,2), id: strng}
silver: {model: scd_type_1, keys: id, track: name}
checks: [{rule: not_nul, columns: id}]
schedul: "0 6 * * *"
"""


def problems(files: dict[str, str]) -> list[str]:
    with pytest.raises(InvalidProject) as caught:
        parse_project(files, Platform())
    return [f"{problem.code} {problem.where}" for problem in caught.value.problems]


def test_twelve_mistakes_and_more() -> None:
    assert problems({"intents/orders.yaml": TWELVE}) == [
        "INT-011 intents/orders.yaml:1:9  system",
        "INT-008 intents/orders.yaml:2:8  table",
        "INT-005 intents/orders.yaml:3:9  source.path",
        "INT-003 intents/orders.yaml:3:22  source.pth",
        "INT-003 intents/orders.yaml:3:73  source.format.quoting",
        "INT-007 intents/orders.yaml:4:65  load.cursor.mode",
        "INT-042 intents/orders.yaml:4:87  load.chunk.rows",
        "INT-041 intents/orders.yaml:5:23  partitions.cadence",
        "INT-040 intents/orders.yaml:5:40  partitions.timezone",
        "INT-018 intents/orders.yaml:6:19",
        "INT-012 intents/orders.yaml:6:38  columns.id",
        "INT-009 intents/orders.yaml:7:39  silver.track",
        "INT-004 intents/orders.yaml:8:17  checks[0].rule",
        "INT-003 intents/orders.yaml:9:1  schedul",
    ]


def test_structural_problems_of_all_files_come_before_contradictions() -> None:
    contradicts = "system: a\ntable: b\nsource: {type: file, path: x}\nsilver: {model: scd_type_1, keys: id}\n"
    files = {
        "intents/a.yaml": contradicts,
        "intents/b.yaml": "system: a\n",
        "intents/c.yaml": "system: @b\n",
        "intents/d.yaml": contradicts + "tabl: c\n---\nsystem: [x]\ntable: e\nsource: {type: python, function: p:f}\n",
    }
    assert problems(files) == [
        "INT-005 intents/b.yaml:1:1  table",
        "INT-020 intents/c.yaml:1:9",
        "INT-003 intents/d.yaml:5:1  tabl",
        "INT-006 intents/d.yaml:7:9  system",
    ]
    assert problems({"intents/a.yaml": contradicts, "intents/b.yaml": contradicts}) == [
        "INT-031 intents/a.yaml:4:9  silver",
        "INT-015 intents/b.yaml:2:8  table",
        "INT-031 intents/b.yaml:4:9  silver",
        "INT-016 intents/b.yaml:4:9  silver",
    ]
