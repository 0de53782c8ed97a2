"""PostgreSQL and MariaDB from Debian, each with an empty database ``shop`` and one user who owns it."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medallion_assets_tests.services.process import chown, find, free_port, program, run

__all__ = ["DatabaseServer", "mariadb", "postgres"]

_USER, _PASSWORD, _DATABASE = "medallion", "medallion-secret", "shop"


@dataclass(frozen=True)
class DatabaseServer:
    """Where the server is, and its one user."""

    scheme: str
    port: int
    user: str = _USER
    password: str = _PASSWORD
    database: str = _DATABASE
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """As SQLAlchemy spells it."""
        return f"{self.scheme}://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"

    def store(self) -> dict[str, object]:
        """As platform.yaml spells it: a connection."""
        return {"type": "database", "url": self.url, "boundary": "onprem"}


@contextmanager
def postgres(folder: Path) -> Iterator[DatabaseServer]:
    """A server without fsync that asks for a password. Raises NotInstalled."""
    bins = sorted(str(path) for path in Path("/usr/lib/postgresql").glob("*/bin"))[::-1]
    initdb, server, psql = (find(name, "postgresql", *bins) for name in ("initdb", "postgres", "psql"))
    chown(folder)
    data, port = folder / "data", free_port()
    secret = folder / "password"
    secret.write_text(_PASSWORD)
    chown(secret)
    run([initdb, "-D", data, "-U", _USER, "--pwfile", secret, "-A", "scram-sha-256", "-E", "UTF8", "--no-sync",
         "--locale", "C.UTF-8"], nobody=True)  # fmt: skip
    settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "port": str(port),
                "max_wal_size": "4GB"}  # fmt: skip
    options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
    at = DatabaseServer("postgresql", port)
    ask = [psql, at.url.replace(f"/{_DATABASE}", "/postgres"), "-c"]
    log = folder / "postgres.log"
    with program([server, "-D", data, *options], log, ready=lambda: _succeeds([*ask, "select 1"]), nobody=True):
        run([*ask, f"create database {_DATABASE}"])
        yield at


@contextmanager
def mariadb(folder: Path) -> Iterator[DatabaseServer]:
    """A server that asks for a password. Raises NotInstalled."""
    server = find("mariadbd", "mariadb-server", "/usr/sbin")
    install, client = find("mariadb-install-db", "mariadb-server"), find("mariadb", "mariadb-client")
    chown(folder)
    data, socket, port = folder / "data", folder / "m.sock", free_port()
    run([install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
         "--skip-test-db"], nobody=True)  # fmt: skip
    command: list[str | Path] = [
        server, "--no-defaults", f"--datadir={data}", f"--socket={socket}", f"--port={port}",
        "--bind-address=127.0.0.1", f"--pid-file={folder / 'pid'}", "--skip-log-bin", "--character-set-server=utf8mb4",
        "--innodb-flush-log-at-trx-commit=0", "--max-allowed-packet=128M",
    ]  # fmt: skip
    root = [client, "--no-defaults", f"--socket={socket}", "-u", "root", "-e"]
    log = folder / "mariadb.log"
    with program(command, log, ready=lambda: _succeeds([*root, "select 1"]), nobody=True):
        grant = f"create user '{_USER}'@'%' identified by '{_PASSWORD}'; grant all on {_DATABASE}.* to '{_USER}'@'%'"
        run([*root, f"create database {_DATABASE}; {grant}"])
        yield DatabaseServer("mysql+pymysql", port)


def _succeeds(command: Sequence[str | Path]) -> bool:
    return subprocess.run([str(c) for c in command], capture_output=True, timeout=30, check=False).returncode == 0
