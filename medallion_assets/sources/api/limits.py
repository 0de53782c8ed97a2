"""How fast and how long a host may be asked: shared by everything that this process reads from it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import Protocol

from medallion_assets.intent.api import Breaker, Rate

__all__ = ["SHARED", "Host", "Hosts", "Timer", "WallTimer", "pause_asked", "retry_after", "until_text"]


class Timer(Protocol):
    """Time as waiting uses it; a test gives its own."""

    def monotonic(self) -> float: ...
    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def sleep(self, seconds: float) -> None: ...


class WallTimer:
    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass
class Host:
    """A token bucket and a circuit breaker. Of several rates asked for one host the lowest holds."""

    rate: float | None = None
    burst: int = 1
    _tokens: float = 0.0
    _filled: float | None = None
    _not_before: float = 0.0
    _failures: int = 0
    _opened: float | None = None
    _lock: Lock = field(default_factory=Lock)

    def limit(self, asked: Rate | None) -> None:
        with self._lock:
            if asked is not None and (self.rate is None or asked.requests_per_second < self.rate):
                self.rate, self.burst = asked.requests_per_second, asked.burst

    def take(self, now: float) -> float:
        """Take one request's turn; seconds to wait before it."""
        with self._lock:
            wait = max(0.0, self._not_before - now)
            if self.rate is not None:
                start = now + wait
                elapsed = start - (start if self._filled is None else self._filled)
                tokens = self.burst if self._filled is None else min(self.burst, self._tokens + elapsed * self.rate)
                self._tokens, self._filled = tokens - 1, start
                wait += max(0.0, -self._tokens / self.rate)
            return wait

    def paused(self, now: float) -> float:
        """Seconds for which the server wants no request."""
        with self._lock:
            return max(0.0, self._not_before - now)

    def pause(self, until: float) -> None:
        """No request before that instant (of the monotonic clock)."""
        with self._lock:
            self._not_before = max(self._not_before, until)

    def closed(self, breaker: Breaker, now: float) -> bool:
        """Whether a request may go out. After the pause one at a time is let through as a trial."""
        with self._lock:
            if self._opened is None or now - self._opened >= breaker.reset_after.total_seconds():
                if self._opened is not None:
                    self._opened = now
                return True
            return False

    def succeeded(self) -> None:
        with self._lock:
            self._failures, self._opened = 0, None

    def failed(self, breaker: Breaker | None, now: float) -> None:
        with self._lock:
            self._failures += 1
            if breaker is not None and self._failures >= breaker.failures:
                self._opened = now

    @property
    def state(self) -> str:
        return "closed" if self._opened is None else "open"


class Hosts:
    """Every host that was asked, by name and port."""

    def __init__(self) -> None:
        self._hosts: dict[tuple[str, int], Host] = {}
        self._lock = Lock()

    def of(self, name: str, port: int) -> Host:
        with self._lock:
            return self._hosts.setdefault((name, port), Host())


SHARED = Hosts()
"""Of this process."""


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that ``Retry-After`` asks for: a number, or a date by the server's own clock where it says its time."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        at = _date(text)
        if at is None:
            return None
        seconds = at - (_date(headers.get("date", "")) or now)
    return max(0.0, seconds) if seconds == seconds else None  # noqa: PLR0124 - NaN


def pause_asked(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait when ``X-RateLimit-Remaining`` (or ``RateLimit-Remaining``) says that none is left."""
    for prefix in ("x-ratelimit-", "ratelimit-", "x-rate-limit-"):
        try:
            if float(headers[prefix + "remaining"]) > 0:
                return None
            reset = float(headers[prefix + "reset"])
        except (KeyError, ValueError):
            continue
        return max(0.0, reset - now if reset > 1e9 else reset)
    return None


def _date(text: str) -> float | None:
    try:
        at = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()


def until_text(now: float, wait: float) -> str:
    """The instant, for people."""
    try:
        return datetime.fromtimestamp(now + wait, timezone.utc).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return "a far day"
