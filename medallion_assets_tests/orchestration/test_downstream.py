"""Assets below a silver table: checked against its contract, computed again when an old partition is reloaded."""

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from medallion_assets.orchestration.definitions import build_definitions, quiet
from medallion_assets.orchestration.downstream import ON_RELOAD, pandas_type
from medallion_assets.orchestration.partitions import partitions_of
from medallion_assets.project import Project

INTENT = """
system: shop
table: orders
source: {type: file, path: "data/{run_date}.csv"}
load: full
partitions: {start: 2024-01-01, end: 2024-01-04}
columns:
  id: int64
  amount: {type: int32, nullable: NULLABLE}
  state: string
  due: date
  paid: timestamp
silver: {model: scd_type_1, keys: id}
checks:
  - {rule: range, columns: amount, min: 0, max: 100}
  - {rule: in_set, columns: state, values: [new, paid]}
"""
ROWS = "id,amount,state,due,paid\n1,5,new,2024-02-01,\n2,,paid,,2024-01-01T00:00:00Z\n"
TABLE = dg.AssetKey(["silver", "shop", "orders"])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "intents").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "intents/orders.yaml").write_text(INTENT.replace("NULLABLE", "true"))
    for day in (1, 2, 3):
        (tmp_path / f"data/2024-01-0{day}.csv").write_text(ROWS)
    return Project.load(tmp_path)


def checked(project: Project, rows: pd.DataFrame) -> dg.TypeCheck:
    kind = pandas_type(project, "silver/shop/orders")
    with dg.build_op_context() as context:
        return kind.type_check(context, rows)


def frame(**columns: object) -> pd.DataFrame:
    rows: dict[str, object] = {
        "id": [1, 2], "amount": [5.0, None], "state": ["new", None],
        "due": pd.array(["2024-02-01", None], dtype="datetime64[ms]"),
        "paid": pd.Series(["2024-01-01", None], dtype="datetime64[us, UTC]"), **columns,
    }  # fmt: skip
    made: pd.DataFrame = pd.DataFrame(rows)
    return made


def evaluated(
    defs: dg.Definitions, instance: dg.DagsterInstance, before: dg.EvaluateAutomationConditionsResult | None = None
) -> dg.EvaluateAutomationConditionsResult:
    with quiet():
        cursor = None if before is None else before.cursor
        return dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=cursor)


def test_what_the_table_holds_has_the_type_of_its_contract(project: Project) -> None:
    @dg.asset(ins={"orders": dg.AssetIn(TABLE, dagster_type=pandas_type(project, "silver/shop/orders"))})
    def report(orders):  # type: ignore[no-untyped-def]
        assert isinstance(orders, pd.DataFrame)
        return sorted(orders["id"])

    plan = project.plan("shop.orders")
    project.ingest(plan, project.partition(plan, "2024-01-01"))
    project.refine(plan, plan.silvers[0])
    defs = dg.Definitions.merge(build_definitions(project), dg.Definitions(assets=[report]))
    job = defs.resolve_implicit_job_def_def_for_assets([report.key])
    assert job is not None
    done = job.execute_in_process(asset_selection=[report.key])
    assert done.output_for_node("report") == [1, 2]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"id": [1, 1]}, "unique"),
        ({"id": [1.5, 2.0]}, "dtype"),
        ({"amount": [5.0, 101.0]}, "100"),
        ({"amount": [-1.0, 5.0]}, "0"),
        ({"state": ["new", "lost"]}, "new"),
        ({"paid": ["soon", "later"]}, "datetime64[us, UTC]"),
    ],
)
def test_what_breaks_the_contract_is_refused(project: Project, wrong: dict[str, object], said: str) -> None:
    assert checked(project, frame()).success
    refused = checked(project, frame(**wrong))
    assert not refused.success
    assert said in str(refused.description).lower() or said in str(refused.description)


def test_what_may_not_be_null_is_refused_when_it_is(project: Project) -> None:
    (project.root / "intents/orders.yaml").write_text(INTENT.replace("NULLABLE", "false"))
    strict = Project.load(project.root)
    assert not checked(strict, frame()).success
    assert checked(strict, frame(amount=pd.array([5, 6], dtype="int32"))).success


def test_a_reload_of_an_old_partition_is_passed_on(project: Project) -> None:
    @dg.asset(
        deps=[TABLE],
        partitions_def=partitions_of(project.plan("shop.orders").calendar),
        automation_condition=ON_RELOAD,
    )
    def report() -> None: ...

    defs = dg.Definitions.merge(build_definitions(project), dg.Definitions(assets=[report]))
    ours = [dg.AssetKey(["bronze", "shop", "orders"]), TABLE]
    job = defs.resolve_implicit_job_def_def_for_assets(ours)
    assert job is not None
    with dg.DagsterInstance.ephemeral() as instance:
        seen = evaluated(defs, instance)
        for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
            assert job.execute_in_process(instance=instance, partition_key=day, asset_selection=ours).success
        seen = evaluated(defs, instance, seen)
        assert seen.get_num_requested(report.key) == 3
        for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
            instance.report_runless_asset_event(dg.AssetMaterialization(report.key, partition=day))
        seen = evaluated(defs, instance, seen)
        assert seen.total_requested == 0

        (project.root / "data/2024-01-01.csv").write_text(ROWS.replace("1,5", "1,6"))
        assert job.execute_in_process(instance=instance, partition_key="2024-01-01", asset_selection=ours).success
        seen = evaluated(defs, instance, seen)
        assert seen.get_requested_partitions(report.key) == {"2024-01-01"}
