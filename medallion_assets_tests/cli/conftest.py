"""A tiny project on disk and the command line run in it, in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from medallion_assets.cli.app import main

ORDERS = """
system: shop
table: orders
source: {type: file, path: "data/orders_{run_date}.csv"}
load: full
partitions: {start: 2024-01-01, end: 2024-02-01}
silver: {model: scd_type_2, keys: id, normalize: {empty_strings_as_null: true}}
checks:
  - {rule: not_null, columns: name, on_failure: warn}
"""
CITIES = """
system: geo
table: cities
source: {type: file, path: data/cities.csv}
load: full
partitions: {cadence: none}
silver: {model: scd_type_1, keys: city}
"""


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Lake:
    """A project's folder; ``run`` is the command line in it."""

    root: Path
    capture: Callable[[], tuple[str, str]]

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")

    def run(self, *arguments: str) -> Done:
        self.capture()
        code = main(["-C", str(self.root), *arguments])
        return Done(code, *self.capture())


@pytest.fixture
def lake(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lake:
    for name in ("DAGSTER_HOME", "MEDALLION_ENV"):
        monkeypatch.delenv(name, raising=False)

    def captured() -> tuple[str, str]:
        text = capsys.readouterr()
        return text.out, text.err

    found = Lake(tmp_path, captured)
    found.write("intents/orders.yaml", ORDERS)
    found.write("intents/cities.yaml", CITIES)
    found.write("data/cities.csv", "city,people\nBonn,300\nKiel,200\n")
    found.write("data/orders_2024-01-01.csv", "id,name\n1,a\n2,b\n")
    found.write("data/orders_2024-01-03.csv", "id,name\n1,a\n2,c\n3,\n")
    return found
