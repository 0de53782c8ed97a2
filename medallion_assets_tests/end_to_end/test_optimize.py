"""Small files of silver tables are joined, and everything goes on as before."""

import json

from medallion_assets_tests.end_to_end.project import Project, day

EVENTS = """
system: shop
table: events
source: {type: file, path: "data/{run_date}.csv"}
load: incremental
partitions: {start: 2024-01-01}
silver: {model: scd_type_2, keys: id}
"""


def joined(project: Project) -> dict[str, int]:
    found: dict[str, int] = json.loads(project.medallion("optimize", "--json").succeeded().output)["silver/shop/events"]
    return found


def test_files_are_joined_and_runs_go_on(project: Project) -> None:
    project.write("intents/events.yaml", EVENTS)
    assert "silver/shop/events" in project.medallion("optimize").succeeded().output
    for n in range(4):
        project.write(f"data/{day(n)}.csv", f"id,v\n{n},a\n{n + 100},b\n")
        project.medallion("run", "--date", day(n)).succeeded()
    rows = project.silver("shop", "events")
    done = joined(project)
    assert (done["files_before"], done["files"]) == (4, 1)
    assert done["bytes"] < done["bytes_before"]
    assert project.silver("shop", "events").sort("id").equals(rows.sort("id"))
    project.medallion("verify", "--silver").succeeded()
    assert "nothing new" in project.medallion("run", "--date", day(3)).succeeded().output
    assert joined(project)["files_before"] == 1

    project.write(f"data/{day(4)}.csv", "id,v\n0,c\n")
    project.medallion("run", "--date", day(4)).succeeded()
    assert project.silver("shop", "events").height == 9
    project.medallion("verify", "--silver").succeeded()
