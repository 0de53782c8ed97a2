"""The Parquet IO managers, for assets that are not ours: what is stored, what comes back, what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from dagster_aws.s3 import S3Resource
from dagster_azure.adls2 import ADLS2Key, ADLS2Resource

from medallion_assets.lake.ports import Store
from medallion_assets.orchestration.definitions import quiet
from medallion_assets.orchestration.parquet_io import LakeParquetIOManager, LocalParquetIOManager, ParquetIOManager
from medallion_assets.orchestration.parquet_io.azure import ADLS2ParquetIOManager
from medallion_assets.orchestration.parquet_io.s3 import S3ParquetIOManager
from medallion_assets.orchestration.resources import LakeResource
from medallion_assets_tests.services.objects import AzureServer, S3Server

pytestmark = [
    pytest.mark.filterwarnings("ignore:InitResourceContext.dagster_run"),  # Dagster's own, of nested resources
]
ROWS = pl.DataFrame({"k": [1, 2], "t": ["a", None]})
DAYS = dg.StaticPartitionsDefinition(["2024-01-01", "2024-01-02", "a/b|c"])


def on_s3(given: dict[str, object], prefix: str) -> ParquetIOManager:
    return S3ParquetIOManager(
        s3_resource=S3Resource(
            endpoint_url=str(given["endpoint_url"]),
            region_name="us-east-1",
            aws_access_key_id=str(given["access_key"]),
            aws_secret_access_key=str(given["secret_key"]),
        ),
        bucket="mdf",
        prefix=prefix,
    )


def in_lake(root: Path) -> ParquetIOManager:
    (root / "intents").mkdir(parents=True)
    (root / "intents/a.yaml").write_text(
        "{system: s, table: t, source: {type: file, path: x.csv}, load: full, silver: {model: scd_type_1, keys: k}}"
    )
    return LakeParquetIOManager(lake=LakeResource(root=str(root)), prefix="own")


@pytest.fixture(
    params=[
        "local", "lake", "moto", pytest.param("s3", marks=pytest.mark.service),
        pytest.param("azure", marks=pytest.mark.service),
    ]
)  # fmt: skip
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> ParquetIOManager:
    prefix = f"synthetic/{tmp_path.name}"
    if request.param == "local":
        return LocalParquetIOManager(base_dir=str(tmp_path / "io"), prefix="own")
    if request.param == "lake":
        return in_lake(tmp_path / "project")
    if request.param == "moto":
        return on_s3(request.getfixturevalue("moto"), prefix)
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3_server")
        return on_s3(server.store(), prefix)
    azure: AzureServer = request.getfixturevalue("azure_server")
    return ADLS2ParquetIOManager(
        adls2=ADLS2Resource(storage_account=azure.account, credential=ADLS2Key(key=azure.key)),
        container=azure.container,
        endpoint_url=azure.endpoint,
        prefix=prefix,
    )


def run(manager: ParquetIOManager, *assets: dg.AssetsDefinition, ends: tuple[str, str] | None = None) -> Any:
    tags = {} if ends is None else {"dagster/asset_partition_range_start": ends[0],
                                    "dagster/asset_partition_range_end": ends[1]}  # fmt: skip
    return dg.materialize(assets, resources={"io_manager": manager}, tags=tags)


FORMS: list[Callable[[], object]] = [
    ROWS.clone,
    ROWS.lazy,
    ROWS.to_arrow,
    ROWS.to_pandas,
]


@pytest.mark.parametrize("form", FORMS, ids=["DataFrame", "LazyFrame", "Table", "pandas"])
def test_a_table_of_any_kind_comes_back_as_what_is_asked_for(
    manager: ParquetIOManager, form: Callable[[], object]
) -> None:
    seen: list[object] = []

    @dg.asset
    def table() -> Any:
        return form()

    @dg.asset
    def reader(table: pl.LazyFrame) -> None:
        seen.append(table.collect())

    @dg.asset
    def eager(table: pl.DataFrame) -> None:
        seen.append(table)

    @dg.asset
    def arrow(table: pa.Table) -> None:
        seen.append(pl.from_arrow(table))

    @dg.asset
    def pandas(table: pd.DataFrame) -> None:
        seen.append(pl.from_pandas(table))

    done = run(manager, table, reader, eager, arrow, pandas)
    assert [one.to_dicts() for one in seen] == [ROWS.to_dicts()] * 4  # type: ignore[attr-defined]
    (event,) = done.asset_materializations_for_node("table")
    assert event.metadata["dagster/row_count"].value == 2


def in_one_run(body: Callable[..., Any], **more: Any) -> dg.AssetsDefinition:
    """An asset of ``DAYS`` whose range is one run."""
    with quiet():
        return dg.asset(body, partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run(), **more)


def test_a_range_is_written_and_read_partition_by_partition(manager: ParquetIOManager) -> None:
    seen: list[object] = []

    def table(context: dg.AssetExecutionContext) -> Any:
        return {key: pl.DataFrame({"day": [key], "n": [n]}) for n, key in enumerate(context.partition_keys)}

    def each(table: dict[str, pl.DataFrame]) -> None:
        seen.append({key: frame["n"].to_list() for key, frame in table.items()})

    @dg.asset
    def whole(table: pl.DataFrame) -> None:
        seen.append(table.to_dicts())

    @dg.asset(partitions_def=DAYS)
    def one(table: pl.LazyFrame) -> None:
        seen.append(table.collect()["day"].to_list())

    keys = DAYS.get_partition_keys()
    days, resources = in_one_run(table), {"io_manager": manager}
    run(manager, days, ends=(keys[0], keys[-1]))
    dg.materialize([days, whole], selection=[whole], resources=resources)
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    by_day = in_one_run(each)
    dg.materialize([days, by_day], selection=[by_day], resources=resources, tags=tags)
    dg.materialize([days, one], selection=[one], resources=resources, partition_key=keys[2])
    assert seen == [
        [{"day": key, "n": n} for n, key in enumerate(keys)],
        {key: [n] for n, key in enumerate(keys)},
        [keys[2]],
    ]


@pytest.fixture
def local(tmp_path: Path) -> ParquetIOManager:
    return LocalParquetIOManager(base_dir=str(tmp_path / "io"))


def ranged(value: Callable[[], object], metadata: dict[str, str] | None = None) -> dg.AssetsDefinition:
    def table() -> Any:
        return value()

    return in_one_run(table, metadata=metadata)


def test_a_frame_of_a_range_is_cut_by_the_column_that_is_named(local: ParquetIOManager) -> None:
    rows = pl.DataFrame({"day": ["2024-01-02", "2024-01-01", "2024-01-02"], "n": [1, 2, 3]})
    run(local, ranged(lambda: rows, {"partition_column": "day"}), ends=("2024-01-01", "2024-01-02"))
    store = local.open_store()
    told = {day: json.loads(store.get(f"table/{day}/_manifest.json"))["rows"] for day in ("2024-01-01", "2024-01-02")}
    assert told == {"2024-01-01": 1, "2024-01-02": 2}


@pytest.mark.parametrize(
    ("value", "metadata", "said"),
    [
        (lambda: ROWS, None, "one frame for 2 partitions"),
        (lambda: {"2024-01-01": ROWS}, None, "the run is for"),
        (lambda: pl.DataFrame({"day": ["elsewhere"]}), {"partition_column": "day"}, "'elsewhere'"),
        (lambda: [1, 2], None, "which is no table"),
    ],
)
def test_what_belongs_to_no_partition_is_refused(
    local: ParquetIOManager, value: Callable[[], object], metadata: dict[str, str] | None, said: str
) -> None:
    with pytest.raises(Exception, match=said):
        run(local, ranged(value, metadata), ends=("2024-01-01", "2024-01-02"))
    assert list(local.open_store().list("")) == []


def stored(local: ParquetIOManager) -> tuple[Store, str]:
    @dg.asset
    def table() -> pl.DataFrame:
        return ROWS

    run(local, table)
    store = local.open_store()
    return store, f"table/{json.loads(store.get('table/_manifest.json'))['path']}"


def read(local: ParquetIOManager, annotation: Any = pl.DataFrame) -> None:
    def body(table: Any) -> None: ...

    body.__annotations__["table"] = annotation
    reader = dg.asset(body, name="reader")
    table = dg.asset(lambda: ROWS, name="table")
    dg.materialize([table, reader], selection=[reader], resources={"io_manager": local})


def test_a_flipped_bit_is_found_before_a_row_is_used(local: ParquetIOManager) -> None:
    store, part = stored(local)
    data = bytearray(store.get(part))
    data[len(data) // 2] ^= 1
    store.put(part, bytes(data))
    with pytest.raises(Exception, match="BRZ-012"):
        read(local)


def test_a_damaged_manifest_a_missing_table_and_an_odd_annotation_say_so(local: ParquetIOManager) -> None:
    with pytest.raises(Exception, match="nothing stored"):
        read(local)
    store, _ = stored(local)
    with pytest.raises(Exception, match="cannot be read as"):
        read(local, int)
    store.put("table/_manifest.json", b"{}")
    with pytest.raises(Exception, match="BRZ-001"):
        read(local)


def test_a_new_table_replaces_the_old_one_whole(local: ParquetIOManager) -> None:
    store, old = stored(local)
    stored(local)
    assert len(list(store.list("table"))) == 2
    assert old not in [info.path for info in store.list("table")]


def test_making_one_contacts_nothing() -> None:
    S3ParquetIOManager(s3_resource=S3Resource(endpoint_url="http://127.0.0.1:1"), bucket="none").open_store()
