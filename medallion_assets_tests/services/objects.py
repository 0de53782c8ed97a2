"""S3 and Azure: MinIO where its program is on the path, else Ceph's RADOS gateway from Debian; Azurite from npm."""

import shutil
import socket
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from medallion_assets_tests.services.process import find, free_port, installed, program, run

__all__ = ["AzureServer", "S3Server", "azurite", "azurite_modules", "s3"]

BUCKET = "mdf"
PREFIX = "synthetic"
_KEY, _SECRET = "medallion-test", "medallion-test-secret-key-1"
# The key of every Azurite, published by its makers.
_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_ACCOUNT, _OTHER = "devstoreaccount1", "globex"
_OTHER_KEY = b64encode(b"the key of another account of this emulator, which is not a secret").decode()


@dataclass(frozen=True)
class S3Server:
    """Where the server is, and an account that may do everything in the bucket ``mdf``."""

    kind: str
    endpoint: str
    access_key: str = _KEY
    secret_key: str = _SECRET
    bucket: str = BUCKET
    region: str = "us-east-1"

    def store(self, prefix: str = PREFIX) -> dict[str, object]:
        """As platform.yaml spells it."""
        return {
            "type": "s3", "bucket": self.bucket, "prefix": prefix, "endpoint_url": self.endpoint, "region": self.region,
            "access_key": self.access_key, "secret_key": self.secret_key, "path_style": True, "boundary": "onprem",
        }  # fmt: skip


@dataclass(frozen=True)
class AzureServer:
    """Where Azurite is, as an account of it; the container ``mdf`` exists in each."""

    endpoint: str
    account: str = _ACCOUNT
    key: str = _AZURITE_KEY
    container: str = BUCKET

    @property
    def other(self) -> "AzureServer":
        """The same server's second account, which has a key of its own."""
        return AzureServer(self.endpoint.replace(self.account, _OTHER), _OTHER, _OTHER_KEY)

    def store(self, prefix: str = PREFIX) -> dict[str, object]:
        """As platform.yaml spells it."""
        return {
            "type": "azure", "account": self.account, "container": self.container, "prefix": prefix,
            "credential": "key", "key": self.key, "endpoint_url": self.endpoint, "boundary": "onprem",
        }  # fmt: skip


@contextmanager
def s3(folder: Path) -> Iterator[S3Server]:
    """A server that checks signatures and honours `If-None-Match`. Raises NotInstalled."""
    with _minio(folder) if shutil.which("minio") else _ceph(folder) as server:
        _create_bucket(server)
        yield server


def _create_bucket(server: S3Server) -> None:
    import boto3

    client = boto3.client(
        "s3", endpoint_url=server.endpoint, aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key, region_name=server.region,
    )  # fmt: skip
    client.create_bucket(Bucket=server.bucket)


