"""Intents become plans: every default filled in, names resolved, contradictions with each other refused."""

from datetime import date
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.errors import InvalidProject
from medallion_assets.intent.parse import parse_platform, parse_project
from medallion_assets.intent.platform import Platform
from medallion_assets.plan.compile import compile_plans
from medallion_assets.plan.model import Calendar, CheckPlan, DatasetPlan, Limits

MINIMAL = """
    system: retail
    table: orders
    source: {type: file, path: "data/orders_{run_date}.csv"}
    load: full
    silver: {model: scd_type_1, keys: order_id, order_by: updated_at}
"""


def plans(*texts: str, platform: Platform | None = None) -> tuple[DatasetPlan, ...]:
    platform = platform or Platform()
    files = {f"intents/{n}.yaml": dedent(text) for n, text in enumerate(texts)}
    return compile_plans(parse_project(files, platform), platform)


def plan(text: str, platform: Platform | None = None) -> DatasetPlan:
    (found,) = plans(text, platform=platform)
    return found


def source(line: str, load: str = "full") -> DatasetPlan:
    return plan(f"{{system: s, table: t, source: {line}, load: {load}}}")


def test_the_smallest_useful_intent_is_complete() -> None:
    found = plan(MINIMAL)
    (silver,) = found.silvers
    assert (found.name, found.file, found.line, found.as_of, found.not_built) == (
        "retail.orders",
        "intents/0.yaml",
        2,
        True,
        (),
    )
    assert found.calendar == Calendar("daily", date(2020, 1, 1), None, "UTC")
    assert (found.bronze.store, found.bronze.path) == ("lake", "bronze/system=retail/table=orders")
    assert (found.bronze.part_rows, found.bronze.part_bytes, found.bronze.compression) == (100_000, 2**28, "zstd")
    assert found.limits == Limits(0, None)
    assert (str(silver.entity), silver.store, silver.path) == (
        "silver/retail/orders",
        "lake",
        "silver/domain=retail/entity=orders/v1",
    )
    assert (silver.keys, silver.order_by, silver.delete_mode) == (("order_id",), ("updated_at",), "hard_delete")
    assert (silver.max_delete_fraction, silver.engine, silver.format) == (0.5, "auto", "delta")


def test_domain_entity_version_prefix_and_owners_make_the_place_of_a_table() -> None:
    platform = parse_platform("silver: {store: lake, prefix: gold/silver}\nbronze: {store: lake, prefix: ''}")
    found = plan(
        """
        {system: s, table: t, domain: d, owners: [team:a], source: {type: file, path: x.csv}, load: full,
         silver: {model: scd_type_2, keys: k, entity: e, version: 3}}
        """,
        platform,
    )
    assert found.silvers[0].path == "gold/silver/domain=d/entity=e/v3"
    assert found.silvers[0].owners == ("team:a",)
    assert found.bronze.path == "system=s/table=t"


def test_the_default_start_is_the_platforms_else_2020() -> None:
    platform = parse_platform("defaults: {partitions: {start: 2024-01-01}}")
    assert plan(MINIMAL, platform).calendar.start == date(2024, 1, 1)


@pytest.mark.parametrize(
    ("line", "load", "as_of"),
    [
        ("{type: file, path: x.csv}", "full", False),
        ("{type: file, path: 'x_{run_date:%Y%m%d}.csv'}", "full", True),
        ("{type: file, path: ['x.csv', 'y_{window_start:epoch}.csv']}", "full", True),
        ("{type: file, path: 'x_{{run_date}}.csv'}", "full", False),
        ("{type: file, path: '${env:FOLDER:-x}/y.csv'}", "full", False),
        ("{type: api, base_url: 'https://a.b', params: {since: '{window_start}'}}", "full", True),
        ("{type: api, base_url: 'https://a.b'}", "{pattern: incremental, cursor: {column: at}}", True),
        (
            "{type: api, base_url: 'https://a.b'}",
            "{pattern: incremental, cursor: {column: a, mode: since_last}}",
            False,
        ),
        ("{type: database, connection: c, query: 'select 1 where d >= :window_start'}", "full", True),
        ("{type: database, connection: c}", "full", False),
    ],
)
def test_a_source_is_read_as_of_a_partition_when_its_request_says_so(line: str, load: str, as_of: bool) -> None:
    assert source(line, load).as_of is as_of


