"""Ingest: one window of a source becomes one committed load of bronze, exactly once, or nothing changes.

The steps are those of the commit protocol: read the head, bound the window, write parts under a fresh attempt id,
check, publish, and only then the copies, which are derivable. A failure before publishing leaves the head where it
was and takes the attempt's parts away again; a kill leaves them to the sweep of garbage.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from time import perf_counter
from uuid import uuid4

from medallion_assets import __version__
from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.decide import live_of
from medallion_assets.bronze.reader import frames as bronze_frames
from medallion_assets.bronze.reader import verify
from medallion_assets.bronze.repair import refresh_copies
from medallion_assets.bronze.writer import Written, write
from medallion_assets.errors import ConfigError, Conflict, MedallionError, StorageError
from medallion_assets.intent.load import Cdc, Incremental
from medallion_assets.intent.source import Kafka
from medallion_assets.lake.manifest import Commit, CursorValue, FileFact, Head, Load, SourceFacts
from medallion_assets.lake.ports import Bounds, Clock, Progress, Request, Source, Store
from medallion_assets.lake.results import Ingested
from medallion_assets.lake.window import Partition
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.runs.admit import admit
from medallion_assets.runs.by_file import file_partition
from medallion_assets.runs.cursor import Counted, Cursor, Known, last_of
from medallion_assets.runs.late import Punctual

__all__ = ["ingest"]

_TRIES = 3
"""Times a load is begun again when another run took its files, or it was too slow."""
_TRIES_TO_APPEND = 10
"""Of runs that go on from one place at once only one may be first each time."""


def ingest(
    plan: DatasetPlan,
    partition: Partition,
    *,
    source: Source,
    store: Store,
    clock: Clock,
    run_id: str,
    force: bool = False,
    restate: bool = False,
    progress: Progress | None = None,
    new_attempt: Callable[[], str] = lambda: uuid4().hex,
) -> Ingested:
    """Load ``partition`` of ``plan`` from ``source`` into ``store``.

    ``written`` of the result is False when the live load of the window holds the same content already (``force``
    writes it again), or another run loaded the window meanwhile. ``restate`` loads an older partition from a source
    that is read now, and the commit says so.

    Raises ConfigError PLN-007 for that without ``restate``; ExtractionError SRC-…; CheckError CHK-010 too many rows
    refused, CHK-012 a column of the contract is absent, CHK-015 a reserved column name, CHK-017 rows came too late;
    StorageError STO-…, BRZ-….
    The head is unchanged after each, but for StoreUnavailable BRZ-007, where running again finds out.
    """
    started = perf_counter()
    log = CommitLog(store, plan.bronze.path)
    past = not plan.as_of and not plan.by_file and not partition.window.start <= clock.now() < partition.window.end
    if past and not restate and not _holds_files(plan, partition, log):
        raise _only_now(plan, partition)
    for turn in range(_TRIES_TO_APPEND):
        if plan.by_file:
            partition = file_partition(plan.calendar, log.head(), partition.key, clock.now())
        attempt = _Attempt(plan, partition, store, new_attempt(), run_id, past, restate)
        tries = _TRIES_TO_APPEND if attempt.appends else _TRIES
        try:
            head, commit, written = attempt.run(log, source, clock, force=force, progress=progress)
        except Conflict:
            if turn == tries - 1:
                raise
            continue
        break
    else:
        raise AssertionError("unreachable: the last turn raises or breaks")
    with suppress(StorageError):  # committed whatever becomes of them; the next run or `repair` writes them
        refresh_copies(store, plan.bronze.path, log, commit, head)
    return Ingested(plan.dataset, partition, commit, written, perf_counter() - started)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try to load a partition: everything it writes carries ``name``, so that it alone can be taken away."""

    plan: DatasetPlan
    partition: Partition
    store: Store
    name: str
    run_id: str
    past: bool
    """Of a source that is read now, the partition is not that of now."""
    restate: bool
    """What is loaded may be another thing than what was there, on purpose."""

    def run(
        self, log: CommitLog, source: Source, clock: Clock, *, force: bool, progress: Progress | None
    ) -> tuple[Head, Commit, bool]:
        """The head that was read first, the commit that holds the window, and whether this attempt made it."""
        claiming = self.plan.claims_files
        head = log.head() if claiming or self.appends else log.near(self.partition.window)
        began = clock.now()
        last = last_of(head.live) if self.appends else None
        before = None if last is None else last.load.cursor_after
        request = self._request(head, claiming=claiming, before=before, now=began)
        try:
            written, facts, after = self._write(source, request, head, before, progress)
            admit(self.plan, self.partition, written, self.store)
        except MedallionError:
            self._sweep()
            raise
        if last is not None and after == before and not written.rows and not written.refused and not force:
            return head, last, False
        load = self._load(written, facts, began, clock.now())
        load = replace(load, appends=self.appends, cursor_before=before, cursor_after=after)
        claims: Collection[str] = [f.path for f in facts.files] if claiming else ()
        try:
            commit, made = log.publish(load, head, claims=claims, force=force or self._damaged(head, load))
        except Conflict:
            self._sweep()  # nothing was or will be published under this attempt's name
            raise
        if not made:
            self._sweep()
        return head, commit, made

    @property
    def cursor(self) -> Cursor | None:
        return Cursor.of(self.plan)

    @property
    def appends(self) -> bool:
        """The load goes on where the one before ended: by a cursor column, or by the source's own positions."""
        return isinstance(self.plan.source, Kafka) or (self.cursor is not None and self.cursor.appends)

    def _request(self, head: Head, *, claiming: bool, before: CursorValue | None, now: datetime) -> Request:
        bounds = None if self.cursor is None else self.cursor.bounds(self.partition, before, now)
        if not claiming:
            return Request(self.partition, bounds, None if bounds else before)
        replaced = None if self.appends or self.restate else _live(self.plan, self.partition, head)
        held = {} if replaced is None else {fact.path: fact for fact in replaced.load.source.files}
        again = self.past and not self.restate
        return Request(
            self.partition, bounds, None if bounds else before, _ledger(head, self.partition), held, again=again
        )

    def _known(self, head: Head, bounds: Bounds) -> Known | None:
        """Rows of the overlap that bronze holds: those of appended loads that came as far as the lower bound."""
        if self.cursor is None or not self.appends:
            return None
        reached = [c for c in head.live if c.load.appends and c.load.parts and self.cursor.reaches(c, bounds)]
        if not reached:
            return None
        frames = [
            rows.drop("_commit", "_part", "_row").collect()
            for _, rows in bronze_frames(self.store, self.plan.bronze.path, reached)
        ]
        return Known.of([self.cursor.overlap(frame, bounds) for frame in frames])

    def _write(
        self, source: Source, request: Request, head: Head, before: CursorValue | None, progress: Progress | None
    ) -> tuple[Written, SourceFacts, CursorValue | None]:
        bronze, cursor = self.plan.bronze, self.cursor
        with source.read(request) as opened:
            counted = None
            if cursor is not None and request.bounds is not None:
                known = self._known(head, request.bounds)
                counted = Counted(opened, cursor, request.bounds, before, known)
            asked = opened if counted is None else counted
            reading = Punctual.of(self.plan, self.partition, asked) or asked
            written = write(
                reading,
                self.store,
                f"{bronze.path}/{self._folder}",
                bronze.path,
                self.name,
                part_rows=bronze.part_rows,
                part_bytes=bronze.part_bytes,
                compression=bronze.compression,
                bounds=_bounds(self.plan),
                progress=_named(progress, f"ingest {self.plan.name} {self.partition.key}"),
            )
            after = opened.cursor if counted is None else counted.cursor_after if self.appends else None
            return written, reading.facts, after

    def _load(self, written: Written, facts: SourceFacts, began: datetime, ended: datetime) -> Load:
        if self.past and self.restate:
            facts = replace(facts, facts={**facts.facts, "restated": "true"})
        return Load(
            pattern=self.plan.bronze.pattern,
            partition=self.partition.key,
            path=self._folder,
            window=self.partition.window,
            run_id=self.run_id,
            attempt=self.name,
            parts=written.parts,
            rows=written.rows,
            schema=written.schema,
            refused=written.refused,
            quarantine=written.quarantine,
            content=written.content,
            intent=self.plan.ingest_fingerprint,
            source=facts,
            cursor_before=None,
            cursor_after=None,
            replaces=(),
            started_at=began,
            finished_at=ended,
            code_version=__version__,
        )

    def _damaged(self, head: Head, load: Load) -> bool:
        """Whether the live load has this content but lost parts or bits of it: then it is worth writing again."""
        live = None if load.appends else live_of(head, load.pattern, load.window)
        same = live is not None and live.load.content == load.content
        return live is not None and same and bool(verify(self.store, self.plan.bronze.path, live.load))

    def _sweep(self) -> None:
        """Take away what this attempt wrote. No commit names it and none will; what cannot be removed is garbage."""
        with suppress(StorageError):
            for info in self.store.list(f"{self.plan.bronze.path}/{self._folder}"):
                if self.name in info.path:
                    self.store.delete(info.path)

    @property
    def _folder(self) -> str:
        return f"pattern={self.plan.bronze.pattern}/{self.partition.path}"


