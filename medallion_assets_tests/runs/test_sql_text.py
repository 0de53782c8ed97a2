"""The owner's SQL: what it may read, the moment it is about, and whether it is about one row."""

from datetime import datetime, timedelta, timezone

import polars as pl
import pytest

from medallion_assets.runs.one_row import beyond_one_row
from medallion_assets.runs.sql_text import ColumnTimes, NoQuery, depends_on_the_moment, query, settled

NOW = datetime(2024, 5, 6, 9, 8, 7, 125_000, timezone(timedelta(hours=2)))
"""07:08:07.125 UTC."""


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("SELECT a FROM this", "SELECT a FROM this"),
        ("  -- first\n(SELECT 1);", "(SELECT 1)"),
        ("SELECT * FROM silver.shop.orders o", "SELECT * FROM silver__shop__orders o"),
        ("SELECT 'silver.shop.orders', \"silver.a.b\"", "SELECT 'silver.shop.orders', \"silver.a.b\""),
        ("SELECT a /* 'x */ FROM this -- it's", "SELECT a   FROM this"),
        ("SELECT 'it''s -- no comment' FROM this", "SELECT 'it''s -- no comment' FROM this"),
        ("SELECT read_at FROM this WHERE read_at > (sent_at)", "SELECT read_at FROM this WHERE read_at > (sent_at)"),
    ],
)
def test_a_query_is_read_without_comments_and_with_plain_names(text: str, read: str) -> None:
    assert query(text)[0] == read


def test_a_query_names_its_tables() -> None:
    assert query("SELECT * FROM silver.a.b JOIN silver.c.d_e USING (k)")[1] == {
        "silver__a__b": "silver/a/b", "silver__c__d_e": "silver/c/d_e",
    }  # fmt: skip


@pytest.mark.parametrize("call", ["{}", '"{}"', "'{}'", "`{}`", "{}/**/", "{}--\n", "{} ", "x.{}"])
@pytest.mark.parametrize("name", ["read_csv", "READ_Parquet", "read_ipc", "read_json", "read_ndjson", "scan_lines"])
def test_no_query_reads_a_file(name: str, call: str) -> None:
    with pytest.raises(NoQuery, match="reads something else"):
        query(f"SELECT * FROM {call.format(name)}('/etc/passwd')")


@pytest.mark.parametrize("text", ["DELETE FROM this", "DROP TABLE this", "EXPLAIN SELECT 1", "", "-- SELECT 1"])
def test_what_is_no_select_is_refused(text: str) -> None:
    with pytest.raises(NoQuery, match="one SELECT"):
        query(text)


def test_every_table_function_that_polars_has_is_refused() -> None:
    """Polars takes the functions it has, and says of others that it has none: a new one must be refused here, too."""
    kinds = "csv parquet ipc feather json ndjson jsonl avro delta iceberg excel lines text blob database arrow orc sql"
    for name in (f"{verb}_{kind}" for verb in ("read", "scan", "from", "load") for kind in kinds.split()):
        text = f"SELECT * FROM {name}('nowhere')"
        try:
            pl.SQLContext({}, eager=False).execute(text).collect()
        except pl.exceptions.SQLInterfaceError as error:
            if "not a supported table function" in str(error):
                continue
        except (pl.exceptions.PolarsError, OSError):
            pass
        with pytest.raises(NoQuery):
            query(text)


def test_the_moment_is_a_literal_in_utc() -> None:
    assert settled("a <= now() AND b > CURRENT_DATE", NOW) == (
        "a <= timestamp '2024-05-06 07:08:07.125000' AND b > date '2024-05-06'"
    )
    assert settled("a < Now ( ) OR localtime < current_timestamp()", NOW) == (
        "a < timestamp '2024-05-06 07:08:07.125000' OR time '07:08:07' < timestamp '2024-05-06 07:08:07.125000'"
    )
    kept = "s = 'now()' AND \"now()\" > 1 -- now()\n AND known > 1 AND nowhere(1)"
    assert settled(kept, NOW) == kept
    assert not depends_on_the_moment(kept)
    assert depends_on_the_moment("a < now()")


def test_an_instant_is_a_time_in_utc() -> None:
    assert settled("a > timestamptz '2024-01-01T01:00:00+01:00'", NOW) == "a > timestamp '2024-01-01 00:00:00.000000'"
    assert settled("a > timestamp with time zone '2024-01-01 00:00:00Z'", NOW) == (
        "a > timestamp '2024-01-01 00:00:00.000000'"
    )
    assert settled("a > timestamptz 'soon'", NOW) == "a > timestamptz 'soon'"


def test_columns_with_a_zone_go_to_utc_and_back() -> None:
    frame = pl.DataFrame({"n": ["2024-01-01 12:00"]}).select(pl.col("n").str.to_datetime(time_unit="us"))
    frame = frame.with_columns(
        u=pl.col("n").dt.replace_time_zone("UTC"), b=pl.col("n").dt.replace_time_zone("Europe/Berlin")
    )
    times = ColumnTimes(frame.schema)
    plain = times.plain(frame.lazy())
    assert [str(value) for value in plain.collect().row(0)] == [
        "2024-01-01 12:00:00", "2024-01-01 12:00:00", "2024-01-01 11:00:00",
    ]  # fmt: skip
    assert times.restored(plain).collect().equals(frame)


@pytest.mark.parametrize(
    "text",
    [
        "a > 1", "a BETWEEN 1 AND 2 OR NOT (a = 3)", "a IN (1, 2)", "a NOT IN (1)", "s LIKE 'x%'", "s ILIKE 'X%'",
        "s ~ '^x'", "regexp_like(s, 'x')", "CASE WHEN a > 1 THEN s = 'x' ELSE a < 0 END", "coalesce(a, 0) > 0",
        "nullif(a, 1) = 2", "greatest(a, 2) > 1", "CAST(s AS INT) > 1", "try_cast(s AS INT) > 1", "a % 2 = 0",
        "round(a, 1) > 1", "abs(a) + sqrt(a) > 1", "length(trim(s)) > 2", "right(s, 1) = 'x'", "s || s = 'xx'",
        "split_part(s, '-', 1) = 'x'", "extract(year FROM d) = 2024", "d + INTERVAL '1 day' > d", "a IS NULL",
        "s IS DISTINCT FROM 'x'", "d > date '2024-01-01'", "array_contains([1, 2], a)", "1 = 1", "a > 1 AS b", "-a > 1",
    ],
)  # fmt: skip
def test_conditions_about_one_row(text: str) -> None:
    assert beyond_one_row(pl.sql_expr(text)) is None


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("max(a) > 1", "Agg"),
        ("a > avg(a)", "Agg"),
        ("s = 'x' AND (a > 1 OR length(s) > sum(a))", "Agg"),
        ("CASE WHEN count(*) > 1 THEN true ELSE false END", "Len"),
        ("coalesce(min(a), 0) > 1", "Agg"),
        ("sum(a) OVER (PARTITION BY s) > 1", "Over"),
        ("lag(a) OVER (ORDER BY a) > 1", "Over"),
        ("dense_rank() OVER (ORDER BY a) > 1", "Rank"),
        ("unnest(a) > 1", "Explode"),
        ("a > (SELECT 1)", "SubPlan"),
        ("COLUMNS('a') > 1", "Selector"),
        ("corr(a, a) > 0", "Any"),
    ],
)
def test_conditions_that_look_at_other_rows(text: str, step: str) -> None:
    assert beyond_one_row(pl.sql_expr(text)) == step
