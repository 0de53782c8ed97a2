"""Topics into bronze and silver, through the command line: on the client's mock cluster and on a real broker."""

import json
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Thread
from typing import Any
from uuid import uuid4

import fastavro
import pytest
from confluent_kafka import Producer

from medallion_assets_tests.end_to_end.project import Project
from medallion_assets_tests.services.kafka import KafkaServer

EVENTS = """
system: web
table: events
source: {type: kafka, connection: bus, topic: TOPIC MORE}
load: incremental
quarantine: {max_rows: 10}
silver: {model: event, keys: id}
"""


class Bus:
    """A topic of four partitions, not there before it is sent to, on brokers that may have others."""

    def __init__(self, producer: Producer, address: str, topic: str = "events") -> None:
        self.producer, self.address, self.topic = producer, address, topic

    def send(self, *values: bytes | None, partition: int = 0, **more: Any) -> None:
        for value in values:
            self.producer.produce(self.topic, value, partition=partition, **more)
        assert self.producer.flush(30) == 0

    def platform(self, **more: object) -> str:
        connection = {"type": "kafka", "brokers": [self.address], "timeout": "5s", **more}
        return json.dumps({"connections": {"bus": connection}})

    def intent(self, more: str = "") -> str:
        return EVENTS.replace("TOPIC", self.topic).replace(" MORE", more)


def mock() -> Bus:
    """A cluster of its own."""
    producer = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = producer.list_topics(timeout=30).brokers.values()
    return Bus(producer, f"{broker.host}:{broker.port}")


def real(server: KafkaServer) -> Bus:
    """A topic of its own."""
    producer = Producer({"bootstrap.servers": server.address, "log_level": 0})
    return Bus(producer, server.address, f"events-{uuid4().hex[:8]}")


@pytest.fixture(params=["mock", pytest.param("real", marks=pytest.mark.service)])
def bus(request: pytest.FixtureRequest) -> Bus:
    return mock() if request.param == "mock" else real(request.getfixturevalue("kafka_server"))


@pytest.fixture
def web(project: Project, bus: Bus) -> Project:
    project.write("platform.yaml", bus.platform())
    project.write("intents/events.yaml", bus.intent())
    return project


def event(number: int, **more: object) -> bytes:
    return json.dumps({"id": number, **more}).encode()


def ids(project: Project) -> list[int]:
    return sorted(project.silver("web", "events")["id"].to_list())


def test_every_message_comes_once_however_often_it_is_run(web: Project, bus: Bus) -> None:
    bus.send(event(1), event(2))
    bus.send(event(3), partition=2)
    web.medallion("run").succeeded()
    assert ids(web) == [1, 2, 3]
    assert "nothing new" in web.medallion("run").succeeded().output
    bus.send(event(4), partition=2)
    bus.send(event(5), partition=3)
    web.medallion("run").succeeded()
    assert ids(web) == [1, 2, 3, 4, 5]
    rows = web.silver("web", "events").sort("id").select("kafka_partition", "kafka_offset").rows()
    assert rows == [(0, 0), (0, 1), (2, 0), (2, 1), (3, 0)]
    log = [json.loads(path.read_text()) for path in web.commits("web", "events")]
    cursors = [commit["commit"]["load"]["cursor_after"].rpartition("@") for commit in log]
    assert [offsets for _, _, offsets in cursors] == ["0:2,1:0,2:1,3:0", "0:2,1:0,2:2,3:1"]
    assert len({topic for topic, _, _ in cursors}) == 1


def test_keys_headers_times_and_numbers_keep_their_characters(web: Project, bus: Bus) -> None:
    headers = [("trace", b"a"), ("trace", b"\xff")]
    bus.send(
        b'{"id": 1, "amount": 1.10, "deep": {"a": [1]}}',
        key=b"one",
        headers=headers,
        timestamp=1_700_000_000_123,
    )
    web.medallion("run").succeeded()
    row = web.silver("web", "events").row(0, named=True)
    assert (row["amount"], row["deep"], row["kafka_key"]) == (Decimal("1.10"), '{"a": [1]}', "one")
    assert json.loads(row["kafka_headers"]) == [["trace", "a"], ["trace", "base64:/w=="]]
    assert row["kafka_timestamp"].isoformat() == "2023-11-14T22:13:20.123000+00:00"


def test_poison_goes_to_quarantine_and_what_comes_behind_it_does_not(web: Project, bus: Bus) -> None:
    bus.send(event(1), b"{", b"[1]", b"\xff\xfe", b'{"id": 9, "kafka_offset": 1}', event(2))
    web.medallion("run").succeeded()
    assert ids(web) == [1, 2]
    shown = json.loads(web.medallion("quarantine", "show", "web.events", "--json").succeeded().output)
    assert [row["value"] for row in shown] == ["{", "[1]", "base64://4=", '{"id": 9, "kafka_offset": 1}']
    assert f"{bus.topic}[0]" in json.dumps(shown)
    assert "nothing new" in web.medallion("run").succeeded().output


def test_a_run_takes_no_more_than_it_may_and_the_next_goes_on(web: Project, bus: Bus) -> None:
    web.write("intents/events.yaml", bus.intent(", max_messages: 4"))
    bus.send(*(event(n) for n in range(5)))
    bus.send(event(10), partition=1)
    seen = []
    for _ in range(3):
        web.medallion("run").succeeded()
        seen.append(ids(web))
    assert seen == [[0, 1, 2, 10], [0, 1, 2, 3, 4, 10], [0, 1, 2, 3, 4, 10]]


