"""A bronze log in memory with loads committed by hand, and the plan of one intent: what a refine is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from hashlib import sha256
from io import BytesIO
from itertools import count

import polars as pl

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.intent.parse import parse_platform, parse_project
from medallion_assets.lake.manifest import Approval, Column, Commit, Load, Part, Pattern, SourceFacts
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import Store
from medallion_assets.plan.calendar import partition_of
from medallion_assets.plan.compile import compile_plans
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.runs.build import Built, build
from medallion_assets.runs.room import Room
from medallion_assets.runs.scratch import Scratch
from medallion_assets.stores.memory import MemoryStore

THEN = datetime(2024, 1, 1, tzinfo=timezone.utc)
CDC = "{pattern: cdc, operation: {column: op, truncate: T}}"
MISFITS_ALLOWED = "quarantine: {max_rows: 1000000}"


def plan_of(silver: str, load: str = CDC, more: str = MISFITS_ALLOWED) -> DatasetPlan:
    """The plan of a daily dataset from 2024-01-01 with one silver table."""
    platform = parse_platform(None)
    text = f"""
system: shop
table: orders
source: {{type: file, path: "orders_{{run_date}}.csv"}}
load: {load}
partitions: {{start: 2024-01-01}}
silver: {silver}
{more}
"""
    return compile_plans(parse_project({"intents/orders.yaml": text}, platform), platform)[0]


@dataclass
class Lake:
    plan: DatasetPlan
    store: Store = field(default_factory=MemoryStore)
    room: Room = field(default_factory=Room)
    attempts: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def log(self) -> CommitLog:
        return CommitLog(self.store, self.plan.bronze.path, sleep=lambda _: None)

    def commit(
        self,
        key: str,
        *parts: pl.DataFrame,
        pattern: Pattern | None = None,
        refused: int = 0,
        appends: bool = False,
    ) -> Commit:
        """One load of these parts in partition ``key``; one of the same window and pattern is replaced, unless it
        ``appends``.
        """
        pattern = pattern or self.plan.bronze.pattern
        partition = partition_of(self.plan.calendar, key)
        folder = f"pattern={pattern}/{partition.path}"
        attempt = str(next(self.attempts))
        written = [self._part(folder, attempt, ordinal, rows) for ordinal, rows in enumerate(parts, 1)]
        schema = {name: str(dtype) for rows in parts for name, dtype in rows.schema.items()}
        load = Load(
            pattern=pattern, partition=key, path=folder, window=partition.window, run_id="run", attempt=attempt,
            parts=tuple(written), rows=sum(part.rows for part in written),
            schema=tuple(Column(name, type_) for name, type_ in schema.items()), refused=refused, quarantine=None,
            content=sha256(f"{refused} {[p.sha256 for p in written]}".encode()).hexdigest(), intent="intent",
            source=SourceFacts(), cursor_before=None, cursor_after=None, replaces=(), started_at=THEN,
            finished_at=THEN, code_version="test", appends=appends,
        )  # fmt: skip
        return self.log.publish(load, self.log.head())[0]

    def approve(self, *commits: int) -> None:
        """Let silver absorb these commits whatever they delete."""
        self.log.approve(Approval(commits, "run", THEN, "test"), self.log.head())

    def _part(self, folder: str, attempt: str, ordinal: int, rows: pl.DataFrame) -> Part:
        whole = BytesIO()
        rows.write_parquet(whole)
        data = whole.getvalue()
        path = f"{folder}/part-{ordinal:05d}-{attempt}.parquet"
        self.store.put(f"{self.plan.bronze.path}/{path}", data)
        return Part(path, ordinal, rows.height, len(data), sha256(data).hexdigest())

    def build(self, which: int = 0) -> Built:
        """The silver table's rows and account, without a table."""
        with Scratch() as scratch:
            built = build(
                self.plan, self.plan.silvers[which], self.log.head(), store=self.store, room=self.room, scratch=scratch
            )
            return replace(built, pieces=Pieces.of(built.rows))


def text(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> pl.DataFrame:
    """Rows as a text format gives them: every cell String, null where it is missing."""
    cells = [[None if row.get(c) is None else str(row[c]) for c in columns] for row in rows]
    return pl.DataFrame(cells, schema=dict.fromkeys(columns, pl.String), orient="row")
