"""The asset ``quality/dashboard``: what Dagster has recorded of all checks, as a table, a picture and a page."""

import base64
from collections.abc import Iterator, Sequence

import dagster as dg

from medallion_assets.lake.results import CheckResult, Scalar, Severity
from medallion_assets.orchestration.families import own_key
from medallion_assets.orchestration.requests import Target
from medallion_assets.orchestration.resources import LakeResource
from medallion_assets.report.page import markdown, page
from medallion_assets.report.picture import heat_map
from medallion_assets.report.quality import WHOLE, Quality, Verdict

__all__ = ["KEY", "dashboard"]

KEY = dg.AssetKey(["quality", "dashboard"])
_NEWEST = 400
"""Evaluations of a check that are looked at: of each partition the newest counts."""
_SEVERITIES: dict[dg.AssetCheckSeverity, Severity] = {
    dg.AssetCheckSeverity.ERROR: "error",
    dg.AssetCheckSeverity.WARN: "warn",
}


def dashboard(targets: Sequence[Target]) -> dg.AssetsDefinition:
    """Materialise it when you like; it reads the event log and no data."""

    @dg.asset(
        key=KEY,
        group_name="quality",
        description="The quality of every dataset by day, from the checks on record. Materialise it to renew it.",
        kinds={"html"},
    )
    def quality_dashboard(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[None]:
        project = lake.open()
        verdicts = [v for target in targets for v in _verdicts(context.instance, target)]
        quality = Quality(verdicts, project.clock.now())
        where = project.write_report(page(quality))
        picture = "data:image/png;base64," + base64.b64encode(heat_map(quality)).decode()
        scores = {f"score/{name}": quality.score_of(name) for name in quality.datasets}
        metadata: dict[str, dg.MetadataValue] = {
            "quality": dg.MetadataValue.md(markdown(quality, picture)),
            "report": dg.MetadataValue.text(where),
            "verdicts": dg.MetadataValue.int(len(verdicts)),
            "failed": dg.MetadataValue.int(sum(v.state == "failed" for v in verdicts)),
        }
        numbers = {"score": quality.score, **scores}
        metadata |= {name: dg.MetadataValue.float(round(s, 2)) for name, s in numbers.items() if s is not None}
        return dg.MaterializeResult(metadata=metadata)

    return quality_dashboard


def _verdicts(instance: dg.DagsterInstance, target: Target) -> Iterator[Verdict]:
    """The newest verdict of each check on each partition."""
    plan = target.plan
    bronze = [(target.keys[0], plan.checks)] if target.has_bronze else []
    silver = zip(target.keys[len(bronze) :], [silver.checks for silver in plan.silvers], strict=True)
    for key, checks in (*bronze, *silver):
        for check in checks:
            for found in _newest(instance, dg.AssetCheckKey(key, check.name)):
                own = None if found.partition is None else own_key(plan, found.partition)
                if own is None and plan.dataset.tenant is not None:
                    continue
                result = CheckResult(
                    check.name, check.at, found.passed, _SEVERITIES[found.severity], found.description or "",
                    own, facts=dict(_facts(found)),
                )  # fmt: skip
                yield Verdict(plan.name, key.to_user_string(), own or WHOLE, result)


def _newest(instance: dg.DagsterInstance, key: dg.AssetCheckKey) -> Iterator[dg.AssetCheckEvaluation]:
    """Of each partition one; of a check without partitions one. A sum over several partitions says nothing new."""
    seen: set[str | None] = set()
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=_NEWEST):
        event = None if record.event is None else record.event.dagster_event
        if event is None or event.event_type != dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        found = event.asset_check_evaluation_data
        if found.partition not in seen and not (found.partition is None and seen):
            seen.add(found.partition)
            yield found


def _facts(found: dg.AssetCheckEvaluation) -> Iterator[tuple[str, Scalar]]:
    for name, value in found.metadata.items():
        if isinstance(value.value, str | int | float):
            yield name, value.value