def test_load_is_full_where_it_may_be_left_out() -> None:
    found = plan("{system: s, table: t, source: {type: file, path: x.csv}, silver: {model: event}}")
    assert (found.load.pattern, found.bronze.pattern) == ("full", "full")


def checks(found: tuple[CheckPlan, ...]) -> list[tuple[str, str, bool]]:
    return [(check.name, check.severity, check.blocking) for check in found]


def test_checks_have_names_severities_and_those_that_are_always_on() -> None:
    found = plan(
        """
        system: s
        table: t
        source: {type: file, path: x.csv}
        load: full
        silver: {model: scd_type_2, keys: k}
        checks:
          - {rule: not_null, columns: [a, B c]}
          - {rule: range, name: age, columns: age, min: 0, on_failure: quarantine}
          - {rule: unique, columns: a, on_failure: warn}
          - {rule: in_set, columns: a, values: [1, 2], severity: warn}
          - {rule: regex, columns: a, pattern: x, on_failure: warn, severity: error}
          - {rule: not_null, at: bronze, columns: a}
        """
    )
    assert checks(found.checks) == [
        ("checksum", "error", True),
        ("schema_drift", "warn", False),
        ("not_null_a", "error", True),
    ]
    assert checks(found.silvers[0].checks) == [
        ("accounting", "error", True),
        ("unique_keys", "error", True),
        ("intervals", "error", True),
        ("schema_drift", "warn", False),
        ("not_null_a_b_c", "error", True),
        ("age", "warn", False),
        ("unique_a", "warn", False),
        ("in_set_a", "warn", False),
        ("regex_a", "error", False),
    ]


@pytest.mark.parametrize(
    ("silver", "names"),
    [
        ("{model: periodic_snapshot}", ["accounting", "schema_drift"]),
        ("{model: event}", ["accounting", "schema_drift"]),
        ("{model: event, keys: k}", ["accounting", "unique_keys", "schema_drift"]),
        ("{model: scd_type_1, keys: k}", ["accounting", "unique_keys", "schema_drift"]),
    ],
)
def test_checks_that_are_always_on_follow_the_model(silver: str, names: list[str]) -> None:
    found = plan(f"{{system: s, table: t, source: {{type: file, path: x.csv}}, load: full, silver: {silver}}}")
    assert [check.name for check in found.silvers[0].checks] == names


def test_a_silver_on_anothers_bronze_reads_its_path_calendar_and_pattern() -> None:
    feed, state = plans(
        """
        system: retail
        table: feed
        source: {type: file, path: "feed/{run_date}.jsonl"}
        load: {pattern: cdc, operation: {column: op}}
        partitions: {cadence: daily, start: 2024-01-01, timezone: Europe/Berlin}
        """,
        """
        system: retail
        table: state
        source: {type: bronze, dataset: retail.feed}
        silver: {entity: orders, model: scd_type_2, keys: order_id, order_by: ts}
        """,
    )
    assert (state.bronze.path, state.bronze.pattern, state.calendar) == (feed.bronze.path, "cdc", feed.calendar)
    assert state.upstream == ("retail.feed",)
    assert (state.not_built, feed.not_built) == ((), ())
    assert (state.has_bronze, feed.has_bronze, state.checks) == (False, True, ())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("checks: [{rule: references, columns: a, to: silver/s/t, on_failure: drop}]", "`drop` of check rule"),
        ("partitions: {cadence: '0 6 * * *'}", "A cron as `partitions.cadence`"),
        ("silver: {model: scd_type_1, keys: k, store: far}", "platform.yaml has no store `far`."),
    ],
)
def test_what_is_not_built_beside_source_and_load(more: str, said: str) -> None:
    found = plan(f"{{system: s, table: t, source: {{type: file, path: x.csv}}, load: full, {more}}}")
    assert any(sentence.startswith(said) for sentence in found.not_built), found.not_built


