"""Every command on a tiny project: its exit code and all that it says."""

import json
import re
import socket
from datetime import datetime, timezone

import pytest

from medallion_assets_tests.cli.conftest import CITIES, ORDERS, Lake


def steady(text: str) -> str:
    """Times, seconds and ids as ``#``, so that texts can be compared whole."""
    text = re.sub(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2})?", "<time>", text)
    text = re.sub(r"\b\d+\.\d{2}\b", "#.##", text)
    return re.sub(r" *\n", "\n", text)


# ------------------------------------------------------------------------------------------------ validate and plan


DROPS = "checks: [{rule: references, columns: city, to: silver/shop/orders, on_failure: drop}]\n"


def test_validate_counts(lake: Lake) -> None:
    done = lake.run("validate")
    assert (done.code, done.out, done.err) == (0, "Valid: 2 intents, 2 silver tables.\n", "")


def test_validate_says_what_this_version_does_not_do(lake: Lake) -> None:
    lake.write("intents/cities.yaml", CITIES + DROPS)
    assert lake.run("validate").out == (
        "geo.cities: `drop` of check rule `references`, by which a table would depend on another is not built in this"
        " version.\nValid: 2 intents, 2 silver tables.\n"
    )


def test_validate_gives_all_problems_and_exit_code_1(lake: Lake) -> None:
    lake.write("intents/orders.yaml", ORDERS.replace("load: full", "load: fulll"))
    lake.write("intents/cities.yaml", CITIES.replace("type: file", "type: fil"))
    done = lake.run("validate")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("INT-004  intents/cities.yaml:4:")
    assert "INT-004  intents/orders.yaml:5:" in done.err
    assert "Did you mean `full`?" in done.err
    assert "Traceback" not in done.err


def test_validate_as_json(lake: Lake) -> None:
    done = lake.run("validate", "--json")
    assert json.loads(done.out) == {
        "valid": True,
        "intents": ["geo.cities", "shop.orders"],
        "warnings": [],
        "not_built": {},
        "inactive": {},
    }


def test_no_project_is_exit_code_1(lake: Lake) -> None:
    (lake.root / "empty").mkdir()
    done = lake.run("validate", "-C", str(lake.root / "empty"))
    assert (done.code, done.err.splitlines()[0]) == (1, f"CLI-001  {lake.root / 'empty'}")


def test_an_intent_that_is_not_text(lake: Lake) -> None:
    (lake.root / "intents/orders.yaml").write_bytes(b"\xff\xfe\x00")
    done = lake.run("validate")
    assert (done.code, done.err.splitlines()[0]) == (1, "CLI-004  intents/orders.yaml")


def test_an_environment_overlays_the_platform_file(lake: Lake) -> None:
    lake.write("platform.yaml", "stores: {lake: {type: local, root: ./here}}")
    lake.write("platform.prod.yaml", "stores: {lake: {type: local, root: ./there}}")
    assert lake.run("run", "cities", "--env", "prod").code == 0
    assert (lake.root / "there/bronze").is_dir()
    assert not (lake.root / "here").exists()


def test_plan_shows_every_dataset(lake: Lake) -> None:
    done = lake.run("plan")
    assert (done.code, done.err) == (0, "")
    assert [re.split(r"  +", line.strip()) for line in done.out.splitlines()] == [
        ["dataset", "source or model", "load or keys", "partitions", "checks", "depends on"],
        ["-" * 20, "-" * 31, "-" * 12, "-" * 21, "-" * 6, "-" * 11],
        ["geo.cities", "file data/cities.csv", "full", "one", "2", "-"],
        ["silver/geo/cities", "scd_type_1", "city", "3", "geo.cities"],
        ["shop.orders", "file data/orders_{run_date}.csv", "full", "daily from 2024-01-01", "2", "-"],
        ["silver/shop/orders", "scd_type_2", "id", "5", "shop.orders"],
    ]


def test_plan_of_one_dataset_by_its_short_name(lake: Lake) -> None:
    done = lake.run("plan", "orders")
    assert done.out.startswith("shop.orders\n  intent          intents/orders.yaml:2\n")
    assert re.search(r"^silver/shop/orders\n  model +scd_type_2$", done.out, re.MULTILINE)


