"""Intents and dates that are wrong: all that is said of them, and that nothing is read or written."""

from medallion_assets_tests.end_to_end.project import Project, day

ORDERS = """system: shop
table: orders
source: {type: file, path: "data/orders_{run_date}.csv"}
load: full
partitions: {start: 2024-01-01, end: 2024-02-01}
silver: {model: scd_type_2, keys: id}
"""
TWELVE = """version: 2
system: Shop
table: orders
source: {type: csv, path: "data/orders_{run_date}.csv"}
load: {pattern: full, cursor: {column: id}}
partitions: {cadence: dayly, start: 2024-13-01}
schema_mode: loose
quarantine: {max_rows: many}
silver: {model: scd_type_3, keys: id}
checks:
  - {rule: not_null}
  - {rule: unike, columns: id}
colour: blue
"""
SAID = """INT-007  intents/orders.yaml:1:10  version
  `version` cannot be 2.
  Fix: write 1, the only version of the grammar so far.

INT-011  intents/orders.yaml:2:9  system
  'Shop' cannot be a name.
  Fix: use lower-case letters, digits and `_`, at most 128, like `shop`.

INT-004  intents/orders.yaml:4:16  source.type
  'csv' is not a source type.
  Fix: use one of api, bronze, database, file, kafka, python. Did you mean `file`?

INT-009  intents/orders.yaml:5:23  load.cursor
  `cursor` belongs to cdc, incremental, and this is `pattern: full`.
  Fix: remove `cursor`, or change `pattern`.

INT-041  intents/orders.yaml:6:23  partitions.cadence
  'dayly' is not a cadence.
  Fix: use one of hourly, daily, weekly, monthly, none, file, or a cron. Did you mean `daily`?

INT-010  intents/orders.yaml:6:37  partitions.start
  '2024-13-01' is not a date.
  Fix: write YYYY-MM-DD, like 2024-01-31.

INT-007  intents/orders.yaml:7:14  schema_mode
  'loose' is not a choice of `schema_mode`.
  Fix: use one of strict, lenient, auto.

INT-006  intents/orders.yaml:8:24  quarantine.max_rows
  'many' is not a whole number.
  Fix: write the digits without quotes, `_` or leading zeros.

INT-004  intents/orders.yaml:9:17  silver.model
  'scd_type_3' is not a silver model.
  Fix: use one of derived_event, event, full_merge_dedupe, incremental_merge, periodic_snapshot, scd_type_1,\
 scd_type_2. Did you mean `scd_type_2`?

INT-005  intents/orders.yaml:11:5  checks[0].columns
  `columns` is missing.
  Fix: add `columns:`.

INT-004  intents/orders.yaml:12:12  checks[1].rule
  'unike' is not a check rule.
  Fix: use one of custom, expression, freshness, in_set, not_null, range, references, regex, row_count, sql, unique.\
 Did you mean `unique`?

INT-003  intents/orders.yaml:13:1  colour
  `colour` is not a key of an intent.
  Fix: use one of alerts, checks, classification, columns, description, domain, enabled, engine, entity, inputs, load,\
 meta, owners, partitions, quarantine, retention, schedule, schema_mode, sensor, silver, source, system, table, tags,\
 tenants, version. Did you mean `columns`?
"""
TWINS = """INT-015  intents/b.yaml:2:8  table
  Two intents have the name `shop.orders`; the other is at intents/a.yaml:2:8.
  Fix: change `system` or `table` of one.

INT-016  intents/b.yaml:6:9  silver
  Two silver tables lie at `silver/shop/orders/v1`; the other is at intents/a.yaml:6:9.
  Fix: change `domain`, `entity` or `version` of one.
"""


def untouched(project: Project) -> bool:
    return not (project.root / "lake").exists()


def test_twelve_mistakes_are_said_at_once_each_at_its_place(project: Project) -> None:
    project.write("intents/orders.yaml", TWELVE)
    project.write(f"data/orders_{day(0)}.csv", "id\n1\n")
    for command in (["validate"], ["plan"], ["run", "--date", day(0)]):
        outcome = project.medallion(*command)
        assert (outcome.exit_code, outcome.output) == (1, SAID), command
    assert untouched(project)
    project.write("intents/orders.yaml", ORDERS)
    project.medallion("run", "--date", day(0)).succeeded()


def test_two_intents_with_one_name(project: Project) -> None:
    project.write("intents/a.yaml", ORDERS)
    project.write("intents/b.yaml", ORDERS)
    outcome = project.medallion("run", "--date", day(0))
    assert (outcome.exit_code, outcome.output) == (1, TWINS)
    assert untouched(project)


def test_a_date_outside_the_partitions(project: Project) -> None:
    project.write("intents/orders.yaml", ORDERS)
    project.write(f"data/orders_{day(0)}.csv", "id\n1\n")
    for outside in ("2023-12-31", "2024-02-01"):
        outcome = project.medallion("run", "--date", outside)
        assert outcome.exit_code == 1
        assert outcome.output.startswith(
            f"""shop.orders: failed
PLN-002  partition {outside}
  {outside} is outside the partitions: daily from 2024-01-01 to 2024-02-01 (exclusive) in UTC.
  Fix: ask for a date inside, or change `partitions` in the intent.
"""
        ), outcome.output
    nonsense = project.medallion("run", "--date", "yesterday")
    assert nonsense.exit_code == 1
    assert "PLN-001" in nonsense.output
    assert untouched(project)
    project.medallion("run", "--date", day(0)).succeeded()
