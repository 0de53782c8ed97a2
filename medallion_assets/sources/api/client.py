"""One request until there is an answer that can be used: turns, logins, redirects, waits and second attempts."""

import logging
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TypeVar
from urllib.parse import urlsplit

from medallion_assets.errors import ExtractionError, SourceUnavailable
from medallion_assets.intent.api import Breaker, Rate, ResponseRule
from medallion_assets.intent.request import Retry
from medallion_assets.sources.api.auth import Login
from medallion_assets.sources.api.calls import Answer, Call, origin, shown_url
from medallion_assets.sources.api.limits import (
    SHARED,
    Host,
    Hosts,
    Timer,
    WallTimer,
    pause_asked,
    retry_after,
    until_text,
)
from medallion_assets.sources.api.where import Where, checked_url, joined
from medallion_assets.sources.api.wire import Broken, Wire
from medallion_assets.sources.backoff import backoff
from medallion_assets.sources.files.json import find_text
from medallion_assets.sources.turns import FREE, Turns

__all__ = ["Client", "Manners"]

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_GOOD = frozenset({200, 201, 203, 204})
_MOVED = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
_PUBLIC_HEADERS = frozenset({"accept", "user-agent"})
"""All that a host gets that is not of the origin."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How to behave towards the server."""

    retry: Retry
    timeout: float
    """Seconds of one request."""
    deadline: float | None = None
    """Of the monotonic clock."""
    rate: Rate | None = None
    breaker: Breaker | None = None
    rules: tuple[ResponseRule, ...] = ()
    timer: Timer = field(default_factory=WallTimer)
    hosts: Hosts = SHARED
    turns: Turns = FREE


