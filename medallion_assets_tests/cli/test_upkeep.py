"""The commands of whoever looks after a lake."""

import json
from datetime import timedelta
from pathlib import Path

from medallion_assets.project import Project
from medallion_assets_tests.cli.conftest import ORDERS, Lake

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


def part_of(lake: Lake, day: str) -> Path:
    (found,) = (lake.root / "lake/bronze/system=shop/table=orders/pattern=full" / f"dt={day}").glob("part-*.parquet")
    return found


def test_verify_reads_everything_and_names_what_was_altered(lake: Lake) -> None:
    lake.run("run", "orders", "--from", "2024-01-01", "--to", "2024-01-03")
    done = lake.run("verify")
    assert done.code == 0
    assert [line.split() for line in done.out.splitlines()[2:]] == [
        ["geo.cities", "0", "0", "0", "0", "0"],
        ["shop.orders", "2", "2", "5", f"{sum(part_of(lake, d).stat().st_size for d in DAYS):,}", "0"],
    ]
    part = part_of(lake, DAYS[1])
    whole = bytearray(part.read_bytes())
    whole[len(whole) // 2] ^= 1
    part.write_bytes(whole)
    done = lake.run("verify", "orders")
    assert done.code == 3
    assert "BRZ-012  shop.orders  commit 2, partition 2024-01-03" in done.out
    assert part.name in done.out
    (fault,) = json.loads(lake.run("verify", "orders", "--json").out)["shop.orders"]["faults"]
    assert (fault["code"], fault["commit"], fault["partition"]) == ("BRZ-012", 2, "2024-01-03")


DAYS = ("2024-01-01", "2024-01-03")


def test_verify_tells_of_a_damaged_log_and_goes_on(lake: Lake) -> None:
    lake.run("run", "--from", "2024-01-01", "--to", "2024-01-03")
    (lake.root / "lake/bronze/system=shop/table=orders/_commits/00000000000000000001.json").unlink()
    done = lake.run("verify")
    assert done.code == 3
    assert "geo.cities" in done.out
    assert "log damaged" in done.out
    assert "BRZ-004" in done.out
    assert json.loads(lake.run("verify", "--json").out)["shop.orders"]["log"]["code"] == "BRZ-004"


def test_repair_writes_copies_anew(lake: Lake) -> None:
    lake.run("run", "orders", "--date", "2024-01-01")
    copies = [part_of(lake, "2024-01-01").parent / name for name in ("_metadata.json", "_checksums.json")]
    before = [copy.read_bytes() for copy in copies]
    assert lake.run("repair").out == "All copies are as they should be.\n"
    copies[0].unlink()
    copies[1].write_text("{}")
    done = lake.run("repair", "orders")
    assert (done.code, done.out.splitlines()[-1]) == (0, "2 copies written.")
    assert [copy.read_bytes() for copy in copies] == before
    copies[0].unlink()
    assert len(json.loads(lake.run("repair", "--json").out)["shop.orders"]) == 1


def test_gc_shows_first_and_removes_when_told(lake: Lake) -> None:
    lake.run("run", "orders", "--date", "2024-01-01")
    folder = part_of(lake, "2024-01-01").parent
    (folder / "part-00001-gone.parquet").write_bytes(b"an attempt that never committed")
    (folder / ".tmp-killed").write_bytes(b"half")
    lake.write("data/orders_2024-01-01.csv", "id,name\n1,new\n")
    lake.run("run", "orders", "--date", "2024-01-01")
    files = sorted(p.name for p in folder.iterdir())
    assert "1 more are named by no commit" not in lake.run("gc", "--grace", "0s").out
    assert "1 more are named by no commit and too young" in lake.run("gc").out
    done = lake.run("gc", "--grace", "0s")
    assert (done.code, "To be removed with --delete: 1 objects and 1 unfinished writes." in done.out) == (0, True)
    assert sorted(p.name for p in folder.iterdir()) == files
    found = json.loads(lake.run("gc", "--grace", "0s", "--delete", "--json").out)["shop.orders"]
    assert ([g["why"] for g in found["garbage"]], found["unfinished"], found["deleted"]) == (["uncommitted"], 1, True)
    assert sorted(p.name for p in folder.iterdir()) == [
        n for n in files if n not in (".tmp-killed", "part-00001-gone.parquet")
    ]
    assert lake.run("verify").code == 0


def test_gc_keeps_replaced_parts_until_silver_and_retention_let_them_go(lake: Lake) -> None:
    lake.write("intents/orders.yaml", ORDERS + "retention: {bronze: 0s}\n")
    lake.run("run", "orders", "--date", "2024-01-01")
    old = part_of(lake, "2024-01-01")
    lake.write("data/orders_2024-01-01.csv", "id,name\n1,new\n")
    loaded = Project.load(lake.root)
    plan = loaded.plan("orders")
    loaded.ingest(plan, loaded.partition(plan, "2024-01-01"))
    assert loaded.sweep(plan, grace=timedelta(0), delete=True).garbage == ()  # silver still reads the old one
    loaded.refine(plan, plan.silvers[0])
    (found,) = loaded.sweep(plan, grace=timedelta(0), delete=True).garbage
    assert (found.why, old.exists()) == ("replaced", False)
    assert lake.run("status", "orders", "--verify").code == 0


def test_an_age_that_is_none_is_refused(lake: Lake) -> None:
    done = lake.run("gc", "--grace", "soon")
    assert (done.code, "CLI-013" in done.err) == (1, True)
