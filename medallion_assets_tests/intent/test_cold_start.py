"""``medallion validate`` is fast because this layer imports little and builds only the models that are used."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import json, sys
from medallion_assets.intent.parse import parse_project
from medallion_assets.intent.platform import Platform
files = {f"intents/{n}.yaml": TEXT.replace("TABLE", f"t{n}") for n in range(10)}
assert len(parse_project(files, Platform())) == 10
heavy = {"polars", "dagster", "jsonschema", "pyarrow", "pandas", "numpy", "deltalake", "narwhals", "httpx", "rich"}
print(json.dumps(sorted(heavy & set(sys.modules))))
"""
TEXT = (
    (Path(__file__).parent / "examples" / "21_customer_scd2.yaml")
    .read_text(encoding="utf-8")
    .replace("customers\n", "TABLE\n")
)


def test_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"TEXT = {TEXT!r}\n{SCRIPT}"], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == []
