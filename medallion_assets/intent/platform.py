"""platform.yaml: what the platform team owns. Names here are what intents refer to."""

from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PrivateAttr

from medallion_assets.intent.api import Auth, Rate
from medallion_assets.intent.base import Duration, Flag, Json, JsonMap, Many, Map, Name, Positive, Size, Spec, Text
from medallion_assets.intent.request import Retry
from medallion_assets.intent.tagged import Tagged
from medallion_assets.intent.tree import At, Branch, from_data

__all__ = [
    "S3",
    "ApiConnection",
    "Azure",
    "Channel",
    "Connection",
    "DatabaseConnection",
    "Email",
    "Engines",
    "KafkaConnection",
    "Lineage",
    "Local",
    "Logs",
    "Observability",
    "Place",
    "Platform",
    "Policy",
    "SchemaRegistry",
    "Secrets",
    "Security",
    "Slack",
    "Store",
    "Teams",
    "Tenant",
    "Webhook",
]


class StoreBase(Spec):
    """Keys of every store."""

    boundary: Literal["onprem", "cloud"] | None = None
    """Where it stands; ``policy.storage_scope: onprem`` refuses a store that does not say ``onprem``."""


class Local(StoreBase):
    """A folder; a relative ``root`` is below the project."""

    type: Literal["local"]
    root: Text


class S3(StoreBase):
    """A bucket of S3 or of anything that speaks its protocol."""

    type: Literal["s3"]
    bucket: Text
    prefix: Text = ""
    endpoint_url: Text | None = None
    region: Text | None = None
    access_key: Text | None = None
    secret_key: Text | None = None
    session_token: Text | None = None
    """Of temporary keys."""
    path_style: Flag = False
    ca_file: Text | None = None
    verify_tls: Flag = True


class Azure(StoreBase):
    """A container of Azure Blob or ADLS."""

    type: Literal["azure"]
    account: Text
    container: Text
    prefix: Text = ""
    credential: Literal["default", "key", "sas", "managed_identity"] = "default"
    key: Text | None = None
    sas: Text | None = None
    endpoint_url: Text | None = None
    ca_file: Text | None = None
    verify_tls: Flag = True


Store: TypeAlias = Annotated[Local | S3 | Azure, Tagged("type", "store type")]


class Place(Spec):
    """Where a layer lives: a store and a folder in it."""

    store: Name = "lake"
    prefix: Text


class ConnectionBase(Spec):
    """Keys of every connection."""

    boundary: Literal["onprem", "cloud"] | None = None
    max_concurrent: Positive | None = None
    retry: Retry | None = None
    timeout: Duration | None = None


class DatabaseConnection(ConnectionBase):
    type: Literal["database"]
    url: Text


class ApiConnection(ConnectionBase):
    type: Literal["api"]
    base_url: Text
    auth: Auth | None = None
    headers: Map[Text] = Field(default_factory=dict)
    rate_limit: Rate | None = None
    allow_hosts: Many[Text] = ()
    ca_file: Text | None = None
    verify_tls: Flag = True


class Security(Spec):
    """How to reach Kafka brokers."""

    protocol: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    mechanism: Literal["plain", "scram_sha_256", "scram_sha_512", "oauthbearer"] | None = None
    username: Text | None = None
    password: Text | None = None
    ca_file: Text | None = None


class SchemaRegistry(Spec):
    url: Text
    username: Text | None = None
    password: Text | None = None


class KafkaConnection(ConnectionBase):
    type: Literal["kafka"]
    brokers: Many[Text]
    security: Security = Security.model_construct()
    schema_registry: SchemaRegistry | None = None


Connection: TypeAlias = Annotated[
    DatabaseConnection | ApiConnection | KafkaConnection, Tagged("type", "connection type")
]


class Webhook(Spec):
    type: Literal["webhook"]
    url: Text
    headers: Map[Text] = Field(default_factory=dict)
    secret: Text | None = None
    """Key of the HMAC-SHA-256 of the body in the header ``X-Medallion-Signature``."""


class Slack(Spec):
    type: Literal["slack"]
    url: Text


