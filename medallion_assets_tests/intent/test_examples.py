"""The 25 examples of the grammar are valid, and mean what they say."""

from datetime import timedelta
from pathlib import Path

import pytest

from medallion_assets.intent.api import Api, OAuthCC
from medallion_assets.intent.load import Cdc, Full, Incremental
from medallion_assets.intent.model import Intent
from medallion_assets.intent.parse import LocatedIntent, parse_project
from medallion_assets.intent.platform import Platform
from medallion_assets.intent.silver import Event, Scd1, Scd2
from medallion_assets.intent.source import Bronze, Csv, File, FixedWidth

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.yaml"))
WARNED = {
    "05_api_page_github.yaml": ["INT-046"],
    "07_api_salesforce_oauth.yaml": ["INT-023"] * 4,
    "09_db_query_mssql.yaml": ["INT-033"],
}


def read(path: Path) -> tuple[LocatedIntent, ...]:
    return parse_project({f"intents/{path.name}": path.read_text(encoding="utf-8")}, Platform())


def example(number: int) -> Intent:
    return read(EXAMPLES[number - 1])[0].intent


def test_there_are_25() -> None:
    assert len(EXAMPLES) == 25


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_valid(path: Path) -> None:
    located = read(path)
    assert len(located) == (2 if path.stem.startswith("25") else 1)
    assert [warning.code for one in located for warning in one.warnings] == WARNED.get(path.name, [])


def test_spellings_of_the_model() -> None:
    assert isinstance(example(12).silver[0], Event)
    assert isinstance(example(13).silver[0], Scd2)
    assert isinstance(example(16).silver[0], Scd1)


def test_codes_and_headers_keep_their_characters() -> None:
    load, source = example(11).load, example(5).source
    assert isinstance(load, Cdc)
    assert (load.operation.insert, load.operation.update, load.operation.delete) == (("1",), ("2",), ("3",))
    assert isinstance(source, Api)
    assert source.headers["X-GitHub-Api-Version"] == "2022-11-28"
    fixed = example(18).source
    assert isinstance(fixed, File)
    assert isinstance(fixed.format, FixedWidth)
    assert [record.code for record in fixed.format.record_types] == ["H", "D", "9"]


def test_types_durations_and_shares() -> None:
    salesforce = example(7)
    assert {name: column.type for name, column in salesforce.columns.items()} == {
        "Id": "string",
        "AnnualRevenue": "decimal(18,2)",
        "SystemModstamp": "timestamptz",
    }
    assert isinstance(salesforce.load, Incremental)
    assert salesforce.load.full_refresh is not None
    assert salesforce.load.full_refresh.every == timedelta(days=7)
    assert isinstance(salesforce.source, Api)
    assert isinstance(salesforce.source.auth, OAuthCC)
    retry = example(6).source
    assert isinstance(retry, Api)
    assert retry.retry is not None
    assert (retry.retry.initial_backoff, retry.retry.jitter) == (timedelta(milliseconds=500), 0.2)


def test_defaults_and_shorthands() -> None:
    minimal = example(21)
    assert minimal.load == Full(pattern="full")
    assert minimal.load is not None
    assert (minimal.load.chunk.rows, minimal.load.chunk.bytes, minimal.load.compression) == (100_000, 2**28, "zstd")
    assert (minimal.partitions.cadence, minimal.partitions.timezone, minimal.quarantine.max_rows) == ("daily", "UTC", 0)
    silver = minimal.silver[0]
    assert isinstance(silver, Scd2)
    assert (silver.keys, silver.order_by) == (("customer_id",), ("updated_at",))
    assert (silver.delete_mode, silver.max_delete_fraction, silver.erase_absent) == ("hard_delete", 0.5, False)
    assert Csv(type="csv").quote == '"'


def test_two_documents_know_their_lines() -> None:
    first, second = read(EXAMPLES[24])
    assert (first.intent.name, first.line) == ("retail.orders_feed", 1)
    assert (second.intent.name, second.line) == ("retail.orders_feed_state", 8)
    assert second.intent.source == Bronze(type="bronze", dataset="retail.orders_feed")
    assert second.where("source", "dataset") == "intents/25_two_silvers_from_one_bronze.yaml:10:33  source.dataset"
    assert second.where("silver", 0, "keys") == "intents/25_two_silvers_from_one_bronze.yaml:11:51  silver.keys"
    assert second.where("partitions", "start") == "intents/25_two_silvers_from_one_bronze.yaml:8:1"
