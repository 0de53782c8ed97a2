"""Other systems' published examples, through the command line: their batches as files, their table from Delta.

The files in ``vectors/`` name their sources. A batch is a partition of one day, the delete rule an operation code,
a snapshot's version its day. A stream of changes must give the same table in any order and in any split over days.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from medallion_assets_tests.end_to_end.project import FIRST, Project, day

Row = dict[str, object]
Batches = list[list[Row]]

VECTORS = sorted((Path(__file__).parents[1] / "vectors").glob("*.json"))
MODELS = {"scd1": "scd_type_1", "scd2": "scd_type_2"}


@dataclass(frozen=True)
class Vector:
    """One example in our words. In ``expected``, versions have ``effective_from`` and ``effective_to``."""

    pattern: str
    model: str
    keys: list[str]
    order_by: str | None
    track: list[str]
    track_except: list[str]
    batches: Batches
    expected: list[Row]
    after: dict[int, list[Row]]
    """Number of the last batch applied → the table then."""
    null_keys: int


def read(path: Path) -> Vector:
    raw = json.loads(path.read_text("utf-8"))
    full = raw["input_mode"] == "full_snapshot"
    batches = [list(batch["rows"]) for batch in raw["batches"]]
    before = raw.get("initial_as_events") or []
    if before:
        batches.insert(0, before)
    null_keys = raw.get("expected_error_counts", {}).get(raw["keys"][0], 0)
    interval = raw.get("interval", {"start": "__START_AT", "end": "__END_AT"})
    versions = {batch["version"]: number for number, batch in enumerate(raw["batches"])} if full else {}

    def ours(rows: Sequence[Row]) -> list[Row]:
        names = {interval["start"]: "effective_from", interval["end"]: "effective_to"}
        return [{names.get(k, k): _placed(v, versions) if k in names else v for k, v in row.items()} for row in rows]

    expected = list(raw["expected"])
    if null_keys:  # the other system refuses the batch; here its good rows stand and the bad ones are in quarantine
        expected += [_kept(row, raw) for row in raw["batches"][-1]["rows"] if row[raw["keys"][0]] is not None]
    return Vector(
        pattern="full" if full else "cdc",
        model=raw["model"],
        keys=raw["keys"],
        order_by=None if full else raw["sequence"],
        track=raw.get("track_history_columns") or raw.get("check_columns") or [],
        track_except=raw.get("track_history_except_columns") or [],
        batches=batches if full else [[_change(row, raw) for row in batch] for batch in batches],
        expected=ours(expected),
        after={n + bool(before): ours(rows) for n, rows in enumerate(raw.get("expected_after_batch", []))},
        null_keys=null_keys,
    )


def _placed(version: object, versions: Mapping[object, int]) -> object:
    """A snapshot's version as the day it is loaded for; a sequence number stays one. The epoch is the first day."""
    if not versions or version is None:
        return version
    return versions.get(version, 0)


def _kept(row: Row, raw: Mapping[str, list[str]]) -> Row:
    return {name: value for name, value in row.items() if name not in raw["exclude_from_target"]}


def _change(row: Row, raw: Mapping[str, Mapping[str, object]]) -> Row:
    """The row with its operation as a code: I, D or T."""
    deletes, truncates = raw["delete_rule"], raw.get("truncate_rule")
    code = "I"
    if row[str(deletes["column"])] == deletes["equals"]:
        code = "D"
    elif truncates and row[str(truncates["column"])] == truncates["equals"]:
        code = "T"
    return {name: value for name, value in row.items() if name != deletes["column"]} | {"op": code}


