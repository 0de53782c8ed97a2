"""A REST list by ``since_last`` through the command line: several loads a day, and everything that looks at them."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from medallion_assets_tests.end_to_end.project import Project
from medallion_assets_tests.sources.api_server import Asked, Reply, serving

INTENT = """
system: shop
table: orders
source: {{type: api, base_url: "{url}", path: /orders, params: {{since: "{{window_start}}"}}}}
load: {{pattern: incremental, cursor: {{column: at, mode: since_last, initial: 2024-01-01, lookback: 1h}}}}
silver: {{model: scd_type_1, keys: id, order_by: at}}
"""


def moment(hours_ago: int) -> str:
    return (datetime.now(timezone.utc) - timedelta(hours=hours_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_day_is_the_union_of_its_loads(tmp_path: Path) -> None:
    rows = [{"id": 1, "at": moment(30), "name": "a"}, {"id": 2, "at": moment(29), "name": "b"}]
    asked: list[str] = []

    def answer(request: Asked) -> Reply:
        asked.append(request.params["since"])
        return Reply.of([row for row in rows if str(row["at"]) >= request.params["since"][:19]])

    project = Project(tmp_path)
    with serving(answer) as server:
        project.write("intents/orders.yaml", INTENT.format(url=server.url))
        project.medallion("run").succeeded()
        rows += [{"id": 2, "at": moment(5), "name": "new"}, {"id": 3, "at": moment(29), "name": "late"}]
        project.medallion("run").succeeded()
        again = project.medallion("run").succeeded()
    assert "Nothing new" in again.output
    assert asked[0].startswith("2024-01-01T00:00:00")
    assert len(project.commits("shop", "orders")) == 2
    assert project.silver("shop", "orders").sort("id")["name"].to_list() == ["a", "new", "late"]
    status = json.loads(project.medallion("status", "--verify", "--json").succeeded().output)
    assert status[0]["rows"] == 4
    for command in ("verify", "repair", "gc"):
        project.medallion(command).succeeded()
    (checksums,) = (tmp_path / "lake").rglob("_checksums.json")
    assert len(json.loads(checksums.read_text())["files"]) == 2
    started = datetime.now(timezone.utc) - timedelta(minutes=5)  # midnight may come between
    assert checksums.parent.name in {f"dt={moment:%Y-%m-%d}" for moment in (started, datetime.now(timezone.utc))}