class Client:
    """Safe for several threads. ``counts``: requests, retries, logins, bytes."""

    def __init__(self, where: Where, login: Login, wire: Wire, manners: Manners) -> None:
        self._where, self._login, self._wire, self._manners = where, login, wire, manners
        self._lock = Lock()
        self._chance = random.Random()  # noqa: S311 - jitter
        self.counts: Counter[str] = Counter()

    def fetch(self, call: Call, read: Callable[[Answer], T]) -> T | None:
        """What ``read`` makes of the answer; None where a rule skips it. ``read`` raises Broken for one that is no use.

        Raises ExtractionError SRC-050 (address), SRC-052 (status), SRC-056 (size), SRC-057 (not readable), SRC-061
        (login), SRC-062 (redirect); SourceUnavailable SRC-051 (no answer), SRC-053 (busy), SRC-054 (told to wait too
        long), SRC-055 (deadline), SRC-060 (circuit open).
        """
        login_again = True
        attempt = 0
        while True:
            attempt += 1
            answer: Answer | None = None
            try:
                answer, sent = self._ask(call)
                action = self._judge(answer)
                if action == "use":
                    return read(answer)
                if action == "skip":
                    answer.body.close()
                    return None
                if action == "login" and login_again and self._login.forget(sent):
                    login_again, attempt = False, attempt - 1
                    answer.body.close()
                    continue
                if action != "retry":
                    raise self._refused(answer)
                failure = f"status {answer.status}"
            except Broken as broken:
                failure = str(broken)
            if answer is not None:
                answer.body.close()
            self._wait_to_retry(call, attempt, failure, answer)

    # ------------------------------------------------------------------------------------------ one exchange

    def _ask(self, call: Call) -> tuple[Answer, Call]:
        """The answer after logins and redirects, and the request that it answers."""
        seen: set[str] = set()
        for _ in range(_MAX_REDIRECTS + 1):
            own = self._where.admit(call.url)
            sent = self._authorized(call) if own else _public(call)
            answer = self._exchange(sent)
            if answer.status not in _MOVED or "location" not in answer.headers:
                return answer, sent
            answer.body.close()
            seen.add(call.url)
            call = _moved(call, answer)
            if call.url in seen:
                raise _redirect(answer.url, "The redirects go in a circle.")
        raise _redirect(call.url, f"There are more than {_MAX_REDIRECTS} redirects.")

    def _authorized(self, call: Call) -> Call:
        with self._login.lock:
            request = self._login.ask(self._manners.timer.monotonic())
            if request is not None:
                self._log_in(request)
        return self._login.apply(call)

    def _log_in(self, request: Call) -> None:
        checked_url(request.url)
        if origin(self._where.base)[0] == "https" and urlsplit(request.url).scheme != "https":
            raise ExtractionError(
                "SRC-050",
                "Credentials may not leave TLS.",
                where=shown_url(request.url),
                fix="Write the https address of the login.",
            )
        attempt = 0
        while True:
            attempt += 1
            answer: Answer | None = None
            try:
                answer = self._exchange(request)
                failure = f"status {answer.status}"
            except Broken as broken:
                failure = str(broken)
            if answer is not None and answer.status not in _AGAIN:
                self._count("logins")
                content = answer.body.data()
                answer.body.close()
                return self._login.learn(answer.status, content, self._manners.timer.monotonic())
            self._wait_to_retry(request, attempt, failure, answer)

    def _exchange(self, call: Call) -> Answer:
        """In its turn, within the deadline, noted by the breaker. Redirects are not followed here."""
        manners, (_, name, port) = self._manners, origin(call.url)
        host = manners.hosts.of(name, port)
        host.limit(manners.rate)
        self._turn(host, call)
        with manners.turns.hold(sleep=lambda seconds: self._sleep(seconds, call)):
            left = self._left(call)
            self._count("requests")
            try:
                answer = self._wire.send(call, manners.timeout if left is None else min(manners.timeout, left))
            except Broken:
                host.failed(manners.breaker, manners.timer.monotonic())
                raise
        self._count("bytes", answer.wire_bytes)
        if answer.status >= 500:
            host.failed(manners.breaker, manners.timer.monotonic())
        else:
            host.succeeded()
        if manners.rate is None or manners.rate.respect_headers:
            pause = pause_asked(answer.headers, manners.timer.now())
            if pause is not None:
                host.pause(manners.timer.monotonic() + pause)
        return answer

    def _turn(self, host: Host, call: Call) -> None:
        timer = self._manners.timer
        now = timer.monotonic()
        if self._manners.breaker is not None and not host.closed(self._manners.breaker, now):
            raise SourceUnavailable(
                "SRC-060",
                f"The circuit is open: the host failed {self._manners.breaker.failures} times in a row.",
                where=shown_url(call.url),
                fix="Run again when the server has recovered.",
            )
        paused = host.paused(now)
        if paused > self._manners.retry.max_backoff.total_seconds():
            raise self._too_long(call, paused, "The limit of the server is used up")
        self._sleep(host.take(now), call)

    # ------------------------------------------------------------------------------------------ verdicts

    def _judge(self, answer: Answer) -> str:
        for rule in self._manners.rules:
            if (not rule.status or answer.status in rule.status) and _holds(rule, answer):
                return "refuse" if rule.action == "fail" else rule.action
        if answer.status in _GOOD:
            return "use"
        if answer.status == 401:
            return "login"
        return "retry" if answer.status in _AGAIN else "refuse"

    def _refused(self, answer: Answer) -> ExtractionError:
        said = answer.body.data()[:300].decode("utf-8", "replace") if answer.body.small else ""
        answer.body.close()
        for secret in sorted(self._login.secrets(), key=len, reverse=True):
            said = said.replace(secret, "***") if len(secret) > 3 else said
        said = " ".join("".join(c if c.isprintable() else " " for c in said).split())
        fixes = {
            401: "Check the credentials (source.auth).",
            403: "Ask the provider for the right to read this.",
            404: "Check base_url and path; if this means that there is nothing, add response_rules: "
            "[{status: [404], action: skip}].",
        }
        return ExtractionError(
            "SRC-052",
            f"The server answered with {answer.status}" + (f": {said}" if said else "") + ".",
            where=shown_url(answer.url),
            fix=fixes.get(answer.status, "Correct the request, or say what this answer means in response_rules."),
        )

    # ------------------------------------------------------------------------------------------ waiting

    def _wait_to_retry(self, call: Call, attempt: int, failure: str, answer: Answer | None) -> None:
        """Raises when there is no further attempt."""
        manners = self._manners
        asked = None if answer is None else retry_after(answer.headers, manners.timer.now())
        if asked is not None and asked > manners.retry.max_backoff.total_seconds():
            raise self._too_long(call, asked, f"The server answered with {failure}")
        if attempt >= manners.retry.max_attempts:
            raise _given_up(call, attempt, failure, answer)
        wait = backoff(manners.retry, attempt, self._chance)
        wait = wait if asked is None else max(asked, wait)
        self._count("retries")
        _LOG.warning(
            "%s %s: %s; attempt %d of %d, again in %.1f s",
            call.method, shown_url(call.url), failure, attempt, manners.retry.max_attempts, wait,
        )  # fmt: skip
        self._sleep(wait, call)

    def _sleep(self, seconds: float, call: Call) -> None:
        left = self._left(call)
        if left is not None and seconds >= left:
            raise self._late(call)
        if seconds > 0:
            self._manners.timer.sleep(seconds)

    def _left(self, call: Call) -> float | None:
        if self._manners.deadline is None:
            return None
        left = self._manners.deadline - self._manners.timer.monotonic()
        if left <= 0:
            raise self._late(call)
        return left

    def _late(self, call: Call) -> ExtractionError:
        return SourceUnavailable(
            "SRC-055",
            "The deadline of the read does not leave time for the next request.",
            where=shown_url(call.url),
            fix="Raise source.deadline, or ask for less.",
        )

    def _too_long(self, call: Call, seconds: float, why: str) -> ExtractionError:
        until = until_text(self._manners.timer.now(), seconds)
        return SourceUnavailable(
            "SRC-054",
            f"{why} and wants no request before {until} ({seconds:.0f} s), longer than retry.max_backoff.",
            where=shown_url(call.url),
            fix="Run again then, lower rate_limit.requests_per_second, or raise retry.max_backoff.",
        )

    def states(self) -> dict[str, str]:
        """Of the circuit breaker, if there is one."""
        _, name, port = origin(self._where.base)
        return {} if self._manners.breaker is None else {"circuit": self._manners.hosts.of(name, port).state}

    def close(self) -> None:
        self._wire.close()

    def _count(self, what: str, n: int = 1) -> None:
        with self._lock:
            self.counts[what] += n


