"""A watchdog over an iterator that may never answer again."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Generic, TypeVar, final

from medallion_assets.errors import ExtractionError

__all__ = ["Watched"]

T = TypeVar("T")
_ENDED = object()
_POLL_S = 0.2
_GRACE_S = 5.0


@final
class Watched(Generic[T]):
    """The items of ``items``, made one ahead in a thread of their own. Iterate once, then ``close``.

    Raises what ``items`` raises, and ExtractionError SRC-123 when nothing comes for ``timeout_s``. ``close`` calls
    ``cancel`` when the thread is still at work, and returns in ten seconds whatever becomes of either: to tell a silent
    peer to stop may take for ever, too. A thread that does not end is left behind, a daemon; it closes ``items``
    itself, because what another thread is waiting in must not be closed under it.
    """

    def __init__(
        self, items: Generator[T, None, None], timeout_s: float, cancel: Callable[[], None], where: str
    ) -> None:
        self._timeout_s, self._cancel, self._where = timeout_s, cancel, where
        self._made: queue.Queue[object] = queue.Queue(1)
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._make, args=(items,), name="database-reader", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                item = self._made.get(timeout=self._timeout_s)
            except queue.Empty:
                raise ExtractionError(
                    "SRC-123", f"The database has been silent for {self._timeout_s:g} s.", where=self._where,
                    fix="Run again; raise `timeout` when the query takes that long to its first rows.",
                ) from None  # fmt: skip
            if item is _ENDED:
                return
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc] # of the queue, which holds T but for the two cases above

    def close(self) -> None:
        self._leaving.set()
        if self._thread.is_alive():
            self._thread.join(_POLL_S * 2)
        if self._thread.is_alive():
            cancelling = threading.Thread(target=self._cancel, name="database-cancel", daemon=True)
            cancelling.start()
            cancelling.join(_GRACE_S)
            if not cancelling.is_alive():
                self._thread.join(_GRACE_S)

    def _make(self, items: Generator[T, None, None]) -> None:
        try:
            with closing(items):
                for item in items:
                    if not self._put(item):
                        return
            self._put(_ENDED)
        except BaseException as error:  # noqa: BLE001 - raised again where the items are taken
            self._put(error)

    def _put(self, item: object) -> bool:
        """Whether somebody still wants it."""
        while not self._leaving.is_set():
            try:
                self._made.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False
