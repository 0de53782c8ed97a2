"""Every rule of the grammar, through the command line: what it counts, whom it stops, what it shows."""

import json
import sys
from collections.abc import Mapping

import polars as pl
import pytest

from medallion_assets_tests.end_to_end.project import Outcome, Project, day

ORDERS = """
system: shop
table: orders
source: {type: file, path: "data/orders_{run_date}.csv"}
load: full
partitions: {start: 2024-01-01}
quarantine: {max_rows: 100}
columns: {amount: int64, mail: {type: string, pii: true}, at: timestamptz}
silver: {model: scd_type_1, keys: id, order_by: at, normalize: {empty_strings_as_null: true}}
checks: [CHECK]
"""
CUSTOMERS = """
system: shop
table: customers
source: {type: file, path: "data/customers_{run_date}.csv"}
load: full
partitions: {start: 2024-01-01}
silver: {model: scd_type_2, keys: customer}
"""
ROWS = """id,customer,amount,mail,state,at
1,ada,10,ada@x.org,new,2024-01-01T08:00:00Z
2,bob,-5,bob@x.org,new,2024-01-01T09:00:00Z
3,cid,7,cid@x.org,paid,2024-01-01T10:00:00Z
4,,900,dan@x.org,paid,2024-01-01T11:00:00Z
"""
UNKNOWN = (
    "SELECT o.id FROM this o LEFT JOIN silver.shop.customers c ON o.customer = c.customer WHERE c.customer IS NULL"
)
RULES = """
import polars as pl


def few(rows, least):
    return rows.filter(pl.col("amount") < least)


def enough(rows, least):
    return rows.select(pl.len()).collect().item() >= least


def broken(rows):
    raise ValueError("no such thing")


def told(rows):
    return rows.filter(pl.col("amount") < 0).select("id", written_to=pl.col("mail"))


def indiscreet(rows):
    raise ValueError(rows.select("mail").collect().item(0, 0))


def odd(rows):
    return "maybe"
"""


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "shop_rules", raising=False)
    project.write("intents/customers.yaml", CUSTOMERS)
    project.write(f"data/customers_{day(0)}.csv", "customer\nada\nbob\ncid\n")
    project.write(f"data/customers_{day(1)}.csv", "customer\nada\nbob\n")
    project.write(f"data/orders_{day(0)}.csv", ROWS)
    project.write("shop_rules.py", RULES)
    return project


def _run(shop: Project, check: str, *more: str) -> tuple[Outcome, Mapping[str, object] | None]:
    """The outcome, and the failed check if there is one."""
    shop.write("intents/orders.yaml", ORDERS.replace("CHECK", check))
    done = shop.medallion("run", "shop.orders", "--date", day(0), "--json", *more)
    failed = [c for c in json.loads(done.output[done.output.index("{") :])["failed_checks"] if c["check"] == "it"]
    return done, failed[0] if failed else None


@pytest.mark.parametrize(
    ("check", "failing"),
    [
        ("rule: expression, expression: amount >= 0", 1),
        ("rule: expression, expression: amount >= 0 OR state = 'new'", 0),
        ("rule: expression, expression: amount < 100 AND customer IS NOT NULL", 1),
        ("rule: expression, expression: customer <> 'ada'", 1),
        ("rule: not_null, columns: customer", 1),
        ("rule: not_null, columns: customer, where: amount < 100", 0),
        ("rule: range, columns: amount, min: 0, where: state = 'new'", 1),
        ("rule: unique, columns: state", 4),
        ("rule: unique, columns: state, where: amount > 0 AND amount < 100", 0),
        ("rule: sql, query: SELECT id FROM this WHERE amount > 100", 1),
        (f"rule: sql, query: {UNKNOWN}", 1),
        ("rule: sql, query: WITH big AS (SELECT * FROM this WHERE amount > 1000) SELECT * FROM big", 0),
        ("rule: references, columns: customer, to: silver/shop/customers", 0),
        ("rule: custom, function: 'shop_rules:few', args: {least: 8}", 2),
        ("rule: expression, expression: at <= now()", 0),
        ("rule: expression, expression: at > CURRENT_TIMESTAMP", 4),
        ("rule: expression, expression: \"at < timestamp '2024-01-01 09:30:00'\"", 2),
        ("rule: expression, expression: \"at < timestamptz '2024-01-01T10:30:00+01:00'\"", 2),
        ("rule: sql, query: \"SELECT id FROM this WHERE at > timestamp '2024-01-01 09:30:00' AND at < now()\"", 2),
        ("rule: sql, query: \"/* of */ SELECT id FROM this -- it's\\n WHERE state <> 'silver.shop.x'\"", 4),
    ],
)  # fmt: skip
def test_rows_that_break_a_rule_are_counted(shop: Project, check: str, failing: int) -> None:
    shop.medallion("run", "shop.customers", "--date", day(0)).succeeded()
    done, failed = _run(shop, f"{{name: it, {check}}}")
    assert done.exit_code == (4 if failing else 0), done.output
    assert (failed or {"facts": {"failing": 0}})["facts"]["failing"] == failing  # type: ignore[index]


