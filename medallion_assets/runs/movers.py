"""Rows that do not become events: those that rules drop or quarantine, and how many may be in quarantine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import narwhals as nw
import polars as pl

from medallion_assets.checks.rules import moves_rows, violation
from medallion_assets.checks.verdict import SAMPLE, sample
from medallion_assets.errors import CheckError, ConfigError
from medallion_assets.intent.check import RowRule
from medallion_assets.plan.model import CheckPlan, DatasetPlan, SilverPlan
from medallion_assets.runs.conditions import conditioned, sql_columns
from medallion_assets.runs.typed import Typed
from medallion_assets.silver.columns import FAULT, LOAD, OP, VALUE, Op
from medallion_assets.silver.contract import withheld_flag
from medallion_assets.silver.place import Live
from medallion_assets.silver.text import as_text

__all__ = ["Sorted", "judged", "needed_by_rules", "require_within_limits", "sorted_out"]

_DROPPED = "__dropped"


@dataclass(frozen=True, slots=True)
class Sorted:
    """Typed rows, by what becomes of them."""

    rows: pl.DataFrame
    """All of them."""
    good: pl.DataFrame
    bad: pl.DataFrame
    """Those for the quarantine, with their faults."""
    counts: Mapping[str, int]
    """``judged`` (rows that rules saw) and ``rule:<name>`` (rows that broke it), when there are rules."""
    samples: Mapping[str, str] = field(default_factory=dict)
    """Rule → some of the rows that it dropped, which are nowhere else: keys and what it looked at, masked where pii."""

    @property
    def dropped(self) -> int:
        return self.rows.height - self.good.height - self.bad.height


def needed_by_rules(silver: SilverPlan) -> tuple[str, ...]:
    """The columns that rules look at which move rows."""
    return tuple(dict.fromkeys(name for check in _movers(silver) for name in _looked_at(check)))


def sorted_out(plan: DatasetPlan, silver: SilverPlan, typed: Typed) -> Sorted:
    """All rows of a reading at once. Raises ConfigError CHK-004, CheckError CHK-010."""
    found = judged(plan, silver, typed.rows)
    require_within_limits(plan, typed.loads, found.bad)
    return found


def judged(plan: DatasetPlan, silver: SilverPlan, rows: pl.DataFrame) -> Sorted:
    """Some typed rows. Raises ConfigError CHK-004."""
    told, counts, dropped = _judged(rows, _movers(silver), silver.keys)
    bad = told.filter(pl.col(FAULT).is_not_null())
    good = told.filter(pl.col(FAULT).is_null() & ~pl.col(_DROPPED))
    pii = frozenset(column.name for column in plan.columns if column.pii)
    return Sorted(told, good, bad, counts, {name: sample(some, pii) for name, some in dropped.items()})


def _movers(silver: SilverPlan) -> list[CheckPlan]:
    return [c for c in silver.checks if isinstance(c.rule, RowRule) and moves_rows(c.rule)]


def _looked_at(check: CheckPlan) -> tuple[str, ...]:
    """The columns that a rule looks at."""
    if check.rule is None:
        return ()
    return tuple(dict.fromkeys((*getattr(check.rule, "columns", ()), *sql_columns(check.rule))))


def _judged(
    rows: pl.DataFrame, checks: Sequence[CheckPlan], keys: Sequence[str]
) -> tuple[pl.DataFrame, dict[str, int], dict[str, list[dict[str, object]]]]:
    """Row rules that move rows, over the upserts that can be read: the first broken one decides; all are counted.

    With ``_DROPPED``: the row goes no further; then the counts, and some of the dropped rows by rule, with ``keys`` and
    what the rule looks at. Raises ConfigError CHK-004 for a condition that cannot be asked.
    """
    told = rows.with_columns((pl.col(OP) == Op.NOTHING).alias(_DROPPED))
    if not checks:
        return told, {}, {}
    asked = {check.name: check.rule for check in checks if check.rule is not None}
    ready = conditioned(rows.lazy(), rows.schema, asked, now=None)
    for name, why in ready.wrong.items():
        raise ConfigError("CHK-004", why, where=f"checks  {name}", fix="correct the condition in the intent.")
    types = dict(nw.from_native(rows).schema)
    judged = rows.select((pl.col(FAULT).is_null() & (pl.col(OP) == Op.UPSERT)).alias("j"))["j"]
    counts, dropped = {"judged": int(judged.sum())}, dict[str, list[dict[str, object]]]()
    for check in checks:
        if not isinstance(check.rule, RowRule):
            continue
        breaks = violation(check.rule, types, where=ready.where.get(check.name), holds=ready.holds.get(check.name))
        broken = _broken(ready.frame, check, breaks) & judged
        for name in _looked_at(check):
            if withheld_flag(name) in rows.columns:  # what is not supplied breaks no rule
                broken = broken & ~rows[withheld_flag(name)]
        counts[f"rule:{check.name}"] = int(broken.sum())
        first = pl.lit(broken) & pl.col(FAULT).is_null() & ~pl.col(_DROPPED)
        if check.rule.on_failure == "drop":
            shown = dict.fromkeys((*keys, *_looked_at(check)))
            dropped[check.name] = told.lazy().filter(first).select(*shown).head(SAMPLE).collect().to_dicts()
            told = told.with_columns((pl.col(_DROPPED) | first).alias(_DROPPED))
            continue
        column = next(iter(_looked_at(check)), None)
        value = pl.lit(None, pl.String) if column is None else as_text(pl.col(column), rows.schema[column])
        told = told.with_columns(
            pl.when(first).then(pl.lit(f"{check.name}:{column or ''}")).otherwise(FAULT).alias(FAULT),
            pl.when(first).then(value).otherwise(VALUE).alias(VALUE),
        )
    return told, counts, dropped


def _broken(frame: pl.LazyFrame, check: CheckPlan, breaks: nw.Expr) -> pl.Series:
    """Boolean, a row each. Raises ConfigError CHK-004 for what fails on a row: a cast, or a pattern that is none."""
    try:
        return nw.from_native(frame).select(breaks.alias("b")).to_native().collect()["b"]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ConfigError(
            "CHK-004", f"It fails on a row: {type(error).__name__}.", where=f"checks  {check.name}",
            fix="correct it in the intent: TRY_CAST gives null where CAST fails, and patterns have no look-around.",
        ) from None  # fmt: skip


def require_within_limits(plan: DatasetPlan, loads: Sequence[Live], bad: pl.DataFrame) -> None:
    """Raise CheckError CHK-010 for too many rows refused in bronze and quarantined here (``bad``), together, load by

    load: as an ingest counts them.
    """
    limits = plan.limits
    counts = dict(bad.group_by(LOAD).agg(pl.len()).iter_rows())
    for rank, load in enumerate(loads):
        count, total = counts.get(rank, 0) + load.refused, load.rows + load.refused
        over = limits.max_rows is not None and count > limits.max_rows
        over = over or (limits.max_fraction is not None and count > limits.max_fraction * total)
        if over and counts.get(rank, 0):
            first = bad.filter(pl.col(LOAD) == rank).row(0, named=True)
            reason, _, column = str(first[FAULT]).partition(":")
            raise CheckError(
                "CHK-010",
                f"{count:,} of {total:,} rows of partition {load.partition} cannot be used, more than `quarantine`"
                f" allows; the first: {reason} in {column}.",
                where=plan.name, fix="correct the source or the contract, or raise `quarantine` in the intent.",
            )  # fmt: skip
