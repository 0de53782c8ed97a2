"""The composition root: what it reads, what it opens, and when."""

import re
import subprocess
import sys
from datetime import date, datetime, timezone
from pathlib import Path

import pytest
from polars.exceptions import PanicException

import medallion_assets
from medallion_assets.codes import CODES
from medallion_assets.errors import ConfigError, ExtractionError, InvalidProject, MedallionError
from medallion_assets.project import Project, SystemClock

DAILY = """
system: shop
table: orders
source: {type: file, path: "data/orders_{run_date}.csv"}
load: full
partitions: {start: 2024-01-01}
silver: {model: scd_type_1, keys: id}
"""
NOW = DAILY.replace("orders_{run_date}", "orders").replace("table: orders", "table: live")


class At:
    """A clock that stands still."""

    def __init__(self, *parts: int) -> None:
        self.instant = datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type, misc]

    def now(self) -> datetime:
        return self.instant


def project(root: Path, *intents: str, clock: At | None = None, platform: str | None = None) -> Project:
    (root / "intents/deep").mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(intents):
        (root / f"intents/deep/{number}.yaml").write_text(text, "utf-8")
    if platform is not None:
        (root / "platform.yaml").write_text(platform, "utf-8")
    loaded = Project.load(root, variables={})
    return Project(loaded.root, loaded.platform, loaded.plans, env={}, clock=clock or SystemClock())


def test_a_project_loads_ingests_verifies_refines_and_reads_back(tmp_path: Path) -> None:
    found = project(tmp_path, DAILY, clock=At(2024, 1, 5))
    (tmp_path / "data").mkdir()
    (tmp_path / "data/orders_2024-01-02.csv").write_text("id,v\n1,a\n2,b\n")
    plan = found.plan("shop.orders")
    partition = found.partition(plan, "2024-01-02")
    done = found.ingest(plan, partition, run_id="r1")
    assert (done.written, done.commit.load.rows, done.commit.load.run_id) == (True, 2, "r1")
    assert found.ingest(plan, partition).written is False
    assert found.ingest(plan, partition, force=True).written is True
    assert [check.passed for check in found.verify_bronze(plan, partition)] == [True, True]
    head = found.head(plan)
    assert (head.n, head.rows) == (2, 2)
    rows = found.scan_bronze(plan, head.live).select("id", "v").collect()
    assert rows.to_dicts() == [{"id": "1", "v": "a"}, {"id": "2", "v": "b"}]
    (silver,) = plan.silvers
    refined = found.refine(plan, silver)
    assert (refined.written, refined.rows) == (True, 2)
    verdicts = found.verify_silver(plan, silver, refined)
    assert {check.name for check in (*refined.checks, *verdicts)} >= {check.name for check in silver.checks}
    assert all(check.passed for check in verdicts)
    assert sorted(found.table(silver).scan().collect()["v"]) == ["a", "b"]


def test_bases_and_folders_are_read_and_other_files_are_not(tmp_path: Path) -> None:
    (tmp_path / "intents/data").mkdir(parents=True)
    (tmp_path / "intents/data/notes.txt").write_text("no intent")
    (tmp_path / "intents/_base.yaml").write_text("owners: [team:x]\n")
    found = project(tmp_path, "extends: ../_base.yaml\n" + DAILY)
    assert [(plan.name, plan.owners, plan.file) for plan in found.plans] == [
        ("shop.orders", ("team:x",), "intents/deep/0.yaml")
    ]


def test_the_environment_variable_names_the_overlay(tmp_path: Path) -> None:
    project(tmp_path, DAILY, platform="environment: dev")
    (tmp_path / "platform.prod.yaml").write_text("environment: prod")
    assert Project.load(tmp_path, variables={}).platform.environment == "dev"
    assert Project.load(tmp_path, variables={"MEDALLION_ENV": "prod"}).platform.environment == "prod"
    assert Project.load(tmp_path, "dev", {"MEDALLION_ENV": "prod"}).platform.environment == "dev"


def test_warnings_are_kept(tmp_path: Path) -> None:
    (tmp_path / "intents").mkdir()
    cdc = DAILY.replace("load: full", "load: {pattern: cdc, operation: {column: op}}")
    (tmp_path / "intents/a.yaml").write_text(cdc)
    (warning,) = Project.load(tmp_path, variables={}).warnings
    assert (warning.code, "order_by" in warning.what) == ("INT-045", True)


