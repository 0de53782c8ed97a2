"""One schedule's world: a project with growing files, writers that can be killed, and the judge.

The parent never touches Polars, obstore or Delta: their threads do not survive a fork. It has them imported, and what
the package imports when it needs it, so that a child is a running writer within milliseconds.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import deltalake  # noqa: F401 - imported before children are forked
import narwhals  # noqa: F401
import obstore.store  # noqa: F401
import polars as pl

import medallion_assets.bronze.repair
import medallion_assets.checks.rules
import medallion_assets.engines.polars
import medallion_assets.runs.ingest
import medallion_assets.runs.refine
import medallion_assets.sources.files.csv
import medallion_assets.sources.open
import medallion_assets.stores.local
import medallion_assets.stores.open
import medallion_assets.tables.delta
import medallion_assets.tables.open  # noqa: F401
from medallion_assets.bronze.garbage import Keep, sweep
from medallion_assets.errors import MedallionError
from medallion_assets.lake.ports import ObjectInfo, Store
from medallion_assets.project import Project

__all__ = ["DAYS", "Kill", "Verdict", "World", "in_child"]

DAYS = ("2024-01-01", "2024-01-02")
_INTENT = """
system: torture
table: orders
source: {type: file, path: "data/orders_{run_date}.csv"}
load: {pattern: incremental, chunk: {rows: 5}}
partitions: {start: 2024-01-01, end: 2024-02-01}
silver: {model: scd_type_1, keys: id, order_by: n}
"""
Spoil = Callable[[Store], Store]


@dataclass(frozen=True)
class Kill:
    """A SIGKILL: ``after_s`` seconds into the run, or at store operation ``operation``, before or after it."""

    after_s: float | None = None
    operation: int | None = None
    before: bool = True


@dataclass
class Verdict:
    """What the judge found wrong. All zero: the lake is the sources, row for row."""

    lost: int = 0
    doubled: int = 0
    unreadable: int = 0
    strays: int = 0
    """Parts on disk after gc that no commit names."""
    silver: int = 0
    """Rows by which silver differs from the sources."""
    said: list[str] = field(default_factory=list)

    @property
    def violations(self) -> int:
        return self.lost + self.doubled + self.unreadable + self.strays + self.silver


def in_child(work: Callable[[], Any], kill: Kill | None = None) -> "Child":
    """Start ``work`` in a forked process; its JSON-able result comes back through a pipe."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(read)
            result: Any
            try:
                result = {"value": work()}
            except MedallionError as error:
                result = {"error": error.code}
            except Exception as error:  # noqa: BLE001 - a child must tell its parent of anything
                result = {"error": f"crash: {error!r}"[:500]}
            with os.fdopen(write, "w") as out:
                json.dump(result, out)
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    return Child(pid, read, kill)


@dataclass
class Child:
    pid: int
    pipe: int
    kill: Kill | None

    def end(self) -> Mapping[str, Any] | None:
        """Its result; None when it was killed."""
        if self.kill is not None and self.kill.after_s is not None:
            time.sleep(self.kill.after_s)
            os.kill(self.pid, signal.SIGKILL)
        with os.fdopen(self.pipe) as out:
            text = out.read()
        os.waitpid(self.pid, 0)
        return json.loads(text) if text else None


