"""refine: a silver table absorbs every live bronze load up to the head of the log.

The table is a pure function of the live loads and the plan. Where new loads only add to what the table has absorbed,
the rows that they change are computed (``changes``), otherwise all of them (``build``): with the same result. A run
whose table is already that function's value writes nothing, and one that finds the same rows commits its state alone.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from io import BytesIO

import polars as pl

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.reader import Verified
from medallion_assets.checks.rules import meaning
from medallion_assets.checks.verdict import SAMPLE, Asked, counted, sample
from medallion_assets.errors import Conflict, Corrupt, StorageError
from medallion_assets.intent.check import RowRule
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import Progress, Store, Table, TableState
from medallion_assets.lake.results import CheckResult, How, Refined
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.runs.build import Built, build
from medallion_assets.runs.changes import Changes, changes
from medallion_assets.runs.differences import differences
from medallion_assets.runs.finished import TECHNICAL
from medallion_assets.runs.groups import live_of
from medallion_assets.runs.room import Choice, Room
from medallion_assets.runs.scratch import Scratch
from medallion_assets.silver.content import content
from medallion_assets.silver.place import ranked
from medallion_assets.tables.reading import reading

__all__ = ["refine"]

_SEMANTICS = 1
"""Of the silver models: another number builds every table again."""
_TRIES = 5
_ANY = Room()
_SMALL = Choice("polars", 1, "it fits in memory")
_SHOWN = ["reason", "column", "value", "commit", "part", "row"]
"""Of a row in quarantine, what a verdict shows and finds it by."""


@dataclass(frozen=True, slots=True)
class _Run:
    plan: DatasetPlan
    silver: SilverPlan
    store: Store
    table: Table
    room: Room
    quarantine_store: Store
    verified: Verified | None
    progress: Progress | None
    afresh: bool

    @property
    def intent(self) -> str:
        return f"{_SEMANTICS}:{self.silver.fingerprint}"

    @property
    def shape(self) -> str:
        """What rows of the table are: readers rely on it, so it does not change unasked."""
        keys, order = ", ".join(self.silver.keys), ", ".join(self.silver.order_by)
        return f"{self.silver.model}, keys: {keys or 'none'}, order_by: {order or 'none'}"

    def tell(self, rows: int) -> None:
        if self.progress is not None:
            self.progress(f"refine {self.silver.entity}", rows)


def refine(
    plan: DatasetPlan, silver: SilverPlan, *, store: Store, table: Table, quarantine_store: Store, room: Room = _ANY,
    progress: Progress | None = None, verified: Verified | None = None, afresh: bool = False,
) -> Refined:  # fmt: skip
    """Bring the table to the head of the dataset's log and say what became of every row.

    ``afresh``: compute it also when its state says that it is there already. ``room``: who computes what is computed
    whole, and how much of it at once.

    ``store`` holds bronze, ``quarantine_store`` the silver folder. Raises Corrupt (BRZ-…), StorageError SLV-001,
    SLV-003 to SLV-012, Conflict SLV-002 after several lost races, CheckError CHK-010 to CHK-013; then nothing is
    written.
    """
    started = time.perf_counter()
    run = _Run(plan, silver, store, table, room, quarantine_store, verified, progress, afresh)
    for left in reversed(range(_TRIES)):
        try:
            return replace(_once(run), seconds=time.perf_counter() - started)
        except Conflict:  # noqa: PERF203 - a race is rare, and each lost one starts afresh
            if not left:
                raise
            table.reload()
    raise AssertionError("unreachable")


def _once(run: _Run) -> Refined:
    log = CommitLog(run.store, run.plan.bronze.path)
    head = log.head()
    state = run.table.state()
    _require_same_log(run, log, head, state)
    if state is not None and state.shape not in ("", run.shape) and not run.afresh:
        raise StorageError(
            "SLV-014", f"The table is {state.shape}; the intent says {run.shape}.", where=str(run.silver.entity),
            fix=f"medallion rebuild {run.plan.name}; or give it a new `version`, and readers the time to move.",
        )  # fmt: skip
    up_to_date = state is not None and state.bronze_n == head.n and state.intent == run.intent
    if state is not None and up_to_date and not run.afresh:
        return _refined(run, head, state, written=False, changed=0, how="nothing")
    if head.n == 0:
        raise StorageError(
            "SLV-007", "Nothing has been ingested.", where=run.plan.name, fix=f"medallion run {run.plan.name}"
        )
    run.tell(0)
    if state is not None and state.intent == run.intent and not run.afresh:
        found = changes(
            run.plan, run.silver, head, state, store=run.store, table=run.table,
            verified=run.verified, most=run.room.most,
        )  # fmt: skip
        if found is not None:
            return _changed(run, head, found)
    return _built(run, head, up_to_date=up_to_date)


def _changed(run: _Run, head: Head, found: Changes) -> Refined:
    """The table with what came and without what went."""
    path = found.state.quarantine
    if found.quarantine.height:
        before = [] if path is None else [pl.read_parquet(BytesIO(run.quarantine_store.get(path)))]
        path = _quarantine(run, head, pl.concat([*before, found.quarantine]))
    after = replace(
        found.state, bronze_n=head.n, bronze_sha256=head.sha256, quarantine=path, load_date=_load_date(head)
    )
    if found.changed:
        run.table.patch(found.gone, found.rows, after, by=found.by)
    else:
        run.table.advance(after)
    return _refined(
        run, head, after, written=bool(found.changed), changed=found.changed, how="changes", dropped=found.samples
    )


def _built(run: _Run, head: Head, *, up_to_date: bool) -> Refined:
    """The table made of all live loads."""
    with Scratch() as scratch:
        return _replaced(
            run,
            head,
            build(run.plan, run.silver, head, store=run.store, room=run.room, scratch=scratch, verified=run.verified),
            scratch,
            up_to_date=up_to_date,
        )


def _replaced(run: _Run, head: Head, built: Built, scratch: Scratch, *, up_to_date: bool) -> Refined:
    strange = [name for name in built.partition_by if name not in built.pieces.schema]
    if strange:
        raise StorageError(
            "SLV-001", f"`partition_by` names {strange[0]}, which the table has not.", where=str(run.silver.entity),
            fix=f"name some of {', '.join(built.pieces.schema)}.",
        )  # fmt: skip
    run.tell(built.pieces.height)
    after = TableState(
        bronze_n=head.n,
        bronze_sha256=head.sha256,
        intent=run.intent,
        accounting=built.accounting,
        content=content(built.pieces, TECHNICAL),
        quarantine=_quarantine(run, head, built.quarantine),
        quarantined_by_partition=built.quarantined_by_partition,
        held=built.held,
        drift=built.drift,
        shape=run.shape,
        columns=built.columns,
        learned={name: asdict(seen) for name, seen in built.learned.items()},
        last_delete=built.last_delete,
        truncated=built.truncated,
        load_date=_load_date(head),
    )
    changed, same = built.pieces.height, False
    if run.table.version is not None:
        changed, same = _compare(run, built.pieces, scratch)
        same = same and run.table.partition_by == built.partition_by
    if same and not up_to_date:
        run.table.advance(after)
    elif not same:
        run.table.replace(built.pieces, after, partition_by=built.partition_by, again=up_to_date)
    return _refined(
        run, head, after, written=not same, changed=changed, how="whole", dropped=built.samples, choice=built.choice
    )


def _load_date(head: Head) -> str:
    """Of the newest partition."""
    return max((live_of(commit, ()).run_date.isoformat() for commit in head.live), default="")


def _require_same_log(run: _Run, log: CommitLog, head: Head, state: TableState | None) -> None:
    absorbed = max(run.table.absorbed or 0, state.bronze_n if state else 0)
    if absorbed > head.n:
        raise StorageError(
            "SLV-008", f"The table has absorbed bronze commit {absorbed}; the log ends at {head.n}.",
            where=run.plan.name, fix="restore the newest commits of bronze; silver is the witness that they existed.",
        )  # fmt: skip
    if state is None or state.bronze_n == 0:
        return
    if state.bronze_n == head.n:
        now = head.sha256
    else:
        known = {c.n: c.sha256 for c in head.live}
        now = known.get(state.bronze_n) or next(c.sha256 for c in log.commits() if c.n == state.bronze_n)
    if now != state.bronze_sha256:
        raise StorageError(
            "SLV-009", f"Bronze commit {state.bronze_n} is not the one that the table has absorbed.",
            where=run.plan.name, fix="find out who replaced the log; restore it, or build the table in a new place.",
        )  # fmt: skip


def _compare(run: _Run, rows: Pieces, scratch: Scratch) -> tuple[int, bool]:
    """Rows added or removed, and whether the table is already these rows under these types; all of them when it is
    damaged.
    """
    old, where = run.table.scan(), str(run.silver.entity)
    try:
        if old.collect_schema() != rows.schema:
            with reading(where):
                return rows.height + int(old.select(pl.len()).collect().item()), False
        changed = sum(differences(old, rows, scratch, where=where))
    except Corrupt:
        return rows.height, False
    return changed, changed == 0


def _quarantine(run: _Run, head: Head, rows: pl.DataFrame) -> str | None:
    """Write the quarantined rows beside the table; the state that names the file makes them current."""
    if rows.is_empty():
        return None
    ranks = {load.n: rank for rank, load in enumerate(ranked([live_of(c, head.approved) for c in head.live]))}
    rows = rows.sort(pl.col("commit").replace_strict(ranks, return_dtype=pl.Int64), "part", "row", maintain_order=True)
    whole = BytesIO()
    rows.write_parquet(whole, compression="zstd")
    path = f"{run.silver.path}/_quarantine/{head.n:020d}-{sha256(whole.getvalue()).hexdigest()[:16]}.parquet"
    run.quarantine_store.put(path, whole.getvalue())
    return path


def _refined(
    run: _Run, head: Head, state: TableState, *, written: bool, changed: int, how: How,
    dropped: Mapping[str, str] | None = None, choice: Choice = _SMALL,
) -> Refined:  # fmt: skip
    """``dropped``: rule → some of the rows that it dropped just now."""
    numbers = state.accounting
    rows_in: dict[str, int] = {}
    for commit in head.live:
        rows_in[commit.load.partition] = rows_in.get(commit.load.partition, 0) + commit.load.rows
    return Refined(
        dataset=run.plan.dataset,
        entity=run.silver.entity,
        bronze_n=state.bronze_n,
        table_version=run.table.version or 0,
        written=written,
        rows_in=numbers["rows_in"],
        events=numbers["events"],
        duplicates=numbers["duplicates"],
        filtered=numbers["filtered"],
        quarantined=numbers["quarantined"],
        rows=numbers["rows"],
        absence_deletes=numbers["absence_deletes"],
        changed=changed,
        how=how,
        seconds=0.0,
        engine=choice.engine,
        engine_why=choice.why,
        columns=tuple((n, str(t)) for n, t in run.table.scan().collect_schema().items()),
        content=state.content,
        rows_in_by_partition=rows_in,
        quarantined_by_partition=state.quarantined_by_partition,
        held=state.held,
        ties=numbers["ties"],
        incomplete=numbers["incomplete"],
        quarantine=state.quarantine,
        drift=state.drift,
        checks=tuple(_moved(run, state, dropped or {})),
    )


def _moved(run: _Run, state: TableState, dropped: Mapping[str, str]) -> Iterator[CheckResult]:
    """Verdicts of the rules that took rows out: nobody after the refine can see those rows."""
    numbers = state.accounting
    rules = [c for c in run.silver.checks if isinstance(c.rule, RowRule) and f"rule:{c.name}" in numbers]
    held = _held(run, state, [c.name for c in rules if numbers[f"rule:{c.name}"]])
    for check in rules:
        if not isinstance(check.rule, RowRule):
            continue
        asked = Asked(check.name, check.at, check.severity, check.blocking)
        show = f"`medallion quarantine show {run.plan.name}` lists them"
        where = show if check.rule.on_failure == "quarantine" else "they were dropped"
        yield counted(
            asked,
            rows=numbers["judged"],
            failing=numbers[f"rule:{check.name}"],
            must_be=meaning(check.rule),
            threshold=check.rule.threshold,
            shown=held.get(check.name) or dropped.get(check.name, ""),
            fix=f"{where}; correct them where they come from and load the partition again.",
        )


def _held(run: _Run, state: TableState, rules: Sequence[str]) -> dict[str, str]:
    """Rule → some of the rows that it put into quarantine: the value and where it lies in bronze.

    A file that cannot be read costs the sample: the table is committed, and its counts are the verdict.
    """
    if state.quarantine is None or not rules:
        return {}
    try:
        rows = pl.read_parquet(BytesIO(run.quarantine_store.get(state.quarantine)), columns=_SHOWN)
    except (StorageError, pl.exceptions.PolarsError):
        return {}
    rows = rows.filter(pl.col("reason").is_in(rules))
    pii = frozenset(column.name for column in run.plan.columns if column.pii)
    found: dict[str, str] = {}
    for (rule,), some in rows.group_by("reason", maintain_order=True):
        first = [
            {**({row["column"]: row["value"]} if row["column"] else {}),
             "row": f"{row['commit']}/{row['part']}/{row['row']}"}
            for row in some.head(SAMPLE).iter_rows(named=True)
        ]  # fmt: skip
        found[str(rule)] = sample(first, pii)
    return found
