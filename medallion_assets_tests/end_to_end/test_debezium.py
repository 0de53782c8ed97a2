"""A topic of Debezium's events on disk, through the command line: snapshot, changes, a tombstone, a truncate."""

import json
from datetime import datetime, timezone
from pathlib import Path

from medallion_assets_tests.end_to_end.project import Project

INTENT = """
system: shop
table: customers
source: {type: file, path: "topic/{run_date}.jsonl"}
load: {pattern: cdc, operation: {envelope: debezium}}
partitions: {start: 2024-01-01}
columns:
  changed_at: {type: timestamp, format: epoch_ms, source_names: __source_ts_ms}
  lsn: {type: int64, source_names: __source_lsn}
silver: {model: scd_type_2, keys: id, order_by: [changed_at, lsn], delete_mode: tombstone}
"""
NOON = int(datetime(2024, 1, 1, 12, tzinfo=timezone.utc).timestamp() * 1000)


def event(op: str, lsn: int, before: object = None, after: object = None) -> dict[str, object]:
    source = {"connector": "postgresql", "ts_ms": NOON + lsn * 1000, "lsn": lsn, "snapshot": str(op == "r").lower()}
    payload = {"before": before, "after": after, "source": source, "op": op, "ts_ms": NOON + lsn * 1000 + 7}
    return {"schema": {"type": "struct", "name": "shop.public.customers.Envelope"}, "payload": payload}


def row(number: int, name: str, note: str = "__debezium_unavailable_value") -> dict[str, object]:
    return {"id": number, "name": name, "note": note}


def test_a_topic_becomes_a_history(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("intents/customers.yaml", INTENT)
    first = [event("r", 1, after=row(7, "ann", "long")), event("c", 2, after=row(8, "bob", "x"))]
    project.rows("topic/2024-01-01.jsonl", first)
    project.rows("topic/2024-01-02.jsonl", [
        event("u", 4, before=None, after=row(7, "anna")), event("d", 5, before=row(8, "bob")),
        {"schema": None, "payload": None},
    ])  # fmt: skip
    project.medallion("run", "--date", "2024-01-02").succeeded()
    late = project.medallion("run", "--date", "2024-01-01").succeeded()
    assert "silver/shop/customers" in late.output
    table = project.silver("shop", "customers").sort("id", "lsn")
    assert table.select("id", "name", "note", "lsn", "is_current", "is_deleted").rows() == [
        (7, "ann", "long", 1, False, False), (7, "anna", "long", 4, True, False),
        (8, "bob", "x", 2, False, False), (8, "bob", "x", 5, True, True),
    ]  # fmt: skip
    assert [c for c in table.columns if c.startswith("__")] == []
    status = json.loads(project.medallion("status", "--verify", "--json").succeeded().output)
    assert status[0]["rows"] == 5
    project.rows("topic/2024-01-03.jsonl", [event("t", 9)])
    project.medallion("run", "--date", "2024-01-03").succeeded()
    assert project.silver("shop", "customers").filter("is_current")["is_deleted"].to_list() == [True, True]
    assert "in debezium envelopes" in project.medallion("plan", "shop.customers").succeeded().output
    project.medallion("verify", "--silver").succeeded()
