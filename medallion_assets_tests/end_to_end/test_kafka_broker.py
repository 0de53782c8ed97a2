"""What only a real broker does: transactions, retention, compaction, logins, and dying in the middle of a read."""

import json
from collections.abc import Callable
from datetime import timedelta
from time import monotonic, sleep

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.platform import KafkaConnection
from medallion_assets.intent.source import Kafka
from medallion_assets.lake.manifest import CursorValue
from medallion_assets.lake.ports import Request
from medallion_assets.sources.kafka.source import KafkaReading, KafkaSource
from medallion_assets_tests.end_to_end.project import Project
from medallion_assets_tests.end_to_end.test_kafka import Bus, event, real
from medallion_assets_tests.services.kafka import KafkaServer
from medallion_assets_tests.sources.test_kafka import DAY

pytestmark = pytest.mark.service


@pytest.fixture
def bus(kafka_server: KafkaServer) -> Bus:
    return real(kafka_server)


@pytest.fixture
def admin(kafka_server: KafkaServer) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka_server.address, "log_level": 0})


@pytest.fixture
def web(project: Project, bus: Bus) -> Project:
    project.write("platform.yaml", bus.platform())
    project.write("intents/events.yaml", bus.intent())
    return project


def create(admin: AdminClient, bus: Bus, partitions: int = 1, **settings: str) -> None:
    spelled = {name.replace("_", "."): value for name, value in settings.items()}
    for done in admin.create_topics([NewTopic(bus.topic, partitions, 1, config=spelled)]).values():
        done.result()


def forget(admin: AdminClient, bus: Bus, partition: int, before: int) -> None:
    """What retention does when its time has come."""
    for done in admin.delete_records([TopicPartition(bus.topic, partition, before)]).values():
        done.result()


def reading(bus: Bus, before: CursorValue | None = None, timeout: float = 20, **more: int) -> KafkaReading:
    spec = Kafka(type="kafka", brokers=(bus.address,), topic=bus.topic, **more)
    connection = KafkaConnection(type="kafka", brokers=(bus.address,), timeout=timedelta(seconds=timeout))
    return KafkaSource(spec, connection, "g", lambda text: text, "here").read(Request(DAY, cursor=before))


def read(bus: Bus, before: CursorValue | None = None, **more: int) -> tuple[list[int], CursorValue | None]:
    """Values, and the offsets of the cursor."""
    with reading(bus, before, **more) as found:
        return [int(n) for batch in found for n in batch.rows["id"]], offsets_of(found.cursor)


def offsets_of(cursor: CursorValue | None) -> CursorValue:
    assert cursor is not None
    topic, _, offsets = cursor.partition("@")
    assert len(topic) == 22  # 128 bits in base 64
    return offsets


def wait(until: Callable[[], bool]) -> None:
    end = monotonic() + 20
    while not until():
        assert monotonic() < end
        sleep(0.05)


# ------------------------------------------------------------------------------------------------ transactions


@pytest.fixture
def transactions(bus: Bus, admin: AdminClient) -> Producer:
    create(admin, bus)
    bus.producer = Producer({"bootstrap.servers": bus.address, "transactional.id": bus.topic, "log_level": 0})
    bus.producer.init_transactions(30)
    return bus.producer


def test_only_what_is_committed_is_read_and_what_is_open_comes_later(
    web: Project, bus: Bus, transactions: Producer
) -> None:
    def ids() -> list[int]:
        return sorted(web.silver("web", "events")["id"].to_list())

    for numbers, end in (((1, 2), transactions.commit_transaction), ((3,), transactions.abort_transaction)):
        transactions.begin_transaction()
        bus.send(*map(event, numbers))
        end(30)
    transactions.begin_transaction()
    bus.send(event(4))
    plainly(bus).send(event(5))
    web.medallion("run").succeeded()
    assert ids() == [1, 2]
    assert "nothing new" in web.medallion("run").succeeded().output

    transactions.commit_transaction(30)
    web.medallion("run").succeeded()
    assert ids() == [1, 2, 4, 5]
    cursors = [json.loads(path.read_text())["commit"]["load"]["cursor_after"] for path in web.commits("web", "events")]
    # 0, 1, a mark, 3 and the mark of its end, then what was open; and all of it with its mark
    assert [*map(offsets_of, cursors)] == ["0:5", "0:8"]


def plainly(bus: Bus) -> Bus:
    """The same topic, written to without a transaction."""
    return Bus(Producer({"bootstrap.servers": bus.address, "log_level": 0}), bus.address, bus.topic)


def test_offsets_that_hold_marks_alone_count_and_end(bus: Bus, transactions: Producer) -> None:
    for n in range(6):
        transactions.begin_transaction()
        bus.send(event(n))
        (transactions.abort_transaction if n % 3 == 1 else transactions.commit_transaction)(30)
    seen, cursor, cursors = [], None, []
    while cursor != "0:12":
        ids, cursor = read(bus, cursor, max_messages=3)
        seen.append(ids)
        cursors.append(cursor)
    assert seen == [[0], [2], [3], [5]]
    assert cursors == ["0:3", "0:6", "0:9", "0:12"]


