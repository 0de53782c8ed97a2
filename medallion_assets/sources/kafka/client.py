"""How brokers and a schema registry are reached: settings of the client, with secrets resolved at the last moment."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medallion_assets.errors import ConfigError, ExtractionError
from medallion_assets.intent.platform import KafkaConnection
from medallion_assets.intent.source import Kafka

__all__ = ["asking_settings", "consumer_settings", "registry"]

_TIMEOUT_S = 30.0


def consumer_settings(
    spec: Kafka,
    connection: KafkaConnection | None,
    group: str,
    resolve: Callable[[str], str],
    where: str,
    *,
    root: Path,
) -> dict[str, object]:
    """For ``confluent_kafka.Consumer``. Raises ConfigError SRC-134 without brokers, or when the client is missing."""
    try:
        import confluent_kafka  # noqa: F401
    except ImportError:
        raise ConfigError(
            "SRC-134", "The Kafka client is not installed.", where=where, fix="pip install 'medallion-assets[kafka]'"
        ) from None
    brokers = spec.brokers or (() if connection is None else connection.brokers)
    if not brokers:
        raise ConfigError(
            "SRC-134", "No brokers are named.", where=where, fix="name a `connection`, or give `brokers: [host:port]`."
        )
    settings: dict[str, object] = {
        "bootstrap.servers": ",".join(resolve(broker) for broker in brokers),
        "group.id": spec.group or group,
        "client.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 100,  # how long an empty answer takes that says a partition has ended
        "reconnect.backoff.max.ms": 2000,
        "log_level": 0,  # what matters comes back as errors
    }
    return settings if connection is None else settings | _secured(connection, resolve, root)


def asking_settings(settings: Mapping[str, object]) -> dict[str, Any]:
    """Of a consumer's settings those for ``confluent_kafka.admin.AdminClient``."""
    own = ("bootstrap.servers", "client.id", "log_level")
    return {k: v for k, v in settings.items() if k in own or k.startswith(("security.", "sasl.", "ssl."))}


def _secured(connection: KafkaConnection, resolve: Callable[[str], str], root: Path) -> dict[str, object]:
    security = connection.security
    found: dict[str, object] = {"security.protocol": security.protocol}
    if security.mechanism is not None:
        found["sasl.mechanism"] = security.mechanism.upper().replace("_", "-")
    for name, value in (("sasl.username", security.username), ("sasl.password", security.password)):
        if value is not None:
            found[name] = resolve(value)
    if security.ca_file is not None:
        found["ssl.ca.location"] = str(root / resolve(security.ca_file))
    return found


def registry(
    connection: KafkaConnection | None, resolve: Callable[[str], str], where: str
) -> Callable[[str], Mapping[str, Any]]:
    """Asks a schema registry. Raises ConfigError SRC-134 when none is named; asking: ExtractionError SRC-133."""
    import httpx

    spec = None if connection is None else connection.schema_registry
    if spec is None:
        raise ConfigError(
            "SRC-134", "Values are avro, and no schema registry is named.", where=where,
            fix="give the connection a `schema_registry: {url: …}`.",
        )  # fmt: skip
    url = resolve(spec.url).rstrip("/")
    login = (resolve(spec.username), resolve(spec.password or "")) if spec.username is not None else None

    def get(path: str) -> Mapping[str, Any]:
        try:
            answer = httpx.get(f"{url}{path}", auth=login, timeout=_TIMEOUT_S)
            answer.raise_for_status()
            found: Mapping[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            why = (
                f"status {error.response.status_code}"
                if isinstance(error, httpx.HTTPStatusError)
                else type(error).__name__
            )
            raise ExtractionError(
                "SRC-133", f"The schema registry did not give {path}: {why}.", where=where,
                fix="see its URL and login in the connection, and run again.",
            ) from None  # fmt: skip
        return found

    return get
