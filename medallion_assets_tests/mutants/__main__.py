"""Break each rule in a copy of the code, run the tests of silver until one falls, and say which.

    python -m medallion_assets_tests.mutants [--only TEXT] [--jobs N]

Ends with 1 when a rule can be broken unseen.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory

from medallion_assets_tests.mutants.rules import RULES, Rule

ROOT = Path(__file__).parents[2]
TESTS = (
    "silver/test_rules.py", "silver/test_guard.py", "silver/test_text.py", "silver/test_vectors.py",
    "silver/test_types.py", "runs/test_misfits.py",
    "silver/test_envelope.py", "silver/test_models.py", "runs/test_refine.py", "runs/test_refine_models.py",
    "runs/test_refine_typed.py", "runs/test_refine_empty.py", "runs/test_room.py", "runs/test_changes.py",
)  # fmt: skip
"""Quick ones first."""


def fallen(rule: Rule, folder: Path) -> str | None:
    """The first test that falls; None: the rule was broken and nobody saw it."""
    file = folder / "medallion_assets" / rule.file
    whole = file.read_text()
    file.write_text(whole.replace(rule.old, rule.new))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider",
             "--hypothesis-profile=unshrunk", *(f"medallion_assets_tests/{name}" for name in TESTS)],
            cwd=folder, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(folder)},
        )  # fmt: skip
    finally:
        file.write_text(whole)
    found = re.search(r"^(?:FAILED|ERROR) medallion_assets_tests/(\S+)", done.stdout, re.MULTILINE)
    return None if done.returncode == 0 else found[1] if found else f"pytest ended with {done.returncode}"


def copied(folder: Path) -> Path:
    """What the tests need."""
    for part in ("medallion_assets", "medallion_assets_tests", "pyproject.toml", "README.md", "docs", "intents"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile
        copy(ROOT / part, folder / part)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="rules that say this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="rules broken at once")
    args = parser.parse_args()
    asked = [rule for rule in RULES if args.only in rule.says]
    with ExitStack() as stack, ThreadPoolExecutor(args.jobs) as pool:
        folders: Queue[Path] = Queue()
        for _ in range(args.jobs):
            folders.put(copied(Path(stack.enter_context(TemporaryDirectory()))))

        def break_one(rule: Rule) -> bool:
            folder, began = folders.get(), time.monotonic()
            try:
                test = fallen(rule, folder)
            finally:
                folders.put(folder)
            print(f"{time.monotonic() - began:6.0f} s  {rule.says}: {test or 'NOBODY SEES IT'}", flush=True)
            return test is not None

        unseen = list(pool.map(break_one, asked)).count(False)
    print(f"{len(asked)} rules broken, {unseen} unseen.")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