def intent(vector: Vector) -> str:
    silver: dict[str, object] = {"model": MODELS[vector.model], "keys": vector.keys}
    load: dict[str, object] = {"pattern": vector.pattern}
    if vector.order_by:
        silver["order_by"] = vector.order_by
    if vector.track:
        silver["track"] = vector.track
    if vector.track_except:
        silver["track_except"] = vector.track_except
    if vector.pattern == "cdc":
        load["operation"] = {"column": "op", "insert": ["I"], "delete": ["D"], "truncate": ["T"]}
    return json.dumps(  # a JSON document is a YAML document
        {
            "system": "vectors",
            "table": "example",
            "source": {"type": "file", "path": "data/{run_date}.jsonl", "format": "jsonl"},
            "load": load,
            "partitions": {"start": day(0)},
            "quarantine": {"max_rows": vector.null_keys},
            "silver": silver,
        }
    )


def run(project: Project, vector: Vector, batches: Batches) -> None:
    project.write("intents/example.yaml", intent(vector))
    for number, rows in enumerate(batches):
        project.rows(f"data/{day(number)}.jsonl", rows)
    project.medallion("run", "vectors.example", "--from", day(0), "--to", day(len(batches) - 1)).succeeded()


def table(project: Project, columns: Sequence[str]) -> list[Row]:
    """The silver table's rows; an interval's days as their numbers."""
    rows = project.silver("vectors", "example").select(columns).to_dicts()
    return [{name: _day_number(value) for name, value in row.items()} for row in rows]


def _day_number(value: object) -> object:
    return (value.date() - FIRST).days if isinstance(value, datetime) else value


def same(found: Sequence[Row], expected: Sequence[Row]) -> None:
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def columns_of(vector: Vector) -> list[str]:
    """The columns that the example speaks of, in one order for both sides."""
    rows = [*vector.expected, *(row for rows in vector.after.values() for row in rows)]
    if rows:
        return list(rows[0])
    return [*vector.keys, "effective_from", "effective_to"] if vector.model == "scd2" else vector.keys


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_table_is_the_one_that_the_other_system_makes(project: Project, path: Path) -> None:
    vector = read(path)
    run(project, vector, vector.batches)
    same(table(project, columns_of(vector)), vector.expected)


@pytest.mark.parametrize("path", [p for p in VECTORS if read(p).after], ids=lambda path: path.stem)
def test_the_table_is_right_after_every_batch(project: Project, path: Path) -> None:
    vector = read(path)
    for number, expected in vector.after.items():
        run(project, vector, vector.batches[: number + 1])
        same(table(project, columns_of(vector)), expected)


def shuffled(vector: Vector, seed: int) -> Iterator[list[Row]]:
    """All rows in another order, over another number of days; none is empty, for that is no file of rows."""
    chance = random.Random(seed)
    rows = [row for batch in vector.batches for row in batch]
    chance.shuffle(rows)
    cuts = sorted(chance.randint(0, len(rows)) for _ in range(seed))
    for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
        if start < end:
            yield rows[start:end]


@pytest.mark.parametrize("seed", [1, 4])
@pytest.mark.parametrize("path", [p for p in VECTORS if read(p).pattern == "cdc"], ids=lambda path: path.stem)
def test_order_and_batching_do_not_matter(project: Project, path: Path, seed: int) -> None:
    vector = read(path)
    run(project, vector, list(shuffled(vector, seed)))
    same(table(project, columns_of(vector)), vector.expected)


@pytest.mark.parametrize("path", [p for p in VECTORS if read(p).pattern == "cdc"], ids=lambda path: path.stem)
def test_days_may_arrive_in_reverse(project: Project, path: Path) -> None:
    vector = read(path)
    project.write("intents/example.yaml", intent(vector))
    for number, rows in reversed(list(enumerate(vector.batches))):
        project.rows(f"data/{day(number)}.jsonl", rows)
        project.medallion("run", "vectors.example", "--date", day(number)).succeeded()
    same(table(project, columns_of(vector)), vector.expected)


def test_every_vector_is_here() -> None:
    assert len(VECTORS) == 30
    assert {read(path).pattern for path in VECTORS} == {"full", "cdc"}
