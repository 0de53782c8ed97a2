"""Reading a database in tests: a spec as in YAML, one partition, begun again as a load would."""

from contextlib import suppress
from pathlib import Path

import polars as pl

from medallion_assets.intent.source import Database
from medallion_assets.lake.ports import Bounds, Request
from medallion_assets.sources.database.session import ReadAgain
from medallion_assets.sources.database.source import DatabaseSource
from medallion_assets_tests.sources.reading import day

TRIES = 3
"""What ``runs.ingest`` grants."""


def source(url: str, root: Path = Path(), zone: str = "UTC", **spec: object) -> DatabaseSource:
    asked = Database.model_validate({"type": "database", "url": url} | spec)
    return DatabaseSource(asked, None, "t", root, zone, lambda text: text, "intents/t.yaml:3")


def frames(reader: DatabaseSource, bounds: Bounds | None = None) -> list[pl.DataFrame]:
    for _ in range(TRIES):
        with suppress(ReadAgain), reader.read(Request(day(), bounds)) as reading:
            return [batch.rows for batch in reading]
    raise AssertionError("read more often than a load would")


def read(
    url: str, root: Path = Path(), zone: str = "UTC", bounds: Bounds | None = None, **spec: object
) -> pl.DataFrame:
    return pl.concat(frames(source(url, root, zone, **spec), bounds))
