"""A lake on disk with loads committed by hand, and a silver table in memory: what ``runs.verify`` is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import polars as pl

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.intent.parse import parse_platform, parse_project
from medallion_assets.lake.manifest import Column, Commit, Load, Part, SourceFacts
from medallion_assets.lake.pieces import Pieces
from medallion_assets.lake.ports import TableState
from medallion_assets.lake.results import Compacted, Refined
from medallion_assets.lake.window import Partition
from medallion_assets.plan.calendar import partition_of
from medallion_assets.plan.compile import compile_plans
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.stores.local import LocalStore

THEN = datetime(2024, 1, 1, tzinfo=timezone.utc)


def plan_of(more: str = "", silver: str = "{model: scd_type_2, keys: id}") -> DatasetPlan:
    """The plan of a full daily load into one silver table, with further keys of the intent."""
    platform = parse_platform(None)
    text = f"""
system: shop
table: orders
source: {{type: file, path: "orders_{{run_date}}.csv"}}
load: full
partitions: {{start: 2024-01-01}}
silver: {silver}
{more}
"""
    return compile_plans(parse_project({"intents/orders.yaml": text}, platform), platform)[0]


@dataclass
class Lake:
    root: Path
    plan: DatasetPlan

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.root)

    def partition(self, key: str) -> Partition:
        return partition_of(self.plan.calendar, key)

    def commit(self, key: str, *parts: pl.DataFrame, refused: int = 0) -> Commit:
        """One load of these parts."""
        partition = self.partition(key)
        folder = f"pattern=full/{partition.path}"
        written = [self._part(folder, ordinal, rows) for ordinal, rows in enumerate(parts, 1)]
        schema = {name: str(dtype) for rows in parts for name, dtype in rows.schema.items()}
        load = Load(
            pattern="full",
            partition=key,
            path=folder,
            window=partition.window,
            run_id="run",
            attempt="attempt",
            parts=tuple(written),
            rows=sum(part.rows for part in written),
            schema=tuple(Column(name, type_) for name, type_ in schema.items()),
            refused=refused,
            quarantine=None,
            content=sha256("".join(part.sha256 for part in written).encode()).hexdigest(),
            intent="intent",
            source=SourceFacts(),
            cursor_before=None,
            cursor_after=None,
            replaces=(),
            started_at=THEN,
            finished_at=THEN,
            code_version="test",
        )
        log = CommitLog(self.store, self.plan.bronze.path)
        commit, written_now = log.publish(load, log.head())
        assert written_now
        return commit

    def path(self, part: Part) -> Path:
        return self.root / self.plan.bronze.path / part.path

    def _part(self, folder: str, ordinal: int, rows: pl.DataFrame) -> Part:
        buffer = BytesIO()
        rows.write_parquet(buffer)
        data = buffer.getvalue()
        path = f"{folder}/part-{ordinal:05d}-{sha256(data).hexdigest()[:8]}.parquet"
        self.store.put(f"{self.plan.bronze.path}/{path}", data)
        return Part(path, ordinal, rows.height, len(data), sha256(data).hexdigest())


class MemoryTable:
    """Rows at one version."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.rows = rows

    @property
    def version(self) -> int | None:
        return 0

    @property
    def absorbed(self) -> int | None:
        return None

    def reload(self) -> None: ...
    def state(self) -> TableState | None:
        return None

    @property
    def partition_by(self) -> tuple[str, ...]:
        return ()

    def scan(self, version: int | None = None) -> pl.LazyFrame:
        return self.rows.lazy()

    def replace(self, rows: Pieces, state: TableState, *, partition_by: Sequence[str] = (), again: bool = False) -> int:
        raise AssertionError("verify writes nothing")

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
        raise AssertionError("verify writes nothing")


def refined(plan: DatasetPlan, rows: int, by_partition: Mapping[str, int], *, bronze_n: int) -> Refined:
    """A refine that made an event of every row."""
    return Refined(
        dataset=plan.dataset,
        entity=plan.silvers[0].entity,
        bronze_n=bronze_n,
        table_version=0,
        written=True,
        rows_in=sum(by_partition.values()),
        events=sum(by_partition.values()),
        duplicates=0,
        filtered=0,
        quarantined=0,
        rows=rows,
        absence_deletes=0,
        changed=rows,
        seconds=0.0,
        how="whole",
        engine="polars",
        engine_why="it fits",
        columns=(),
        content="",
        rows_in_by_partition=by_partition,
    )
