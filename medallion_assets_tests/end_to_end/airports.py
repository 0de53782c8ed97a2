"""What the history of the airports must be, by the shortest program that can say it.

One dict per airport and plain comparisons of tuples: nothing shared with the package. Input: the bundled snapshots.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from zlib import crc32

import zstandard

COLUMNS = ("iata", "name", "city", "subd", "country", "elevation", "lat", "lon", "tz", "lid")
Attributes = tuple[str | float | Decimal | None, ...]


@dataclass(frozen=True, order=True)
class Version:
    """One row of the history, ``[start, end)``; end None: current."""

    icao: str
    start: datetime
    end: datetime | None
    attributes: Attributes


def sample(folder: Path, into: Path, one_in: int = 8) -> None:
    """The snapshots with every eighth airport, the same ones in each and their lines as they are."""
    into.mkdir(parents=True)
    for path in sorted(folder.glob("airports_*.csv.zst")):
        header, *lines = _unpacked(path).splitlines(keepends=True)
        kept = [line for line in lines if crc32(line.partition(b",")[0]) % one_in == 0]
        (into / path.name).write_bytes(zstandard.ZstdCompressor().compress(header + b"".join(kept)))


def _unpacked(path: Path) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())


def snapshots(folder: Path) -> Iterator[tuple[date, dict[str, Attributes]]]:
    """Date and airports by ICAO code, earliest first."""
    for path in sorted(folder.glob("airports_*.csv.zst")):
        rows = csv.DictReader(io.StringIO(_unpacked(path).decode("utf-8"), newline=""))
        taken = date.fromisoformat(path.name.removeprefix("airports_").removesuffix(".csv.zst"))
        yield taken, {_text(row["icao"]) or "": tuple(_value(c, row.get(c)) for c in COLUMNS) for row in rows}


def _text(raw: str | None) -> str | None:
    return (raw or "").strip() or None


def _value(column: str, raw: str | None) -> str | float | Decimal | None:
    text = _text(raw)
    if text is None:
        return None
    if column == "elevation":
        return Decimal(text)
    return float(text) if column in ("lat", "lon") else text


def history(folder: Path) -> list[Version]:
    """All versions, by airport and start."""
    since: dict[str, tuple[datetime, Attributes]] = {}
    done: list[Version] = []
    for taken, airports in snapshots(folder):
        now = datetime(taken.year, taken.month, taken.day, tzinfo=timezone.utc)
        for icao, (start, attributes) in list(since.items()):
            if airports.get(icao) != attributes:
                done.append(Version(icao, start, now, attributes))
                del since[icao]
        for icao, attributes in airports.items():
            since.setdefault(icao, (now, attributes))
    done += [Version(icao, start, None, attributes) for icao, (start, attributes) in since.items()]
    return sorted(done, key=lambda v: (v.icao, v.start))
