"""``medallion run``: each dataset in turn, its dates in order, its silver tables once at the end. No printing here."""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal, Protocol

from medallion_assets.errors import CheckError, ConfigError, ExtractionError, MedallionError
from medallion_assets.lake.manifest import Head
from medallion_assets.lake.ports import Progress
from medallion_assets.lake.results import CheckResult, Ingested, Refined
from medallion_assets.lake.window import Partition
from medallion_assets.plan.model import DatasetPlan, SilverPlan
from medallion_assets.project import Project

__all__ = ["AssetLine", "Dates", "Failure", "Outcome", "Watch", "Work", "dates_of", "plan_work", "run", "unexpected"]


@dataclass(frozen=True, slots=True)
class Dates:
    """What was asked for: one date or key, a range with both ends, or nothing (each dataset's newest partition)."""

    key: str | None = None
    first: date | None = None
    last: date | None = None
    restate: bool = False
    """Also older partitions of a source that is read now."""
    missing: bool = False
    """Only what is not loaded and whole; when that is nothing, the last of what was asked for."""
    whole: bool = False
    """Loads of the whole state, of datasets that are otherwise loaded by their changes."""


@dataclass(frozen=True, slots=True)
class Work:
    """The partitions of one dataset to load, in order of time."""

    plan: DatasetPlan
    partitions: tuple[Partition, ...]
    absent: tuple[str, ...] = ()
    """Keys of the range for which the source has no file; they are left out and named."""
    loaded: int = 0
    """Partitions that are left out because they are loaded and whole."""
    restate: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    dataset: str
    partition: str | None
    error: MedallionError


@dataclass(frozen=True, slots=True)
class AssetLine:
    """One row of the summary: a bronze dataset or a silver table."""

    asset: str
    dataset: str
    layer: Literal["bronze", "silver"]
    partitions: int
    rows_in: int
    written: int
    quarantined: int
    checks_passed: int
    checks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a run did. Results carry their checks."""

    work: tuple[Work, ...]
    ingested: tuple[Ingested, ...]
    refined: tuple[Refined, ...]
    failures: tuple[Failure, ...]
    seconds: float
    run_ids: tuple[str, ...] = ()
    """Of Dagster runs, when it was recorded."""
    success: bool = True
    """False when a recorded run failed, for whatever reason."""

    @property
    def failed_checks(self) -> tuple[tuple[str, CheckResult], ...]:
        """(asset, verdict) of every check that did not pass."""
        bronze = [(str(done.dataset), check) for done in self.ingested for check in done.checks]
        silver = [(str(done.entity), check) for done in self.refined for check in done.checks]
        return tuple((asset, check) for asset, check in (*bronze, *silver) if not check.passed)

    @property
    def exit_code(self) -> int:
        """Of the first failure; 4 when a check of severity error did not pass; 1 when a recorded run failed."""
        if self.failures:
            return self.failures[0].error.exit_code
        if any(check.severity == "error" for _, check in self.failed_checks):
            return CheckError.exit_code
        return 0 if self.success else 1

    @property
    def wrote(self) -> bool:
        """Whether anything was: a load, or a version of a table."""
        return any(done.written for done in self.ingested) or any(done.written for done in self.refined)

    def lines(self) -> tuple[AssetLine, ...]:
        """Bronze, then its silver tables, dataset by dataset."""
        return tuple(line for work in self.work for line in self._lines(work.plan))

    def _lines(self, plan: DatasetPlan) -> Iterator[AssetLine]:
        loads = [done for done in self.ingested if done.dataset == plan.dataset]
        checks = [check for done in loads for check in done.checks]
        if loads:
            yield AssetLine(
                plan.name,
                plan.name,
                "bronze",
                len({done.partition for done in loads}),
                sum(done.commit.load.rows + done.commit.load.refused for done in loads),
                sum(done.commit.load.rows for done in loads if done.written),
                sum(done.commit.load.refused for done in loads),
                sum(check.passed for check in checks),
                len(checks),
                sum(done.seconds for done in loads),
            )
        for done in self.refined:
            if done.dataset == plan.dataset:
                yield AssetLine(
                    str(done.entity),
                    plan.name,
                    "silver",
                    len({load.partition for load in loads}),
                    done.rows_in,
                    done.changed if done.written else 0,
                    done.quarantined,
                    sum(check.passed for check in done.checks),
                    len(done.checks),
                    done.seconds,
                )


class Watch(Protocol):
    """Told of everything as it happens."""

    @property
    def progress(self) -> Progress: ...
    def ingested(self, done: Ingested) -> None: ...
    def refined(self, done: Refined) -> None: ...
    def failed(self, failure: Failure) -> None: ...


def plan_work(
    project: Project, names: Sequence[str], dates: Dates, tenant: str | None = None
) -> tuple[tuple[Work, ...], tuple[Failure, ...]]:
    """What to load of each dataset (of ``tenant`` alone, when one is given). A dataset that cannot be loaded for these
    dates is a failure, not the end.

    Raises ConfigError CLI-002, CLI-003 for a name.
    """
    tried = [_try_work(project, plan, dates) for plan in project.select(names, tenant)]
    work = tuple(one for one in tried if isinstance(one, Work))
    return work, tuple(one for one in tried if isinstance(one, Failure))


def _try_work(project: Project, plan: DatasetPlan, dates: Dates) -> Work | Failure:
    try:
        return _work(project, plan, dates)
    except MedallionError as error:
        return Failure(plan.name, None, error)


def _work(project: Project, plan: DatasetPlan, dates: Dates) -> Work:
    project.refuse_unbuilt(plan)
    if not plan.has_bronze:
        return Work(plan, _absorbed(project, plan, dates))
    loaded = project.whole(plan) if dates.whole else plan
    return replace(_to_load(project, loaded, dates), plan=plan, whole=dates.whole)


def _to_load(project: Project, plan: DatasetPlan, dates: Dates) -> Work:
    if dates.first is not None and dates.last is not None:
        asked = project.partitions(plan, dates.first, dates.last, restate=dates.restate)
        there = project.with_input(plan, asked)
        kept = set(there)
        due = (project.unloaded(plan, there) or there[-1:]) if dates.missing else there
        absent = tuple(p.key for p in asked if p not in kept)
        return Work(plan, due, absent, len(there) - len(due), dates.restate)
    if dates.key is None:
        new = project.new_files(plan) if plan.by_file else ()
        return Work(plan, new or (project.newest(plan),))
    return Work(plan, project.named(plan, dates.key, restate=dates.restate), restate=dates.restate)


def _absorbed(project: Project, plan: DatasetPlan, dates: Dates) -> tuple[Partition, ...]:
    """The partitions that silver of another's bronze is asked to absorb; none of them is loaded here."""
    if dates.first is not None and dates.last is not None:
        return project.partitions(plan, dates.first, dates.last, restate=True)
    return (project.newest(plan),) if dates.key is None else project.named(plan, dates.key, restate=True)