def _holds(rule: ResponseRule, answer: Answer) -> bool:
    if rule.body is None:
        return True
    if not answer.body.small:
        return False
    try:
        return find_text(answer.body.data(), rule.body, "source.response_rules") is not None
    except ExtractionError:  # no JSON, so nothing in it is true
        return False


def _public(call: Call) -> Call:
    """For a host that is allowed, and not of the origin."""
    if call.method != "GET" or call.body is not None:
        raise ExtractionError(
            "SRC-050",
            "A request with a body may not go to another host.",
            where=shown_url(call.url),
            fix="Set source.base_url to that host.",
        )
    return replace(call, headers={k: v for k, v in call.headers.items() if k.lower() in _PUBLIC_HEADERS})


def _moved(call: Call, answer: Answer) -> Call:
    url = joined(call.url, answer.headers["location"])
    if call.method != "GET" and answer.status not in (307, 308):
        raise _redirect(call.url, f"Status {answer.status} would turn a {call.method} into a GET.")
    return replace(call, url=url)


def _redirect(url: str, what: str) -> ExtractionError:
    return ExtractionError("SRC-062", what, where=shown_url(url), fix="Set base_url and path to where it leads.")


def _given_up(call: Call, attempts: int, failure: str, answer: Answer | None) -> ExtractionError:
    where, times = shown_url(call.url), f"{attempts} attempt{'s' if attempts > 1 else ''}"
    if answer is None:
        return SourceUnavailable(
            "SRC-051", f"No answer after {times}: {failure}.", where=where,
            fix="Check that the server can be reached from here, or raise source.timeout and retry.max_attempts.",
        )  # fmt: skip
    if answer.status in _GOOD:
        return ExtractionError(
            "SRC-057", f"The answer cannot be used after {times}: {failure}.", where=where,
            fix="Check what the server sends; it has to be the format that source.format names.",
        )  # fmt: skip
    return SourceUnavailable(
        "SRC-053", f"The server is busy or failing after {times}: {failure}.", where=where, fix="Run again later."
    )