def test_plan_as_json_is_one_document(lake: Lake) -> None:
    (found,) = json.loads(lake.run("plan", "cities", "--json").out)
    assert (found["name"], found["silvers"][0]["model"]) == ("geo.cities", "scd_type_1")


def test_a_name_that_is_not_there_gets_the_nearest(lake: Lake) -> None:
    done = lake.run("plan", "shop.oders")
    assert done.code == 1
    assert done.err == (
        "CLI-002  shop.oders\n  There is no 'shop.oders'.\n"
        "  Fix: use one of geo.cities, shop.orders. Did you mean `shop.orders`?\n"
    )


def test_schema_is_printed_or_written(lake: Lake) -> None:
    printed = json.loads(lake.run("schema").out)
    done = lake.run("schema", "--write")
    files = [lake.root / f"schemas/{name}.schema.json" for name in printed]
    assert done.out.startswith("".join(f"{file}\n" for file in files))
    assert "yaml-language-server: $schema=" in done.out
    assert [json.loads(file.read_text("utf-8")) for file in files] == list(printed.values())
    lake.write("plain", "a file")
    assert lake.run("-C", str(lake.root / "plain"), "schema", "--write").err.startswith("CLI-004  ")


# ------------------------------------------------------------------------------------------------ run


def test_run_loads_a_range_and_names_what_has_no_file(lake: Lake) -> None:
    done = lake.run("run", "orders", "--from", "2024-01-01", "--to", "2024-01-04")
    assert done.code == 0, done.err
    assert steady(done.err) == (
        "shop.orders 2024-01-01: 2 rows in 1 part, #.## s\n"
        "shop.orders 2024-01-03: 3 rows in 1 part, #.## s\n"
        "silver/shop/orders: 4 rows changed, 4 rows, #.## s\n"
    )
    assert steady(done.out) == (
        "dataset               partitions  rows in  written  quarantined  checks passed  seconds\n"
        "--------------------  ----------  -------  -------  -----------  -------------  -------\n"
        "shop.orders                    2        5        5            0            4/4     #.##\n"
        "  silver/shop/orders           2        5        4            0            4/5     #.##\n"
        "Warning  silver/shop/orders  not_null_name: 1 of 4 rows breaks the rule: name is not null."
        " First: id=3, effective_from=<time>+00:00, name=null."
        " Fix: correct these rows where they come from and load the partition again.\n"
        "shop.orders: no file for 2 of 4 partitions (2024-01-02, 2024-01-04); they were left out.\n"
        "#.## s\n"
    )


def test_a_second_run_writes_nothing_and_says_so(lake: Lake) -> None:
    lake.run("run", "cities")
    before = sorted(lake.root.rglob("lake/**/*"))
    done = lake.run("run", "cities")
    assert done.code == 0
    assert "geo.cities all: nothing new" in done.err
    assert "Nothing new: all of it was there already, and nothing was written.\n" in done.out
    assert sorted(lake.root.rglob("lake/**/*")) == before


def test_run_as_json_is_one_document_on_stdout(lake: Lake) -> None:
    done = lake.run("--json", "run", "orders", "--from", "2024-01-01", "--to", "2024-01-03")
    found = json.loads(done.out)
    assert (found["exit_code"], found["nothing_new"], found["absent"]) == (0, False, {"shop.orders": ["2024-01-02"]})
    assert [(a["asset"], a["layer"], a["rows_in"], a["written"]) for a in found["assets"]] == [
        ("shop.orders", "bronze", 5, 5),
        ("silver/shop/orders", "silver", 5, 4),
    ]
    (failed,) = found["failed_checks"]
    assert (failed["check"], failed["severity"], failed["facts"]["failing"]) == ("not_null_name", "warn", 1)


def test_one_date_without_a_file_is_exit_code_2(lake: Lake) -> None:
    done = lake.run("run", "orders", "--date", "2024-01-02")
    assert done.code == 2
    assert "SRC-002" in done.err
    assert steady(done.out) == "Failed: shop.orders; see the errors above.\n#.## s\n"


def test_a_range_without_any_file_is_exit_code_2(lake: Lake) -> None:
    assert lake.run("run", "orders", "--from", "2024-01-10", "--to", "2024-01-20").code == 2


