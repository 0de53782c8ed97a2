"""How many read from one connection at once, over the threads and the processes of a machine.

A turn is a locked file in the temporary folder: the kernel gives it back whatever becomes of who held it.
"""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from medallion_assets.errors import ConfigError

__all__ = ["FREE", "Turns"]

_LOG = logging.getLogger(__name__)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.01, 0.25


@dataclass(frozen=True, slots=True)
class Turns:
    """Those of one connection of one project. ``count`` None: as many as like."""

    connection: str
    count: int | None
    root: Path
    """The project's folder."""

    @contextmanager
    def hold(self, wanted: int = 1, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
        """Wait for ``wanted`` turns, but for all at the most, and have them for the block.

        Nobody holds some while waiting for more, so that no two wait for each other. ``sleep`` may raise, to end the
        wait. Raises ConfigError SRC-135.
        """
        if self.count is None:
            yield
            return
        wait, names = _FIRST_WAIT_S, self._names(self.count)
        with ExitStack() as held:
            while not _take(held, names, min(wanted, self.count)):
                if wait == _FIRST_WAIT_S:
                    _LOG.info("waiting for a turn at connection %s: %d are taken", self.connection, self.count)
                sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT_S)
            yield

    def _names(self, count: int) -> list[Path]:
        folder = Path(tempfile.gettempdir()) / f"medallion-{os.getuid()}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.stat().st_uid != os.getuid() or folder.is_symlink():
                raise PermissionError("it is somebody else's")
        except OSError as error:
            raise ConfigError(
                "SRC-135", f"{folder} cannot be used: {error.strerror or error}.",
                where=f"connection {self.connection} of platform.yaml",
                fix="set TMPDIR to a folder that this user may write to: who reads is counted there.",
            ) from None  # fmt: skip
        known = sha256(f"{self.root.resolve()}\0{self.connection}".encode()).hexdigest()[:24]
        return [folder / f"{known}.{number}" for number in range(count)]


FREE = Turns("", None, Path())
"""No bound."""


def _take(held: ExitStack, names: list[Path], wanted: int) -> bool:
    """All of them or none."""
    with ExitStack() as taken:
        missing = wanted
        for name in names:
            file = os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            taken.enter_context(closing(file))
            missing -= 1
            if not missing:
                held.push(taken.pop_all())
                return True
    return False
