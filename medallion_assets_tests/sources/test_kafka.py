"""Offsets of a topic's partitions, and what every source promises."""

from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.platform import KafkaConnection
from medallion_assets.intent.source import Kafka
from medallion_assets.lake.ports import Request
from medallion_assets.lake.window import Partition, Window
from medallion_assets.sources.conformance import conforms
from medallion_assets.sources.kafka.offsets import Span, as_cursor, from_cursor, shares, topic_of
from medallion_assets.sources.kafka.source import KafkaSource

DAY = Partition(
    Window(datetime(2024, 1, 1, tzinfo=timezone.utc), datetime(2024, 1, 2, tzinfo=timezone.utc)),
    "2024-01-01",
    date(2024, 1, 1),
)
OFFSETS = st.dictionaries(st.integers(0, 99), st.integers(0, 2**62))


@given(OFFSETS)
def test_a_cursor_tells_the_offsets_it_was_made_of(offsets: dict[int, int]) -> None:
    assert (from_cursor(as_cursor(offsets)), topic_of(as_cursor(offsets))) == (offsets, None)
    known = as_cursor(offsets, "oS2b9t+k/vqqpwFxSgHTBA")
    assert (from_cursor(known), topic_of(known)) == (offsets, "oS2b9t+k/vqqpwFxSgHTBA")


@given(st.lists(st.integers(0, 50), max_size=6), st.one_of(st.none(), st.integers(1, 120)))
def test_shares_are_even_and_waste_nothing(lengths: list[int], most: int | None) -> None:
    spans = [Span(n, 7, 7 + length) for n, length in enumerate(lengths)]
    given_ = [span.end - span.start for span in shares(spans, most)]
    assert [span.start for span in shares(spans, most)] == [7] * len(spans)
    assert all(share <= length for share, length in zip(given_, lengths, strict=True))
    assert sum(given_) == min(sum(lengths), sum(lengths) if most is None else most)
    cut = [share for share, length in zip(given_, lengths, strict=True) if share < length]
    assert not cut or max(given_) <= min(cut) + 1


def test_a_topic_is_a_source() -> None:
    producer = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = producer.list_topics(timeout=30).brokers.values()
    for n in range(20):
        producer.produce("t", b'{"n": %d}' % n, partition=n % 3)
    assert producer.flush(30) == 0
    spec = Kafka(type="kafka", brokers=(f"{broker.host}:{broker.port}",), topic="t")
    rows = conforms(lambda: KafkaSource(spec, None, "g", lambda text: text, "here"), Request(DAY))
    assert rows["n"].to_list() == [str(n) for p in range(3) for n in range(20) if n % 3 == p]


class Silent:
    """A client to whom nobody speaks any more."""

    def __init__(self, settings: dict[str, Any]) -> None:
        settings["error_cb"](SimpleNamespace(str=lambda: "all brokers are down"))

    def list_topics(self, topic: str, timeout: float) -> SimpleNamespace:
        return SimpleNamespace(
            topics={topic: SimpleNamespace(error=None, partitions={0: None})}, brokers={}, controller_id=0
        )

    def get_watermark_offsets(self, _: object, timeout: float) -> tuple[int, int]:
        return 0, 5

    def assign(self, _: object) -> None: ...

    def consume(self, _: int, timeout: float) -> list[object]:
        return []

    def close(self) -> None: ...


def test_silence_ends_a_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("confluent_kafka.Consumer", Silent)
    spec = Kafka(type="kafka", brokers=("b:1",), topic="t")
    patient = KafkaConnection(type="kafka", brokers=("b:1",), timeout=timedelta(milliseconds=50))
    source = KafkaSource(spec, patient, "g", lambda text: text, "here")
    with source.read(Request(DAY)) as reading, pytest.raises(ExtractionError, match="SRC-132") as caught:
        list(reading)
    assert "all brokers are down" in str(caught.value)