def test_the_failure_of_one_dataset_does_not_stop_another(lake: Lake) -> None:
    lake.write("intents/a_bad.yaml", CITIES.replace("table: cities", "table: absent").replace("cities.csv", "no.csv"))
    done = lake.run("run", "geo.absent", "geo.cities")
    assert done.code == 2
    assert "geo.absent all: failed\nSRC-002" in done.err
    assert "silver/geo/cities" in done.out
    assert "Failed: geo.absent; see the errors above.\n" in done.out


def test_bad_data_of_one_date_does_not_stop_the_next(lake: Lake) -> None:
    lake.write("data/orders_2024-01-02.csv", "id,name\n1,a,too,many\n")
    done = lake.run("run", "orders", "--from", "2024-01-01", "--to", "2024-01-03")
    assert done.code == 4
    assert "shop.orders 2024-01-02: failed\nCHK-010" in done.err
    assert "shop.orders 2024-01-03: 3 rows" in done.err
    assert json.loads(lake.run("status", "orders", "--json").out)[0]["rows"] == 5


def test_a_check_that_fails_is_exit_code_4_and_stops_silver(lake: Lake) -> None:
    lake.write(
        "intents/orders.yaml",
        ORDERS.replace(
            "{rule: not_null, columns: name, on_failure: warn}", "{rule: unique, columns: name, at: bronze}"
        ),
    )
    lake.write("data/orders_2024-01-01.csv", "id,name\n1,a\n2,a\n")
    done = lake.run("run", "orders", "--date", "2024-01-01")
    assert done.code == 4
    assert "FAILED  shop.orders 2024-01-01  unique_name: 2 of 2 rows break the rule" in done.out
    assert "silver/shop/orders" not in done.out


def test_a_lake_that_cannot_be_written_is_exit_code_3(lake: Lake) -> None:
    lake.write("lake", "a file in the way")
    done = lake.run("run", "orders", "--from", "2024-01-01", "--to", "2024-01-03")
    assert done.code == 3
    assert done.err.count("failed") == 1  # the second date would fail for the same reason and is not tried


def test_a_deleted_part_is_found_before_silver_uses_it(lake: Lake) -> None:
    lake.run("run", "cities")
    (part,) = (lake.root / "lake/bronze").rglob("*.parquet")
    part.unlink()
    done = lake.run("status", "cities", "--verify")
    assert done.code == 4
    assert "checksum" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--date", "2024-01-01", "--from", "2024-01-01", "--to", "2024-01-02"), "Dates are given as"),
        (("--from", "2024-01-01"), "Dates are given as"),
        (("--from", "2024-01-02", "--to", "2024-01-01"), "is after"),
        (("--from", "yesterday", "--to", "2024-01-01"), "is not a date"),
    ],
)
def test_dates_and_modes_that_do_not_go_together(lake: Lake, arguments: tuple[str, ...], said: str) -> None:
    done = lake.run("run", "orders", *arguments)
    assert (done.code, done.err.splitlines()[-3].split("  ")[0], said in done.err) == (1, "CLI-005", True)


@pytest.mark.parametrize(
    ("date", "code"),
    [("2023-12-31", "PLN-002"), ("2024-02-01", "PLN-002"), ("2024-13-01", "PLN-001"), ("all", "PLN-001")],
)
def test_a_date_outside_the_partitions(lake: Lake, date: str, code: str) -> None:
    done = lake.run("run", "orders", "--date", date)
    assert done.code == 1
    assert f"shop.orders: failed\n{code}" in done.err


def test_a_date_that_has_not_begun(lake: Lake) -> None:
    lake.write("intents/orders.yaml", ORDERS.replace(", end: 2024-02-01", ""))
    for dates in (("--date", "9000-01-01"), ("--from", "9000-01-01", "--to", "9000-01-02")):
        assert "PLN-006" in lake.run("run", "orders", *dates).err


def test_a_source_read_now_takes_the_current_partition_only(lake: Lake) -> None:
    lake.write("intents/cities.yaml", CITIES.replace("partitions: {cadence: none}", "partitions: {cadence: daily}"))
    today = datetime.now(timezone.utc).date().isoformat()
    for dates in (("--date", "2024-01-05"), ("--from", "2024-01-05", "--to", "2024-01-06")):
        done = lake.run("run", "cities", *dates)
        assert (done.code, "PLN-007" in done.err) == (1, True)
    done = lake.run("run", "cities")
    assert done.code == 0
    assert f"geo.cities: {today} (no date given: the newest)" in done.err
    assert lake.run("run", "cities", "--from", "2024-01-05", "--to", today).code == 0
    assert lake.run("run", "cities", "--date", "2024-01-05", "--restate").code == 0


