"""The cases: what is done to writers and stores, and which outcome of a run is allowed."""

import os
import pwd
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from medallion_assets.lake.ports import Store
from medallion_assets.project import Project
from medallion_assets_tests.torture.proxy import Proxy
from medallion_assets_tests.torture.world import Kill, Verdict, World, in_child

__all__ = ["CASES", "LOCAL_ONLY", "MUTANTS", "REMOTE_ONLY", "Tally", "run_case"]

_ROUNDS = 2
_CLEAN = {None, "BRZ-006", "BRZ-014", "SLV-002"}
"""Outcomes of a run that nothing was done to: none, or a race that it lost several times over."""


@dataclass
class Tally:
    """Sums over schedules."""

    schedules: int = 0
    kills: int = 0
    finished: int = 0
    errors: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    undetected: int = 0
    spoiled: int = 0

    def add(self, found: Verdict) -> None:
        for name in ("lost", "doubled", "unreadable", "strays", "silver"):
            setattr(self.verdict, name, getattr(self.verdict, name) + getattr(found, name))
        self.verdict.said += found.said

    @property
    def violations(self) -> int:
        return self.verdict.violations + self.undetected


Case = Callable[[World, Random, Tally], None]


def run_case(name: str, world: World, random: Random, tally: Tally) -> None:
    """One schedule: the case's rounds, then one undisturbed run, then the last judgement."""
    tally.schedules += 1
    CASES[name](world, random, tally)
    result = world.writer().end()
    if result is None or (result.get("error") not in _CLEAN):
        tally.verdict.unreadable += 1
        tally.verdict.said.append(f"the undisturbed run: {result}")
    tally.add(world.judged(final=True))
    if name == "corruption":
        _corrupt(world, random, tally)


def _note(result: Mapping[str, Any] | None, tally: Tally) -> None:
    if result is None:
        tally.kills += 1
    elif "error" in result:
        tally.errors += 1
        if str(result["error"]).startswith("crash"):
            tally.verdict.unreadable += 1
            tally.verdict.said.append(str(result["error"]))
    else:
        tally.finished += 1


def _any_kill(random: Random) -> Kill:
    if random.random() < 0.7:
        return Kill(operation=random.randint(1, 30), before=random.random() < 0.5)
    return Kill(after_s=random.random() * 0.25)


def _kill_one(world: World, random: Random, tally: Tally) -> None:
    for _ in range(_ROUNDS):
        _note(world.writer(_any_kill(random)).end(), tally)
        tally.add(world.judged(final=False))
        world.grow()


def _kill_three(world: World, random: Random, tally: Tally) -> None:
    for _ in range(_ROUNDS):
        writers = [world.writer(_any_kill(random)) for _ in range(3)]
        for writer in writers:
            _note(writer.end(), tally)
        tally.add(world.judged(final=False))
        world.grow()


def _launched_at_once(world: World, random: Random, tally: Tally) -> None:
    for _ in range(_ROUNDS):
        for writer in [world.writer() for _ in range(random.randint(2, 8))]:
            _note(writer.end(), tally)
        tally.add(world.judged(final=False))
        world.grow()


def _growing_while_read(world: World, random: Random, tally: Tally) -> None:
    for _ in range(_ROUNDS):
        writer = world.writer(silver=False)
        for _ in range(random.randint(1, 4)):
            world.grow()
        _note(writer.end(), tally)
        tally.add(world.judged(final=False))


