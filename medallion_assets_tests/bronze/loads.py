"""Loads to put into a log, with every field distinct unless a test says otherwise."""

from datetime import datetime, timedelta, timezone
from hashlib import sha256

from medallion_assets.lake.manifest import Column, FileFact, Load, Part, Pattern, SourceFacts
from medallion_assets.lake.window import Window

__all__ = ["PATH", "days", "load_of"]

PATH = "bronze/system=retail/table=orders"
START = datetime(2024, 1, 1, tzinfo=timezone.utc)


def days(first: int, last: int | None = None) -> Window:
    """Window from day ``first`` to day ``last`` of 2024, both included, counted from 1."""
    end = first if last is None else last
    return Window(START + timedelta(days=first - 1), START + timedelta(days=end))


def load_of(
    window: Window,
    content: str = "one",
    *,
    pattern: Pattern = "full",
    attempt: str | None = None,
    files: tuple[str, ...] = (),
    rows: int = 10,
) -> Load:
    key = window.start.date().isoformat()
    attempt = sha256(f"{window}{content}".encode()).hexdigest()[:32] if attempt is None else attempt
    folder = f"pattern={pattern}/dt={key}"
    return Load(
        pattern=pattern,
        partition=key,
        path=folder,
        window=window,
        run_id="run",
        attempt=attempt,
        parts=(Part(f"{folder}/part-00001-{attempt}.parquet", 1, rows, 1234, "f" * 64, {"id": "1"}, {"id": "9"}),),
        rows=rows,
        schema=(Column("id", "String"), Column("Größe", "Int64")),
        refused=0,
        quarantine=None,
        content=sha256(content.encode()).hexdigest(),
        intent="d" * 64,
        source=SourceFacts(tuple(FileFact(f, 1, "2024-01-01T00:00:00Z", "sha256:aa", rows) for f in files), {"b": "2"}),
        cursor_before=None,
        cursor_after=None,
        replaces=(),
        started_at=START + timedelta(days=1),
        finished_at=START + timedelta(days=1, microseconds=1),
        code_version="0.1.0",
    )
