"""Break each rule in a copy of the code, run the tests of silver until one falls, and say which.

    python -m medallion_assets_tests.mutants [--only TEXT]

Ends with 1 when a rule can be broken unseen.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from medallion_assets_tests.mutants.rules import RULES, Rule

ROOT = Path(__file__).parents[2]
TESTS = (
    "silver/test_rules.py", "silver/test_guard.py", "silver/test_vectors.py", "silver/test_types.py",
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
             *(f"medallion_assets_tests/{name}" for name in TESTS)],
            cwd=folder, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(folder)},
        )  # fmt: skip
    finally:
        file.write_text(whole)
    found = re.search(r"^(?:FAILED|ERROR) medallion_assets_tests/(\S+)", done.stdout, re.MULTILINE)
    return None if done.returncode == 0 else found[1] if found else f"pytest ended with {done.returncode}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="rules that say this")
    asked = [rule for rule in RULES if parser.parse_args().only in rule.says]
    unseen = 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("medallion_assets", "medallion_assets_tests", "pyproject.toml", "README.md", "docs", "intents"):
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile
            copy(ROOT / part, folder / part)
        for rule in asked:
            began = time.monotonic()
            test = fallen(rule, folder)
            unseen += test is None
            print(f"{time.monotonic() - began:6.0f} s  {rule.says}: {test or 'NOBODY SEES IT'}", flush=True)
    print(f"{len(asked)} rules broken, {unseen} unseen.")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
