"""Projects for these tests: intents as text, and a project whose verbs are scripted instead of run."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path

import polars as pl

from medallion_assets.lake.manifest import Column, Commit, FileFact, Head, Load, Part, SourceFacts
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import Progress, Store, Table, TableState
from medallion_assets.lake.results import CheckResult, Compacted, Ingested, Refined
from medallion_assets.lake.window import Partition
from medallion_assets.plan.calendar import partition_of
from medallion_assets.plan.model import CheckPlan, DatasetPlan, SilverPlan
from medallion_assets.project import Project
from medallion_assets.stores.memory import MemoryStore

ORDERS = """
system: retail
table: orders
domain: sales
description: Orders, one row per change.
owners: [team:sales, "Ann of the second floor"]
tags: {source: shop, note: "free text, with a comma"}
partitions: {cadence: daily, start: 2024-01-01, end: 2024-02-01}
source: {type: file, path: "data/orders_{run_date}.csv"}
load: full
columns:
  order_id: {type: string, nullable: false, description: Number on the receipt}
  email: {type: string, pii: true}
silver: {model: scd_type_2, keys: order_id}
checks:
  - {rule: not_null, columns: email, on_failure: warn}
"""
CLICKS = """
system: web
table: clicks
partitions: {cadence: daily, start: 2024-01-01, end: 2024-02-01}
source: {type: file, path: "data/clicks_{run_date}.csv"}
load: incremental
silver:
  - {model: event, keys: id}
  - {model: periodic_snapshot, entity: clicks_by_day}
"""
SHOPS = """
system: retail
table: shops
partitions: {cadence: none}
source: {type: file, path: data/shops.csv}
load: full
silver: {model: scd_type_1, keys: id}
"""
INTENTS = {"orders": ORDERS, "clicks": CLICKS, "shops": SHOPS}


def write_project(root: Path, intents: Mapping[str, str]) -> Path:
    """A project's folder with these intents."""
    for name, text in intents.items():
        file = root / "intents" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.lstrip(), encoding="utf-8")
    return root


@dataclass
class Script:
    """What goes wrong, and what was done."""

    raises: dict[str, list[Exception]] = field(default_factory=dict)
    """Partition key → errors of the next ingests of it, one each."""
    refine_raises: list[Exception] = field(default_factory=list)
    broken: set[tuple[str, str | None]] = field(default_factory=set)
    """(check, partition or None for all) whose verdict is failed."""
    silent: set[str] = field(default_factory=set)
    """Checks that give no verdict."""
    secret: str = ""
    ingested: list[str] = field(default_factory=list)
    forced: list[tuple[bool, bool]] = field(default_factory=list)
    refined: list[str] = field(default_factory=list)
    allowed: list[tuple[str, ...]] = field(default_factory=list)
    """Partitions whose deletes each refine was asked to let pass."""


@dataclass(frozen=True)
class MemoryTable:
    """A Table of two rows for each load."""

    rows: pl.DataFrame

    @property
    def version(self) -> int | None:
        return 0 if self.rows.height else None

    def state(self) -> TableState | None:
        return None

    def scan(self, version: int | None = None) -> pl.LazyFrame:
        return self.rows.lazy()

    @property
    def partition_by(self) -> tuple[str, ...]:
        return ()

    @property
    def absorbed(self) -> int | None:
        return None

    def reload(self) -> None:
        """Nothing changes."""

    def replace(self, rows: Pieces, state: TableState, *, partition_by: Sequence[str] = (), again: bool = False) -> int:
        raise NotImplementedError

    @property
    def patchable(self) -> bool:
        return False

    def matching(self, keys: pl.DataFrame) -> pl.DataFrame:
        raise NotImplementedError

    def patch(self, gone: pl.DataFrame, rows: pl.DataFrame, state: TableState, *, by: Sequence[str]) -> int:
        raise NotImplementedError

    def optimize(self) -> Compacted:
        raise NotImplementedError

    def vacuum(self, age: timedelta, *, delete: bool = False) -> tuple[str, ...]:
        raise NotImplementedError

    def advance(self, state: TableState) -> int:
        raise NotImplementedError


