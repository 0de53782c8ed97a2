"""Apache Kafka from its Maven artefacts: one node that is broker and controller (KRaft), and can be made to die."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from medallion_assets_tests.services.certificates import Authority
from medallion_assets_tests.services.process import find, free_port, installed, program, run

__all__ = ["KafkaServer", "kafka", "kafka_libs"]

_USER, _PASSWORD = "lake", "lake-secret"
# Small and soon up: no parallel collector, no second compiler. Warnings go to the log that a failure shows.
_JAVA = (
    "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)  # fmt: skip


@dataclass
class KafkaServer:
    """One broker; topics come into being when they are first written to, with four partitions."""

    port: int
    sasl_port: int
    command: list[str | Path]
    log: Path
    ca_file: Path
    user: str = _USER
    password: str = _PASSWORD
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def sasl_address(self) -> str:
        """Where TLS is spoken, by a certificate of ``ca_file``, and a user and a password are asked for (PLAIN)."""
        return f"127.0.0.1:{self.sasl_port}"

    def store(self) -> dict[str, object]:
        """As platform.yaml spells it: a connection."""
        return {"type": "kafka", "brokers": [self.address], "boundary": "onprem"}

    def start(self) -> None:
        self._running.enter_context(program(self.command, self.log, ready=self._answers, stop=signal.SIGKILL))

    def kill(self) -> None:
        """At once, as a machine that loses its broker. What was acknowledged stays on disk."""
        self._running.close()

    def _answers(self) -> bool:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        try:
            client = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
            return bool(client.list_topics(timeout=1).brokers)
        except KafkaException:
            return False


def kafka_libs() -> Path:
    """Where Maven has put Kafka, now or before. Raises NotInstalled."""
    fetch = [find("mvn", "maven"), "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs"]
    return installed(["pom.xml"], fetch, "Kafka") / "libs"


@contextmanager
def kafka(folder: Path) -> Iterator[KafkaServer]:
    """A broker with transactions, a cleaner that runs ten times a second, and no replicas. Raises NotInstalled."""
    java, libs = find("java", "default-jre-headless"), kafka_libs()
    settings, (port, sasl, raft) = folder / "server.properties", (free_port() for _ in range(3))
    authority = Authority(folder)
    said = {"user": _USER, "secret": _PASSWORD, "certificate": authority.issue()}
    settings.write_text(_SETTINGS.format(folder=folder, port=port, sasl=sasl, raft=raft, **said))
    command: list[str | Path] = [java, *_JAVA, "-cp", f"{libs}/*"]
    run([*command, "kafka.tools.StorageTool", "format", "-t", "medallionTestsKafka001", "-c", settings])
    server = KafkaServer(port, sasl, [*command, "kafka.Kafka", settings], folder / "kafka.log", authority.file)
    server.start()
    try:
        yield server
    finally:
        server.kill()


_SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{raft}
controller.listener.names=RAFT
listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl},RAFT://127.0.0.1:{raft}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_SSL,RAFT:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.ssl.keystore.type=PEM
listener.name.sasl.ssl.keystore.location={certificate}
listener.name.sasl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{secret}";
log.dirs={folder}/data
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=250
num.partitions=4
num.network.threads=1
num.io.threads=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.cleaner.backoff.ms=100
log.cleaner.dedupe.buffer.size=4194304
log.segment.delete.delay.ms=100
"""