class Deadly:
    """A store that kills its own process at one operation."""

    def __init__(self, inner: Store, kill: Kill) -> None:
        self._inner, self._kill, self._count = inner, kill, 0

    def _around(self, work: Callable[[], Any]) -> Any:
        self._count += 1
        hit = self._count == self._kill.operation
        if hit and self._kill.before:
            os.kill(os.getpid(), signal.SIGKILL)
        result = work()
        if hit:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def put(self, path: str, data: bytes) -> None:
        self._around(lambda: self._inner.put(path, data))

    def put_if_absent(self, path: str, data: bytes) -> None:
        self._around(lambda: self._inner.put_if_absent(path, data))

    def get(self, path: str) -> bytes:
        return bytes(self._around(lambda: self._inner.get(path)))

    def get_range(self, path: str, start: int, length: int) -> bytes:
        return bytes(self._around(lambda: self._inner.get_range(path, start, length)))

    def info(self, path: str) -> ObjectInfo:
        found: ObjectInfo = self._around(lambda: self._inner.info(path))
        return found

    def list(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        found: Iterator[ObjectInfo] = self._around(lambda: self._inner.list(prefix, after))
        return found

    def delete(self, path: str) -> None:
        self._around(lambda: self._inner.delete(path))

    def sweep(self, prefix: str, before: datetime, *, delete: bool) -> int:
        return self._inner.sweep(prefix, before, delete=delete)

    def url(self, path: str) -> str:
        return self._inner.url(path)

    @property
    def options(self) -> Mapping[str, str]:
        return self._inner.options


class World:
    """``store``: the lake as platform.yaml spells it. ``spoil`` wraps the store of every writer, for mutants."""

    def __init__(self, root: Path, store: Mapping[str, object], random: Random, spoil: Spoil | None = None) -> None:
        self.root, self.random, self._spoil = root, random, spoil
        self._n = 0
        self.rows: dict[str, list[str]] = {day: [] for day in DAYS}
        (root / "intents").mkdir(parents=True)
        (root / "data").mkdir()
        (root / "intents/orders.yaml").write_text(_INTENT)
        (root / "platform.yaml").write_text(json.dumps({"stores": {"lake": store}}))
        self.grow()

    def grow(self) -> None:
        """Some rows more in the file of each day; files change whole, as a careful producer writes them."""
        for day, rows in self.rows.items():
            for _ in range(self.random.randint(1, 9)):
                self._n += 1
                rows.append(f"{day}#{self._n},{self._n}")
            new = self.root / "data/new"
            new.write_text("\n".join(["id,n", *rows, ""]))
            new.rename(self.root / f"data/orders_{day}.csv")

    def writer(
        self, kill: Kill | None = None, *, silver: bool = True, before: Callable[[], None] | None = None
    ) -> Child:
        """A process that loads every day and refines."""

        def work() -> None:
            if before is not None:
                before()
            loaded = Project.load(self.root)
            store = loaded.store("lake")
            if kill is not None and kill.operation is not None:
                store = Deadly(store, kill)
            loaded._stores["lake"] = store if self._spoil is None else self._spoil(store)
            plan = loaded.plan("orders")
            for day in DAYS:
                loaded.ingest(plan, loaded.partition(plan, day))
            if silver:
                loaded.refine(plan, plan.silvers[0])

        return in_child(work, kill)

    def judged(self, *, final: bool) -> Verdict:
        """After a crash: readable, and every day one version of its source. ``final``: exactly the sources."""
        found = in_child(lambda: vars(self._judge(final=final))).end()
        if found is None or "error" in found:
            return Verdict(unreadable=1, said=[f"judge: {found}"])
        return Verdict(**found["value"])

    def _judge(self, *, final: bool) -> Verdict:
        verdict = Verdict()
        loaded = Project.load(self.root)
        plan = loaded.plan("orders")
        try:
            faults = loaded.audit(plan).faults
            head = loaded.head(plan)
            ids = loaded.scan_bronze(plan, head.live).collect()["id"].to_list() if head.live else []
        except MedallionError as error:
            return Verdict(unreadable=1, said=[error.code])
        verdict.unreadable = len(faults)
        verdict.said += [fault.fault.code for fault in faults]
        verdict.doubled = len(ids) - len(set(ids))
        for day, rows in self.rows.items():
            expected = [row.partition(",")[0] for row in rows]
            of_day = sorted((i for i in set(ids) if i.startswith(day)), key=lambda i: int(i.partition("#")[2]))
            verdict.lost += (len(expected) - len(of_day)) if final else int(of_day != expected[: len(of_day)])
        if final:
            self._judge_rest(loaded, verdict)
        return verdict

    def _judge_rest(self, loaded: Project, verdict: Verdict) -> None:
        plan, lake = loaded.plan("orders"), loaded.store("lake")
        table = loaded.table(plan.silvers[0])
        if table.version is not None:
            rows = table.scan().select("id").collect()["id"].sort()
            expected = pl.Series("id", [r.partition(",")[0] for rows in self.rows.values() for r in rows]).sort()
            verdict.silver = 0 if rows.equals(expected) else abs(len(rows) - len(expected)) or 1
        sweep(lake, plan.bronze.path, Keep(timedelta(0), timedelta(0), absorbed=2**31), delete=True)
        live = loaded.head(plan).live
        named = {f"{plan.bronze.path}/{part.path}" for commit in live for part in commit.load.parts}
        there = {info.path for info in lake.list(plan.bronze.path) if info.path.endswith(".parquet")}
        verdict.strays = len(there - named)
        verdict.lost += len(named - there)