def test_a_reference_is_to_what_is_there_now(shop: Project) -> None:
    shop.medallion("run", "shop.customers", "--from", day(0), "--to", day(1)).succeeded()
    _, failed = _run(shop, "{name: it, rule: references, columns: customer, to: silver/shop/customers}")
    assert failed is not None
    assert failed["facts"]["sample"] == "id=3, customer=cid"  # type: ignore[index]


def test_personal_columns_are_masked_in_samples(shop: Project) -> None:
    done, failed = _run(shop, "{name: it, rule: sql, query: 'SELECT id, mail FROM this WHERE amount < 0'}")
    assert failed is not None
    assert failed["facts"]["sample"] == "id=2, mail=***"  # type: ignore[index]
    assert "bob@x.org" not in done.output


@pytest.mark.parametrize(
    ("check", "sample"),
    [
        ("rule: sql, query: 'SELECT id, mail AS contact FROM this WHERE amount < 0'", "id=2, contact=***"),
        ("rule: sql, query: 'SELECT id, upper(mail) AS m, state FROM this WHERE amount < 0'", "id=2, m=***, state=new"),
        ("rule: custom, function: 'shop_rules:told'", "id=2, written_to=***"),
    ],
)
def test_a_personal_value_is_masked_under_another_name(shop: Project, check: str, sample: str) -> None:
    done, failed = _run(shop, f"{{name: it, {check}}}")
    assert failed is not None
    assert failed["facts"]["sample"] == sample  # type: ignore[index]
    assert "bob@" not in done.output.lower()


def test_personal_values_of_another_table_are_masked(shop: Project) -> None:
    shop.write("intents/customers.yaml", CUSTOMERS + "columns: {name: {type: string, pii: true}}\n")
    shop.write(f"data/customers_{day(0)}.csv", "customer,name\nbob,Bob Bobson\n")
    shop.medallion("run", "shop.customers", "--date", day(0)).succeeded()
    query = "SELECT o.id, c.customer, c.name FROM this o JOIN silver.shop.customers c ON o.customer = c.customer"
    done, failed = _run(shop, f"{{name: it, rule: sql, query: '{query}'}}")
    assert failed is not None
    assert failed["facts"]["sample"] == "id=2, customer=bob, name=***"  # type: ignore[index]
    assert "Bobson" not in done.output


@pytest.mark.parametrize(
    "check",
    [
        "rule: expression, expression: CAST(mail AS INT) > 1",
        "rule: sql, query: SELECT CAST(mail AS INT) AS m FROM this",
        "rule: custom, function: 'shop_rules:indiscreet'",
    ],
)
def test_errors_tell_no_personal_values(shop: Project, check: str) -> None:
    done, failed = _run(shop, f"{{name: it, {check}}}")
    assert failed is not None
    assert "cannot be judged" in str(failed["summary"])
    assert "@x.org" not in done.output