@contextmanager
def _minio(folder: Path) -> Iterator[S3Server]:
    port = free_port()
    env = {"MINIO_ROOT_USER": _KEY, "MINIO_ROOT_PASSWORD": _SECRET, "MINIO_UPDATE": "off"}
    where = f"127.0.0.1:{port}"
    command: list[str | Path] = [
        "minio",
        "server",
        folder / "data",
        "--address",
        where,
        "--console-address",
        f"127.0.0.1:{free_port()}",
    ]
    with program(command, folder / "minio.log", ready=lambda: _answers(f"http://{where}/minio/health/live"), env=env):
        yield S3Server("minio", f"http://{where}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


# ------------------------------------------------------------------ Ceph: one monitor, one store in memory, one gateway


@contextmanager
def _ceph(folder: Path) -> Iterator[S3Server]:
    package = "ceph-mon ceph-osd radosgw"
    for name in ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph-authtool", "monmaptool"):
        find(name, package)
    mon, web = free_port(), free_port()
    fsid = "00000000-0000-4000-8000-000000000001"
    conf = folder / "ceph.conf"
    conf.write_text(_CEPH.format(folder=folder, fsid=fsid, mon=mon, web=web))
    keyring = folder / "keyring"
    for name, caps in (
        ("mon.", ["mon", "allow *"]),
        ("client.admin", ["mon", "allow *", "osd", "allow *"]),
        ("osd.0", ["mon", "allow profile osd", "osd", "allow *"]),
        ("client.rgw", ["mon", "allow rw", "osd", "allow rwx"]),
    ):
        grants = [text for kind, what in zip(caps[::2], caps[1::2], strict=True) for text in ("--cap", kind, what)]
        run(["ceph-authtool", *([] if keyring.exists() else ["--create-keyring"]), keyring, "--gen-key", "-n", name,
             *grants])  # fmt: skip
    run(["monmaptool", "--create", "--addv", "a", f"[v2:127.0.0.1:{mon}]", "--fsid", fsid, folder / "monmap"])
    for name in ("mon", "osd"):
        (folder / name).mkdir()
    ceph: list[str | Path] = ["-c", conf, "--keyring", keyring]
    run(["ceph-mon", "--mkfs", "-i", "a", "--monmap", folder / "monmap", *ceph])
    with ExitStack() as running:
        running.enter_context(
            program(["ceph-mon", "-f", "-i", "a", *ceph], folder / "mon.log", ready=lambda: _listens(mon))
        )
        run(["ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", fsid, *ceph])
        osd = folder / "osd.log"
        running.enter_context(
            program(["ceph-osd", "-f", "-i", "0", *ceph], osd, ready=lambda: "done with init" in osd.read_text())
        )
        gateway = folder / "rgw.log"
        running.enter_context(
            program(["radosgw", "-f", "-n", "client.rgw", *ceph], gateway, ready=lambda: _answers(_url(web)))
        )
        run(["radosgw-admin", "user", "create", "--uid", "test", "--display-name", "test", "--access-key", _KEY,
             "--secret-key", _SECRET, "-n", "client.rgw", *ceph])  # fmt: skip
        yield S3Server("ceph", _url(web))


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _listens(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), 1):
        return True


_CEPH = """
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon}]
mon initial members = a
public network = 127.0.0.0/8
ms bind ipv6 = false
ms bind msgr1 = false
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
run dir = {folder}
log file =
log to stderr = true
err to stderr = true
admin socket = {folder}/$cluster-$name.asok
crash dir = {folder}
[mon]
mon data = {folder}/mon
mon cluster log file = {folder}/cluster.log
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 6442450944
osd class load list = *
osd class default list = *
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{web} tcp_nodelay=1
rgw data = {folder}/rgw
rgw enable usage log = false
rgw dynamic resharding = false
"""


# ------------------------------------------------------------------ Azurite


def azurite_modules() -> Path:
    """Where npm has put Azurite, now or before. Raises NotInstalled."""
    fetch = [find("npm", "npm"), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    return installed(["package.json", "package-lock.json"], fetch, "Azurite") / "node_modules"


@contextmanager
def azurite(folder: Path) -> Iterator[AzureServer]:
    """Microsoft's emulator, blobs only. Raises NotInstalled."""
    modules = azurite_modules()
    ports = [free_port() for _ in range(3)]
    places = [text for name, port in zip(("blob", "queue", "table"), ports, strict=True)
              for text in (f"--{name}Host", "127.0.0.1", f"--{name}Port", str(port))]  # fmt: skip
    command: list[str | Path] = [
        find("node", "nodejs"), modules / "azurite/dist/src/azurite.js", "--silent", "--location", folder / "data",
        "--disableTelemetry", "--skipApiVersionCheck", *places,
    ]  # fmt: skip
    server = AzureServer(f"http://127.0.0.1:{ports[0]}/{_ACCOUNT}")
    accounts = {"AZURITE_ACCOUNTS": f"{_ACCOUNT}:{_AZURITE_KEY};{_OTHER}:{_OTHER_KEY}"}
    with program(command, folder / "azurite.log", ready=lambda: _listens(ports[0]), env=accounts):
        from azure.storage.blob import BlobServiceClient

        for one in (server, server.other):
            key = {"account_name": one.account, "account_key": one.key}
            with BlobServiceClient(one.endpoint, credential=key) as client:
                client.create_container(one.container)
        yield server
