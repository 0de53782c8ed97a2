"""The watchdog: what is silent is an error in time, and what is left is cancelled."""

import threading
import time
from collections.abc import Generator

import pytest

from medallion_assets.errors import ExtractionError
from medallion_assets.sources.database.watch import Watched


def _nothing() -> None:
    """Nobody to tell."""


def _wait(event: threading.Event) -> None:
    event.wait(60)


def test_items_come_in_order() -> None:
    watched = Watched((n for n in range(100)), 5, _nothing, "here")
    assert list(watched) == list(range(100))
    watched.close()


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Generator[int, None, None]:
        yield 1
        raise OSError("gone")

    taken = iter(Watched(items(), 5, _nothing, "here"))
    assert next(taken) == 1
    with pytest.raises(OSError, match="gone"):
        next(taken)


def test_silence_is_an_error_and_the_work_is_cancelled() -> None:
    cancelled = threading.Event()

    def items() -> Generator[int, None, None]:
        yield 1
        cancelled.wait(30)

    watched = Watched(items(), 0.3, cancelled.set, "shop")
    with pytest.raises(ExtractionError) as raised:
        list(watched)
    watched.close()
    assert raised.value.problem.code == "SRC-123"
    assert cancelled.is_set()
    assert not watched._thread.is_alive()


def test_neither_silence_nor_a_cancellation_without_an_answer_is_waited_for() -> None:
    """To tell a peer that it may stop needs the same peer."""
    never = threading.Event()

    def items() -> Generator[int, None, None]:
        yield 1
        never.wait(60)

    began = time.monotonic()
    watched = Watched(items(), 0.3, lambda: _wait(never), "shop")
    with pytest.raises(ExtractionError):
        list(watched)
    watched.close()
    assert time.monotonic() - began < 30
    never.set()


def test_what_was_opened_is_closed_where_it_was_opened() -> None:
    threads = []

    def items() -> Generator[int, None, None]:
        try:
            threads.append(threading.current_thread())
            yield from range(100)
        finally:
            threads.append(threading.current_thread())

    watched = Watched(items(), 5, _nothing, "here")
    next(iter(watched))
    watched.close()
    assert threads[0] is threads[1]


def test_at_most_two_items_are_made_ahead() -> None:
    made = []

    def items() -> Generator[int, None, None]:
        for n in range(100):
            made.append(n)
            yield n

    watched = Watched(items(), 5, _nothing, "here")
    next(iter(watched))
    time.sleep(0.3)
    watched.close()
    assert made[-1] <= 2
    assert not watched._thread.is_alive()