def _only_now(plan: DatasetPlan, partition: Partition) -> ConfigError:
    return ConfigError(
        "PLN-007",
        f"The source of {plan.name} has no way to be asked for {partition.key}: it can only be read as it is now.",
        where=f"{plan.file}:{plan.line}  partition {partition.key}",
        fix="Load the current partition; or put {run_date} or a cursor into the source; or restate it on purpose.",
    )


def _holds_files(plan: DatasetPlan, partition: Partition, log: CommitLog) -> bool:
    """Whether a live load of the partition holds files that can be read again."""
    return plan.claims_files and _live(plan, partition, log.head()) is not None


def _live(plan: DatasetPlan, partition: Partition, head: Head) -> Commit | None:
    return live_of(head, plan.bronze.pattern, partition.window)


def _ledger(head: Head, partition: Partition) -> Mapping[str, tuple[str, FileFact]]:
    """Files that live loads of changes hold for other partitions."""
    return {
        fact.path: (commit.load.partition, fact)
        for commit in head.live
        if commit.load.pattern != "full" and commit.load.window != partition.window
        for fact in commit.load.source.files
    }


def _bounds(plan: DatasetPlan) -> tuple[str, ...]:
    """Columns whose least and greatest values a part records: keys and cursor, under their names in the source.

    Not those declared personal: the commit log is read by more people than the data.
    """
    contract = {column.name: column for column in plan.columns}
    keys = dict.fromkeys(key for silver in plan.silvers for key in silver.keys)
    public = [key for key in keys if key not in contract or not contract[key].pii]
    names = [name for key in public for name in (contract[key].source_names if key in contract else (key,))]
    cursor = plan.load.cursor.column if isinstance(plan.load, Incremental | Cdc) and plan.load.cursor else None
    return tuple(dict.fromkeys([*names, *([] if cursor is None else [cursor])]))


def _named(progress: Progress | None, what: str) -> Progress | None:
    if progress is None:
        return None
    return lambda _, rows: progress(what, rows)