def test_an_error_of_a_function_is_told_with_its_line(shop: Project) -> None:
    shop.write(
        "intents/orders.yaml",
        ORDERS.replace(", pii: true", "").replace("CHECK", "{name: it, rule: custom, function: 'shop_rules:broken'}"),
    )
    done = shop.medallion("run", "shop.orders", "--date", day(0))
    assert "ValueError: no such thing. Fix: mend shop_rules:broken; it failed at shop_rules.py:14." in " ".join(
        done.output.split()
    )


def test_a_rule_that_fails_on_a_row_takes_no_other_down(shop: Project) -> None:
    checks = (
        "{name: it, rule: expression, expression: CAST(state AS INT) > 1, on_failure: warn},"
        " {name: look, rule: regex, columns: state, pattern: '(?=new)', on_failure: warn},"
        " {name: low, rule: range, columns: amount, min: 0, on_failure: warn}"
    )
    shop.write("intents/orders.yaml", ORDERS.replace("CHECK", checks))
    done = shop.medallion("run", "shop.orders", "--date", day(0), "--json").succeeded()
    failed = {c["check"]: c["summary"] for c in json.loads(done.output[done.output.index("{") :])["failed_checks"]}
    assert set(failed) == {"it", "look", "low"}
    assert failed["low"].startswith("1 of 4 rows breaks the rule: amount is at least 0.")
    assert all("TRY_CAST" in failed[name] for name in ("it", "look"))


def test_bronze_refers_to_a_silver_table(shop: Project) -> None:
    shop.medallion("run", "shop.customers", "--date", day(1)).succeeded()
    _, failed = _run(shop, "{name: it, rule: references, columns: customer, to: silver/shop/customers, at: bronze}")
    assert failed is not None
    assert failed["partition"] == day(0)
    assert failed["facts"]["failing"] == 2  # type: ignore[index] # cid, and text that is empty is no null


@pytest.mark.parametrize(
    ("check", "exit_code"),
    [
        ("rule: expression, expression: amount >= 0, threshold: 0.25", 0),
        ("rule: expression, expression: amount >= 0, threshold: 0.2", 4),
        ("rule: expression, expression: amount >= 0, on_failure: warn", 0),
        ("rule: row_count, min: 4, max: 4", 0),
        ("rule: row_count, min: 5", 4),
        ("rule: row_count, max: 3, on_failure: warn", 0),
        ("rule: row_count, min: 3, where: amount > 0", 0),
        ("rule: custom, function: 'shop_rules:enough', args: {least: 4}", 0),
        ("rule: custom, function: 'shop_rules:enough', args: {least: 5}", 4),
    ],
)
def test_thresholds_and_severities_decide(shop: Project, check: str, exit_code: int) -> None:
    done, failed = _run(shop, f"{{name: it, {check}}}")
    assert done.exit_code == exit_code, done.output
    assert (failed is None) is (exit_code == 0 and "warn" not in check)


@pytest.mark.parametrize("action", ["drop", "quarantine"])
def test_rows_are_moved_by_conditions(shop: Project, action: str) -> None:
    check = f"{{name: it, rule: expression, expression: amount >= 0, where: state = 'new', on_failure: {action}}}"
    done, _ = _run(shop, check)
    assert done.exit_code == 0, done.output
    table = pl.read_delta(str(shop.root / "lake/silver/domain=shop/entity=orders/v1"))
    assert table["id"].sort().to_list() == [1, 3, 4]
    held = list((shop.root / "lake/silver").rglob("_quarantine/*.parquet"))
    assert len(held) == (action == "quarantine")


def test_freshness_is_measured_from_now_in_silver_and_from_the_window_in_bronze(shop: Project) -> None:
    old, failed = _run(shop, "{name: it, rule: freshness, column: at, max_age: 1d}")
    assert (old.exit_code, failed is None) == (4, False)
    for age, exit_code in (("13h", 0), ("12h", 4)):
        done, _ = _run(shop, f"{{name: it, rule: freshness, column: at, max_age: {age}, at: bronze}}")
        assert done.exit_code == exit_code, done.output


