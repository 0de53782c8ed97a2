"""``medallion ui``: Dagster's webserver and daemon as two children, on this machine only."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from medallion_assets.errors import ConfigError

__all__ = ["dagster_home", "serve"]

_SETTINGS = "telemetry: {enabled: false}\nnux: {enabled: false}\n"
_GRACE_S = 10.0
_OPEN = "import dagster; dagster.DagsterInstance.get().dispose()"


def dagster_home(root: Path, variables: Mapping[str, str]) -> Path:
    """``$DAGSTER_HOME``, or ``<project>/.dagster``; made, with the project's dagster.yaml, when it is not there."""
    if variables.get("DAGSTER_HOME"):
        home = Path(variables["DAGSTER_HOME"]).expanduser().resolve()
    else:
        home = root.resolve() / ".dagster"
    settings, own = home / "dagster.yaml", root / "dagster.yaml"
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not settings.exists():
            settings.write_text(own.read_text(encoding="utf-8") if own.is_file() else _SETTINGS, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            "CLI-004", f"Dagster's folder cannot be made: {error.strerror}.", where=str(home), fix="set DAGSTER_HOME."
        ) from None
    return home


def serve(root: Path, env: str | None, host: str, port: int) -> int:
    """Run both until one ends or Ctrl-C. Returns the exit code. Raises ConfigError CLI-008, CLI-012."""
    if find_spec("dagster_webserver") is None:
        raise ConfigError(
            "CLI-008",
            "Dagster's webserver is not installed.",
            where="medallion ui",
            fix="install it: pip install 'medallion-assets[ui]'.",
        )
    _refuse_taken(host, port)
    print(f"Dagster on http://{host}:{port} (Ctrl-C to stop)", file=sys.stderr)
    home = dagster_home(root, os.environ)
    variables = {**os.environ, "DAGSTER_HOME": str(home), "MEDALLION_PROJECT": str(root)}
    if env is not None:
        variables["MEDALLION_ENV"] = env
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the children are stopped then, too
    location = ["-m", "medallion_assets.definitions", "-a", "defs", "-d", str(root)]
    commands = (
        [sys.executable, "-m", "dagster_webserver", "-h", host, "-p", str(port), *location],
        [sys.executable, "-m", "dagster._daemon", "run", *location],
    )
    _make_tables(home, variables)
    children = [subprocess.Popen(command, env=variables, cwd=root) for command in commands]  # noqa: S603 - our own words
    try:
        return _first_end(children)
    finally:
        _stop(children)


def _make_tables(home: Path, variables: Mapping[str, str]) -> None:
    """Dagster's tables in a new home: its webserver and daemon, begun at once, would both make them, and one fail.

    What is wrong with the home, the two say themselves.
    """
    if not (home / "schedules/schedules.db").exists():
        subprocess.run([sys.executable, "-c", _OPEN], env=variables, stderr=subprocess.DEVNULL, check=False)  # noqa: S603


def _refuse_taken(host: str, port: int) -> None:
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        raise ConfigError(
            "CLI-012",
            f"Nothing can listen on {host}:{port}: {error.strerror}.",
            where="medallion ui",
            fix=f"choose another port, like --port {port + 1}.",
        ) from None


def _first_end(children: Sequence["subprocess.Popen[bytes]"]) -> int:
    while True:
        for child in children:
            code = child.poll()
            if code is not None:
                return 0 if code in (0, -signal.SIGTERM) else 1
        time.sleep(0.2)


def _stop(children: Sequence["subprocess.Popen[bytes]"]) -> None:
    for child in children:
        child.terminate()
    for child in children:
        _await(child)


def _await(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