def test_a_store_of_any_kind_will_do() -> None:
    platform = parse_platform("stores: {lake: {type: s3, bucket: b}}")
    assert plan(MINIMAL, platform).not_built == ()


def test_what_has_no_effect_yet_is_said_and_stops_nothing() -> None:
    found = plan(
        """
        {system: s, table: t, source: {type: file, path: x.csv}, load: full, schedule: 0 6 * * *,
         sensor: {interval: 60s}, alerts: [{channel: c}], retention: {bronze: 30d, silver: 90d}}
        """
    )
    assert (found.not_built, found.inactive) == ((), ())
    python = plan("{system: s, table: t, source: {type: python, function: 'f:g'}, load: full, sensor: {interval: 60s}}")
    assert [sentence.split()[0] for sentence in python.inactive] == ["`sensor`"]


CHILD = "{system: s, table: c, source: {type: api, base_url: 'https://x', parents: {dataset: s.a, bind: {id: id}}}}"


def test_parents_that_are_each_others_are_refused() -> None:
    with pytest.raises(InvalidProject) as caught:
        plans(CHILD, CHILD.replace("s.a", "s.c").replace("table: c", "table: a"))
    assert [problem.code for problem in caught.value.problems] == ["PLN-003", "PLN-003"]
    assert "none of them can be loaded first" in caught.value.problems[0].what


def test_parents_are_upstream() -> None:
    found = {one.name: one for one in plans(CHILD, "{system: s, table: a, source: {type: file, path: x.csv}}")}
    assert (found["s.c"].upstream, found["s.c"].not_built, found["s.c"].has_bronze) == (("s.a",), (), True)


@pytest.mark.parametrize(
    ("texts", "code", "where"),
    [
        (("{system: s, table: t, source: {type: bronze, dataset: s.other}}",), "PLN-003", "intents/0.yaml:1:"),
        (
            (
                "{system: s, table: a, source: {type: file, path: x.csv}}",
                "{system: s, table: b, source: {type: bronze, dataset: s.a}}",
                "{system: s, table: c, source: {type: bronze, dataset: s.b}}",
            ),
            "PLN-003",
            "intents/2.yaml:1:",
        ),
        ((CHILD.replace("s.a", "s.nobody"),), "PLN-003", "intents/0.yaml:1:"),
        (
            (
                CHILD,
                "{system: s, table: a, source: {type: bronze, dataset: s.b}}",
                "{system: s, table: b, source: {type: file, path: x.csv}}",
            ),
            "PLN-003",
            "intents/0.yaml:1:",
        ),
        (
            (CHILD, "{system: s, table: a, source: {type: file, path: x.csv}, partitions: {cadence: weekly}}"),
            "PLN-003",
            "intents/0.yaml:1:",
        ),
        (
            (CHILD, "{system: s, table: a, source: {type: file, path: '{tenant}.csv'}, tenants: [x]}"),
            "PLN-003",
            "intents/0.yaml:1:",
        ),
        (
            ("{system: s, table: t, source: {type: file, path: x.csv}, partitions: {end: 2019-01-01}}",),
            "PLN-004",
            "intents/0.yaml:1:",
        ),
        (
            ("{system: s, table: t, source: {type: file, path: x.csv}, load: full, partitions: {cadence: file}}",),
            "PLN-011",
            "intents/0.yaml:1:",
        ),
        (
            (
                """
                {system: s, table: t, source: {type: file, path: "x_{run_date}.csv"}, load: incremental,
                 partitions: {cadence: file}}
                """,
            ),
            "PLN-011",
            "intents/0.yaml:3:",
        ),
        (
            (
                """
                {system: s, table: t, source: {type: file, path: "{tenant}/*.csv"}, load: incremental,
                 partitions: {cadence: file},
                 tenants: [a, b]}
                """,
            ),
            "PLN-011",
            "intents/0.yaml:4:",
        ),
        (
            (
                """
                {system: s, table: t, source: {type: file, path: x.csv},
                 checks: [{rule: not_null, columns: a, at: bronze, name: checksum}]}
                """,
            ),
            "PLN-005",
            "intents/0.yaml:2",
        ),
    ],
)
def test_what_only_shows_when_seen_together(texts: tuple[str, ...], code: str, where: str) -> None:
    with pytest.raises(InvalidProject) as caught:
        plans(*texts)
    assert [problem.code for problem in caught.value.problems] == [code]
    assert caught.value.problems[0].where.startswith(where)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(InvalidProject) as caught:
        plans(
            "{system: s, table: a, source: {type: bronze, dataset: s.x}}",
            "{system: s, table: b, source: {type: file, path: x.csv}, partitions: {end: 2019-01-01}}",
        )
    assert [problem.code for problem in caught.value.problems] == ["PLN-003", "PLN-004"]