def test_the_number_of_rows_is_compared_with_the_partition_before(shop: Project) -> None:
    shop.write(f"data/orders_{day(1)}.csv", ROWS + "5,ada,1,x@x.org,new,2024-01-02T08:00:00Z\n")
    for at in ("silver", "bronze"):
        for change, exit_code in (("0.25", 0), ("0.2", 4)):
            check = f"{{name: it, rule: row_count, max_change: {change}, at: {at}}}"
            shop.write("intents/orders.yaml", ORDERS.replace("CHECK", check))
            done = shop.medallion("run", "shop.orders", "--from", day(0), "--to", day(1))
            assert done.exit_code == exit_code, done.output


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ("rule: expression, expression: nothing > 0", "there is no column `nothing`"),
        ("rule: expression, expression: amount +", "is no condition"),
        ("rule: expression, expression: amount + 1", "not true or false"),
        ("rule: not_null, columns: id, where: nothing = 1", "there is no column `nothing`"),
        ("rule: sql, query: DELETE FROM this", "a check is one SELECT"),
        ("rule: sql, query: \"SELECT * FROM read_csv('/etc/passwd')\"", "a check is one SELECT"),
        ("rule: sql, query: \"SELECT * FROM 'read_csv'('/etc/passwd')\"", "reads something else"),
        ("rule: sql, query: \"SELECT * FROM read_csv/**/('/etc/passwd')\"", "reads something else"),
        ("rule: sql, query: SELECT nothing FROM this", "ColumnNotFoundError"),
        ("rule: expression, expression: amount < 2 * avg(amount)", "looks at more than one row (Agg)"),
        ("rule: sql, query: SELECT * FROM silver.shop.customers", "has never been built"),
        ("rule: references, columns: customer, to: silver/shop/nowhere", "silver/shop/nowhere"),
        ("rule: references, columns: customer, to: silver/shop/customers", "has never been built"),
        ("rule: freshness, column: nothing, max_age: 1d", "no column `nothing`"),
        ("rule: freshness, column: state, max_age: 1d", "holds no time"),
        ("rule: custom, function: 'nowhere:f'", "cannot be imported"),
        ("rule: custom, function: 'shop_rules:broken'", "ValueError (its words may hold personal values). Fix: mend"),
        ("rule: custom, function: 'shop_rules:odd'", "gave str"),
    ],
)
def test_what_cannot_be_judged_has_failed_and_says_why(shop: Project, check: str, said: str) -> None:
    done, failed = _run(shop, f"{{name: it, {check}}}")
    assert done.exit_code == 4, done.output
    assert failed is not None
    assert said in str(failed["summary"])
    assert "Fix:" in str(failed["summary"])


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("amount >", "is no condition"),
        ("amount < 2 * avg(amount)", "more than one row"),
        ("at <= now()", "depends on when it is asked"),
        ("CAST(state AS INT) > 1", "fails on a row"),
    ],
)
@pytest.mark.parametrize("action", ["drop", "quarantine"])
def test_a_wrong_condition_moves_no_row(shop: Project, expression: str, said: str, action: str) -> None:
    check = f"{{rule: expression, expression: '{expression}', on_failure: {action}}}"
    shop.write("intents/orders.yaml", ORDERS.replace("CHECK", check))
    done = shop.medallion("run", "shop.orders", "--date", day(0))
    assert (done.exit_code, "CHK-004" in done.output) == (1, True), done.output
    assert said in " ".join(done.output.split())
    assert not list((shop.root / "lake").rglob("_delta_log"))


def test_columns_must_match_in_number(shop: Project) -> None:
    shop.medallion("run", "shop.customers", "--date", day(0)).succeeded()
    check = "{name: it, rule: references, columns: customer, to: silver/shop/customers, to_columns: [customer, x]}"
    _, failed = _run(shop, check)
    assert failed is not None
    assert "1 columns refer to 2" in str(failed["summary"])


def test_the_code_of_a_reference_to_nothing() -> None:
    """CHK-005 becomes a verdict; a program that asks by itself sees the code."""
    from medallion_assets.errors import ConfigError
    from medallion_assets.runs.around import Around

    with pytest.raises(ConfigError) as raised:
        Around().live("silver/shop/customers")
    assert raised.value.problem.code == "CHK-005"
