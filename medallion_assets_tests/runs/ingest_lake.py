"""What ``runs.ingest`` is given in tests: a plan from YAML, a source that grows, a clock that stands still."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

import polars as pl

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.reader import scan
from medallion_assets.errors import MedallionError
from medallion_assets.intent.parse import parse_platform, parse_project
from medallion_assets.lake.manifest import FileFact, SourceFacts
from medallion_assets.lake.ports import Batch, Reading, Refused, Request, Store
from medallion_assets.lake.results import Ingested
from medallion_assets.lake.window import Partition
from medallion_assets.plan.calendar import partition_of
from medallion_assets.plan.compile import compile_plans
from medallion_assets.plan.model import DatasetPlan
from medallion_assets.runs.ingest import ingest

NOW = datetime(2024, 1, 10, 12, tzinfo=timezone.utc)


def plan_of(
    *, path: str = "orders_{run_date}.csv", load: str = "{pattern: full, chunk: {rows: 3}}", more: str = ""
) -> DatasetPlan:
    platform = parse_platform(None)
    text = f"""
system: shop
table: orders
source: {{type: file, path: "{path}"}}
load: {load}
partitions: {{start: 2024-01-01}}
{more}
"""
    return compile_plans(parse_project({"intents/orders.yaml": text}, platform), platform)[0]


def day(plan: DatasetPlan, key: str = "2024-01-01") -> Partition:
    return partition_of(plan.calendar, key)


class StoppedClock:
    def now(self) -> datetime:
        return NOW


def rows(*values: str) -> pl.DataFrame:
    return pl.DataFrame({"id": list(values)}, schema={"id": pl.String})


BAD = Refused("ragged", "3 cells where 1 is expected", "orders.csv", 7, "a,b,c")


@dataclass
class FakeSource:
    """Gives these batches to every request; ``before`` is called before each batch (to fail, to race)."""

    batches: Sequence[Batch]
    files: Sequence[str] = ("orders.csv",)
    before: Callable[[int], None] = lambda _: None
    requests: list[Request] = field(default_factory=list)

    @classmethod
    def of(cls, *frames: pl.DataFrame) -> "FakeSource":
        return cls([Batch(frame) for frame in frames])

    def read(self, request: Request) -> Reading:
        self.requests.append(request)
        return FakeReading(self, [f for f in self.files if f not in request.ledger])


@dataclass
class FakeReading:
    source: FakeSource
    files: Sequence[str]
    ended: bool = False

    def __enter__(self) -> "FakeReading":  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Batch]:
        for i, batch in enumerate(self.source.batches):
            self.source.before(i)
            yield batch
        self.ended = True

    @property
    def facts(self) -> SourceFacts:
        assert self.ended, "facts are complete after the last batch only"
        height = sum(batch.rows.height for batch in self.source.batches)
        return SourceFacts(tuple(FileFact(f, 1, "2024-01-01T00:00:00Z", "sha256:00", height) for f in self.files))

    @property
    def cursor(self) -> None:
        return None


def run(
    store: Store,
    source: FakeSource,
    plan: DatasetPlan | None = None,
    key: str = "2024-01-01",
    *,
    force: bool = False,
    restate: bool = False,
) -> Ingested:
    plan = plan_of() if plan is None else plan
    return ingest(
        plan,
        day(plan, key),
        source=source,
        store=store,
        clock=StoppedClock(),
        run_id="run-1",
        force=force,
        restate=restate,
    )


def committed(store: Store, plan: DatasetPlan | None = None) -> list[str]:
    """Ids of all live rows in order of partition, part and row; every part verified."""
    path = (plan_of() if plan is None else plan).bronze.path
    live = sorted(CommitLog(store, path).head().live, key=lambda c: c.load.window)
    return scan(store, path, live).collect()["id"].to_list()


def code_of(work: Callable[[], object]) -> str:
    try:
        work()
    except MedallionError as error:
        return error.code
    return ""
