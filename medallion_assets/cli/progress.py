"""What a run says while it goes: a live line in a terminal, a line for each finished piece elsewhere. To stderr."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from medallion_assets.cli.run import Failure, Work
from medallion_assets.lake.ports import Progress
from medallion_assets.lake.results import Ingested, Refined

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID
    from typing_extensions import Self

__all__ = ["Reporter"]

_PATIENCE_S = 0.5
"""A run that is over sooner never pays for the import of rich."""


@dataclass
class Reporter:
    """Writes lines of results; in a terminal also one live line of rows, rate and time. Use as a context manager."""

    scrub: Callable[[str], str]
    debug: bool = False
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _live: "_Live | None" = None

    def __enter__(self) -> "Self":
        if self.stream.isatty():
            self._live = _Live(self.stream)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    @property
    def progress(self) -> Progress:
        return self._live.update if self._live is not None else _silent

    def ingested(self, done: Ingested) -> None:
        load = done.commit.load
        refused = f", {load.refused:,} refused" if load.refused else ""
        parts = f"{len(load.parts)} part" + ("" if len(load.parts) == 1 else "s")
        what = f"{load.rows:,} rows in {parts}{refused}" if done.written else "nothing new"
        whole = ", whole state" if done.whole else ""
        self.say(f"{done.dataset} {done.partition.key}{whole}: {what}, {done.seconds:.2f} s")

    def refined(self, done: Refined) -> None:
        what = f"{done.changed:,} rows changed" if done.written else "nothing new"
        self.say(f"{done.entity}: {what}, {done.rows:,} rows, {done.seconds:.2f} s")

    def failed(self, failure: Failure) -> None:
        of = f" {failure.partition}" if failure.partition else ""
        self.say(f"{failure.dataset}{of}: failed\n{self.scrub(str(failure.error))}")
        cause = failure.error.__cause__
        if self.debug and cause is not None:
            import traceback

            self.say(self.scrub("".join(traceback.format_exception(cause))))

    def newest(self, work: Sequence[Work]) -> None:
        """Says which partitions were chosen, when no date was given."""
        for one in work:
            if one.plan.calendar.cadence != "none":
                self.say(f"{one.plan.name}: {', '.join(p.key for p in one.partitions)} (no date given: the newest)")

    def say(self, line: str) -> None:
        """One line, above the live one."""
        if self._live is not None:
            self._live.above(line)
        else:
            print(line, file=self.stream, flush=True)


def _silent(_what: str, _rows: int) -> None:
    """Elsewhere than in a terminal only finished pieces are told."""


class _Live:
    """One line at the bottom of a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._since = time.monotonic()
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._what = ""

    def update(self, what: str, rows: int) -> None:
        if self._bar is None:
            if time.monotonic() - self._since < _PATIENCE_S:
                return
            self._bar = self._start()
        if self._task is None or what != self._what:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task, self._what = self._bar.add_task(what, total=None), what
        self._bar.update(self._task, completed=rows)

    def above(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=self._stream, flush=True)

    def stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _start(self) -> "Bar":
        from rich.console import Console
        from rich.progress import Progress as Bar
        from rich.progress import ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
        from rich.text import Text

        class Rows(ProgressColumn):
            """Rows so far and rows a second."""

            def render(self, task: Task) -> Text:
                rate = f", {task.speed:,.0f} rows/s" if task.speed else ""
                return Text(f"{task.completed:,.0f} rows{rate}")

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), Rows(), TimeElapsedColumn())
        bar = Bar(*columns, console=Console(file=self._stream), transient=True)
        bar.start()
        return bar