def test_secrets_come_from_the_env_file_when_they_are_used(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        DAILY,
        platform="env_file: local.env\nstores: {lake: {type: local, root: '${env:LAKE_ROOT}'}}",
    )
    with pytest.raises(ConfigError, match="PLN-021"):
        found.store("lake")
    (tmp_path / "local.env").write_text("LAKE_ROOT=secret-lake\n")
    again = project(tmp_path, DAILY)
    assert again.scrub("at secret-lake") == "at secret-lake"  # nothing was resolved yet
    assert again.store("lake").url("x") == str(tmp_path / "secret-lake/x")
    assert again.store("lake") is again.store("lake")
    assert again.scrub("at secret-lake") == "at ***"


def test_errors_leave_without_secrets_and_without_a_cause(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FOLDER=canary-1234\n")
    found = project(tmp_path, DAILY.replace("data/orders", "${env:FOLDER}/orders"), clock=At(2024, 1, 5))
    plan = found.plan("orders")
    with pytest.raises(ExtractionError) as caught:
        found.ingest(plan, found.partition(plan, "2024-01-02"))
    assert (caught.value.code, "canary" in str(caught.value)) == ("SRC-002", False)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


# ------------------------------------------------------------------------------------------------ names


def test_names_full_short_and_wrong(tmp_path: Path) -> None:
    other = DAILY.replace("system: shop", "system: web").replace("load: full", "load: full\nentity: baskets")
    found = project(tmp_path, DAILY, other)
    assert found.plan("shop.orders").name == "shop.orders"
    assert found.plan("baskets").name == "web.orders"
    assert found.silver("silver/web/baskets")[1].entity.entity == "baskets"
    assert found.silver("silver/web/baskets/v1")[0].name == "web.orders"
    for name, says in (
        ("orders", "may mean shop.orders or web.orders"),
        ("shop.order", "Did you mean `shop.orders`?"),
        ("zzz", "use one of shop.orders, web.orders."),
    ):
        with pytest.raises(ConfigError) as caught:
            found.plan(name)
        assert (caught.value.code, says in str(caught.value)) == ("CLI-002", True)
    with pytest.raises(ConfigError, match=r"Did you mean `silver/web/baskets`\?"):
        found.silver("silver/web/basket")


def test_selected_plans_come_after_what_they_read(tmp_path: Path) -> None:
    reader = "{system: a, table: reader, source: {type: bronze, dataset: shop.orders}, silver: {model: event}}"
    off = DAILY.replace("table: orders", "table: off") + "enabled: false\n"
    found = project(tmp_path, DAILY, reader, off)
    assert [plan.name for plan in found.select(())] == ["shop.orders", "a.reader"]
    assert [plan.name for plan in found.select(("a.reader",))] == ["a.reader"]
    with pytest.raises(ConfigError, match="CLI-003"):
        found.select(("shop.off",))


# ------------------------------------------------------------------------------------------------ partitions


def test_the_newest_partition_is_yesterday_or_for_a_source_read_now_today(tmp_path: Path) -> None:
    found = project(tmp_path, DAILY, NOW, clock=At(2024, 1, 5, 12))
    assert found.newest(found.plan("orders")).key == "2024-01-04"
    assert found.newest(found.plan("live")).key == "2024-01-05"
    assert found.current(found.plan("orders")).key == "2024-01-05"


def test_days_are_those_of_the_datasets_zone(tmp_path: Path) -> None:
    berlin = DAILY.replace("{start: 2024-01-01}", "{start: 2024-01-01, timezone: Europe/Berlin}")
    found = project(tmp_path, berlin, clock=At(2024, 1, 5, 23, 30))
    assert found.current(found.plan("orders")).key == "2024-01-06"


def test_partitions_that_have_not_begun_are_left_out_or_refused(tmp_path: Path) -> None:
    found = project(tmp_path, DAILY, clock=At(2024, 1, 5, 12))
    plan = found.plan("orders")
    keys = [p.key for p in found.partitions(plan, date(2024, 1, 4), date(2024, 1, 9))]
    assert keys == ["2024-01-04", "2024-01-05"]
    with pytest.raises(ConfigError, match="PLN-006"):
        found.partition(plan, "2024-01-06")
    with pytest.raises(ConfigError, match="PLN-006"):
        found.named(plan, "2024-01-06")
    with pytest.raises(ConfigError, match="PLN-006"):
        found.partitions(plan, date(2024, 1, 6), date(2024, 1, 9))


def test_a_source_read_now_has_one_partition(tmp_path: Path) -> None:
    found = project(tmp_path, NOW, clock=At(2024, 1, 5, 12))
    plan = found.plan("live")
    assert [p.key for p in found.partitions(plan, date(2024, 1, 1), date(2024, 1, 9))] == ["2024-01-05"]
    assert [p.key for p in found.partitions(plan, date(2024, 1, 1), date(2024, 1, 2), restate=True)] == [
        "2024-01-01",
        "2024-01-02",
    ]
    with pytest.raises(ConfigError, match="PLN-007"):
        found.partitions(plan, date(2024, 1, 1), date(2024, 1, 4))
    with pytest.raises(ConfigError, match="PLN-007"):
        found.named(plan, "2024-01-04")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/orders.csv").write_text("id,v\n1,a\n")
    past = found.named(plan, "2024-01-04", restate=True)[0]
    with pytest.raises(ConfigError, match="PLN-007"):
        found.ingest(plan, past)
    assert found.ingest(plan, past, restate=True).written


def test_partitions_without_a_file_are_left_out_of_a_range(tmp_path: Path) -> None:
    found = project(tmp_path, DAILY, clock=At(2024, 1, 5, 12))
    plan = found.plan("orders")
    asked = found.partitions(plan, date(2024, 1, 1), date(2024, 1, 5))
    with pytest.raises(ExtractionError, match="SRC-002"):
        found.with_input(plan, asked)
    (tmp_path / "data").mkdir()
    for day in ("01", "04"):
        (tmp_path / f"data/orders_2024-01-{day}.csv").write_text("id,v\n1,a\n")
    assert [p.key for p in found.with_input(plan, asked)] == ["2024-01-01", "2024-01-04"]


def test_what_this_version_does_not_build_is_refused_by_every_verb(tmp_path: Path) -> None:
    found = project(
        tmp_path,
        DAILY + "checks: [{rule: references, columns: id, to: silver/a/b, on_failure: drop}]\n",
        clock=At(2024, 1, 5),
    )
    plan = found.plan("orders")
    partition = found.partition(plan, "2024-01-02")
    with pytest.raises(ConfigError, match="references"):
        found.ingest(plan, partition)
    with pytest.raises(ConfigError, match="references"):
        found.refine(plan, plan.silvers[0])
    with pytest.raises(ConfigError, match="references"):
        found.source(plan)


# ------------------------------------------------------------------------------------------------ the package


def test_importing_the_package_imports_nothing_else() -> None:
    script = (
        "import sys; before = set(sys.modules); import medallion_assets;"
        "print([m for m in set(sys.modules) - before if m.partition('.')[0] not in sys.stdlib_module_names])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['medallion_assets']\n"


def test_public_names_are_loaded_when_used() -> None:
    assert medallion_assets.Project is Project
    assert medallion_assets.MedallionError is MedallionError
    assert set(medallion_assets.__all__) == {"MedallionError", "Project", "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        medallion_assets.Nothing  # noqa: B018


def test_every_code_of_plan_and_command_line_is_in_a_test() -> None:
    tests = "\n".join(file.read_text("utf-8") for file in Path(__file__).parent.rglob("test_*.py"))
    missing = [code for code in CODES if code.startswith(("PLN-", "CLI-")) and not re.search(code, tests)]
    assert missing == []


def test_an_invalid_project_gives_all_problems(tmp_path: Path) -> None:
    with pytest.raises(InvalidProject) as caught:
        project(tmp_path, DAILY.replace("load: full", "load: nothing"), DAILY.replace("file,", "fil,"))
    assert len(caught.value.problems) == 2


def test_a_panic_of_polars_is_an_exception_like_others(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="Polars panicked: out of bounds"), project(tmp_path, DAILY)._scrubbed():
        raise PanicException("out of bounds")