# ------------------------------------------------------------------------------------------------ what is gone


def test_messages_that_retention_took_before_they_were_read_are_an_error(
    web: Project, bus: Bus, admin: AdminClient
) -> None:
    create(admin, bus)
    bus.send(*map(event, range(4)))
    web.medallion("run").succeeded()
    forget(admin, bus, 0, 4)
    assert "nothing new" in web.medallion("run").succeeded().output  # what it took had been read
    bus.send(*map(event, range(4, 8)))
    forget(admin, bus, 0, 6)
    done = web.medallion("run")
    assert done.exit_code == 2
    assert "SRC-131" in done.output
    assert "Partition 0 was read up to offset 4, which is not there any more; there are 6 to 8." in done.output
    assert len(web.commits("web", "events")) == 1


def test_a_topic_that_is_made_anew_is_an_error_however_long_it_is(web: Project, bus: Bus, admin: AdminClient) -> None:
    create(admin, bus)
    bus.send(event(1))
    web.medallion("run").succeeded()
    for done in admin.delete_topics([bus.topic]).values():
        done.result()
    wait(lambda: bus.topic not in admin.list_topics(timeout=5).topics)
    create(admin, bus)
    bus.send(event(2), event(3))
    again = web.medallion("run")
    assert again.exit_code == 2
    assert "SRC-131" in again.output
    assert "was deleted and made anew" in again.output
    assert len(web.commits("web", "events")) == 1


def test_messages_that_retention_takes_under_a_read_are_an_error(bus: Bus, admin: AdminClient) -> None:
    create(admin, bus, 2)
    bus.send(event(1))
    bus.send(*map(event, range(2, 6)), partition=1)
    with reading(bus) as found:
        batches = iter(found)
        assert next(batches).rows["id"].to_list() == ["1"]
        forget(admin, bus, 1, 2)
        with pytest.raises(ExtractionError, match=r"(?s)SRC-131.*Partition 1 was read up to offset 0"):
            next(batches)


def test_a_compacted_topic_is_read_over_its_gaps(bus: Bus, admin: AdminClient) -> None:
    create(admin, bus, cleanup_policy="compact", segment_ms="50", min_cleanable_dirty_ratio="0.001")
    bus.send(*map(event, range(3)), key=b"same")
    assert read(bus) == ([0, 1, 2], "0:3")
    bus.send(*map(event, range(3, 6)), key=b"same")
    bus.send(event(6), key=b"other")
    sleep(0.2)
    bus.send(event(7), key=b"last")  # begins a segment, so that the one before may be cleaned
    wait(lambda: read(bus)[0] == [5, 6, 7])
    assert read(bus, "0:3") == ([5, 6, 7], "0:8")
    assert read(bus, "0:3", max_messages=2) == ([], "0:5")
    assert read(bus, "0:5", max_messages=2) == ([5, 6], "0:7")


# ------------------------------------------------------------------------------------------------ logins, and death


def test_a_certificate_or_a_login_that_is_refused_names_no_password(
    web: Project, bus: Bus, kafka_server: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus.send(event(1))
    bus.address = kafka_server.sasl_address
    login = {"protocol": "sasl_ssl", "mechanism": "plain", "username": kafka_server.user}
    secret = {**login, "password": "${env:BUS_PASSWORD}"}
    trusting = bus.platform(security={**secret, "ca_file": "ca.pem"}, timeout="2s")
    web.write("ca.pem", kafka_server.ca_file.read_bytes())
    for platform, password, said in (
        (bus.platform(security=secret, timeout="1s"), kafka_server.password, "certificate verify failed"),
        (trusting, "not-the-password", "Invalid username or password"),
    ):
        web.write("platform.yaml", platform)
        monkeypatch.setenv("BUS_PASSWORD", password)
        done = web.medallion("run")
        assert done.exit_code == 2
        assert "SRC-130" in done.output
        assert said in done.output
        assert password not in done.output
    monkeypatch.setenv("BUS_PASSWORD", kafka_server.password)
    web.medallion("run").succeeded()
    assert web.silver("web", "events")["id"].to_list() == [1]


def test_a_broker_that_dies_under_a_read_ends_it_or_is_waited_for(
    bus: Bus, admin: AdminClient, kafka_server: KafkaServer
) -> None:
    create(admin, bus, 2)
    bus.send(event(1))
    bus.send(*map(event, range(2, 6)), partition=1)
    with reading(bus, timeout=1) as short, reading(bus) as patient:
        batches, patiently = iter(short), iter(patient)
        assert [next(each).rows["id"].to_list() for each in (batches, patiently)] == [["1"], ["1"]]
        kafka_server.kill()
        try:
            with pytest.raises(ExtractionError, match=r"(?s)SRC-132.*partition 1 at offset 0"):
                next(batches)
        finally:
            kafka_server.start()
        assert [int(n) for batch in patiently for n in batch.rows["id"]] == [2, 3, 4, 5]
        assert offsets_of(patient.cursor) == "0:1,1:4"
