"""The commands of whoever looks after a lake."""

import json

from medallion_assets_tests.cli.conftest import Lake

TRIED = ["write", "create", "create again", "read", "range", "list", "delete"]


def test_doctor_tries_every_store(lake: Lake) -> None:
    lake.write("platform.yaml", "stores: {lake: {type: local, root: ./lake}, other: {type: local, root: ./other}}")
    done = lake.run("doctor")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()[2:]] == ["lake"] * 7 + ["other"] * 7
    assert all(line.endswith("ok") for line in done.out.splitlines()[2:])
    found = json.loads(lake.run("doctor", "--json").out)
    assert {name: [f["tried"] for f in findings] for name, findings in found.items()} == {"lake": TRIED, "other": TRIED}


def test_doctor_says_what_is_wrong_and_fails(lake: Lake) -> None:
    lake.write(
        "platform.yaml", "stores: {lake: {type: local, root: ./lake}, odd: {type: local, root: ./data/cities.csv}}"
    )
    done = lake.run("doctor")
    assert done.code == 3
    assert "STO-" in done.out
    assert "cities.csv" in done.out
