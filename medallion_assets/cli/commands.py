"""What the commands do, as values: nothing here prints or exits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from medallion_assets.errors import ConfigError
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.results import CheckResult
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.project import Project

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DatasetStatus", "Shown", "SilverStatus", "show", "status", "write_schemas"]


# ------------------------------------------------------------------------------------------------ status


@dataclass(frozen=True, slots=True)
class SilverStatus:
    """A silver table as it stands. ``behind``: bronze commits that it has not absorbed; None without a table."""

    name: str
    version: int | None
    rows: int
    quarantined: int
    behind: int | None
    checks: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class DatasetStatus:
    """What is committed of one dataset."""

    plan: DatasetPlan
    head: Head
    silvers: tuple[SilverStatus, ...]
    checks: tuple[CheckResult, ...]
    """Of every live partition; empty unless they were asked for."""

    @property
    def all_checks(self) -> tuple[CheckResult, ...]:
        """Of bronze and silver."""
        return (*self.checks, *(check for silver in self.silvers for check in silver.checks))

    @property
    def refused(self) -> int:
        return sum(commit.load.refused for commit in self.head.live)


def status(project: Project, names: Sequence[str], *, verify: bool = False) -> tuple[DatasetStatus, ...]:
    """What is in the lake, dataset by dataset; with ``verify`` every check is judged anew. Raises StorageError."""
    return tuple(_status(project, plan, verify) for plan in project.select(names))


def _status(project: Project, plan: DatasetPlan, verify: bool) -> DatasetStatus:
    head = project.head(plan)
    checks: list[CheckResult] = []
    if verify:
        partitions = {c.load.partition: project.partition(plan, c.load.partition) for c in head.live}
        checks = [v for p in partitions.values() for v in project.verify_bronze(plan, p, head=head)]
    silvers = tuple(_silver_status(project, plan, silver, head, verify) for silver in plan.silvers)
    return DatasetStatus(plan, head, silvers, tuple(checks))


def _silver_status(project: Project, plan: DatasetPlan, silver: SilverPlan, head: Head, verify: bool) -> SilverStatus:
    table = project.table(silver)
    state = table.state()
    if table.version is None or state is None:
        return SilverStatus(str(silver.entity), table.version, 0, 0, None, ())
    behind = head.n - state.bronze_n
    checks: tuple[CheckResult, ...] = ()
    if verify and behind == 0:  # a refine of nothing new writes nothing and gives the numbers to judge
        refined = project.refine(plan, silver)
        checks = (*refined.checks, *project.verify_silver(plan, silver, refined))
    from medallion_assets.tables.reading import reading

    with reading(str(silver.entity)):
        rows = int(table.scan().select(_length()).collect().item())
    return SilverStatus(str(silver.entity), table.version, rows, state.accounting.get("quarantined", 0), behind, checks)


def _length() -> "pl.Expr":
    import polars as pl

    return pl.len()


# ------------------------------------------------------------------------------------------------ show


@dataclass(frozen=True, slots=True)
class Shown:
    """The first rows of a table and how many there are."""

    name: str
    rows: "pl.DataFrame"
    total: int


def show(
    project: Project,
    name: str,
    *,
    as_of: str | None = None,
    current: bool = False,
    key: str | None = None,
    limit: int = 20,
) -> Shown:
    """The first rows of ``silver/<domain>/<entity>``, or of ``bronze/<system>/<table>`` (of partition ``key``).

    Raises ConfigError: CLI-002 no such table, CLI-007 nothing is there yet, or ``as_of`` and ``current`` for a table
    that has no versions.
    """
    layer, _, rest = name.partition("/")
    if layer == "bronze":
        if as_of is not None or current:
            raise _not_shown(name, "Bronze has no versions of rows.", "use --date for the load of a date.")
        return _show_bronze(project, name, rest.replace("/", "."), key, limit)
    if key is not None:
        raise _not_shown(name, "A silver table is not parted by run date.", "use --as-of, or show bronze/….")
    plan, silver = project.silver(name if layer == "silver" else f"silver/{name}")
    table = project.table(silver)
    if table.version is None:
        raise _not_shown(name, "The table has not been built yet.", f"build it with `medallion run {plan.name}`.")
    from medallion_assets.tables.reading import reading

    with reading(str(silver.entity)):
        return _first(str(silver.entity), _versions(table.scan(), plan, silver, as_of, current), limit)


def _show_bronze(project: Project, name: str, dataset: str, key: str | None, limit: int) -> Shown:
    plan = project.plan(dataset)
    live = project.head(plan).live
    if key is not None:
        wanted = {partition.key for partition in project.named(plan, key)}
        live = tuple(commit for commit in live if commit.load.partition in wanted)
    if not live:
        of = "" if key is None else f" for {key}"
        raise _not_shown(name, f"Nothing is committed{of}.", f"load it with `medallion run {plan.name}`.")
    return _first(name, project.scan_bronze(plan, live), limit)


def _first(name: str, frame: "pl.LazyFrame", limit: int) -> Shown:
    import polars as pl

    rows, total = pl.collect_all([frame.head(limit), frame.select(pl.len())])
    return Shown(name, rows, int(total.item()))


def _versions(
    frame: "pl.LazyFrame", plan: DatasetPlan, silver: SilverPlan, as_of: str | None, current: bool
) -> "pl.LazyFrame":
    if as_of is None and not current:
        return frame
    if silver.model != "scd_type_2":
        raise _not_shown(
            str(silver.entity),
            f"A table of model {silver.model} keeps no versions.",
            "leave out --as-of and --current; only scd_type_2 has them.",
        )
    import polars as pl

    if current:
        frame = frame.filter(pl.col("is_current"))
    if as_of is not None:
        schema = frame.collect_schema()
        moment = _moment(silver, as_of, schema["effective_from"], plan.calendar.timezone)
        ends = pl.col("effective_to")
        frame = frame.filter((pl.col("effective_from") <= moment) & (ends.is_null() | (ends > moment)))
    return frame


def _moment(silver: SilverPlan, text: str, dtype: "pl.DataType", zone: str) -> "pl.Expr":
    """``text`` as the kind of thing that ``effective_from`` is. A date means its midnight in the dataset's zone."""
    import polars as pl

    try:
        if dtype.is_temporal():
            day = len(text) == len("2024-01-31")
            moment = (
                datetime.combine(date.fromisoformat(text), time())
                if day
                else datetime.fromisoformat(text.replace("Z", "+00:00"))
            )
            instant = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
            if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
                return pl.lit(instant.astimezone(timezone.utc)).cast(dtype)
            return pl.lit(moment.replace(tzinfo=None)).cast(dtype)
        return pl.lit(text if dtype == pl.String else float(text)) if not dtype.is_integer() else pl.lit(int(text))
    except ValueError:
        raise _not_shown(
            str(silver.entity),
            f"'{text}' is not a moment of this table, whose clock is {dtype}.",
            "write a date (2024-01-31), a time (2024-01-31T08:30) or, for a counter, a number.",
        ) from None


def _not_shown(name: str, what: str, fix: str) -> ConfigError:
    return ConfigError("CLI-007", what, where=name, fix=fix)


# ------------------------------------------------------------------------------------------------ schema


def write_schemas(root: Path, schemas: Mapping[str, object]) -> Iterator[Path]:
    """Each schema as ``schemas/<name>.schema.json`` below the project. Raises ConfigError CLI-004."""
    import json

    folder = root / "schemas"
    for name, schema in schemas.items():
        file = folder / f"{name}.schema.json"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                "CLI-004",
                f"The file cannot be written: {error.strerror}.",
                where=str(file),
                fix="check who may write there.",
            ) from None
        yield file
