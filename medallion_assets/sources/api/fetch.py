"""Pages in order, some of them asked for before their turn."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import final

from medallion_assets.sources.api.pages import Ask
from medallion_assets.sources.api.records import Page

__all__ = ["Fetcher"]


@final
class Fetcher:
    """``upcoming``: the requests of a list whose pages are known by number; None: one at a time. At most ``ahead``
    pages are asked for or held at once.
    """

    def __init__(self, fetch: Callable[[Ask], Page], upcoming: Iterator[Ask] | None, most: int, ahead: int) -> None:
        self._fetch = fetch
        self._upcoming = None if upcoming is None else islice(upcoming, most)
        self._pool = None if upcoming is None else ThreadPoolExecutor(ahead, "medallion-api")
        self._ahead = ahead
        self._queue: deque[tuple[Ask, Future[Page]]] = deque()

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(self, *exc: object) -> None:
        """What was asked too far ahead is let go of; requests that are under way end first."""
        if self._pool is None:
            return
        self._pool.shutdown(wait=True, cancel_futures=True)
        for _, future in self._queue:
            if not future.cancelled() and future.exception() is None:
                future.result().close()

    def get(self, ask: Ask) -> Page:
        """The page of the next request, which ``upcoming`` must know as the same."""
        if self._pool is None or self._upcoming is None:
            return self._fetch(ask)
        for coming in islice(self._upcoming, self._ahead - len(self._queue)):
            self._queue.append((coming, self._pool.submit(self._fetch, coming)))
        asked, future = self._queue.popleft()
        if asked != ask:
            raise AssertionError(f"{ask} was not foreseen")
        return future.result()
