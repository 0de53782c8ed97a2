"""What is told: one event of one dataset, the same for every channel."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

__all__ = ["Event", "Message"]

Event = Literal["run_failed", "run_succeeded", "check_failed", "late", "recovered"]
_TITLES: dict[Event, str] = {
    "run_failed": "run failed",
    "run_succeeded": "run succeeded",
    "check_failed": "check failed",
    "late": "late",
    "recovered": "recovered",
}


@dataclass(frozen=True, slots=True)
class Message:
    """``subject`` tells one problem from another: what is told once and, when it is over, taken back."""

    event: Event
    dataset: str
    subject: str
    """A check, a partition or a run: ``silver/shop/orders unique_keys 2024-01-01``."""
    text: str
    at: datetime
    """Aware."""
    run_id: str = ""

    @property
    def title(self) -> str:
        return f"{self.dataset}: {_TITLES[self.event]} ({self.subject})"

    def json(self) -> dict[str, str]:
        """As a webhook gets it."""
        return {
            "event": self.event,
            "dataset": self.dataset,
            "subject": self.subject,
            "text": self.text,
            "at": self.at.isoformat(),
            "run_id": self.run_id,
            "deduplication_key": f"{self.event}:{self.dataset}:{self.subject}",
        }
