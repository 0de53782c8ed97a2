"""The watchdog: what is silent is an error in time, and what is left is cancelled."""

import threading
import time
from collections.abc import Iterator

import pytest

from medallion_assets.errors import ExtractionError
from medallion_assets.sources.database.watch import Watched


def _nothing() -> None:
    """Nobody to tell."""


def test_items_come_in_order() -> None:
    watched = Watched(iter(range(100)), 5, _nothing, "here")
    assert list(watched) == list(range(100))
    watched.close()


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    taken = iter(Watched(items(), 5, _nothing, "here"))
    assert next(taken) == 1
    with pytest.raises(OSError, match="gone"):
        next(taken)


def test_silence_is_an_error_and_the_work_is_cancelled() -> None:
    cancelled = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        cancelled.wait(30)

    watched = Watched(items(), 0.3, cancelled.set, "shop")
    with pytest.raises(ExtractionError) as raised:
        list(watched)
    watched.close()
    assert raised.value.problem.code == "SRC-123"
    assert cancelled.is_set()
    assert watched.left


def test_at_most_two_items_are_made_ahead() -> None:
    made = []

    def items() -> Iterator[int]:
        for n in range(100):
            made.append(n)
            yield n

    watched = Watched(items(), 5, _nothing, "here")
    next(iter(watched))
    time.sleep(0.3)
    watched.close()
    assert made[-1] <= 2
    assert watched.left
