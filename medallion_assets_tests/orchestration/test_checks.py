import dagster as dg
import pytest

from medallion_assets.lake.results import CheckResult
from medallion_assets.orchestration import events
from medallion_assets.orchestration.checks import Verdicts, severity_of
from medallion_assets.orchestration.events import evaluations, targets
from medallion_assets.plan.model import CheckPlan

KEY = dg.AssetKey(["bronze", "retail", "orders"])
DAYS = ("2024-01-01", "2024-01-02", "2024-01-03")
CHECKSUM = CheckPlan("checksum", "bronze", "error", blocking=True, description="Bytes.", rule=None)
DRIFT = CheckPlan("schema_drift", "bronze", "warn", blocking=False, description="Columns.", rule=None)


def verdict(name: str, partition: str | None, *, passed: bool = True) -> CheckResult:
    severity = "error" if name == "checksum" else "warn"
    summary = "Fine." if passed else "Broken. Fix: mend it."
    facts = {"rows": 2, "share": 0.5, "sample": "7", "held": True, "nothing": None}
    return CheckResult(name, "bronze", passed, severity, summary, partition, facts=facts)  # type: ignore[arg-type]


def test_the_verdict_of_one_partition_is_the_result() -> None:
    verdicts = Verdicts(DAYS[:1], (CHECKSUM,), (verdict("checksum", DAYS[0]),))
    (result,) = verdicts.results(KEY)
    assert result == dg.AssetCheckResult(
        asset_key=KEY,
        check_name="checksum",
        passed=True,
        severity=dg.AssetCheckSeverity.ERROR,
        description="Fine.",
        metadata={"rows": 2, "share": 0.5, "sample": "7", "held": True},
    )


def test_several_partitions_are_summed_into_one_result() -> None:
    given = [verdict("checksum", day, passed=day != DAYS[1]) for day in DAYS]
    (result,) = Verdicts(DAYS, (CHECKSUM,), tuple(given)).results(KEY)
    assert not result.passed
    assert result.description == "Failed in 1 of 3 partitions: 2024-01-02. Broken. Fix: mend it."
    assert {k: v.value for k, v in result.metadata.items()} == {"partitions": 3, "failed": 1, "rows": 6}


def test_many_failed_partitions_are_counted_not_listed() -> None:
    days = tuple(f"2024-01-{n:02d}" for n in range(1, 9))
    (result,) = Verdicts(days, (DRIFT,), tuple(verdict("schema_drift", d, passed=False) for d in days)).results(KEY)
    assert result.description is not None
    assert "Failed in 8 of 8 partitions: 2024-01-01" in result.description
    assert "and 3 more" in result.description


def test_a_check_without_a_verdict_is_failed() -> None:
    (result,) = Verdicts(DAYS, (CHECKSUM,), ()).results(KEY)
    assert (result.passed, result.description) == (False, "No verdict was given: the check did not run.")


def test_a_verdict_on_the_whole_table_stands_for_each_partition() -> None:
    verdicts = Verdicts(DAYS, (CHECKSUM,), (verdict("checksum", None, passed=False),))
    assert [[v.passed for v in verdicts.of(day)] for day in DAYS] == [[False], [False], [False]]


def test_info_is_a_warning_in_dagster() -> None:
    assert severity_of("info") is dg.AssetCheckSeverity.WARN
    assert severity_of("error") is dg.AssetCheckSeverity.ERROR


def test_a_dagster_without_partitioned_targets_falls_back_to_the_aggregate(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "Target", None)
    newest = targets(instance, KEY, DAYS)
    verdicts = Verdicts(DAYS, (CHECKSUM,), (verdict("checksum", DAYS[0]),))
    assert list(evaluations(KEY, verdicts, newest)) == []