@dataclass(frozen=True)
class ScriptedProject(Project):
    """Real intents and plans; bronze is a list of commits of two rows each, and silver is their rows."""

    script: Script = field(default_factory=Script)
    logs: dict[str, list[Commit]] = field(default_factory=dict)
    memory: MemoryStore = field(default_factory=MemoryStore)

    def store(self, name: str) -> Store:
        return self.memory

    def scrub(self, text: str) -> str:
        return text.replace(self.script.secret, "***") if self.script.secret else text

    def head(self, plan: DatasetPlan) -> Head:
        log = self.logs.get(plan.name, [])
        return Head(len(log), "0" * 64, tuple(log))

    def scan_bronze(self, plan: DatasetPlan, commits: Sequence[Commit]) -> pl.LazyFrame:
        return pl.concat([_rows(c) for c in commits]).lazy()

    def table(self, silver: SilverPlan) -> Table:
        plan = next(p for p in self.plans if silver in p.silvers)
        log = self.logs.get(plan.name, [])
        return MemoryTable(pl.concat([_rows(c) for c in log]) if log else pl.DataFrame())

    def ingest(
        self,
        plan: DatasetPlan,
        partition: Partition,
        *,
        run_id: str | None = None,
        force: bool = False,
        restate: bool = False,
        progress: Progress | None = None,
    ) -> Ingested:
        if errors := self.script.raises.get(partition.key):
            raise errors.pop(0)
        self.script.ingested.append(partition.key)
        log = self.logs.setdefault(plan.name, [])
        if force or restate:
            self.script.forced.append((force, restate))
        before = next((c for c in log if c.load.partition == partition.key), None)
        if before is not None:
            return Ingested(plan.dataset, partition, before, written=False, seconds=0.0)
        commit = _commit(len(log) + 1, plan, partition, run_id or "")
        log.append(commit)
        return Ingested(plan.dataset, partition, commit, written=True, seconds=0.5)

    def verify_bronze(
        self, plan: DatasetPlan, partition: Partition, *, head: Head | None = None
    ) -> tuple[CheckResult, ...]:
        return self._verdicts(plan.checks, partition.key)

    def refine(
        self,
        plan: DatasetPlan,
        silver: SilverPlan,
        *,
        allow_deletes: Collection[str] = (),
        run_id: str | None = None,
        progress: Progress | None = None,
        afresh: bool = False,
    ) -> Refined:
        self.script.allowed.append(tuple(allow_deletes))
        if self.script.refine_raises:
            raise self.script.refine_raises.pop(0)
        self.script.refined.append(str(silver.entity))
        log = self.logs.get(plan.name, [])
        rows = sum(c.load.rows for c in log)
        return Refined(
            dataset=plan.dataset,
            entity=silver.entity,
            bronze_n=len(log),
            table_version=0,
            written=True,
            rows_in=rows,
            events=rows,
            duplicates=0,
            filtered=0,
            quarantined=0,
            rows=rows,
            absence_deletes=0,
            changed=rows,
            seconds=0.25,
            how="whole",
            engine="polars",
            engine_why="it fits",
            columns=(("order_id", "String"), ("email", "String"), ("extra", "Int64")),
            content=_sha(f"{silver.entity} {rows}"),
            rows_in_by_partition={c.load.partition: c.load.rows for c in log},
            quarantined_by_partition={},
        )

    def verify_silver(self, plan: DatasetPlan, silver: SilverPlan, refined: Refined) -> tuple[CheckResult, ...]:
        return self._verdicts(silver.checks, None)

    def _verdicts(self, planned: Sequence[CheckPlan], partition: str | None) -> tuple[CheckResult, ...]:
        given = [check for check in planned if check.name not in self.script.silent]
        return tuple(self._verdict(check, partition) for check in given)

    def _verdict(self, check: CheckPlan, partition: str | None) -> CheckResult:
        broken = bool({(check.name, partition), (check.name, None)} & self.script.broken)
        return CheckResult(
            check.name,
            check.at,
            passed=not broken,
            severity=check.severity,
            summary="2 of 2 rows break it. Fix: mend them." if broken else "2 rows.",
            partition=partition,
            blocking=check.blocking,
            facts={"rows": 2, "failing": 2 if broken else 0, "share": 1.0 if broken else 0.0, "sample": "7"},
        )


def scripted(root: Path, intents: Mapping[str, str] | None = None) -> ScriptedProject:
    """The project of these intents, with scripted verbs."""
    project = Project.load(write_project(root, intents or INTENTS), variables={})
    return ScriptedProject(project.root, project.platform, project.plans)


def partition(project: Project, name: str, key: str) -> Partition:
    return partition_of(project.plan(name).calendar, key)


def _rows(commit: Commit) -> pl.DataFrame:
    day = commit.load.partition
    return pl.DataFrame({"order_id": [f"{day}/1", f"{day}/2"], "_run_date": [day, day], "load_date": [day, day]})


def _commit(n: int, plan: DatasetPlan, partition: Partition, run_id: str) -> Commit:
    content = _sha(f"{plan.name} {partition.key}")
    path = f"pattern={plan.bronze.pattern}/{partition.path}"
    now = datetime(2024, 3, 1, tzinfo=timezone.utc)
    load = Load(
        pattern=plan.bronze.pattern,
        partition=partition.key,
        path=path,
        window=partition.window,
        run_id=run_id,
        attempt="a1",
        parts=(Part(f"{path}/part-00001-a1.parquet", 1, 2, 100, content),),
        rows=2,
        schema=(Column("order_id", "String"),),
        refused=0,
        quarantine=None,
        content=content,
        intent=plan.ingest_fingerprint,
        source=SourceFacts(
            files=(FileFact("data/orders.csv", 10, "2024-03-01T00:00:00Z", "sha256:00", 2),), facts={"query": "q"}
        ),
        cursor_before=None,
        cursor_after=None,
        replaces=(),
        started_at=now,
        finished_at=now,
        code_version="0",
    )
    return Commit(n, "0" * 64, load, _sha(f"{plan.name} {n}"))


def _sha(text: str) -> str:
    return sha256(text.encode()).hexdigest()