# ------------------------------------------------------------------------------------------------ fingerprints

BASE = {
    "load": "full",
    "silver": "{model: scd_type_1, keys: k, order_by: o}",
    "columns": "{k: {type: int64, description: Key}}",
    "checks": "[{rule: not_null, columns: k}]",
}


def fingerprints(**changed: str) -> tuple[str, str]:
    keys = {"source": "{type: file, path: x.csv}", **BASE, **changed}
    found = plan("{system: s, table: t, " + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}")
    return found.ingest_fingerprint, found.silvers[0].fingerprint


@pytest.mark.parametrize(
    ("changed", "ingest", "silver"),
    [
        ({"description": "Another"}, False, False),
        ({"owners": "[team:x]"}, False, False),
        ({"columns": "{k: {type: int64, description: Other}}"}, False, False),
        ({"checks": "[]"}, False, False),
        ({"silver": "{model: scd_type_1, keys: k, order_by: o, exports: [csv], owners: [a]}"}, False, False),
        ({"silver": "{model: scd_type_1, keys: k, order_by: o, delete_mode: hard_delete}"}, False, False),
        ({"silver": "{model: scd_type_1, keys: [k], order_by: [o]}"}, False, False),
        ({"source": "{type: file, path: y.csv}"}, True, False),
        ({"load": "{pattern: full, chunk: {rows: 5}}"}, True, False),
        ({"load": "incremental"}, True, True),
        ({"columns": "{k: int32}"}, True, True),
        ({"silver": "{model: scd_type_1, keys: k}"}, False, True),
        ({"silver": "{model: scd_type_2, keys: k, order_by: o}"}, False, True),
        ({"schema_mode": "strict"}, False, True),
        ({"partitions": "{timezone: Europe/Berlin}"}, False, True),
        ({"checks": "[{rule: range, columns: k, min: 0, on_failure: drop}]"}, False, True),
    ],
)
def test_a_fingerprint_changes_with_what_determines_rows_only(
    changed: dict[str, str], ingest: bool, silver: bool
) -> None:
    before, after = fingerprints(), fingerprints(**changed)
    assert (before[0] != after[0], before[1] != after[1]) == (ingest, silver)


def test_a_moving_rules_name_is_not_in_the_fingerprint() -> None:
    one = fingerprints(checks="[{rule: range, columns: k, min: 0, on_failure: drop}]")
    two = fingerprints(checks="[{rule: range, columns: k, min: 0, on_failure: drop, name: other, severity: error}]")
    assert one == two


@given(st.permutations([0, 1, 2]))
def test_plans_come_by_name_whatever_the_order_of_files(order: list[int]) -> None:
    texts = [f"{{system: s, table: t{n}, source: {{type: file, path: x.csv}}}}" for n in range(3)]
    assert [p.name for p in plans(*(texts[n] for n in order))] == ["s.t0", "s.t1", "s.t2"]


def test_what_is_late_is_told_by_the_named_column_the_cursor_or_the_order() -> None:
    def column(load: str) -> str | None:
        return source("{type: file, path: 'x_{run_date}.csv'}", load).late_column

    assert column("{pattern: incremental, late_data: {max_lateness: 2d}}") is None
    assert column("{pattern: incremental, late_data: {mode: drop, column: at}, cursor: {column: c}}") == "at"
    assert column("{pattern: incremental, late_data: {mode: drop}, cursor: {column: c}}") == "c"
