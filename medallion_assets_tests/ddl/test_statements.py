"""Names and literals are quoted as each dialect wants, places are told without credentials."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import sqlglot
from pydantic import TypeAdapter
from sqlglot import exp
from sqlglot.errors import ErrorLevel

from medallion_assets.ddl.dialects import DIALECTS, Name
from medallion_assets.ddl.places import Folder, Place, place_of
from medallion_assets.ddl.statements import script, statements
from medallion_assets.intent.parse import parse_project
from medallion_assets.intent.platform import Platform
from medallion_assets.intent.platform import Store as StoreSpec
from medallion_assets.plan.compile import compile_plans
from medallion_assets.plan.model import SilverPlan

NAMES: list[Name] = list(DIALECTS)
SPEC: TypeAdapter[StoreSpec] = TypeAdapter(StoreSpec)
NASTY = ["plain", 'a "quoted" one', "it's", "back`tick", "br[ack]et", "back\\slash", "Ünïcode", "semi; -- colon"]
COLUMNS: dict[str, pl.DataType] = {
    **{name: pl.String() for name in NASTY},
    "amount": pl.Decimal(20, 2), "n8": pl.Int8(), "n16": pl.Int16(), "n32": pl.Int32(), "n64": pl.Int64(),
    "f32": pl.Float32(), "f64": pl.Float64(), "day": pl.Date(), "raw": pl.Binary(), "ok": pl.Boolean(),
    "naive": pl.Datetime("us"), "effective_from": pl.Datetime("us", "UTC"), "effective_to": pl.Datetime("us", "UTC"),
    "is_current": pl.Boolean(), "is_deleted": pl.Boolean(), "_run_date": pl.Date(), "_bronze_part": pl.String(),
}  # fmt: skip
S3: dict[str, object] = {
    "type": "s3",
    "bucket": "lake",
    "prefix": "a b/",
    "access_key": "AKIAX",
    "secret_key": "s3cr3t",
    "region": "eu-x",
}
AZURE: dict[str, object] = {"type": "azure", "account": "acc", "container": "con", "credential": "key", "key": "s3cr3t"}
PLACES: dict[str, tuple[dict[str, object], dict[Name, list[str]]]] = {
    "aws": (
        S3,
        {
            "duckdb": ["'s3://lake/a b/silver/t'", "SCOPE 's3://lake/', REGION 'eu-x')"],
            "spark": ["LOCATION 's3a://lake/a b/silver/t'"],
            "trino": ["table_location => 's3://lake/a b/silver/t'"],
            "tsql": ["LOCATION = N's3://s3.eu-x.amazonaws.com/', CREDENTIAL = [mine]", "N'/lake/a b/silver/t'"],
        },
    ),
    "minio": (
        {**S3, "endpoint_url": "http://user:s3cr3t@minio:9000/?token=s3cr3t", "path_style": True},
        {
            "duckdb": ["ENDPOINT 'minio:9000', URL_STYLE 'path', USE_SSL false"],
            "spark": ["LOCATION 's3a://lake/a b/silver/t'"],
            "trino": ["'s3://lake/a b/silver/t'"],
            "tsql": ["LOCATION = N's3://minio:9000/'"],
        },
    ),
    "azure": (
        AZURE,
        {
            "duckdb": ["'az://con/silver/t'", "SCOPE 'az://con/', ACCOUNT_NAME 'acc'"],
            "spark": ["LOCATION 'abfss://con@acc.dfs.core.windows.net/silver/t'"],
            "trino": ["'abfss://con@acc.dfs.core.windows.net/silver/t'"],
            "tsql": ["LOCATION = N'adls://con@acc.dfs.core.windows.net', CREDENTIAL = [mine]", "N'/silver/t'"],
        },
    ),
    "azure elsewhere": (
        {**AZURE, "endpoint_url": "https://acc.blob.core.chinacloudapi.cn"},
        {name: ["acc.dfs.core.chinacloudapi.cn"] for name in ("spark", "trino", "tsql")},
    ),
}


def planned(model: str = "scd_type_2", **more: str) -> SilverPlan:
    keys = "".join(f", {key}: {value}" for key, value in more.items())
    text = "system: retail\ntable: orders\nsource: {type: file, path: a.csv}\nload: full\n"
    text += f"silver: {{model: {model}, keys: plain{keys}}}\n"
    platform = Platform()
    (plan,) = compile_plans(parse_project({"intents/orders.yaml": text}, platform), platform)
    return plan.silvers[0]


def place(spec: dict[str, object]) -> Place:
    return place_of("mine", SPEC.validate_python(spec), "silver/t", Path("/project"), str)


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize("kind", PLACES)
def test_a_place_is_named_as_the_engine_wants_and_no_credential_with_it(kind: str, dialect: Name) -> None:
    spec, expected = PLACES[kind]
    silver = planned()
    text = script(silver, statements(silver, COLUMNS, place(spec), dialect), dialect)
    assert [part for part in expected.get(dialect, []) if part not in text] == []
    assert "s3cr3t" not in text
    assert "AKIAX" not in text


def test_a_local_folder_is_absolute() -> None:
    assert place({"type": "local", "root": "./la'ke"}) == Folder("/project/la'ke/silver/t")


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize(("model", "mode"), [("scd_type_2", "tombstone"), ("scd_type_1", "hard_delete")])
def test_every_name_comes_back_from_the_text(dialect: Name, model: str, mode: str) -> None:
    silver = planned(model, delete_mode=mode)
    made = statements(silver, COLUMNS, place(S3), dialect)
    found = 0
    for statement in made:
        for parsed in sqlglot.parse(statement.sql, dialect=dialect, error_level=ErrorLevel.RAISE):
            assert parsed is not None
            select = parsed.find(exp.Select)
            if select is not None and "SELECT 1 FROM sys." not in statement.sql:
                assert [column.name for column in select.expressions if isinstance(column, exp.Column)] in (
                    list(COLUMNS), []
                )  # fmt: skip
                found += 1
            if "EXTERNAL TABLE" in statement.sql and isinstance(parsed, exp.Create):
                assert [column.name for column in parsed.find_all(exp.ColumnDef)] == list(COLUMNS)
    assert found == {"scd_type_2": 3, "scd_type_1": 1}[model] + (dialect == "duckdb")


def test_a_literal_comes_back_from_the_text() -> None:
    folder = Folder("/la'ke\\n/ünï")
    for dialect, url in {"duckdb": "/la'ke\\n/ünï", "spark": "file:///la'ke\\n/ünï"}.items():
        made = statements(planned(), COLUMNS, folder, dialect)  # type: ignore[arg-type] # two of the four
        parsed = sqlglot.parse_one(made[1].sql, dialect=dialect)
        assert url in {literal.this for literal in parsed.find_all(exp.Literal)}


def test_sql_server_gets_types_batches_and_a_function() -> None:
    silver = planned(delete_mode="tombstone")
    text = script(silver, statements(silver, COLUMNS, place(S3), "tsql"), "tsql")
    batches = [batch.strip() for batch in text.split("\nGO\n")]
    table = next(batch for batch in batches if batch.startswith("CREATE EXTERNAL TABLE [retail].[orders] ("))
    types = dict(line.strip().rstrip(",").rsplit("] ", 1) for line in table.splitlines()[1:-1])
    assert {name.lstrip("["): kind for name, kind in types.items() if name.lstrip("[") not in NASTY} | {
        "br[ack]]et": "nvarchar(4000)"
    } == {
        "amount": "decimal(20, 2)", "n8": "smallint", "n16": "smallint", "n32": "int", "n64": "bigint", "f32": "real",
        "f64": "float", "day": "date", "raw": "varbinary(8000)", "ok": "bit", "naive": "datetime2(7)",
        "effective_from": "datetime2(7)", "effective_to": "datetime2(7)", "is_current": "bit", "is_deleted": "bit",
        "_run_date": "date", "_bronze_part": "nvarchar(4000)", "br[ack]]et": "nvarchar(4000)",
    }  # fmt: skip
    function = next(batch for batch in batches if "FUNCTION" in batch)
    assert function.startswith(
        "CREATE OR ALTER FUNCTION [retail].[orders_as_of] (@moment datetime2(7))\nRETURNS TABLE AS RETURN\nSELECT t."
    )
    assert function.endswith(
        "WHERE t.[effective_from] <= @moment AND (t.[effective_to] IS NULL OR t.[effective_to] > @moment)"
        " AND t.[is_deleted] = 0;"
    )
    assert "WHERE t.[is_current] = 1 AND t.[is_deleted] = 0" in text
    for batch in batches:
        assert sqlglot.parse(batch, dialect="tsql", error_level=ErrorLevel.RAISE)


@pytest.mark.parametrize(
    ("version", "tenant", "name"), [(1, None, '"retail"."orders"'), (2, "a", '"a__retail"."orders_v2"')]
)
def test_a_new_version_and_a_tenant_have_names_of_their_own(version: int, tenant: str | None, name: str) -> None:
    silver = planned()
    silver = replace(silver, entity=replace(silver.entity, version=version, tenant=tenant))
    made = statements(silver, COLUMNS, Folder("/lake"), "duckdb")
    assert made[1].sql.startswith(f"CREATE OR REPLACE VIEW {name} AS")