def run(
    project: Project,
    work: Sequence[Work],
    failures: Sequence[Failure],
    watch: Watch,
    *,
    force: bool = False,
    allow_deletes: bool = False,
) -> Outcome:
    """Load and refine in this process. The failure of one dataset, or of one of its partitions, stops no other.

    ``allow_deletes``: the loads of these partitions may delete as many keys as they do.
    """
    started = time.perf_counter()
    recorder = _Recorder(project, watch, force, allow_deletes, failures=list(failures))
    for failure in failures:
        watch.failed(failure)
    for one in work:
        recorder.dataset(one)
    return Outcome(
        tuple(work),
        tuple(recorder.loads),
        tuple(recorder.tables),
        tuple(recorder.failures),
        time.perf_counter() - started,
    )


@dataclass
class _Recorder:
    project: Project
    watch: Watch
    force: bool
    allow_deletes: bool
    loads: list[Ingested] = field(default_factory=list)
    tables: list[Refined] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)
    """Datasets whose bronze must not be used."""

    def dataset(self, work: Work) -> None:
        """One dataset. A bug met in it fails the run and stops no other; its traceback stays the failure's cause."""
        try:
            self._dataset(work)
        except Exception as error:  # noqa: BLE001 - see above
            known = unexpected(error)
            known.__cause__ = error
            self._failed(work.plan, None, known)

    def _dataset(self, work: Work) -> None:
        """Bronze in order of time, then each silver table, which absorbs all of it at once."""
        plan = work.plan
        usable = not self.stopped.intersection(plan.upstream) and (not plan.has_bronze or self._bronze(work))
        if not usable:
            self.stopped.add(work.plan.name)
            return
        allowed = {partition.key for partition in work.partitions} if self.allow_deletes else set()
        for silver in work.plan.silvers:
            try:
                done = self._refine(work.plan, silver, allowed)
            except MedallionError as error:
                self._failed(work.plan, None, error)
                continue
            self.tables.append(done)
            self.watch.refined(done)

    def _bronze(self, work: Work) -> bool:
        """Whether silver may be computed: something is loaded and no check forbids its use.

        A partition whose *data* is bad does not stop the next one; a lake or an intent that is, does.
        """
        loads: list[Ingested] = []
        usable = self._ingest(work, loads)
        if not loads:
            return False
        try:
            head = self.project.head(work.plan)
            last = {done.partition: done for done in loads}  # a whole load and changes are judged together
            loads = [self._verified(work.plan, d, head) if last[d.partition] is d else d for d in loads]
        except MedallionError as error:
            self._failed(work.plan, None, error)
            usable = False
        self.loads.extend(loads)
        return usable and not any(check.blocking and not check.passed for done in loads for check in done.checks)

    def _ingest(self, work: Work, loads: list[Ingested]) -> bool:
        """Adds what is loaded to ``loads``; False when the lake or the intent stopped it."""
        for partition in work.partitions:
            try:
                if not work.whole:
                    self._refresh(work.plan, partition, loads)
                plan = self.project.whole(work.plan) if work.whole else work.plan
                done = self.project.ingest(
                    plan, partition, force=self.force, restate=work.restate, progress=self.watch.progress
                )
                done = replace(done, whole=plan is not work.plan)
            except MedallionError as error:
                self._failed(work.plan, partition.key, error)
                if not isinstance(error, ExtractionError | CheckError):
                    return False
                continue
            loads.append(done)
            self.watch.ingested(done)
        return True

    def _refresh(self, plan: DatasetPlan, partition: Partition, loads: list[Ingested]) -> None:
        whole = self.project.refresh(plan, partition, progress=self.watch.progress)
        if whole is not None:
            loads.append(whole)
            self.watch.ingested(whole)

    def _verified(self, plan: DatasetPlan, done: Ingested, head: Head) -> Ingested:
        started = time.perf_counter()
        checks = (*done.checks, *self.project.verify_bronze(plan, done.partition, head=head))
        return replace(done, checks=checks, seconds=done.seconds + time.perf_counter() - started)

    def _refine(self, plan: DatasetPlan, silver: SilverPlan, allowed: Collection[str]) -> Refined:
        started = time.perf_counter()
        done = self.project.refine(plan, silver, allow_deletes=allowed, progress=self.watch.progress)
        checks = (*done.checks, *self.project.verify_silver(plan, silver, done))
        return replace(done, checks=checks, seconds=time.perf_counter() - started)

    def _failed(self, plan: DatasetPlan, partition: str | None, error: MedallionError) -> None:
        failure = Failure(plan.name, partition, error)
        self.failures.append(failure)
        self.watch.failed(failure)


