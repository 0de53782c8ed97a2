"""Programs fetched and started for the tests: on free ports, as another user where they refuse root, ended by id."""

import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

__all__ = ["NotInstalled", "chown", "find", "free_port", "installed", "program", "run", "wait_for"]

_HERE = Path(__file__).parent

_PATIENCE_S = 60
_NODAEMON_USER = "nobody"


class NotInstalled(Exception):
    """A program is not on this machine; the message names the package."""


def find(name: str, package: str, *folders: str) -> str:
    """The path of a program. Raises NotInstalled."""
    found = shutil.which(name) or next((p for f in folders if (p := shutil.which(name, path=f))), None)
    if found is None:
        raise NotInstalled(f"{name} is not installed (Debian: apt-get install {package})")
    return found


def installed(named: Sequence[str], fetch: Sequence[str], what: str) -> Path:
    """The folder where ``fetch`` put what files beside this one name; done once for what they say, by one process.

    Raises NotInstalled with what the command said.
    """
    said = sha256(b"\0".join((_HERE / name).read_bytes() for name in named)).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "medallion-assets-tests" / said
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            for name in named:
                shutil.copyfile(_HERE / name, folder / name)
            done = subprocess.run(fetch, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
            if done.returncode:
                raise NotInstalled(f"{fetch[0]} could not install {what}: {done.stdout[-500:]}{done.stderr[-500:]}")
            (folder / "done").touch()
    return folder


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _user(*, nobody: bool) -> int | None:
    return pwd.getpwnam(_NODAEMON_USER).pw_uid if nobody and os.geteuid() == 0 else None


def chown(folder: Path) -> None:
    """Give a folder to nobody, who runs what refuses to run as root, and let them reach it."""
    if os.geteuid() != 0:
        return
    user = pwd.getpwnam(_NODAEMON_USER)
    os.chown(folder, user.pw_uid, user.pw_gid)
    for parent in folder.parents:
        if parent.stat().st_uid == 0 and parent != Path("/"):
            with suppress(PermissionError):
                parent.chmod(parent.stat().st_mode | 0o011)


def run(command: Sequence[str | Path], *, nobody: bool = False) -> str:
    """Run a program to its end and give its output. Raises AssertionError with what it said when it fails."""
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=300, check=False, user=_user(nobody=nobody)
    )
    assert done.returncode == 0, f"{command[0]} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@contextmanager
def program(
    command: Sequence[str | Path],
    log: Path,
    *,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
    nobody: bool = False,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A program in the background, from when ``ready`` says so to the end of the block. Its output goes to ``log``."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(c) for c in command], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})}, start_new_session=True, user=_user(nobody=nobody),
        )  # fmt: skip
    try:
        wait_for(ready, process, log)
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Raises AssertionError with the end of the log when the program ends or is not ready in a minute."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        if process.poll() is not None or time.monotonic() > end:
            said = log.read_text(errors="replace")[-3000:]
            raise AssertionError(f"{process.args!r} did not start:\n{said}")
        with suppress(OSError):
            if ready():
                return
        time.sleep(0.1)
