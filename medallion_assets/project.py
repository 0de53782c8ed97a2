"""The composition root: a folder of intents and an environment become plans, open stores and the verbs bound to them.

The only module that reads the environment and the clock. Reading a project imports neither Polars
nor Dagster; what a verb needs is imported when it is used.
"""

import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from medallion_assets.errors import (
    ConfigError,
    Conflict,
    ExtractionError,
    InvalidProject,
    MedallionError,
    Problem,
    StorageError,
)
from medallion_assets.folder import is_of, planned, read_intents, read_platform
from medallion_assets.intent.platform import Platform
from medallion_assets.intent.source import File, Kafka
from medallion_assets.lake.ports import Clock, Progress, Source, Store, Table
from medallion_assets.lake.window import Partition, Window
from medallion_assets.plan.calendar import partition_at, partition_of, partitions_between
from medallion_assets.plan.catalog import plan_named, plans_named, runnable, silver_named
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.secrets.resolve import Resolver, read_env_file

if TYPE_CHECKING:
    import polars as pl

    from medallion_assets.bronze.audit import Audit
    from medallion_assets.bronze.garbage import Sweep
    from medallion_assets.ddl.dialects import Name as DialectName
    from medallion_assets.ddl.dialects import Statement
    from medallion_assets.lake.manifest import Commit, Head
    from medallion_assets.lake.results import CheckResult, Compacted, Ingested, Refined
    from medallion_assets.runs.around import Around
    from medallion_assets.runs.due import Arrival
    from medallion_assets.runs.expunge import Expunged
    from medallion_assets.runs.proof import Proof
    from medallion_assets.runs.room import Room
    from medallion_assets.runs.told import Told

