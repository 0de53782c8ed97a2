"""Lineage events on their way: to a receiver over HTTP, to a file, or nowhere. No run fails or waits long for it."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from medallion_assets.intent.platform import Lineage
from medallion_assets.observe.openlineage import Dataset, Document, Kind, Run, event

__all__ = ["Emitter"]

_PAUSE_S = 60.0
_log = logging.getLogger("medallion_assets.lineage")


@dataclass
class Emitter:
    """Tells of the start and the end of runs. After a failure it says so once and keeps silent for a minute: a receiver
    that is down would otherwise be waited for at every partition.
    """

    to: Lineage
    root: Path
    """What a relative ``file`` is below."""
    resolve: Callable[[str], str]
    scrub: Callable[[str], str]
    now: Callable[[], datetime]
    _silent_until: float = field(default=0.0, init=False)

    @contextmanager
    def around(self, run: Run) -> Iterator[Callable[[Sequence[Dataset]], None]]:
        """START, then COMPLETE with the outputs that the caller gives, or FAIL with what was raised."""
        outputs: list[Dataset] = []
        self._tell("START", run, ())
        try:
            yield outputs.extend
        except BaseException as error:
            self._tell("FAIL", run, outputs, self.scrub(str(error) or type(error).__name__))
            raise
        self._tell("COMPLETE", run, outputs)

    def _tell(self, kind: Kind, run: Run, outputs: Sequence[Dataset], error: str | None = None) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            self._send(event(kind, run, self.now(), outputs, error))
        except Exception as why:  # noqa: BLE001 - whatever is wrong with a watcher is no matter of the run
            self._silent_until = time.monotonic() + _PAUSE_S
            text = self.scrub(f"{type(why).__name__}: {why}")
            _log.warning("Lineage events are not sent for %g s: %s", _PAUSE_S, text)

    def _send(self, document: Document) -> None:
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        if self.to.file is not None:
            path = self.root / self.resolve(self.to.file)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(body.encode() + b"\n")
        if self.to.url is not None:
            self._post(self.to.url, body.encode())

    def _post(self, url: str, body: bytes) -> None:
        import httpx

        headers = {name: self.resolve(value) for name, value in self.to.headers.items()}
        if self.to.token is not None:
            headers["Authorization"] = f"Bearer {self.resolve(self.to.token)}"
        target = f"{self.resolve(url).rstrip('/')}/{self.to.endpoint.lstrip('/')}"
        answer = httpx.post(
            target,
            content=body,
            headers={"Content-Type": "application/json", **headers},
            timeout=self.to.timeout.total_seconds(),
        )
        if not answer.is_success:
            raise RuntimeError(f"the receiver answered {answer.status_code}")