def test_without_a_date_the_last_whole_partition_is_loaded(lake: Lake) -> None:
    done = lake.run("run", "orders")
    assert (done.code, "PLN-002" in done.err) == (1, True)
    lake.write("intents/orders.yaml", ORDERS.replace(", end: 2024-02-01", ""))
    assert "SRC-002" in lake.run("run", "orders").err


def test_what_is_not_built_is_said_when_it_is_run(lake: Lake) -> None:
    lake.write("intents/cities.yaml", CITIES + DROPS)
    done = lake.run("run", "cities")
    assert done.code == 1
    assert "PLN-008  intents/cities.yaml:2  geo.cities\n  `drop` of check rule" in done.err


def test_a_dataset_that_is_not_enabled_is_left_out_or_refused(lake: Lake) -> None:
    lake.write("intents/cities.yaml", CITIES + "enabled: false\n")
    assert "geo.cities" not in lake.run("run", "--date", "2024-01-01").out
    done = lake.run("run", "cities")
    assert (done.code, done.err.splitlines()[0]) == (1, "CLI-003  intents/cities.yaml:2  enabled")


def test_a_secret_is_in_no_error(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLDER", "canary-5ecret")
    lake.write("intents/cities.yaml", CITIES.replace("data/cities.csv", "'${env:FOLDER}/cities.csv'"))
    done = lake.run("run", "cities")
    assert done.code == 2
    assert "canary" not in done.err + done.out
    assert "***" in done.err


def test_an_hourly_dataset_takes_a_date_as_its_hours(lake: Lake) -> None:
    lake.write(
        "intents/orders.yaml",
        ORDERS.replace("orders_{run_date}.csv", "{window_start:%Y-%m-%d-%H}.csv").replace(
            "{start: ", "{cadence: hourly, start: "
        ),
    )
    lake.write("data/2024-01-01-05.csv", "id,name\n1,a\n")
    assert lake.run("run", "orders", "--date", "2024-01-01-05:00").code == 0
    done = lake.run("run", "orders", "--date", "2024-01-01-06:00")
    assert (done.code, "SRC-002" in done.err) == (2, True)


# ------------------------------------------------------------------------------------------------ status, show


def test_status_of_all_and_of_one(lake: Lake) -> None:
    nothing = lake.run("status")
    assert nothing.code == 0
    assert re.search(r"^shop\.orders +0  - +- +0 +0 +-  nothing committed$", nothing.out, re.MULTILINE)
    assert re.search(r"^  silver/shop/orders +0 +0 +-  not built yet$", nothing.out, re.MULTILINE)
    lake.run("run", "orders", "--from", "2024-01-01", "--to", "2024-01-03")
    done = lake.run("status", "shop.orders", "--verify")
    assert done.code == 0
    lines = steady(done.out).splitlines()
    assert re.fullmatch(r"shop\.orders +2  2024-01-01  2024-01-03 +5 +0 +4/4  commit 2, newest <time> UTC", lines[2])
    assert re.fullmatch(r"  silver/shop/orders +4 +0 +4/5  version \d, up to date", lines[3])
    assert re.search(r"^2024-01-01 +2 +0 +1 +[\d,]+ +1  <time> +[0-9a-f]{8}$", "\n".join(lines), re.MULTILINE)
    assert re.search(r"^2024-01-03 +3 +0 +1 +[\d,]+ +2  <time>", "\n".join(lines), re.MULTILINE)


def test_status_as_json(lake: Lake) -> None:
    lake.run("run", "cities")
    (found,) = json.loads(lake.run("status", "cities", "--verify", "--json").out)
    assert (found["dataset"], found["commit"], found["rows"]) == ("geo.cities", 1, 2)
    assert [load["partition"] for load in found["loads"]] == ["all"]
    assert [check["check"] for check in found["checks"]] == ["checksum", "schema_drift"]
    assert (found["silver"][0]["rows"], found["silver"][0]["behind"]) == (2, 0)


def test_show_silver_as_of_and_current(lake: Lake) -> None:
    lake.run("run", "orders", "--from", "2024-01-01", "--to", "2024-01-03")

    def ids(*options: str) -> list[tuple[int, str | None]]:
        found = json.loads(lake.run("show", "silver/shop/orders", "--json", *options).out)
        return sorted((row["id"], row["name"]) for row in found["rows"])

    assert ids("--as-of", "2024-01-02") == [(1, "a"), (2, "b")]
    assert ids("--as-of", "2024-01-02T23:59:59Z") == [(1, "a"), (2, "b")]
    assert ids("--as-of", "2024-01-03") == [(1, "a"), (2, "c"), (3, None)]
    assert ids("--current") == [(1, "a"), (2, "c"), (3, None)]
    assert ids("--as-of", "2023-12-31") == []
    text = lake.run("show", "silver/shop/orders", "--limit", "1").out
    header, _, types, *_ = text.splitlines()
    assert header.split() == ["id", "name", "effective_from", "effective_to", "is_current", "_run_date", "_bronze_part"]
    assert types.split() == ["int64", "string", "timestamptz", "timestamptz", "boolean", "date", "string"]
    assert text.endswith("silver/shop/orders: 1 of 4 rows\n")


def test_show_bronze_of_a_date(lake: Lake) -> None:
    lake.run("run", "orders", "--from", "2024-01-01", "--to", "2024-01-03")
    assert lake.run("show", "bronze/shop/orders").out.endswith("bronze/shop/orders: 5 of 5 rows\n")
    found = json.loads(lake.run("show", "bronze/shop/orders", "--date", "2024-01-03", "--json").out)
    assert [(row["id"], row["name"], row["_row"]) for row in found["rows"]] == [
        ("1", "a", 0),
        ("2", "c", 1),
        ("3", "", 2),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("silver/shop/order",), "CLI-002", "Did you mean `silver/shop/orders`?"),
        (("silver/shop/orders",), "CLI-007", "not been built yet"),
        (("bronze/shop/orders",), "CLI-007", "Nothing is committed"),
        (("bronze/geo/cities", "--current"), "CLI-007", "no versions"),
        (("silver/geo/cities", "--date", "2024-01-01"), "CLI-007", "not parted"),
    ],
)
def test_what_cannot_be_shown(lake: Lake, arguments: tuple[str, ...], code: str, said: str) -> None:
    done = lake.run("show", *arguments)
    assert (done.code, done.err.split()[0], said in done.err) == (1, code, True)


