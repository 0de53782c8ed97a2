"""What a run does and what the instance remembers of it."""

from collections.abc import Mapping

import dagster as dg
import pytest

from medallion_assets.errors import StorageError, StoreUnavailable
from medallion_assets.orchestration import failures
from medallion_assets.orchestration.definitions import build_definitions
from medallion_assets_tests.orchestration.lakes import ScriptedProject
from medallion_assets_tests.orchestration.runs import evaluations, failure_text, materializations, run

BRONZE, SILVER = "bronze/retail/orders", "silver/sales/orders"
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")


def tags_of(instance: dg.DagsterInstance, key: str) -> Mapping[str, str]:
    (record,) = instance.fetch_materializations(dg.AssetKey.from_user_string(key), limit=1).records
    assert record.asset_materialization is not None
    return record.asset_materialization.tags or {}


def test_one_partition(project: ScriptedProject, instance: dg.DagsterInstance) -> None:
    result = run(build_definitions(project), instance, [BRONZE, SILVER], DAYS[:1])

    assert result.success
    content = project.logs["retail.orders"][0].load.content
    bronze = materializations(instance, BRONZE)
    assert set(bronze) == {DAYS[0]}
    assert {k: v for k, v in bronze[DAYS[0]].items() if k not in ("dagster/column_schema", "files")} == {
        "dagster/partition_row_count": 2,
        "dagster/uri": "memory:///bronze/system=retail/table=orders/pattern=full/dt=2024-01-01",
        "bytes": 100,
        "parts": 1,
        "refused": 0,
        "seconds": 0.5,
        "written": True,
        "content": content,
        "commit": 1,
        "window_start": "2024-01-01T00:00:00+00:00",
        "window_end": "2024-01-02T00:00:00+00:00",
        "source_query": "q",
    }
    assert tags_of(instance, BRONZE)["dagster/data_version"] == content
    silver = materializations(instance, SILVER)[DAYS[0]]
    assert (silver["dagster/row_count"], silver["dagster/partition_row_count"], silver["changed"]) == (2, 2, 2)
    lineage = silver["dagster/column_lineage"]
    bronze_key = dg.AssetKey.from_user_string(BRONZE)
    assert lineage == dg.TableColumnLineage({"order_id": [dg.TableColumnDep(bronze_key, "order_id")]})
    schema = silver["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert [(c.name, c.type, c.description) for c in schema.columns] == [
        ("order_id", "String", "Number on the receipt"),
        ("email", "String", None),
        ("extra", "Int64", None),
    ]
    assert evaluations(instance, BRONZE, "checksum") == [(DAYS[0], True, "2 rows.")]
    assert evaluations(instance, SILVER, "accounting") == [(DAYS[0], True, "2 rows.")]


def test_a_range_is_one_run_in_order_with_metadata_and_checks_of_each_partition(
    project: ScriptedProject, instance: dg.DagsterInstance
) -> None:
    project.script.broken.add(("schema_drift", DAYS[1]))

    result = run(build_definitions(project), instance, [BRONZE, SILVER], [DAYS[0], DAYS[2]])

    assert result.success
    assert (project.script.ingested, project.script.refined) == (list(DAYS), [SILVER])
    bronze = materializations(instance, BRONZE)
    assert {day: (of["dagster/partition_row_count"], of["commit"]) for day, of in bronze.items()} == {
        DAYS[0]: (2, 1),
        DAYS[1]: (2, 2),
        DAYS[2]: (2, 3),
    }
    assert evaluations(instance, BRONZE, "schema_drift") == [
        (DAYS[0], True, "2 rows."),
        (DAYS[1], False, "2 of 2 rows break it. Fix: mend them."),
        (DAYS[2], True, "2 rows."),
        (None, False, "Failed in 1 of 3 partitions: 2024-01-02. 2 of 2 rows break it. Fix: mend them."),
    ]
    assert {day: of["dagster/partition_row_count"] for day, of in materializations(instance, SILVER).items()} == (
        dict.fromkeys(DAYS, 2)
    )
    assert [e[:2] for e in evaluations(instance, SILVER, "unique_keys")] == [
        *((day, True) for day in DAYS),
        (None, True),
    ]


@pytest.mark.parametrize("partitions", [DAYS[:1], (DAYS[0], DAYS[2])])
def test_partitions_of_a_run_show_their_checks_as_evaluated(
    project: ScriptedProject, instance: dg.DagsterInstance, partitions: tuple[str, ...]
) -> None:
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

    defs = build_definitions(project)
    project.script.broken.add(("schema_drift", DAYS[0]))
    run(defs, instance, [BRONZE, SILVER], partitions)

    key = dg.AssetCheckKey(dg.AssetKey.from_user_string(BRONZE), "schema_drift")
    found = instance.event_log_storage.get_asset_check_partition_info([key])
    statuses = {info.partition_key: info.latest_execution_status for info in found if info.partition_key}
    assert statuses[DAYS[0]] is Status.FAILED
    assert {statuses[day] for day in DAYS[1 : len(statuses)]} <= {Status.SUCCEEDED}
    assert len(statuses) == (1 if len(partitions) == 1 else 3)
    own = [info for info in found if info.partition_key]
    assert [i.latest_target_materialization_storage_id for i in own] == [
        i.latest_materialization_storage_id for i in own
    ]


