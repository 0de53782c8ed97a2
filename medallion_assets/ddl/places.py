"""Where a table lies, in words that no credential is among."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from typing_extensions import assert_never

from medallion_assets.intent.platform import S3, Azure, Local, Store

__all__ = ["Bucket", "Container", "Folder", "Place", "place_of"]


@dataclass(frozen=True, slots=True)
class Folder:
    """Of a local store."""

    path: str
    """Absolute."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Of S3 or a service that speaks its protocol."""

    store: str
    bucket: str
    key: str
    """Of the table's folder, without a slash at either end."""
    region: str
    host: str | None
    """``host[:port]`` of a service that is not AWS."""
    tls: bool
    path_style: bool


@dataclass(frozen=True, slots=True)
class Container:
    """Of Azure Blob or ADLS Gen2."""

    store: str
    account: str
    container: str
    key: str
    suffix: str
    """Of the cloud's hosts: ``core.windows.net``."""


Place = Folder | Bucket | Container


def place_of(name: str, spec: Store, path: str, root: Path, resolve: Callable[[str], str]) -> Place:
    """The folder ``path`` of the store called ``name``; ``root`` and ``resolve`` as for ``stores.open_store``.

    Of an endpoint only its host is told: whatever else is in such a URL may be a secret.
    """
    match spec:
        case Local():
            return Folder(str((root / Path(resolve(spec.root)).expanduser()).resolve() / path))
        case S3():
            endpoint = urlsplit(resolve(spec.endpoint_url) if spec.endpoint_url else "")
            region = resolve(spec.region) if spec.region else "us-east-1"
            return Bucket(
                name, resolve(spec.bucket), _key(resolve(spec.prefix), path), region, _host(endpoint.netloc),
                tls=endpoint.scheme != "http", path_style=spec.path_style,
            )  # fmt: skip
        case Azure():
            host = _host(urlsplit(resolve(spec.endpoint_url) if spec.endpoint_url else "").netloc) or ""
            suffix = host.partition(".blob.")[2] or host.partition(".dfs.")[2] or "core.windows.net"
            return Container(
                name, resolve(spec.account), resolve(spec.container), _key(resolve(spec.prefix), path), suffix
            )
    assert_never(spec)


def _host(netloc: str) -> str | None:
    return netloc.rpartition("@")[2] or None


def _key(prefix: str, path: str) -> str:
    return f"{prefix.strip('/')}/{path}" if prefix.strip("/") else path
