"""Files in Azure Blob or ADLS Gen2."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from medallion_assets.errors import ConfigError
from medallion_assets.intent.platform import Azure
from medallion_assets.sources.files.remote import Changed, Object, RemoteFiles, unreachable

__all__ = ["azure_files"]


def azure_files(name: str, spec: Azure, root: Path, resolve: Callable[[str], str]) -> RemoteFiles:
    """The files of a store of platform.yaml. Nothing is contacted yet.

    Raises ConfigError SRC-030 without the extra, STO-020 when the credential that is chosen is not given.
    """
    try:
        from azure.storage.blob import ContainerClient
    except ModuleNotFoundError:
        raise ConfigError(
            "SRC-030", "Files in Azure need the extra `azure`.", where=f"platform.yaml  stores.{name}",
            fix='pip install "medallion-assets[azure]"',
        ) from None  # fmt: skip
    account, container = resolve(spec.account), resolve(spec.container)
    endpoint = resolve(spec.endpoint_url) if spec.endpoint_url else f"https://{account}.blob.core.windows.net"
    verify: bool | str = spec.verify_tls
    if spec.ca_file is not None and spec.verify_tls:
        verify = str(root / resolve(spec.ca_file))
    client = ContainerClient(
        endpoint, container, credential=_credential(name, spec, account, resolve), connection_verify=verify,
        connection_timeout=10, read_timeout=60, retry_total=4, max_single_get_size=16 << 20,
    )  # fmt: skip
    return RemoteFiles(_Container(client, container), resolve(spec.prefix))


def _credential(name: str, spec: Azure, account: str, resolve: Callable[[str], str]) -> Any:
    if spec.credential in ("key", "sas"):
        value = spec.key if spec.credential == "key" else spec.sas
        if value is None:
            raise ConfigError(
                "STO-020", f"`credential: {spec.credential}` needs `{spec.credential}`.",
                where=f"platform.yaml  stores.{name}", fix="add it as ${secret:…}, or choose another credential.",
            )  # fmt: skip
        if spec.credential == "key":
            return {"account_name": account, "account_key": resolve(value)}
        return resolve(value).removeprefix("?")
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    return ManagedIdentityCredential() if spec.credential == "managed_identity" else DefaultAzureCredential()


@final
class _Container:
    def __init__(self, client: Any, container: str) -> None:
        self._client = client
        self.base = f"az://{container}"

    def listed(self, prefix: str, *, deep: bool) -> Iterator[Object | str]:
        from azure.storage.blob import BlobPrefix

        with self._explained(prefix):
            names = {"name_starts_with": prefix or None, "include": ["metadata"]}
            found = self._client.list_blobs(**names) if deep else self._client.walk_blobs(**names, delimiter="/")
            for blob in found:
                if isinstance(blob, BlobPrefix):
                    yield blob.name
                elif (blob.metadata or {}).get("hdi_isfolder", "").lower() != "true":
                    yield Object(blob.name, blob.size, blob.etag.strip('"'), blob.last_modified)

    def info(self, key: str) -> Object | None:
        try:
            with self._explained(key):
                blob = self._client.get_blob_client(key).get_blob_properties()
        except Changed:
            return None
        return Object(key, blob.size, blob.etag.strip('"'), blob.last_modified)

    def read(self, found: Object, start: int, length: int) -> bytes:
        from azure.core import MatchConditions

        with self._explained(found.key):
            data: bytes = self._client.download_blob(
                found.key, offset=start, length=length, etag=f'"{found.etag}"',
                match_condition=MatchConditions.IfNotModified,
            ).readall()  # fmt: skip
        if len(data) != length:
            raise Changed((start + len(data), ""))
        return data

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        """Errors in our own words: those of the service may hold signatures. Raises Changed for what is gone."""
        from azure.core.exceptions import (
            AzureError,
            ClientAuthenticationError,
            HttpResponseError,
            ResourceModifiedError,
            ResourceNotFoundError,
        )

        where = f"{self.base}/{key}"
        try:
            yield
        except ResourceNotFoundError as error:
            if _code(error) == "ContainerNotFound":
                raise unreachable(
                    "There is no such container.", self.base, "Create it, or correct its name in platform.yaml."
                ) from None
            raise Changed(None) from None
        except ResourceModifiedError:
            raise Changed((-1, "")) from None
        except (ClientAuthenticationError, HttpResponseError) as error:
            if error.status_code in (401, 403):
                raise unreachable(
                    f"The store refuses access ({_code(error) or error.status_code}).", where,
                    "Check the credentials of this store in platform.yaml and the rights of their account.",
                ) from None  # fmt: skip
            raise unreachable(
                f"The store does not answer: status {error.status_code} {_code(error)}.", where,
                "Run again when it does; nothing was loaded.",
            ) from None  # fmt: skip
        except AzureError as error:
            raise unreachable(
                f"The store does not answer: {type(error).__name__}.", where,
                "Run again when it does; nothing was loaded.",
            ) from None  # fmt: skip


def _code(error: Any) -> str:
    return str(getattr(error, "error_code", None) or "")
