"""Texts and JSON of ``validate``, ``plan``, ``status`` and ``show``. Pure functions."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from medallion_assets.cli.commands import DatasetStatus, Shown, SilverStatus
from medallion_assets.cli.output import Json, check_json, check_text, table
from medallion_assets.plan.explain import Section, describe, source_text
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.project import Project

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "partitions_text",
    "plan_text",
    "plans_text",
    "shown_json",
    "shown_text",
    "status_json",
    "status_text",
    "validated_json",
    "validated_text",
]


# ------------------------------------------------------------------------------------------------ validate, plan


def validated_text(project: Project) -> str:
    """Warnings, what this version does not do, and the count."""
    silvers = sum(len(plan.silvers) for plan in project.plans)
    notes = [str(warning) for warning in project.warnings]
    notes += [f"{plan.name}: {said}" for plan in project.plans for said in (*plan.not_built, *plan.inactive)]
    return "\n".join([*notes, f"Valid: {_count(len(project.plans), 'intent')}, {_count(silvers, 'silver table')}."])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def validated_json(project: Project) -> Json:
    """The same for programs."""
    return {
        "valid": True,
        "intents": [plan.name for plan in project.plans],
        "warnings": [{"code": w.code, "what": w.what, "where": w.where, "fix": w.fix} for w in project.warnings],
        "not_built": {plan.name: list(plan.not_built) for plan in project.plans if plan.not_built},
        "inactive": {plan.name: list(plan.inactive) for plan in project.plans if plan.inactive},
    }


def plans_text(plans: Sequence[DatasetPlan]) -> str:
    """One row a dataset and silver table."""
    rows = [row for plan in plans for row in _plan_rows(plan)]
    headers = ("dataset", "source or model", "load or keys", "partitions", "checks", "depends on")
    text = table(headers, rows, right=("checks",))
    missing = [f"{plan.name}: {said}" for plan in plans for said in (*plan.not_built, *plan.inactive)]
    return "\n".join([text, *missing])


def _plan_rows(plan: DatasetPlan) -> Iterator[tuple[str, ...]]:
    calendar = plan.calendar
    alone = {"none": "one", "file": "one a file"}
    windows = alone.get(calendar.cadence, f"{calendar.cadence} from {calendar.start}")
    yield (
        plan.name,
        source_text(plan.source),
        plan.load.pattern,
        windows,
        str(len(plan.checks)),
        ", ".join(plan.upstream) or "-",
    )
    for silver in plan.silvers:
        keys = ", ".join(silver.keys) or "-"
        yield f"  {silver.entity}", silver.model, keys, "", str(len(silver.checks)), plan.name


def plan_text(plan: DatasetPlan) -> str:
    """Every section of one dataset's plan."""
    return "\n\n".join(_section(section) for section in describe(plan))


def _section(section: Section) -> str:
    width = max((len(key) for key, _ in section.rows), default=0)
    return "\n".join([section.title, *(f"  {key.ljust(width)}  {value}" for key, value in section.rows)])


# ------------------------------------------------------------------------------------------------ status


def status_text(found: Sequence[DatasetStatus]) -> str:
    """One row a dataset and silver table."""
    headers = ("dataset", "partitions", "first", "last", "rows", "quarantined", "checks", "state")
    rows = [row for one in found for row in _status_rows(one)]
    text = table(headers, rows, right=("partitions", "rows", "quarantined", "checks"))
    judged = [(one.plan.name, check) for one in found for check in one.checks]
    judged += [(silver.name, check) for one in found for silver in one.silvers for check in silver.checks]
    failed = [check_text(asset, check) for asset, check in judged if not check.passed]
    hint = [] if judged else ["Checks were not judged: --verify reads every part and judges them."]
    return "\n".join([text, *failed, *hint])


