"""Dagster's webserver and daemon on a copy of the example project."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
START_S = 90.0
INBOX = """
system: inbox
table: drops
source: {type: file, path: "drop/*.csv"}
load: incremental
sensor: {interval: 30s, settle: 0s}
silver: {model: event, keys: id}
"""
"""A folder that a sensor watches."""


@dataclass(frozen=True)
class Ui:
    """A running Dagster on a project of its own."""

    url: str
    root: Path
    environment: dict[str, str]

    def medallion(self, *arguments: str) -> None:
        """Run the command line in the project."""
        command = [str(Path(sys.executable).with_name("medallion")), *arguments]
        done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def example_ui() -> Iterator[Ui]:
    """The examples, some of them loaded, as ``make demo`` and ``make ui`` leave and show them."""
    with tempfile.TemporaryDirectory(prefix="medallion-") as folder:
        root, home = Path(folder), Path(folder) / ".dagster"
        shutil.copytree(ROOT / "intents", root / "intents")
        (root / "intents/inbox.yaml").write_text(INBOX, "utf-8")
        for name in ("platform.yaml", "workspace.yaml"):
            shutil.copy(ROOT / name, root)
        home.mkdir()
        shutil.copy(ROOT / "dagster.yaml", home)
        port = free_port()
        ui = Ui(f"http://127.0.0.1:{port}", root, _environment(root, home))
        ui.medallion("run", "--dagster", "nyc.airlines", "nyc.planes", "nyc.weather", "vega.movies")
        ui.medallion("run", "--dagster", "nyc.flights", "--from", "2013-01-01", "--to", "2013-01-10")
        ui.medallion("run", "--dagster", "airportsdata.airports", "--date", "2020-11-06")
        with _running(ui, port, home / "log"):
            (root / "drop").mkdir()  # the sensor looks every 30 seconds: a test that looks last need not wait
            (root / "drop/a.csv").write_text("id,what\n1,first\n")
            yield ui


def _environment(root: Path, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DAGSTER", "MEDALLION"))}
    return {**kept, "DAGSTER_HOME": str(home), "MEDALLION_PROJECT": str(root)}


@contextmanager
def _running(ui: Ui, port: int, log: Path) -> Iterator[None]:
    commands = (
        [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml"],
        [sys.executable, "-m", "dagster._daemon", "run", "-w", "workspace.yaml"],
    )
    children: list[subprocess.Popen[bytes]] = []
    with log.open("wb") as output:
        try:
            for command in commands:
                child = subprocess.Popen(command, cwd=ui.root, env=ui.environment, stdout=output, stderr=output)
                children.append(child)
            wait_for(ui.url, children, log)
            yield
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, children: list["subprocess.Popen[bytes]"], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        assert all(child.poll() is None for child in children), log.read_text()
        try:
            with urlopen(f"{url}/server_info", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(log.read_text())
