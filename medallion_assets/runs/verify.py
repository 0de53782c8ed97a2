"""The third verb: judge what was written, by every check of the plan, each exactly once and under its planned name.

Rows are counted by streaming queries; only verdicts and a few failing keys come back. Nothing here raises because
data is bad: a check that cannot be judged has failed and says why.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import eq

import narwhals as nw
import polars as pl

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.decide import EMPTY, follow
from medallion_assets.bronze.reader import ADDRESS, Verified, frames, verify
from medallion_assets.checks.drift import Change, Loaded, Named, since_contract, since_previous
from medallion_assets.checks.reconcile import Account, discrepancies
from medallion_assets.checks.verdict import Asked, accounted, drifted, failed, intact, told
from medallion_assets.intent.check import Check
from medallion_assets.intent.load import Cdc, Incremental
from medallion_assets.lake.manifest import Column, Commit, Head
from medallion_assets.lake.ports import Store, Table
from medallion_assets.lake.results import CheckResult, Drift, Refined
from medallion_assets.lake.window import Partition
from medallion_assets.plan.model import CheckPlan, ColumnPlan, DatasetPlan, SilverPlan
from medallion_assets.runs.admit import is_enveloped
from medallion_assets.runs.around import Around, personal
from medallion_assets.runs.judge import Subject, answer, intervals, keys, rules
from medallion_assets.runs.late import LATE_ROWS
from medallion_assets.runs.table_rules import About, is_of_table, judge
from medallion_assets.silver.columns import BRONZE_PART, CHANGED_AT, FROM, IS_CURRENT, IS_DELETED, LOAD_DATE, RUN_DATE
from medallion_assets.silver.text import from_text
from medallion_assets.silver.types import sql_type

__all__ = ["verify_bronze", "verify_silver"]


def verify_bronze(
    plan: DatasetPlan,
    partition: Partition,
    *,
    store: Store,
    head: Head | None = None,
    verified: Verified | None = None,
    around: Around | None = None,
) -> tuple[CheckResult, ...]:
    """Verdicts on one partition's live loads, in the order of ``plan.checks``.

    A partition is as fresh as its newest row is at the end of its window.

    ``head`` spares reading the log again for each of many partitions, ``verified`` the parts for the next step.
    Where a part is not the one that was committed, no rule is asked about its rows: those checks fail with it.
    Raises Corrupt, StorageError when the commit log itself cannot be read; ConfigError CHK-001, CHK-003.
    """
    verified = Verified() if verified is None else verified
    head = head or CommitLog(store, plan.bronze.path).head()
    commits = [commit for commit in head.live if commit.load.window == partition.window]
    asked = {check.name: _asked(check, partition.key) for check in plan.checks}
    if not commits:
        nothing = f"nothing is committed for {partition.key}. Fix: load it with `medallion run {plan.name}`."
        return tuple(failed(question, nothing) for question in asked.values())
    faults = [
        f"{fault.path} {fault.what}"
        for commit in commits
        for fault in verify(store, plan.bronze.path, commit.load, verified)
    ]
    verdicts = {"checksum": intact(asked["checksum"], faults, **_size(commits))}
    verdicts["schema_drift"] = _bronze_drift(plan, asked["schema_drift"], commits[-1], head)
    if "late_data" in asked:
        verdicts["late_data"] = _late(plan, asked["late_data"], commits)
    ruled = [(asked[check.name], check.rule) for check in plan.checks if check.rule is not None]
    if faults:
        verdicts |= {a.name: failed(a, "not judged: the rows are not those committed; see checksum.") for a, _ in ruled}
    elif ruled:
        loads = list(frames(store, plan.bronze.path, commits, verified))
        around = around or Around()
        verdicts |= _bronze_rules(plan, loads, ruled, around, partial(_about_partition, plan, partition, head, around))
    return tuple(verdicts[check.name] for check in plan.checks)


def verify_silver(
    plan: DatasetPlan,
    silver: SilverPlan,
    refined: Refined,
    *,
    store: Store,
    table: Table,
    around: Around | None = None,
) -> tuple[CheckResult, ...]:
    """Verdicts on a silver table as ``refined`` left it, in the order of ``silver.checks``; ``store`` is bronze's.

    A rule that moved rows (drop, quarantine) has its verdict in ``refined.checks``, because only the refine saw
    those rows; it is left out here, so that both together hold one verdict for each check.
    Raises Corrupt, StorageError when the commit log or the table cannot be read; ConfigError CHK-001, CHK-003.
    """
    live = _head_at(CommitLog(store, plan.bronze.path), refined.bronze_n).live
    frame = table.scan(refined.table_version)
    schema = frame.collect_schema()
    subject = _silver_subject(plan, silver, frame, schema)
    judged = {verdict.name for verdict in refined.checks}
    checks = [check for check in silver.checks if check.name not in judged]
    asked = {check.name: _asked(check, None) for check in checks}
    questions = []
    if "unique_keys" in asked:
        questions.append(keys(subject, asked["unique_keys"], _identity(plan, silver)))
    if "intervals" in asked:
        questions.append(intervals(subject, asked["intervals"], silver.keys))
    around = around or Around()
    ruled = [(asked[c.name], c.rule) for c in checks if c.rule is not None]
    more, verdicts = rules(subject, [(a, rule) for a, rule in ruled if not is_of_table(rule)], around)
    verdicts |= answer(subject, [*questions, *more])
    counts = sorted((c.load.window.start, refined.rows_in_by_partition.get(c.load.partition, 0)) for c in live)
    numbers = list(dict(counts).values())
    about = About(
        subject, plan.calendar.timezone, around.now, numbers[-2] if len(numbers) > 1 else None,
        numbers[-1] if numbers else 0, around,
    )  # fmt: skip
    verdicts |= {a.name: judge(a, rule, about) for a, rule in ruled if is_of_table(rule)}
    verdicts["accounting"] = _accounting(plan, silver, refined, asked["accounting"], live, counted=subject.rows)
    verdicts["schema_drift"] = _silver_drift(plan, silver, asked["schema_drift"], schema, refined.drift)
    return tuple(verdicts[check.name] for check in checks)


def _asked(check: CheckPlan, partition: str | None) -> Asked:
    return Asked(check.name, check.at, check.severity, check.blocking, partition)


# ------------------------------------------------------------------------------------------------ bronze


def _size(commits: Sequence[Commit]) -> dict[str, int]:
    loads = [commit.load for commit in commits]
    return {
        "parts": sum(len(load.parts) for load in loads),
        "rows": sum(load.rows for load in loads),
        "bytes": sum(part.bytes for load in loads for part in load.parts),
        "refused": sum(load.refused for load in loads),
    }


def _bronze_drift(plan: DatasetPlan, asked: Asked, commit: Commit, head: Head) -> CheckResult:
    load = Loaded(commit.load.partition, commit.load.schema)
    earlier = sorted((c for c in head.live if c.load.window < commit.load.window), key=lambda c: (c.load.window, c.n))
    before = [Loaded(c.load.partition, c.load.schema) for c in earlier]
    closed = is_enveloped(plan.load, [c.name for c in load.schema])
    contract = [] if closed else [Named(c.name, c.source_names, c.type) for c in plan.columns]
    changes = (
        *since_contract(load, before, contract, closed=bool(contract) and plan.schema_mode == "strict"),
        *since_previous(load, before, contract),
    )
    return drifted(asked, changes, columns=len(load.schema), tolerated=plan.schema_mode == "auto")


def _late(plan: DatasetPlan, asked: Asked, commits: Sequence[Commit]) -> CheckResult:
    late = sum(int(commit.load.source.facts.get(LATE_ROWS, "0")) for commit in commits)
    mode = plan.load.late_data.mode if isinstance(plan.load, Incremental | Cdc) else "allow"
    became = {"drop": "and were dropped", "quarantine": "and are in quarantine"}.get(mode, "and were loaded")
    rows = sum(commit.load.rows for commit in commits)
    facts = {"late": late, "rows": rows}
    if not late:
        return told(asked, f"{rows:,} rows, none too late.", facts, passed=True)
    fix = "load them with the window they belong to, or raise `late_data.max_lateness`."
    return told(asked, f"{late:,} rows came too late {became}. Fix: {fix}", facts, passed=False)


def _bronze_rules(
    plan: DatasetPlan,
    loads: Sequence[tuple[Commit, pl.LazyFrame]],
    ruled: Sequence[tuple[Asked, Check]],
    around: Around,
    about: Callable[[Subject], About],
) -> dict[str, CheckResult]:
    """Rules use final names; the rows are as the source gave them, text as text.

    Only text with a ``format`` is read as its type, because a rule cannot know the format; what does not have it is
    null here and refused by silver.
    """
    # One window holds a full load and another at most; their types may differ.
    frame = pl.concat([rows for _, rows in loads], how="diagonal_relaxed")
    schema = frame.collect_schema()
    named = {next((s for s in c.source_names if s in schema), c.name): c for c in plan.columns}
    renamed = frame.select(_as_final(name, dtype, named.get(name), plan) for name, dtype in schema.items())
    subject = Subject(
        renamed,
        rows=sum(commit.load.rows for commit, _ in loads),
        types=nw.from_native(renamed).collect_schema(),
        shown=ADDRESS,
        pii=personal(plan),
    )
    questions, verdicts = rules(subject, [(a, rule) for a, rule in ruled if not is_of_table(rule)], around)
    verdicts |= answer(subject, questions)
    return verdicts | {a.name: judge(a, rule, about(subject)) for a, rule in ruled if is_of_table(rule)}


def _about_partition(plan: DatasetPlan, partition: Partition, head: Head, around: Around, subject: Subject) -> About:
    """What a rule about one partition may look at: also how many rows the one before has."""
    rows: dict[datetime, int] = {}
    for commit in head.live:
        if commit.load.window < partition.window:
            rows[commit.load.window.start] = rows.get(commit.load.window.start, 0) + commit.load.rows
    before = rows[max(rows)] if rows else None
    end = min(partition.window.end, around.now)
    return About(subject, plan.calendar.timezone, end, before, subject.rows, around)


def _as_final(name: str, dtype: pl.DataType, named: ColumnPlan | None, plan: DatasetPlan) -> pl.Expr:
    value = pl.col(name)
    if named is None:
        return value
    if named.format is not None and named.type is not None and dtype == pl.String:
        value = from_text(value, named.type, sql_type(named.type), named.format, plan.calendar.timezone)
    return value.alias(named.name)


# ------------------------------------------------------------------------------------------------ silver


def _silver_subject(plan: DatasetPlan, silver: SilverPlan, frame: pl.LazyFrame, schema: pl.Schema) -> Subject:
    present = [nw.col(IS_CURRENT)] if silver.model == "scd_type_2" else []
    present += [~nw.col(IS_DELETED)] if silver.delete_mode == "tombstone" and IS_DELETED in schema else []
    address = tuple(name for name in (RUN_DATE, BRONZE_PART) if name in schema)
    return Subject(
        frame,
        rows=frame.select(pl.len()).collect(engine="streaming").item(),
        types=nw.from_native(frame).collect_schema(),
        shown=_identity(plan, silver) or address,
        pii=personal(plan, silver),
        present=nw.all_horizontal(*present, ignore_nulls=False) if present else None,
        within=_slice(plan, silver),
    )


def _identity(plan: DatasetPlan, silver: SilverPlan) -> tuple[str, ...]:
    """Columns that no two rows of the table share; none without keys."""
    if not silver.keys:
        return ()
    return (*silver.keys, FROM) if silver.model == "scd_type_2" else (*silver.keys, *_slice(plan, silver))


def _slice(plan: DatasetPlan, silver: SilverPlan) -> tuple[str, ...]:
    """The column that tells apart what each partition supplies, where a key may come once in each."""
    if silver.model == "periodic_snapshot":
        return (LOAD_DATE,)
    if silver.model == "derived_event":
        return (CHANGED_AT,)
    if silver.model != "incremental_merge" and silver.input_mode != "replace_daily":
        return ()
    return (BRONZE_PART,) if plan.calendar.cadence in ("hourly", "file") else (RUN_DATE,)


def _accounting(
    plan: DatasetPlan, silver: SilverPlan, refined: Refined, asked: Asked, live: Sequence[Commit], *, counted: int
) -> CheckResult:
    by_partition: dict[str, int] = {}
    for commit in live:
        by_partition[commit.load.partition] = by_partition.get(commit.load.partition, 0) + commit.load.rows
    account = Account(
        bronze=sum(by_partition.values()),
        bronze_by_partition=by_partition,
        rows_in=refined.rows_in,
        rows_in_by_partition=refined.rows_in_by_partition,
        events=refined.events,
        duplicates=refined.duplicates,
        filtered=refined.filtered,
        quarantined=refined.quarantined,
        rows=refined.rows,
        counted=counted,
        one_each=silver.model == "periodic_snapshot",
    )
    facts = {
        "rows_in": refined.rows_in,
        "events": refined.events,
        "duplicates": refined.duplicates,
        "filtered": refined.filtered,
        "quarantined": refined.quarantined,
        "refused": sum(commit.load.refused for commit in live),
        "absence_deletes": refined.absence_deletes,
        "rows": counted,
        "bronze_n": refined.bronze_n,
        "held": len(refined.held),
        "ties": refined.ties,
        "incomplete": refined.incomplete,
    }
    balance = (
        f"{refined.rows_in:,} rows = {refined.events:,} events + {refined.duplicates:,} duplicates"
        f" + {refined.filtered:,} filtered + {refined.quarantined:,} quarantined; the table has {counted:,} rows."
    )
    held = [
        f"{load.partition} (commit {load.n}) is held: it lacks {load.missing:,} of {load.keys:,} keys, so the table"
        " is as if it were not there; if that is an error of the source, mend it and load the partition again, if the"
        f" deletes are right, medallion approve {plan.name} --date {load.partition}"
        for load in refined.held
    ]
    wrong = discrepancies(account)
    if held and not wrong:
        return failed(asked, f"{'; '.join(held)}.", facts)
    return accounted(asked, [*held, *wrong], facts, balance)


def _head_at(log: CommitLog, n: int) -> Head:
    """The log as it was at commit ``n``, which the refine read; later commits may have come since."""
    head = log.head()
    return head if head.n == n else follow(EMPTY, (commit for commit in log.commits() if commit.n <= n))


def _silver_drift(
    plan: DatasetPlan, silver: SilverPlan, asked: Asked, schema: pl.Schema, found: Sequence[Drift]
) -> CheckResult:
    """The table's columns against the contract's, less those that the table does not keep; ``found``: of values."""
    columns = tuple(Column(name, str(dtype)) for name, dtype in schema.items() if not name.startswith("_"))
    kept = {*silver.keys, *silver.order_by, *silver.attributes}
    left_out = {*silver.exclude, *_operation(plan)}
    contract = [
        Named(c.name, (c.name,), None if c.type is None else str(sql_type(c.type)))
        for c in plan.columns
        if not left_out.intersection((c.name, *c.source_names)) and (not silver.attributes or c.name in kept)
    ]
    known = {drift.column for drift in found if drift.kind == "widened"}
    of_columns = since_contract(Loaded("the table", columns), (), contract, closed=False, fits=eq)
    changes = [change for change in of_columns if change.column not in known]
    for drift in found:
        rescued = drift.rows if drift.kind == "rescued" else 0
        changes.append(Change(drift.column, "contract", drift.old, drift.new, drift.first_partition, rescued))
    tolerated = plan.schema_mode == "auto" and not any(change.rescued for change in changes)
    return drifted(asked, changes, columns=len(columns), tolerated=tolerated)


def _operation(plan: DatasetPlan) -> Mapping[str, None]:
    """Source names of columns that say what a row does rather than what it is."""
    match plan.load:
        case Cdc():
            return {} if plan.load.operation.column is None else {plan.load.operation.column: None}
        case Incremental():
            return {} if plan.load.deleted is None else {plan.load.deleted.column: None}
        case _:
            return {}