def _status_rows(one: DatasetStatus) -> Iterator[tuple[str, ...]]:
    keys = sorted({commit.load.partition for commit in one.head.live})
    newest = max((commit.load.finished_at for commit in one.head.live), default=None)
    state = "nothing committed" if newest is None else f"commit {one.head.n}, newest {newest:%Y-%m-%d %H:%M} UTC"
    yield (
        one.plan.name,
        f"{len(keys):,}",
        keys[0] if keys else "-",
        keys[-1] if keys else "-",
        f"{one.head.rows:,}",
        f"{one.refused:,}",
        f"{sum(check.passed for check in one.checks)}/{len(one.checks)}" if one.checks else "-",
        state,
    )
    for silver in one.silvers:
        checks = f"{sum(check.passed for check in silver.checks)}/{len(silver.checks)}" if silver.checks else "-"
        yield (
            f"  {silver.name}",
            "",
            "",
            "",
            f"{silver.rows:,}",
            f"{silver.quarantined:,}",
            checks,
            _silver_state(silver),
        )


def _silver_state(silver: SilverStatus) -> str:
    if silver.version is None:
        return "not built yet"
    if silver.behind is None:
        return f"version {silver.version} is not ours: the next run builds it again"
    return f"version {silver.version}, " + ("up to date" if silver.behind == 0 else f"{silver.behind} commits behind")


def partitions_text(one: DatasetStatus) -> str:
    """One row a live load."""
    headers = ("partition", "rows", "refused", "parts", "bytes", "commit", "committed (UTC)", "run")
    rows = [
        (
            commit.load.partition,
            f"{commit.load.rows:,}",
            f"{commit.load.refused:,}",
            str(len(commit.load.parts)),
            f"{sum(part.bytes for part in commit.load.parts):,}",
            str(commit.n),
            f"{commit.load.finished_at:%Y-%m-%d %H:%M:%S}",
            commit.load.run_id[:8],
        )
        for commit in sorted(one.head.live, key=lambda commit: (commit.load.window, commit.n))
    ]
    right = ("rows", "refused", "parts", "bytes", "commit")
    return f"{one.plan.name}\n{table(headers, rows, right)}" if rows else f"{one.plan.name}: nothing committed"


def status_json(one: DatasetStatus) -> Json:
    """The same for programs, with every live load."""
    return {
        "dataset": one.plan.name,
        "commit": one.head.n,
        "rows": one.head.rows,
        "refused": one.refused,
        "loads": [
            {
                "partition": commit.load.partition,
                "rows": commit.load.rows,
                "refused": commit.load.refused,
                "parts": [part.path for part in commit.load.parts],
                "bytes": sum(part.bytes for part in commit.load.parts),
                "commit": commit.n,
                "committed_at": commit.load.finished_at.isoformat(),
                "run_id": commit.load.run_id,
            }
            for commit in sorted(one.head.live, key=lambda commit: (commit.load.window, commit.n))
        ],
        "checks": [check_json(check) for check in one.checks],
        "silver": [
            {
                "table": silver.name,
                "version": silver.version,
                "rows": silver.rows,
                "quarantined": silver.quarantined,
                "behind": silver.behind,
                "checks": [check_json(check) for check in silver.checks],
            }
            for silver in one.silvers
        ],
    }


# ------------------------------------------------------------------------------------------------ show


def shown_text(shown: Shown) -> str:
    """The rows under their columns' names and types; null is an empty cell, an empty text ''."""
    columns = shown.rows.columns
    types = [_type(dtype) for dtype in shown.rows.dtypes]
    rows = [tuple(_cell(value) for value in row) for row in shown.rows.rows()]
    numeric = {name for name, dtype in shown.rows.schema.items() if dtype.is_numeric()}
    text = table(columns, [types, *rows], right=numeric)
    return f"{text}\n{shown.name}: {shown.rows.height:,} of {shown.total:,} rows"


def _type(dtype: "pl.DataType") -> str:
    """The spelling that intents use, where they have one: ``decimal(9,2)``, ``timestamptz``, ``int64``."""
    import polars as pl

    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.precision},{dtype.scale})"
    if isinstance(dtype, pl.Datetime):
        return "timestamp" if dtype.time_zone is None else "timestamptz"
    return str(dtype).lower()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if value == "":
        return "''"
    return str(value)


def shown_json(shown: Shown) -> Json:
    """Rows as objects; dates, times and decimals as text."""
    import json

    rows: Json = json.loads(shown.rows.write_json())
    return {
        "table": shown.name,
        "total": shown.total,
        "columns": [{"name": n, "type": _type(t)} for n, t in shown.rows.schema.items()],
        "rows": rows,
    }