class Teams(Spec):
    type: Literal["teams"]
    url: Text


class Email(Spec):
    type: Literal["email"]
    to: Many[Text]
    sender: Text
    host: Text
    port: Positive = 587
    username: Text | None = None
    password: Text | None = None


Channel: TypeAlias = Annotated[Webhook | Slack | Teams | Email, Tagged("type", "channel type")]


class Engines(Spec):
    """Who computes silver, and with how much."""

    default: Literal["auto", "polars", "duckdb", "spark"] = "auto"
    """For intents that name none."""
    memory: Size = 4 * 2**30
    """What one refine may use: more rows than that holds are computed in shares of their keys."""
    spark: Text = "local[*]"
    """Where Spark runs: a master, or the ``sc://`` address of a Spark Connect server."""


class Secrets(Spec):
    """How long a resolved secret is kept in memory."""

    cache: Duration = timedelta(minutes=5)


class Policy(Spec):
    """What intents may do."""

    storage_scope: Literal["any", "onprem"] = "any"
    env_allow: Many[Text] | None = None
    """Patterns of environment variables that references may read. None: all."""
    classification: Map[Many[Name]] = Field(default_factory=dict)
    """Classification → stores that may hold it."""


class Logs(Spec):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["human", "json"] = "human"


class Lineage(Spec):
    """Where OpenLineage events go: over HTTP, into a file, both, or (neither is given) nowhere."""

    url: Text | None = None
    """Of a receiver, without the path."""
    endpoint: Text = "api/v1/lineage"
    token: Text | None = None
    """Sent as a bearer token."""
    headers: Map[Text] = Field(default_factory=dict)
    timeout: Duration = timedelta(seconds=5)
    file: Text | None = None
    """One event a line is added to it; a relative path is below the project."""
    namespace: Text = "medallion"
    """Of the jobs."""


class Observability(Spec):
    """Where metrics, traces and lineage go."""

    metrics: Json = None
    traces: JsonMap = Field(default_factory=dict)
    lineage: Lineage = Lineage.model_construct()
    logs: Logs = Logs.model_construct()


class Tenant(Spec):
    """What names in intents mean for one tenant. What is not listed means the same for all."""

    enabled: Flag = True
    """False: not rolled out yet, its datasets are not loaded."""
    stores: Map[Name] = Field(default_factory=dict)
    """Store that an intent or this file names → the one that it is for this tenant."""
    connections: Map[Name] = Field(default_factory=dict)

    def store(self, name: str) -> str:
        """The store called ``name``, for this tenant."""
        return self.stores.get(name, name)


def _lake() -> dict[str, Store]:
    return {"lake": Local.model_construct(type="local", root="./lake", boundary="onprem")}


class Platform(Spec):
    """The whole file. ``Platform()`` is what holds without one: a local lake in ``./lake``."""

    environment: Text = "dev"
    env_file: Text = ".env"
    stores: Map[Store] = Field(default_factory=_lake)
    bronze: Place = Place.model_construct(prefix="bronze")
    silver: Place = Place.model_construct(prefix="silver")
    connections: Map[Connection] = Field(default_factory=dict)
    channels: Map[Channel] = Field(default_factory=dict)
    tenants: Map[Tenant] = Field(default_factory=dict)
    defaults: JsonMap = Field(default_factory=dict)
    """Any key of an intent; an intent's own value comes first."""
    engines: Engines = Engines.model_construct()
    secrets: Secrets = Secrets.model_construct()
    policy: Policy = Policy.model_construct()
    observability: Observability = Observability.model_construct()
    _tree: Branch | None = PrivateAttr(default=None)

    def with_tree(self, tree: Branch) -> "Platform":
        """Remember the document, so that an error in a default names its place."""
        if "defaults" in tree.entries:
            self._tree = tree
        return self

    def defaults_tree(self) -> Branch:
        """``defaults`` with the place of each value."""
        entry = self._tree.entries.get("defaults") if self._tree else None
        node = entry.node if entry else from_data(self.defaults, At("platform.yaml", 1, 1))
        return node if isinstance(node, Branch) else Branch({}, node.at)
