"""A folder of intents and data on disk, driven by the command line as an owner would drive it."""

import json
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from medallion_assets.cli.app import main

FIRST = date(2024, 1, 1)


def day(number: int) -> str:
    """Day 0 is the first partition."""
    return (FIRST + timedelta(days=number)).isoformat()


@dataclass(frozen=True)
class Outcome:
    """What a command printed (both streams) and returned."""

    exit_code: int
    output: str

    def succeeded(self) -> "Outcome":
        assert self.exit_code == 0, self.output
        return self


@dataclass(frozen=True)
class Project:
    """A project's root and how to reach what it has written."""

    root: Path

    def write(self, path: str, content: str | bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)

    def rows(self, path: str, rows: Sequence[Mapping[str, object]]) -> None:
        """Write JSON lines."""
        self.write(path, "".join(json.dumps(row) + "\n" for row in rows))

    def medallion(self, *arguments: str) -> Outcome:
        """Run a command in this process; both streams are kept in the order of printing."""
        printed = StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            code = main(["--project", str(self.root), *arguments])
        return Outcome(code, printed.getvalue())

    def commits(self, system: str, table: str) -> list[Path]:
        """The commit log, oldest first."""
        return sorted((self.root / f"lake/bronze/system={system}/table={table}/_commits").glob("*.json"))

    def parts(self, system: str, table: str) -> list[Path]:
        dataset = self.root / f"lake/bronze/system={system}/table={table}"
        return sorted(p for p in dataset.rglob("*.parquet") if "_quarantine" not in p.parts)

    def silver(self, domain: str, entity: str, version: int | None = None) -> pl.DataFrame:
        """The whole Delta table as another reader sees it.

        Not ``pl.read_delta``: Polars takes the folders above a partitioned table for more of its partitions.
        """
        rows = pl.from_arrow(DeltaTable(self._table(domain, entity), version=version).to_pyarrow_table())
        assert isinstance(rows, pl.DataFrame)
        return rows

    def silver_versions(self, domain: str, entity: str) -> int:
        """Commits of the Delta table; 0 when there is no table."""
        return len(list((self._table(domain, entity) / "_delta_log").glob("*.json")))

    def _table(self, domain: str, entity: str) -> Path:
        return self.root / f"lake/silver/domain={domain}/entity={entity}/v1"
