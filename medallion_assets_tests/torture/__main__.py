"""``python -m medallion_assets_tests.torture [--backend local|s3|azure|all] [--count N] [--seed S] [--json]``.

``--count`` schedules for the two cases of kills together, a tenth of that for each other case. Ends with 1 on any
violation, and when a mutant survives.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from random import Random, SystemRandom

from medallion_assets.cli.output import table
from medallion_assets_tests.services.objects import azurite, s3
from medallion_assets_tests.torture.cases import CASES, LOCAL_ONLY, MUTANTS, REMOTE_ONLY, Tally, run_case
from medallion_assets_tests.torture.naive import naive_losses
from medallion_assets_tests.torture.world import World

_KILLS = ("kill, one writer", "kill, three writers")


def main(arguments: list[str] | None = None) -> int:
    """The table of what was done and what was found."""
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--backend", choices=["local", "s3", "azure", "all"], default="local")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(2**31))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    random = Random(options.seed)
    backends = ("local", "s3", "azure") if options.backend == "all" else (options.backend,)
    found: dict[str, dict[str, Tally]] = {}
    began = time.monotonic()
    for backend in backends:
        found[backend] = _backend(backend, options.count, random)
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        mutants = {name: _mutant(name, Path(folder), options.count, random) for name in MUTANTS}
        naive = {
            order: naive_losses(Path(folder), options.count, random, state_first=order == "state first")
            for order in ("files first", "state first")
        }
    print(_report(found, mutants, naive, options, time.monotonic() - began))
    bad = sum(tally.violations for of in found.values() for tally in of.values())
    return 1 if bad or not all(mutants.values()) else 0


def _backend(backend: str, count: int, random: Random) -> dict[str, Tally]:
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="torture-")))
        folder.chmod(0o755)
        (folder / "server").mkdir()
        store: Mapping[str, object] = {"type": "local", "root": "./lake"}
        if backend != "local":
            at = folder / "server"
            store = (
                running.enter_context(s3(at)).store() if backend == "s3" else running.enter_context(azurite(at)).store()
            )
        tallies = {}
        for name in CASES:
            if name in (REMOTE_ONLY if backend == "local" else LOCAL_ONLY):
                continue
            tallies[name] = tally = Tally()
            for n in range(count // 2 if name in _KILLS else max(1, count // 10)):
                run_case(name, _world(folder, f"{list(CASES).index(name)}-{n}", store, random), random, tally)
            said = f"{tally.schedules} schedules, {tally.violations} violations"
            print(f"{backend}: {name}: {said}", file=sys.stderr, flush=True)
            for said in tally.verdict.said[:10]:
                print(f"  {said}", file=sys.stderr, flush=True)
        return tallies


def _world(folder: Path, name: str, store: Mapping[str, object], random: Random) -> World:
    at = store if store["type"] == "local" else {**store, "prefix": f"{store['prefix']}/{name}"}
    return World(folder / name, at, random)


def _mutant(name: str, folder: Path, count: int, random: Random) -> int:
    """The violations of a spoiled committer; 0: it survived."""
    case, spoil = MUTANTS[name]
    tally = Tally()
    for n in range(max(60, count // 10)):
        world = World(folder / f"{name.replace(' ', '-')}-{n}", {"type": "local", "root": "./lake"}, random, spoil)
        run_case(case, world, random, tally)
        if tally.violations:
            break
    return tally.violations


def _report(
    found: Mapping[str, Mapping[str, Tally]],
    mutants: Mapping[str, int],
    naive: Mapping[str, tuple[int, int]],
    options: argparse.Namespace,
    seconds: float,
) -> str:
    if options.json:
        cases = {b: {n: asdict(t) for n, t in of.items()} for b, of in found.items()}
        return json.dumps({"seed": options.seed, "cases": cases, "mutants": mutants, "naive": naive}, indent=2)
    headers = (
        "backend", "case", "schedules", "killed", "failed", "finished", "lost", "doubled", "unreadable", "strays",
        "silver", "undetected",
    )  # fmt: skip
    rows = [
        (backend, name, *(f"{n:,}" for n in (
            t.schedules, t.kills, t.errors, t.finished, t.verdict.lost, t.verdict.doubled, t.verdict.unreadable,
            t.verdict.strays, t.verdict.silver, t.undetected)))
        for backend, of in found.items() for name, t in of.items()
    ]  # fmt: skip
    spoiled = sum(t.spoiled for of in found.values() for t in of.values())
    lines = [table(headers, rows, right=headers[2:])]
    lines += [f"mutant, {name}: {'caught' if bad else 'SURVIVED'}" for name, bad in mutants.items()]
    lines += [
        f"naive layout, {order}: of {options.count:,} schedules {lost:,} lost rows, {doubled:,} doubled some"
        for order, (lost, doubled) in naive.items()
    ]
    lines.append(f"{spoiled:,} connections spoiled; seed {options.seed}; {seconds:.0f} s")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
