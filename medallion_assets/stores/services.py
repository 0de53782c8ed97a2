"""S3 and Azure stores from their specs: credentials, endpoints and trust belong to the store object alone."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import assert_never

from medallion_assets.errors import ConfigError
from medallion_assets.intent.platform import S3, Azure
from medallion_assets.stores.objects import ObjectStore

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

__all__ = ["open_azure", "open_s3"]

_AZURE_SCOPE = "https://storage.azure.com/.default"
Resolve = Callable[[str], str]


def open_s3(name: str, spec: S3, root: Path, resolve: Resolve) -> ObjectStore:
    """A bucket of S3, MinIO, Ceph or another service of the protocol. Without keys: the ambient AWS credentials.

    Raises ConfigError STO-019 without the extra, STO-020 for one key without the other.
    """
    store = _obstore(name, "aws")
    if (spec.access_key is None) != (spec.secret_key is None):
        raise ConfigError(
            "STO-020", "`access_key` and `secret_key` go together.", where=f"platform.yaml  stores.{name}",
            fix="give both, or none for the credentials of the machine.",
        )  # fmt: skip
    region = resolve(spec.region) if spec.region else "us-east-1"
    config: dict[str, Any] = {"region": region, "virtual_hosted_style_request": not spec.path_style}
    # One of two concurrent commits to a Delta table must lose: without this its writer would not ask.
    options = {"aws_conditional_put": "etag"}
    options |= {"aws_region": region, "aws_virtual_hosted_style_request": str(not spec.path_style).lower()}
    endpoint = resolve(spec.endpoint_url) if spec.endpoint_url else None
    if endpoint is not None:
        config["endpoint"] = options["aws_endpoint_url"] = endpoint
    provider = None
    if spec.access_key is not None and spec.secret_key is not None:
        key, secret = resolve(spec.access_key), resolve(spec.secret_key)
        token = None if spec.session_token is None else resolve(spec.session_token)
        options |= {"aws_access_key_id": key, "aws_secret_access_key": secret}
        options |= {} if token is None else {"aws_session_token": token}

        def provider() -> Mapping[str, Any]:
            # A provider, because keys in the configuration would be joined by a session token of the environment.
            return {"access_key_id": key, "secret_access_key": secret, "token": token, "expires_at": None}

    trust = _trust(spec, endpoint, root, resolve)
    bucket = resolve(spec.bucket)
    service = store.S3Store(
        bucket, client_options=trust, retry_config=_retries(), credential_provider=provider, **config
    )
    options |= _reader_trust(spec, endpoint)
    return ObjectStore(service, f"s3://{bucket}", resolve(spec.prefix), lambda: options)


def open_azure(name: str, spec: Azure, root: Path, resolve: Resolve) -> ObjectStore:
    """A container of Azure Blob or ADLS Gen2.

    Raises ConfigError STO-019 without the extra, STO-020 when the credential that is chosen is not given.
    """
    store = _obstore(name, "azure")
    account, container = resolve(spec.account), resolve(spec.container)
    endpoint = resolve(spec.endpoint_url) if spec.endpoint_url else None
    config: dict[str, Any] = {"account_name": account, **({} if endpoint is None else {"endpoint": endpoint})}
    options = {"azure_storage_account_name": account}
    if endpoint is not None:
        options["azure_storage_endpoint"] = endpoint
    given, fresh = _azure_credential(name, spec, resolve)
    service = store.AzureStore(
        container, client_options=_trust(spec, endpoint, root, resolve), retry_config=_retries(),
        credential_provider=fresh, **config, **given,
    )  # fmt: skip
    options |= {f"azure_storage_{key}": value for key, value in given.items()} | _reader_trust(spec, endpoint)

    def reading() -> Mapping[str, str]:
        return options if fresh is None else {**options, "azure_storage_token": str(fresh()["token"])}

    return ObjectStore(service, f"az://{container}", resolve(spec.prefix), reading)


def _azure_credential(
    name: str, spec: Azure, resolve: Resolve
) -> tuple[dict[str, str], Callable[[], Mapping[str, Any]] | None]:
    """What to give at construction, or who gives tokens when they are needed."""
    match spec.credential:
        case "key":
            return {"account_key": resolve(_given(name, "key", spec.key))}, None
        case "sas":
            return {"sas_key": resolve(_given(name, "sas", spec.sas)).removeprefix("?")}, None
        case "default" | "managed_identity" as kind:
            return {}, _Tokens(managed=kind == "managed_identity")
    assert_never(spec.credential)


class _Tokens:
    """Bearer tokens by azure-identity, which renews them; asked for when a request needs one."""

    def __init__(self, *, managed: bool) -> None:
        self._managed = managed
        self._source: Any = None

    def __call__(self) -> Mapping[str, Any]:
        from datetime import datetime, timezone

        from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

        if self._source is None:
            self._source = ManagedIdentityCredential() if self._managed else DefaultAzureCredential()
        token = self._source.get_token(_AZURE_SCOPE)
        return {"token": token.token, "expires_at": datetime.fromtimestamp(token.expires_on, timezone.utc)}


def _given(name: str, key: str, value: str | None) -> str:
    if value is None:
        raise ConfigError(
            "STO-020", f"`credential: {key}` needs `{key}`.", where=f"platform.yaml  stores.{name}",
            fix=f"add `{key}: ${{secret:…}}`, or choose another credential.",
        )  # fmt: skip
    return value


def _trust(spec: S3 | Azure, endpoint: str | None, root: Path, resolve: Resolve) -> "ClientConfig":
    client: ClientConfig = {"timeout": timedelta(minutes=5), "connect_timeout": timedelta(seconds=10)}
    if endpoint is not None and endpoint.startswith("http://"):
        client["allow_http"] = True
    if spec.ca_file is not None:
        client["root_certificate"] = (root / resolve(spec.ca_file)).read_bytes()
    if not spec.verify_tls:
        client["allow_invalid_certificates"] = True
    return client


def _reader_trust(spec: S3 | Azure, endpoint: str | None) -> dict[str, str]:
    found = {"allow_http": "true"} if endpoint is not None and endpoint.startswith("http://") else {}
    return found if spec.verify_tls else {**found, "allow_invalid_certificates": "true"}


def _retries() -> "RetryConfig":
    """For what may be repeated safely; obstore never repeats a creation."""
    return {"max_retries": 5, "retry_timeout": timedelta(seconds=90)}


def _obstore(name: str, extra: str) -> Any:
    try:
        from obstore import store
    except ModuleNotFoundError:
        raise ConfigError(
            "STO-019", f"Stores of this type need the extra `{extra}`.", where=f"platform.yaml  stores.{name}",
            fix=f'pip install "medallion-assets[{extra}]"',
        ) from None  # fmt: skip
    return store
