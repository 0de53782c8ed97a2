"""What every kind of database is for a read, and the errors of all of them."""

from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from medallion_assets.errors import ConfigError, Conflict, ExtractionError, MedallionError
from medallion_assets.intent.source import Isolation
from medallion_assets.lake.ports import Bounds
from medallion_assets.sources.database.statement import Relation

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

__all__ = ["Place", "ReadAgain", "Session", "failing", "instant_of", "is_text", "level", "naive", "needs_driver"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how one read happens. ``url`` is secret; ``shown`` is it without password."""

    url: str = field(repr=False)
    shown: str
    where: str
    """File, line and dataset of the intent."""
    zone: str
    timeout_s: float
    fetch_rows: int
    root: Path
    isolation: Isolation | None = None

    def without_password(self, text: str) -> str:
        """What a driver says, should it quote what it was given."""
        from sqlalchemy.engine import make_url

        password = make_url(self.url).password
        if not isinstance(password, str) or not password:
            return text
        return text.replace(password, "***").replace(quote(password, safe=""), "***")


class Session(Protocol):
    """One connection, in one read-only snapshot, for one read."""

    @property
    def dialect(self) -> str:
        """As sqlglot calls it."""
        ...

    def literal(self, value: object) -> str:
        """A value (None, bool, int, float, Decimal, str, aware datetime) as SQL text."""
        ...

    def relation(self, table: str) -> str:
        """A table's name, quoted."""
        ...

    def limits(self, relation: Relation, bounds: Bounds) -> tuple[str, ...]:
        """Conditions that leave at least the rows of ``bounds``; none where only reading all is sure to."""
        ...

    def batches(self, relation: Relation, select: tuple[str, ...]) -> "Generator[pl.DataFrame, None, None]":
        """The rows in the order the database gives them, every column of one type all through."""
        ...

    def cancel(self) -> None:
        """Give up what runs, from another thread. Never raises; may wait for ever for a peer that is silent."""
        ...

    def close(self) -> None:
        """By the thread that reads."""
        ...


class ReadAgain(Conflict):
    """A column turned out to need another type, now known to the source: the load is to be begun again."""

    def __init__(self, columns: Collection[str], where: str) -> None:
        names = ", ".join(sorted(columns))
        super().__init__(
            "SRC-124", f"{names}: values that no one type holds; read again as text.", where=where,
            fix="Run again; to read it as text at once, cast the column in source.query.",
        )  # fmt: skip


@contextmanager
def failing(place: Place, *, connecting: bool = False) -> Iterator[None]:
    """Errors of a driver as ours: SRC-120 while connecting, SRC-122 after."""
    try:
        yield
    except (MedallionError, ImportError):
        raise
    except Exception as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split()) or type(error).__name__
        said = place.without_password(said)
        if connecting:
            raise ExtractionError(
                "SRC-120", f"The database cannot be reached: {said[:500]}", where=f"{place.where}  {place.shown}",
                fix="See host, port, user and password of the connection in platform.yaml.",
            ) from error  # fmt: skip
        raise ExtractionError(
            "SRC-122", f"The database refused or broke off: {said[:500]}", where=f"{place.where}  {place.shown}",
            fix="Correct table, columns or query, and run again: nothing of this read was kept.",
        ) from error  # fmt: skip


def is_text(column: "pa.Array") -> bool:
    """False for an Arrow array of text with bytes that are no UTF-8, which Polars would believe to be."""
    import pyarrow as pa

    if pa.types.is_string(column.type) or pa.types.is_string_view(column.type):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            return False
    return True


def needs_driver(missing: ImportError, extra: str, place: Place) -> ConfigError:
    """What to install."""
    return ConfigError(
        "SRC-125", f"{missing.name} is not installed.", where=f"{place.where}  {place.shown}",
        fix=f'pip install "medallion-assets[{extra}]"',
    )  # fmt: skip


def level(place: Place, database: str, known: Mapping[Isolation, str], default: Isolation) -> str:
    """The isolation as the database spells it. Raises ConfigError SRC-127 for one that it has not."""
    asked = place.isolation or default
    if asked not in known:
        raise ConfigError(
            "SRC-127", f"{database} has no isolation `{asked}`.", where=f"{place.where}  {place.shown}",
            fix=f"Take {', '.join(known)}, or leave source.isolation out." if known else "Leave source.isolation out.",
        )  # fmt: skip
    return known[asked]


def instant_of(text: str) -> datetime:
    """An instant in ISO 8601 with Z."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def naive(instant: datetime, zone: str) -> datetime:
    """The wall clock of ``zone``."""
    from zoneinfo import ZoneInfo

    return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