def _disk_full(world: World, random: Random, tally: Tally) -> None:
    for _ in range(_ROUNDS):
        limit = random.choice([0, 200, 700, 1_000, 1_500, 3_000])

        def full(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        # The limit holds for every file of the process, so its answer goes through a pipe.
        _note(world.writer(before=full).end(), tally)
        tally.add(world.judged(final=False))
        world.grow()


def _become_nobody() -> None:
    user = pwd.getpwnam("nobody")
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def _read_only(world: World, random: Random, tally: Tally) -> None:
    """Root ignores mode bits, so the writer becomes another user who may read everything and write nothing."""
    if os.geteuid() == 0:
        for _ in range(_ROUNDS):
            _note(world.writer(before=_become_nobody).end(), tally)
            tally.add(world.judged(final=False))
            world.grow()


def _bad_network(world: World, random: Random, tally: Tally) -> None:
    """Every request of the writers goes through a proxy; the judge asks the server itself."""
    platform = world.root / "platform.yaml"
    straight = platform.read_text()
    port = int(straight.split("http://127.0.0.1:")[1].split("/")[0].split('"')[0])
    with Proxy(port, random.randint(0, 2**31), random.choice([0.05, 0.2, 0.5])) as proxy:
        bent = straight.replace(f"127.0.0.1:{port}", f"127.0.0.1:{proxy.port}")
        for _ in range(_ROUNDS):
            platform.write_text(bent)
            writers = [world.writer(silver=False) for _ in range(random.choice([1, 1, 2]))]
            for writer in writers:
                _note(writer.end(), tally)
            platform.write_text(straight)
            tally.add(world.judged(final=False))
            world.grow()
        tally.spoiled += proxy.spoiled


# ------------------------------------------------------------------ what is altered afterwards must be found


def _corruption(world: World, random: Random, tally: Tally) -> None:
    for _ in range(_ROUNDS):
        _note(world.writer(silver=False).end(), tally)
        world.grow()


def _corrupt(world: World, random: Random, tally: Tally) -> None:
    seed = random.randint(0, 2**31)
    found = in_child(lambda: _altered(world.root, Random(seed))).end()
    if found is None or not found.get("value"):
        tally.undetected += 1
        tally.verdict.said.append(f"undetected: {found} (seed {seed})")


def _altered(root: Path, random: Random) -> bool:
    """Alter one object, and whether looking at the lake finds it."""
    loaded = Project.load(root)
    plan, store = loaded.plan("orders"), loaded.store("lake")
    head = loaded.head(plan)
    parts = [f"{plan.bronze.path}/{part.path}" for commit in head.live for part in commit.load.parts]
    commits = [info.path for info in store.list(f"{plan.bronze.path}/_commits")]
    what = random.choice(
        ["bit", "bit", "cut", "delete", "swap", "commit bit", "commit gone", "commits swapped", "newest"]
    )
    _alter(store, what, parts, commits, random)
    try:
        if loaded.audit(plan).faults:
            return True
        loaded.refine(plan, plan.silvers[0])  # only silver knows that the newest commits existed
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be one of ours
        return getattr(error, "code", "")[:3] in ("BRZ", "SLV")
    return False


def _alter(store: Store, what: str, parts: list[str], commits: list[str], random: Random) -> None:
    part = random.choice(parts)
    data = store.get(part)
    older = commits[random.randrange(len(commits) - 1)]
    match what:
        case "bit":
            store.put(part, _flipped(data, random))
        case "cut":
            store.put(part, data[: random.randrange(len(data))])
        case "delete":
            store.delete(part)
        case "swap":
            other = next((p for p in parts if store.get(p) != data), None)
            store.put(part, store.get(other) if other else data[:-1])
        case "commit bit":
            path = random.choice(commits)
            store.put(path, _flipped(store.get(path), random))
        case "commit gone":
            store.delete(older)
        case "commits swapped":
            newest = store.get(commits[-1])
            store.put(commits[-1], store.get(older))
            store.put(older, newest)
        case _:
            store.delete(commits[-1])


def _flipped(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


CASES: Mapping[str, Case] = {
    "kill, one writer": _kill_one,
    "kill, three writers": _kill_three,
    "launched 2 to 8 times at once": _launched_at_once,
    "source grows while it is read": _growing_while_read,
    "corruption": _corruption,
    "disk full": _disk_full,
    "read-only": _read_only,
    "bad network": _bad_network,
}
LOCAL_ONLY = ("disk full", "read-only")
REMOTE_ONLY = ("bad network",)


# ------------------------------------------------------------------ committers that the suite must catch


class _Spoiled:
    """A store that behaves as another committer would have it; everything else goes through."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _NoCompareAndSet(_Spoiled):
    """A commit overwrites what is there."""

    def put_if_absent(self, path: str, data: bytes) -> None:
        self._inner.put(path, data)


class _CommitFirst(_Spoiled):
    """The commit, with its cursor and its list of parts, before the parts."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._waiting: dict[str, bytes] = {}

    def put(self, path: str, data: bytes) -> None:
        if path.endswith(".parquet"):
            self._waiting[path] = data
            return
        self._inner.put(path, data)

    def info(self, path: str) -> Any:
        if path in self._waiting:
            self._inner.put("_clock", self._waiting[path])
            return self._inner.info("_clock")
        return self._inner.info(path)

    def put_if_absent(self, path: str, data: bytes) -> None:
        self._inner.put_if_absent(path, data)
        for part, rows in self._waiting.items():
            self._inner.put(part, rows)
        self._waiting.clear()


MUTANTS: Mapping[str, tuple[str, Callable[[Store], Any]]] = {
    "no compare-and-set": ("launched 2 to 8 times at once", _NoCompareAndSet),
    "commit before the parts": ("kill, one writer", _CommitFirst),
}
"""What is wrong with a committer → the case that finds it out, and the committer."""
