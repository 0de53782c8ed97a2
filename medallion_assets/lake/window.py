"""Windows of run date. Every instant is an aware datetime in UTC."""

from dataclasses import dataclass
from datetime import date, datetime

__all__ = ["Partition", "Window"]


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The half-open interval ``[start, end)`` of instants (UTC) that a load covers."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """One window of a dataset's calendar, under the name that Dagster and the command line use.

    ``key`` is ``2024-01-31`` (daily, weekly, monthly), ``2024-01-31-13:00`` (hourly), ``all`` (cadence none) or the
    name of a file (cadence file).
    ``run_date`` is the local date of the window's start; ``hour`` the UTC hour of an hourly one, whose folder's
    date is then the UTC date too.
    """

    window: Window
    key: str
    run_date: date
    hour: int | None = None

    @property
    def path(self) -> str:
        """``dt=YYYY-MM-DD`` or ``dt=YYYY-MM-DD/hour=HH``."""
        if self.hour is None:
            return f"dt={self.run_date.isoformat()}"
        return f"dt={self.window.start.date().isoformat()}/hour={self.hour:02d}"