def test_latest_begins_where_the_topic_ended_at_the_first_run(web: Project, bus: Bus) -> None:
    web.write("intents/events.yaml", bus.intent(", start_at: latest"))
    bus.send(event(1))
    web.medallion("run").succeeded()
    bus.send(event(2))
    web.medallion("run").succeeded()
    assert ids(web) == [2]


def test_a_tombstone_deletes_the_row_of_its_key(web: Project, bus: Bus) -> None:
    web.write(
        "intents/events.yaml",
        bus.intent()
        .replace("load: incremental", "load: {pattern: incremental, deleted: {column: gone}}")
        .replace("model: event, keys: id", "model: scd_type_1, keys: id, order_by: kafka_offset"),
    )
    bus.send(event(1, gone=False), event(2, gone=False))
    bus.send(None, key=b'{"id": 1, "gone": true}')
    web.medallion("run").succeeded()
    assert ids(web) == [2]


def test_debezium_changes_come_in_their_order(web: Project, bus: Bus) -> None:
    web.write(
        "intents/events.yaml",
        bus.intent(", value: {envelope: debezium}")
        .replace("load: incremental", "load: {pattern: cdc, operation: {envelope: debezium}}")
        .replace("model: event, keys: id", "model: scd_type_2, keys: id, order_by: at")
        + "columns: {at: {type: timestamp, format: epoch_ms, source_names: [__ts_ms]}}\n",
    )
    changes: list[dict[str, object]] = [
        {"op": "c", "before": None, "after": {"id": 1, "v": "a"}},
        {"op": "u", "before": {"id": 1}, "after": {"id": 1, "v": "b"}},
        {"op": "d", "before": {"id": 1, "v": "b"}, "after": None},
    ]
    for n, change in enumerate(changes):
        bus.send(json.dumps({**change, "ts_ms": 1_700_000_000_000 + n}).encode())
    bus.send(None, key=b'{"id": 1}')
    web.medallion("run").succeeded()
    assert web.silver("web", "events").sort("effective_from")["v"].to_list() == ["a", "b"]
    assert not web.silver("web", "events")["is_current"].any()


def test_messages_that_are_gone_are_an_error_and_never_a_jump(web: Project, bus: Bus) -> None:
    bus.send(event(1), event(2))
    web.medallion("run").succeeded()
    other = mock()  # the topic made anew: shorter than what was read
    other.topic = bus.topic
    other.send(event(3))
    web.write("platform.yaml", other.platform())
    done = web.medallion("run")
    assert done.exit_code == 2
    assert "SRC-131" in done.output
    assert ids(web) == [1, 2]


def test_a_topic_that_is_not_there_and_brokers_that_are_not_are_told_apart(web: Project, bus: Bus) -> None:
    done = web.medallion("run")
    assert done.exit_code == 2
    assert "SRC-130" in done.output
    assert "Unknown topic" in done.output
    web.write("platform.yaml", "connections: {bus: {type: kafka, brokers: ['127.0.0.1:1'], timeout: 2s}}\n")
    done = web.medallion("run")
    assert done.exit_code == 2
    assert "SRC-130" in done.output


def test_brokers_and_a_registry_must_be_named(web: Project, bus: Bus) -> None:
    bus.send(b"\0\0\0\0\x01x")
    web.write("intents/events.yaml", bus.intent(", value: {format: avro}"))
    done = web.medallion("run")
    assert done.exit_code == 1
    assert "SRC-134" in done.output


# ------------------------------------------------------------------------------------------------ avro

SCHEMA = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    ],
}


@pytest.fixture
def registry() -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/schemas/ids/7"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(json.dumps({"schema": json.dumps(SCHEMA)} if known else {}).encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def avro(number: int, amount: str) -> bytes:
    written = BytesIO()
    fastavro.schemaless_writer(written, fastavro.parse_schema(SCHEMA), {"id": number, "amount": Decimal(amount)})
    return b"\0" + (7).to_bytes(4, "big") + written.getvalue()


def test_avro_is_read_by_the_schemas_of_the_registry(web: Project, bus: Bus, registry: str) -> None:
    web.write("platform.yaml", bus.platform(schema_registry={"url": registry}))
    web.write("intents/events.yaml", bus.intent(", value: {format: avro}"))
    bus.send(avro(1, "12.50"), b"not avro", avro(2, "0.01"), avro(3, "1.00")[:6])
    web.medallion("run").succeeded()
    rows = web.silver("web", "events").sort("id").select("id", "amount").rows()
    assert rows == [(1, Decimal("12.50")), (2, Decimal("0.01"))]

    bus.send(b"\0" + (8).to_bytes(4, "big") + b"x")
    done = web.medallion("run")
    assert done.exit_code == 2
    assert "SRC-133" in done.output
    assert len(web.commits("web", "events")) == 1


def test_raw_values_are_text(web: Project, bus: Bus) -> None:
    web.write("intents/events.yaml", bus.intent(", value: {format: raw}").replace("keys: id", "keys: value"))
    bus.send(b"a,b", "é".encode())
    web.medallion("run").succeeded()
    assert sorted(web.silver("web", "events")["value"].to_list()) == ["a,b", "é"]
