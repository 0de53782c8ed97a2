"""A REST interface through the command line: intent in, bronze and silver out, and nothing when it fails half-way."""

from pathlib import Path

import pytest

from medallion_assets_tests.end_to_end.project import Project
from medallion_assets_tests.sources.api_server import Asked, Reply, serving

ROWS = [{"id": f"{n:03d}", "amount": n + 0.5, "big": 2**63 + n, "tags": ["a", n]} for n in range(25)]
INTENT = """
system: shop
table: orders
source:
  type: api
  base_url: "{url}"
  path: /orders
  auth: {{type: bearer, token: "${{env:TOKEN}}"}}
  pagination: {{type: page, size_param: size, page_size: 10}}
  retry: {{max_attempts: 1}}
  concurrency: {concurrency}
load: full
partitions: {{cadence: none}}
silver: {{model: scd_type_1, keys: id}}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("TOKEN", "a-canary-token")
    return Project(tmp_path)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_pages_become_bronze_and_silver(project: Project, concurrency: int) -> None:
    def answer(asked: Asked) -> Reply:
        said = {name.lower(): value for name, value in asked.headers.items()}
        if said.get("authorization") != "Bearer a-canary-token":
            return Reply(401)
        start = (int(asked.params["page"]) - 1) * 10
        return Reply.of(ROWS[start : start + 10])

    with serving(answer) as server:
        project.write("intents/orders.yaml", INTENT.format(url=server.url, concurrency=concurrency))
        project.medallion("run").succeeded()
        table = project.silver("shop", "orders").sort("id")
        assert table["id"].to_list() == [row["id"] for row in ROWS]
        assert [str(v) for v in table["amount"]] == [str(row["amount"]) for row in ROWS]
        assert [int(v) for v in table["big"]] == [row["big"] for row in ROWS]
        assert table["tags"][3] == '["a", 3]'
        assert "Nothing new" in project.medallion("run").succeeded().output
    (commit,) = project.commits("shop", "orders")
    assert '"pages"' in commit.read_text()
    assert not [f for f in project.root.rglob("*") if f.is_file() and b"a-canary-token" in f.read_bytes()]


def test_a_failure_half_way_commits_nothing(project: Project) -> None:
    def answer(asked: Asked) -> Reply:
        page = int(asked.params["page"])
        return Reply(500) if page == 3 else Reply.of(ROWS[(page - 1) * 10 : page * 10])

    with serving(answer) as server:
        project.write("intents/orders.yaml", INTENT.format(url=server.url, concurrency=1))
        done = project.medallion("run")
    assert done.exit_code == 2
    assert "SRC-05" in done.output
    assert "a-canary-token" not in done.output
    assert project.commits("shop", "orders") == []
    assert project.parts("shop", "orders") == []