def test_a_table_without_versions_has_no_as_of(lake: Lake) -> None:
    lake.run("run", "cities")
    assert "keeps no versions" in lake.run("show", "silver/geo/cities", "--current").err
    lake.run("run", "orders", "--date", "2024-01-01")
    assert "is not a moment" in lake.run("show", "silver/shop/orders", "--as-of", "noon").err


def test_an_error_is_a_document_for_programs(lake: Lake) -> None:
    lake.write("intents/bad.yaml", "system: shop\ntable: bad\nsource: {type: fle}\nload: fll\n")
    done = lake.run("validate", "--json")
    problems = json.loads(done.out)["problems"]
    assert [(p["code"], p["where"].split()[0]) for p in problems] == [
        ("INT-004", "intents/bad.yaml:3:16"),
        ("INT-004", "intents/bad.yaml:4:7"),
    ]
    assert done.code == 1


def test_an_environment_that_nobody_defined_is_refused(lake: Lake) -> None:
    done = lake.run("--env", "prodd", "validate")
    assert (done.code, done.err.split("\n")[1]) == (
        1,
        "  There is no environment 'prodd': platform.prodd.yaml does not exist.",
    )
    assert done.err.startswith("CLI-010")


def test_a_file_that_would_not_be_read_is_named(lake: Lake) -> None:
    lake.write("intents/more.yml", "system: shop\ntable: more\n")
    done = lake.run("validate")
    assert (done.code, done.err.startswith("CLI-011  intents/more.yml")) == (1, True)


def test_the_ui_says_that_its_port_is_taken(lake: Lake) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = lake.run("ui", "--port", str(taken.getsockname()[1]))
    assert (done.code, done.err.startswith("CLI-012")) == (1, True)