__all__ = ["Project", "SystemClock"]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_INSTANT = timedelta(microseconds=1)
_TRIES = 5
_EVER = datetime(1970, 1, 1, tzinfo=timezone.utc)
"""Of a path that no date is in."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(timezone.utc)


@dataclass(frozen=True)
class Project:
    """A project's plans, and what they name, opened when it is first asked for. All that ``cli`` and Dagster use."""

    root: Path
    platform: Platform
    plans: tuple[DatasetPlan, ...]
    """Sorted by name."""
    warnings: tuple[Problem, ...] = ()
    """What is questionable in the intents and was accepted."""
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Clock = field(default_factory=SystemClock)
    _stores: dict[str, Store] = field(default_factory=dict)

    @classmethod
    def load(cls, root: Path, env: str | None = None, variables: Mapping[str, str] | None = None) -> "Project":
        """Read and check ``root``: platform.yaml, its overlay for ``env`` (or MEDALLION_ENV), ``intents/**/*.yaml``.

        Raises InvalidProject with every problem of every file; ConfigError CLI-001 when there is no project, CLI-004,
        CLI-010, CLI-011.
        """
        variables = os.environ if variables is None else variables
        root = root.resolve()
        platform = read_platform(root, env or variables.get("MEDALLION_ENV"))
        return cls._of(root, platform, read_intents(root), variables)

    @classmethod
    def load_sound(
        cls, root: Path, env: str | None = None, variables: Mapping[str, str] | None = None
    ) -> "tuple[Project, Mapping[str, tuple[Problem, ...]]]":
        """As ``load``, but files with problems, and those that build on them, are left out and named with them.

        Raises as ``load`` for what no intent is to blame for.
        """
        variables = os.environ if variables is None else variables
        root = root.resolve()
        platform = read_platform(root, env or variables.get("MEDALLION_ENV"))
        files, broken = read_intents(root), dict[str, tuple[Problem, ...]]()
        while True:
            try:
                return cls._of(root, platform, files, variables), broken
            except InvalidProject as error:  # noqa: PERF203 - a round for each generation of broken files
                found = {file: tuple(p for p in error.problems if is_of(p, file)) for file in files}
                found = {file: problems for file, problems in found.items() if problems}
                if not found:
                    raise
                broken |= found
                files = {file: text for file, text in files.items() if file not in found}

    @classmethod
    def _of(cls, root: Path, platform: Platform, files: Mapping[str, str], variables: Mapping[str, str]) -> "Project":
        plans, warnings = planned(root, platform, files)
        return cls(root, platform, plans, warnings, variables)

    # -------------------------------------------------------------------------------------------- plans

    def plan(self, name: str) -> DatasetPlan:
        """As ``plan.catalog.plan_named``."""
        return plan_named(self.plans, name)

    def silver(self, name: str) -> tuple[DatasetPlan, SilverPlan]:
        """As ``plan.catalog.silver_named``."""
        return silver_named(self.plans, name)

    def named_plans(self, names: Sequence[str]) -> tuple[DatasetPlan, ...]:
        """As ``plan.catalog.plans_named``, for each of the names in turn."""
        return tuple(plan for name in names for plan in plans_named(self.plans, name))

    def select(self, names: Sequence[str], tenant: str | None = None) -> tuple[DatasetPlan, ...]:
        """As ``plan.catalog.runnable``."""
        return runnable(self.plans, names, tenant)

    # -------------------------------------------------------------------------------------------- partitions

    def current(self, plan: DatasetPlan) -> Partition:
        """The partition that holds this moment. Raises ConfigError PLN-002 when the calendar is over or not begun."""
        return partition_at(plan.calendar, self.clock.now())

    def newest(self, plan: DatasetPlan) -> Partition:
        """What is loaded when no date is given: the current partition of a source read now, else the last whole one; of
        files that are partitions, the last.
        """
        if plan.by_file:
            return self._last_file(plan)
        current = self.current(plan)
        if not plan.as_of or plan.calendar.cadence == "none":
            return current
        return partition_at(plan.calendar, current.window.start - _INSTANT)

    def partition(self, plan: DatasetPlan, key: str) -> Partition:
        """Raises ConfigError: PLN-001, PLN-002, PLN-006 when it has not begun, PLN-012 for a file that is not there."""
        if plan.by_file:
            return self._file(plan, key)
        partition = partition_of(plan.calendar, key)
        if partition.window.start > self.clock.now():
            raise ConfigError(
                "PLN-006",
                f"{partition.key} has not begun yet.",
                where=f"{plan.name}  partition {partition.key}",
                fix="ask for a date up to today.",
            )
        return partition

    def known(self, plan: DatasetPlan, key: str) -> Partition:
        """The partition of a key that Dagster or bronze holds; the source is not asked.

        Raises ConfigError PLN-001, PLN-002.
        """
        if not plan.by_file:
            return partition_of(plan.calendar, key)
        from medallion_assets.runs.by_file import file_partition

        return file_partition(plan.calendar, self.head(plan), key, self.clock.now())

    def partitions(self, plan: DatasetPlan, first: date, last: date, *, restate: bool = False) -> tuple[Partition, ...]:
        """The begun partitions from one local date to another, both included; of a source read now, the current one,
        and those of which a file was rewritten since.

        ``restate``: a source read now may be loaded into any of them. Raises ConfigError: PLN-002 when the calendar
        has none there, PLN-006 when none has begun, PLN-007 when the source is read now and the current partition is
        not among them.
        """
        if plan.by_file:
            return tuple(p for p in self.begun(plan) if first <= p.run_date <= last) or (self._last_file(plan),)
        within = partitions_between(plan.calendar, first, last)
        if not plan.as_of and plan.calendar.cadence != "none" and not restate:
            current = self.current(plan)
            rewritten = {arrival.partition for arrival in self.arrivals(plan)} if plan.claims_files else set()
            found = tuple(p for p in within if p == current or p in rewritten)
            if not found:
                raise self._only_now(plan, f"{first} to {last}", current)
            return found
        now = self.clock.now()
        begun = tuple(p for p in within if p.window.start <= now)
        return begun or (self.partition(plan, within[0].key),)

    def named(self, plan: DatasetPlan, key: str, *, restate: bool = False) -> tuple[Partition, ...]:
        """The partition of a key or date; of an hourly dataset a date means its hours.

        Raises as ``partitions``, and PLN-001.
        """
        if plan.calendar.cadence == "hourly" and _DATE.match(key):
            day = date.fromisoformat(key)
            return self.partitions(plan, day, day, restate=restate)
        partition = self.partition(plan, key)
        past = not plan.as_of and not plan.by_file and partition != self.current(plan)
        if past and not restate and partition not in self._holding_files(plan):
            raise self._only_now(plan, key, self.current(plan))
        return (partition,)

    def _holding_files(self, plan: DatasetPlan) -> set[Partition]:
        """Partitions whose live load holds files that no date assigns: these files can be read again."""
        if not plan.claims_files:
            return set()
        keys = {c.load.partition for c in self.head(plan).live if c.load.pattern == plan.bronze.pattern}
        return {partition_of(plan.calendar, key) for key in keys}

    def new_files(self, plan: DatasetPlan) -> tuple[Partition, ...]:
        """Of files that are partitions those that are complete and new, or other ones than bronze holds."""
        from medallion_assets.runs.due import files

        due = files(plan, self._listed(plan, settled=True), self.head(plan), self.begun(plan))
        return tuple(arrival.partition for arrival in due)

    def _listed(self, plan: DatasetPlan, *, settled: bool = False) -> "Sequence[tuple[str, int, str]]":
        """Name, bytes and version of every file of a source whose files are partitions."""
        from medallion_assets.sources.files.source import FileSource

        source = self.source(plan)
        anywhere = Partition(Window(_EVER, _EVER), "", _EVER.date())
        return source.listed(anywhere, settled=settled) if isinstance(source, FileSource) else ()

    def _file(self, plan: DatasetPlan, name: str) -> Partition:
        from medallion_assets.runs.by_file import file_partition

        head = self.head(plan)
        held = any(commit.load.partition == name for commit in head.live)
        if not held and all(name != file for file, _, _ in self._listed(plan)):
            raise ConfigError(
                "PLN-012",
                f"{plan.name} has no file {name}.",
                where=f"{plan.name}  partition {name}",
                fix="name one that the source has, as it is below the project or store; or give no name: all new ones.",
            )
        return file_partition(plan.calendar, head, name, self.clock.now())

    def _last_file(self, plan: DatasetPlan) -> Partition:
        begun = self.begun(plan)
        if not begun:
            raise ConfigError(
                "PLN-012", f"{plan.name} has no file yet.", where=plan.name, fix="wait for one, or see `source.path`."
            )
        return begun[-1]

    def with_input(self, plan: DatasetPlan, partitions: Sequence[Partition]) -> tuple[Partition, ...]:
        """Those for which a file source has a file; all of them for another source.

        Raises ExtractionError: SRC-002 when there is none at all, others as reading would.
        """
        if not isinstance(plan.source, File) or not plan.as_of:
            return tuple(partitions)
        source = self.source(plan)
        absent = {partition: _absent(source, partition) for partition in partitions}
        found = tuple(partition for partition, error in absent.items() if error is None)
        first = next((error for error in absent.values() if error is not None), None)
        if first is not None and not found:
            raise first
        return found

    def begun(self, plan: DatasetPlan) -> tuple[Partition, ...]:
        """Every partition from the calendar's start to now; every file, loaded or not.

        Raises ConfigError PLN-002 when none has begun.
        """
        if plan.by_file:
            from medallion_assets.runs.by_file import file_partitions

            names = [name for name, _, _ in self._listed(plan)]
            return file_partitions(plan.calendar, self.head(plan), names, self.clock.now())
        current = self.current(plan)
        if plan.calendar.cadence == "none":
            return (current,)
        first, last = plan.calendar.start, current.window.end.date()
        return tuple(p for p in partitions_between(plan.calendar, first, last) if p <= current)

    def arrivals(self, plan: DatasetPlan) -> "Iterator[Arrival]":
        """Partitions with files, or of a topic messages, that bronze does not hold, newest first.

        None for other sources. Raises StorageError, SRC-…
        """
        from medallion_assets.runs.due import arrivals, files, messages
        from medallion_assets.sources.files.source import FileSource

        source = self.source(plan)
        if isinstance(plan.source, Kafka):
            from medallion_assets.sources.kafka.source import KafkaSource

            topic = source if isinstance(source, KafkaSource) else None
            return iter(()) if topic is None else messages(topic.waiting, self.head(plan), self.current(plan))
        if not isinstance(source, FileSource):
            return iter(())
        if plan.by_file:
            return files(plan, self._listed(plan), self.head(plan), self.begun(plan))
        return arrivals(plan, source.listed, self.head(plan), self.begun(plan), self.current(plan))

    def missing(self, plan: DatasetPlan) -> tuple[Partition, ...]:
        """Whole partitions that were never loaded and, of files, have some. Raises StorageError, SRC-…"""
        from medallion_assets.runs.due import missing

        now = self.clock.now()
        gaps = missing(plan, self.head(plan), [p for p in self.begun(plan) if p.window.end <= now])
        try:
            return self.with_input(plan, gaps) if gaps else ()
        except ExtractionError as error:
            if error.code != "SRC-002":
                raise
            return ()

    def unloaded(self, plan: DatasetPlan, partitions: Sequence[Partition]) -> tuple[Partition, ...]:
        """Those without a live load, or with one that has lost parts or bits. Reads every byte of the others."""
        from medallion_assets.bronze.decide import live_of
        from medallion_assets.bronze.verify import verify

        store, head = self.store(plan.bronze.store), self.head(plan)
        found = []
        for partition in partitions:
            live = live_of(head, plan.bronze.pattern, partition.window)
            if live is None or verify(store, plan.bronze.path, live.load):
                found.append(partition)
        return tuple(found)

    # -------------------------------------------------------------------------------------------- ports

    @cached_property
    def _resolver(self) -> Resolver:
        file = self.root / self.platform.env_file
        return Resolver(
            self.platform.policy, self.env, read_env_file(file.read_text()) if file.is_file() else {}, self.root
        )

    def resolve(self, text: str) -> str:
        """``text`` with its references as values. Raises ConfigError PLN-020 to PLN-023."""
        return self._resolver.text(text)

    def scrub(self, text: str) -> str:
        """``text`` without any secret that was resolved so far."""
        if "_resolver" not in self.__dict__:
            return text
        from medallion_assets.secrets.redact import scrub

        return scrub(text, self._resolver.given)

    @contextmanager
    def _scrubbed(self) -> Iterator[None]:
        """Errors leave without secrets, and without a cause that may hold one."""
        try:
            yield
        except MedallionError as error:
            from medallion_assets.secrets.redact import scrub_error

            clean = scrub_error(error, self._resolver.given)
            if clean is error:
                raise
            raise clean from None
        except _panics() as error:
            raise RuntimeError(f"Polars panicked: {error}") from error

    def store(self, name: str) -> Store:
        """The store called ``name`` in platform.yaml. Raises StorageError, ConfigError."""
        if name not in self._stores:
            from medallion_assets.stores.open import open_store

            self._stores[name] = open_store(name, self.platform.stores[name], self.root, self._resolver.text)
        return self._stores[name]

    def source(self, plan: DatasetPlan) -> Source:
        """Raises ConfigError PLN-008 for what this version does not build."""
        self.refuse_unbuilt(plan)
        from medallion_assets.sources.open import Surroundings, open_source

        platform = self.platform
        return open_source(
            plan,
            Surroundings(
                self.root, self._resolver.text, platform.connections, platform.stores, self.clock.now, self._parents
            ),
        )

    def _parents(self, dataset: str, partition: Partition, bind: Sequence[str], more: Sequence[str]) -> "pl.DataFrame":
        from medallion_assets.runs.parents import parent_rows

        plan = self.plan(dataset)
        return parent_rows(plan, self.head(plan), self.store(plan.bronze.store), partition, bind=bind, more=more)

    def table(self, silver: SilverPlan) -> Table:
        """Raises StorageError SLV-005, SLV-015."""
        from medallion_assets.tables.open import open_table

        return open_table(silver, self.store(silver.store), self.clock)

    # -------------------------------------------------------------------------------------------- verbs

    def ingest(
        self,
        plan: DatasetPlan,
        partition: Partition,
        *,
        run_id: str | None = None,
        force: bool = False,
        restate: bool = False,
        progress: Progress | None = None,
    ) -> "Ingested":
        """Load one partition into bronze. ``restate`` loads what a source holds now into an older partition.

        Raises ConfigError (PLN-007, PLN-008), ExtractionError, StorageError, CheckError.
        """
        self.refuse_unbuilt(plan)
        from medallion_assets.runs.ingest import ingest

        run_id = run_id or _new_id()
        with self._scrubbed(), self._told.ingest(plan, partition, run_id) as told:
            done = ingest(
                plan,
                partition,
                source=self.source(plan),
                store=self.store(plan.bronze.store),
                clock=self.clock,
                run_id=run_id,
                force=force,
                restate=restate,
                progress=progress,
            )
            if plan.bronze.csv:
                from medallion_assets.runs.export import export_bronze

                # The load is committed whatever becomes of them: the next one, or `repair`, writes them.
                with suppress(StorageError):
                    export_bronze(plan, self.store(plan.bronze.store))
            told(done)
            return done

    @staticmethod
    def whole(plan: DatasetPlan) -> DatasetPlan:
        """The dataset as loads of its whole state. Raises ConfigError PLN-009 when nothing says where that is."""
        if plan.whole is not None or plan.bronze.pattern == "full":
            return plan.whole or plan
        raise ConfigError(
            "PLN-009",
            f"{plan.name} is loaded by its changes, and nothing says where its whole state is.",
            where=f"{plan.file}:{plan.line}  load",
            fix="say it: `full_refresh: {every: 7d, source: {…}}`; its keys are merged over `source`.",
        )

    def refresh(
        self, plan: DatasetPlan, partition: Partition, *, run_id: str | None = None, progress: Progress | None = None
    ) -> "Ingested | None":
        """Load the whole state, too, when `full_refresh` says that it is time: into ``partition``, or with the newest
        one into the current one, when the source can only be read as it is now.

        None: it is not time; or of files as of a date, there is none. Raises as ``ingest``.
        """
        from medallion_assets.runs.due import whole_due

        whole = plan.whole
        if whole is None or plan.refresh_every is None or (not whole.as_of and partition < self.newest(plan)):
            return None
        target = partition if whole.as_of else self.current(plan)
        if not whole_due(self.head(plan), target, plan.refresh_every, self.clock.now()):
            return None
        if whole.as_of and isinstance(whole.source, File) and _absent(self.source(whole), target) is not None:
            return None
        return replace(self.ingest(whole, target, run_id=run_id, progress=progress), whole=True)

    def verify_bronze(
        self, plan: DatasetPlan, partition: Partition, *, head: "Head | None" = None
    ) -> "tuple[CheckResult, ...]":
        """The verdict of each check of the plan on one partition. ``head`` spares reading the log again."""
        from medallion_assets.runs.verify import verify_bronze

        return verify_bronze(plan, partition, store=self.store(plan.bronze.store), head=head, around=self._around(plan))

    def refine(
        self,
        plan: DatasetPlan,
        silver: SilverPlan,
        *,
        allow_deletes: Collection[str] = (),
        run_id: str | None = None,
        progress: Progress | None = None,
        afresh: bool = False,
    ) -> "Refined":
        """Bring one silver table and its exports up to bronze's head; ``afresh``: also when it says that it is.

        Loads of the partitions ``allow_deletes`` that are held for the number of their deletes are approved in bronze's
        log and absorbed. Raises ConfigError PLN-008, StorageError, CheckError.
        """
        self.refuse_unbuilt(plan)
        from medallion_assets.runs.approve import approve
        from medallion_assets.runs.export import export_csv
        from medallion_assets.runs.refine import refine
        from medallion_assets.tables.open import refuse_other_format
        from medallion_assets.tables.reading import reading

        store, room, beside = self.store(plan.bronze.store), self._room(silver), self.store(silver.store)
        run_id = run_id or _new_id()
        with self._scrubbed(), self._told.refine(plan, silver, run_id) as told:
            table = self.table(silver)
            refuse_other_format(silver, table, beside)
            done = refine(plan, silver, store=store, table=table, room=room, quarantine_store=beside,
                          progress=progress, afresh=afresh)  # fmt: skip
            # A load that is absorbed is the measure for the next: that one may be held only now.
            while held := [load.n for load in done.held if load.partition in allow_deletes]:
                if not approve(plan, held, store=store, clock=self.clock, run_id=run_id):
                    break
                before, done = done, refine(plan, silver, store=store, table=table, room=room,
                                            quarantine_store=beside, progress=progress)  # fmt: skip
                done = replace(done, changed=before.changed + done.changed, written=before.written or done.written)
            if "csv" in silver.exports:
                with reading(str(silver.entity)):
                    export_csv(silver, table, done, beside)
            told(done)
            return done

    @cached_property
    def _told(self) -> "Told":
        from medallion_assets.runs.told import Told

        return Told(self.platform.observability.lineage, self.root, self)

    def prove(self, plan: DatasetPlan, silver: SilverPlan) -> "Proof":
        """Whether a table is its rebuild; writes nothing. Raises ConfigError PLN-008, StorageError, CheckError."""
        self.refuse_unbuilt(plan)
        from medallion_assets.runs.proof import prove

        store, room = self.store(plan.bronze.store), self._room(silver)
        with self._scrubbed():
            return prove(plan, silver, store=store, table=self.table(silver), room=room)

    def _room(self, silver: SilverPlan) -> "Room":
        """Who computes a table, and with how much: as the intent says, or else the platform."""
        from medallion_assets.runs.room import Room

        said = self.platform.engines
        if silver.engine != "auto":
            return Room(silver.engine, "the intent", said.memory, said.spark)
        return Room(said.default, "platform.yaml", said.memory, said.spark)

    def quarantined(self, plan: DatasetPlan) -> "Iterator[tuple[str, pl.DataFrame]]":
        """Rows not used, by place: bronze of a dataset with one of its own, then its tables. Raises StorageError."""
        from medallion_assets.runs.quarantine import bronze_quarantine, silver_quarantine

        if plan.has_bronze:
            yield (
                plan.dataset.label,
                bronze_quarantine(self.head(plan), self.store(plan.bronze.store), plan.bronze.path),
            )
        for silver in plan.silvers:
            yield str(silver.entity), silver_quarantine(self.table(silver).state(), self.store(silver.store))

    def verify_silver(self, plan: DatasetPlan, silver: SilverPlan, refined: "Refined") -> "tuple[CheckResult, ...]":
        """The verdict of each check of the table on what ``refined`` left, but for those that it gave itself."""
        from medallion_assets.runs.verify import verify_silver
        from medallion_assets.tables.reading import reading

        table, store, around = self.table(silver), self.store(plan.bronze.store), self._around(plan)
        with reading(str(silver.entity)):
            verdicts = verify_silver(plan, silver, refined, store=store, table=table, around=around)
        given = {check.name for check in refined.checks}
        return tuple(check for check in verdicts if check.name not in given)

    def _around(self, plan: DatasetPlan) -> "Around":
        from medallion_assets.runs.around import Around, personal

        return Around(
            self.clock.now(),
            lambda name: self.table(silver_named(self.plans, name, plan.dataset.tenant)[1]),
            lambda name: personal(*silver_named(self.plans, name, plan.dataset.tenant)),
            self.root,
        )

    def head(self, plan: DatasetPlan) -> "Head":
        """What is committed of a dataset now. Raises StorageError."""
        from medallion_assets.bronze.commit import CommitLog

        return CommitLog(self.store(plan.bronze.store), plan.bronze.path).head()

    def scan_bronze(self, plan: DatasetPlan, commits: "Sequence[Commit]") -> "pl.LazyFrame":
        """Verified rows of these loads: the source's columns, then ``_commit``, ``_part``, ``_row``. Raises Corrupt."""
        from medallion_assets.bronze.reader import scan

        return scan(self.store(plan.bronze.store), plan.bronze.path, commits)

    def write_report(self, page: str) -> str:
        """Put the quality report beside the silver tables; where it is. Raises StorageError."""
        store, path = self.store(self.platform.silver.store), "quality/index.html"
        store.put(path, page.encode())
        return store.url(path)

    # -------------------------------------------------------------------------------------------- upkeep

    def audit(self, plan: DatasetPlan, *, progress: Progress | None = None) -> "Audit":
        """Every byte of every live part against its hash, and the whole log. Raises Corrupt for a damaged log."""
        from medallion_assets.bronze.audit import audit

        return audit(self.store(plan.bronze.store), plan.bronze.path, progress=progress)

    def repair(self, plan: DatasetPlan) -> tuple[str, ...]:
        """Write the copies beside the parts, and beside the files of Parquet tables of them, anew where they are not
        what the logs say; the paths written. CSV files of bronze that the intent asks for no longer go.
        """
        from medallion_assets.bronze.repair import rebuild_copies
        from medallion_assets.runs.export import export_bronze
        from medallion_assets.tables.parquet import ParquetTable

        store = self.store(plan.bronze.store)
        written = (*rebuild_copies(store, plan.bronze.path), *export_bronze(plan, store, thorough=True))
        readers = [silver for other in self.plans if other.bronze == plan.bronze for silver in other.silvers]
        tables = [self.table(silver) for silver in readers if silver.format == "parquet"]
        return (*written, *(path for table in tables if isinstance(table, ParquetTable) for path in table.repair()))

    def expunge(
        self, plan: DatasetPlan, keys: Sequence[str], *, live: bool = False, write: bool = False
    ) -> "tuple[Expunged, tuple[Refined, ...]]":
        """Take the rows of ``keys`` out of a dataset's bronze, and bring every table that reads it up to that; without
        ``write``, only look for them. ``live``: also keys that no table says were deleted.

        Raises ConfigError CLI-014, CLI-015, PLN-008; StorageError, CheckError.
        """
        from medallion_assets.runs.export import export_bronze
        from medallion_assets.runs.expunge import expunge
        from medallion_assets.runs.named_keys import named_keys

        readers = [(other, silver) for other in self.plans if other.bronze == plan.bronze for silver in other.silvers]
        silver, wanted = named_keys(plan, keys)
        tables = None if live else [(reader, self.table(reader)) for _, reader in readers]
        with self._scrubbed():
            done = expunge(
                plan, silver, wanted, store=self.store(plan.bronze.store), clock=self.clock,
                run_id=_new_id(), tables=tables, write=write,
            )  # fmt: skip
        try:
            changed = () if done.commit is None else readers
            return done, tuple(self.refine(other, reader) for other, reader in changed)
        finally:
            if write:  # without a commit, too: what an earlier one expunged may have stayed in a copy
                with self._scrubbed():
                    export_bronze(plan, self.store(plan.bronze.store))
                    self._clear_csv(readers)

    def sweep(self, plan: DatasetPlan, *, grace: timedelta | None = None, delete: bool = False) -> "Sweep":
        """The garbage of a dataset; with ``delete`` it is removed, and, as they can be made anew, all CSV files of it
        that nothing asks for. ``grace``: nothing younger goes (None: 7 days).
        """
        from medallion_assets.bronze.garbage import Keep, sweep
        from medallion_assets.runs.admit import GARBAGE_GRACE
        from medallion_assets.runs.export import bronze_path, clear_bronze

        readers = [(other, silver) for other in self.plans if other.bronze == plan.bronze for silver in other.silvers]
        absorbed = min((self.table(silver).absorbed or 0 for _, silver in readers), default=sys.maxsize)
        keep = Keep(GARBAGE_GRACE if grace is None else grace, plan.bronze.retention, absorbed)
        store = self.store(plan.bronze.store)
        found = sweep(store, plan.bronze.path, keep, beside=bronze_path(plan), delete=delete)
        if delete:
            clear_bronze(plan, store)
            self._clear_csv(readers)
        return found

    def _clear_csv(self, readers: "Sequence[tuple[DatasetPlan, SilverPlan]]") -> None:
        """Take the exports of tables that have none any more away."""
        from medallion_assets.runs.export import clear_csv

        for _, silver in readers:
            clear_csv(silver, self.store(silver.store))

    def ddl(self, silver: SilverPlan, dialect: "DialectName") -> "tuple[Statement, ...]":
        """What makes a table and its views in an engine of the reader's; none for a table that is not built yet.

        Raises ConfigError CLI-016, StorageError.
        """
        from medallion_assets.ddl.places import place_of
        from medallion_assets.ddl.statements import name_of, statements

        if silver.format != "delta":
            raise ConfigError(
                "CLI-016", f"The table is in format {silver.format}: its files have other names in every version.",
                where=str(silver.entity), fix="read the files that `_metadata.json` names; or keep the table as delta.",
            )  # fmt: skip
        with self._scrubbed():
            table = self.table(silver)
            columns = {} if table.version is None else dict(table.scan().collect_schema())
            spec = self.platform.stores[silver.store]
            place = place_of(silver.store, spec, silver.path, self.root, self._resolver.text)
        if not columns:
            return ()
        found = statements(silver, columns, place, dialect)
        others = {".".join(name_of(s.entity)) for plan in self.plans for s in plan.silvers if s.entity != silver.entity}
        for statement in found:
            if statement.makes in others:
                raise ConfigError(
                    "CLI-016", f"{statement.makes} is a table, and would be a view of this one.",
                    where=str(silver.entity), fix="give one of the entities another name.",
                )  # fmt: skip
        return found

    def optimize(self, silver: SilverPlan) -> "Compacted":
        """Join a table's small files. Raises Conflict SLV-002 after several lost races, StorageError."""
        table = self.table(silver)
        with self._scrubbed():
            for _ in range(_TRIES - 1):
                try:
                    return table.optimize()
                except Conflict:  # noqa: PERF203 - a race is rare
                    table.reload()
            return table.optimize()

    def vacuum(self, silver: SilverPlan, *, grace: timedelta | None = None, delete: bool = False) -> tuple[str, ...]:
        """Files that only old versions of a table need; with ``delete`` they are removed.

        ``grace``: None is the intent's ``retention.silver``, or 7 days. Raises StorageError.
        """
        from medallion_assets.runs.admit import GARBAGE_GRACE

        age = silver.retention or GARBAGE_GRACE if grace is None else grace
        store = self.store(silver.store)
        with self._scrubbed():
            there = {info.path.removeprefix(f"{silver.path}/") for info in store.list(silver.path)}
            # Delta goes by its log, which remembers also what is removed already.
            return tuple(file for file in self.table(silver).vacuum(age, delete=delete) if unquote(file) in there)

    @staticmethod
    def refuse_unbuilt(plan: DatasetPlan) -> None:
        """Raises ConfigError PLN-008 for a plan that this version cannot run."""
        if plan.not_built:
            raise ConfigError(
                "PLN-008",
                " ".join(plan.not_built),
                where=f"{plan.file}:{plan.line}  {plan.name}",
                fix="take it out of the intent, or set `enabled: false` until a version builds it.",
            )

    @staticmethod
    def _only_now(plan: DatasetPlan, asked: str, current: Partition) -> ConfigError:
        return ConfigError(
            "PLN-007",
            f"{plan.name} reads what its source holds now, which belongs to {current.key}, not to {asked}.",
            where=f"{plan.name}  partition {asked}",
            fix=f"run it for {current.key}, or put `{{run_date}}` into the source's path so that it can be read as of"
            " a date; `--restate` loads it there all the same.",
        )


def _absent(source: Source, partition: Partition) -> ExtractionError | None:
    """SRC-002, when no file matches for a partition; None for a source of something else."""
    from medallion_assets.sources.files.source import FileSource

    try:
        if isinstance(source, FileSource):
            source.find(partition)
    except ExtractionError as error:
        if error.code != "SRC-002":
            raise
        return error
    return None


def _panics() -> type[BaseException]:
    """What Polars raises where it should not, which is no Exception; looked up when something is raised."""
    from polars.exceptions import PanicException

    panic: type[BaseException] = PanicException
    return panic


def _new_id() -> str:
    from uuid import uuid4

    return uuid4().hex