def unexpected(error: Exception) -> ConfigError:
    """The error that people see for one that nobody foresaw (CLI-009)."""
    what = f"{type(error).__name__}: {error}"
    return ConfigError("CLI-009", what, where="medallion", fix="run it again with --debug and report what you see.")


def dates_of(
    key: str | None,
    first: str | None,
    last: str | None,
    *,
    restate: bool = False,
    missing: bool = False,
    whole: bool = False,
) -> Dates:
    """The dates of ``--date``, ``--from`` and ``--to``. Raises ConfigError CLI-005."""
    if (first is None) != (last is None) or (key is not None and first is not None):
        raise ConfigError(
            "CLI-005",
            "Dates are given as --date D, or as --from A --to B.",
            where="medallion run",
            fix="give one date, or both ends of a range (both are loaded).",
        )
    if first is None or last is None:
        if missing:
            raise ConfigError(
                "CLI-005",
                "--missing chooses among the partitions of a range.",
                where="medallion run",
                fix="give --from A --to B.",
            )
        return Dates(key, restate=restate, whole=whole)
    ends = (_date("--from", first), _date("--to", last))
    if ends[0] > ends[1]:
        raise ConfigError(
            "CLI-005",
            f"--from {first} is after --to {last}.",
            where="medallion run",
            fix="give the earlier date first.",
        )
    return Dates(None, *ends, restate=restate, missing=missing, whole=whole)


def _date(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            "CLI-005", f"'{text}' is not a date.", where=f"medallion run  {option}", fix="write it as 2024-01-31."
        ) from None