@pytest.mark.parametrize("partitions", [DAYS[:1], (DAYS[0], DAYS[2])])
def test_a_failed_blocking_check_stops_silver_after_bronze_is_recorded(
    project: ScriptedProject, instance: dg.DagsterInstance, partitions: tuple[str, ...]
) -> None:
    project.script.broken.add(("checksum", DAYS[0]))

    result = run(build_definitions(project), instance, [BRONZE, SILVER], partitions)

    assert not result.success
    assert project.script.refined == []
    assert len(project.script.ingested) == (1 if len(partitions) == 1 else 3)
    assert len(materializations(instance, BRONZE)) == len(project.script.ingested)
    assert "1 blocking asset check failed" in failure_text(result)


def test_a_failed_check_that_does_not_block_leaves_the_run_green(
    project: ScriptedProject, instance: dg.DagsterInstance
) -> None:
    project.script.broken.add(("not_null_email", None))
    assert run(build_definitions(project), instance, [BRONZE, SILVER], DAYS[:1]).success
    ((_, passed, _),) = evaluations(instance, SILVER, "not_null_email")
    assert not passed


def test_a_check_without_a_verdict_is_failed_not_forgotten(
    project: ScriptedProject, instance: dg.DagsterInstance
) -> None:
    project.script.silent.add("checksum")
    assert not run(build_definitions(project), instance, [BRONZE, SILVER], DAYS[:1]).success
    assert evaluations(instance, BRONZE, "checksum") == [
        (DAYS[0], False, "No verdict was given: the check did not run.")
    ]


def test_what_was_loaded_before_a_failure_is_recorded_and_not_loaded_again(
    project: ScriptedProject, instance: dg.DagsterInstance
) -> None:
    error = StorageError("STO-002", "The disk is full.", where="/lake", fix="make room.")
    project.script.raises[DAYS[2]] = [error]
    defs = build_definitions(project)

    first = run(defs, instance, [BRONZE, SILVER], [DAYS[0], DAYS[2]])
    recorded = set(materializations(instance, BRONZE))
    second = run(defs, instance, [BRONZE, SILVER], [DAYS[0], DAYS[2]])

    assert (first.success, second.success) == (False, True)
    assert recorded == set(DAYS[:2])
    assert "STO-002  /lake\n  The disk is full.\n  Fix: make room." in failure_text(first).replace("\\n", "\n")
    assert [c.load.partition for c in project.logs["retail.orders"]] == list(DAYS)


def test_what_may_mend_itself_is_tried_again(
    project: ScriptedProject, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medallion_assets.orchestration.assets.RETRIES", dg.RetryPolicy(max_retries=2))
    project.script.raises[DAYS[1]] = [StoreUnavailable("STO-002", "No answer.") for _ in range(2)]

    result = run(build_definitions(project), instance, [BRONZE, SILVER], [DAYS[0], DAYS[1]])

    assert result.success
    assert project.script.ingested == [DAYS[0], DAYS[0], DAYS[0], DAYS[1]]
    assert len(materializations(instance, BRONZE)) == 2


def test_what_cannot_mend_itself_is_not(project: ScriptedProject, instance: dg.DagsterInstance) -> None:
    project.script.raises[DAYS[0]] = [StorageError("STO-002", "The disk is full.")]
    assert not run(build_definitions(project), instance, [BRONZE], DAYS[:1]).success
    assert project.script.ingested == []


@pytest.mark.parametrize("verb", ["ingest", "refine"])
@pytest.mark.parametrize(
    "error",
    [
        StorageError("STO-002", "Cannot open postgres://u:hunter22@db."),
        RuntimeError("boom at postgres://u:hunter22@db"),
    ],
)
def test_no_secret_reaches_the_event_log(
    project: ScriptedProject, instance: dg.DagsterInstance, verb: str, error: Exception
) -> None:
    project.script.secret = "hunter22"
    error.__cause__ = ValueError("hunter22")  # which is how drivers' errors usually arrive
    if verb == "ingest":
        project.script.raises[DAYS[0]] = [error]
    else:
        project.script.refine_raises.append(error)

    result = run(build_definitions(project), instance, [BRONZE, SILVER], DAYS[:1])

    assert not result.success
    everything = "\n".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert "postgres://u:***@db" in everything
    assert "hunter22" not in everything


def test_a_silver_table_can_be_refined_alone(project: ScriptedProject, instance: dg.DagsterInstance) -> None:
    defs = build_definitions(project)
    result = run(defs, instance, ["bronze/web/clicks", "silver/web/clicks_by_day"], DAYS[:1])
    assert result.success
    assert project.script.refined == ["silver/web/clicks_by_day"]


def test_assets_without_partitions(project: ScriptedProject, instance: dg.DagsterInstance) -> None:
    result = run(build_definitions(project), instance, ["bronze/retail/shops", "silver/retail/shops"])
    assert result.success
    assert set(materializations(instance, "bronze/retail/shops")) == {None}
    assert materializations(instance, "bronze/retail/shops")[None]["dagster/partition_row_count"] == 2
    assert evaluations(instance, "bronze/retail/shops", "checksum") == [(None, True, "2 rows.")]


def test_the_retry_policy_backs_off() -> None:
    assert (failures.RETRIES.max_retries, failures.RETRIES.backoff) == (3, dg.Backoff.EXPONENTIAL)
