"""A topic, read from where the last load ended to where it ends now, partition by partition.

The offsets are the cursor and live in the commit, so a message is in bronze exactly once: a run that dies has committed
nothing, and the next one reads the same messages again. Order: by partition, then by offset. Transactions that were
aborted or are open are not read. ``auto.offset.reset`` is ``error``: messages that are gone are an error, never a jump;
so is a topic that was deleted and made anew, which its brokers tell by an id, not by its offsets.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

from medallion_assets.errors import ExtractionError
from medallion_assets.intent.platform import KafkaConnection
from medallion_assets.intent.source import Kafka
from medallion_assets.lake.manifest import CursorValue, SourceFacts
from medallion_assets.lake.ports import Batch, Refused, Request
from medallion_assets.sources.files.json_rows import Columns, Rows
from medallion_assets.sources.kafka.client import asking_settings, consumer_settings, registry
from medallion_assets.sources.kafka.offsets import Span, as_cursor, from_cursor, shares, topic_of
from medallion_assets.sources.kafka.values import Message, Schemas, Values
from medallion_assets.sources.turns import FREE, Turns

__all__ = ["KafkaSource"]

_BATCH = 10_000
_AT_ONCE = 500
_TIMEOUT_S = 60.0
_WAIT_S = 0.1


@dataclass(frozen=True, slots=True)
class KafkaSource:
    """A topic of some brokers. Nothing is contacted before ``read``."""

    spec: Kafka
    connection: KafkaConnection | None
    group: str
    resolve: Callable[[str], str]
    where: str
    """File, line and dataset of the intent."""
    turns: Turns = FREE
    root: Path = Path()
    """The project's folder, below which a relative ``ca_file`` is."""

    def read(self, request: Request) -> "KafkaReading":
        return KafkaReading(self, request.cursor)

    def waiting(self, before: CursorValue | None) -> tuple[int, CursorValue]:
        """How many offsets lie behind where the last load ended, and where the topic ends. Raises as ``read``."""
        with KafkaReading(self, before) as reading:
            spans = reading.spans()
        ends = as_cursor({span.partition: span.end for span in spans}, reading.topic)
        return sum(span.end - span.start for span in spans), ends

    @property
    def timeout_s(self) -> float:
        given = None if self.connection is None else self.connection.timeout
        return _TIMEOUT_S if given is None else given.total_seconds()


@dataclass
class KafkaReading:
    """One read. ``facts``: messages and tombstones; ``cursor``: the next offset of every partition."""

    source: KafkaSource
    before: CursorValue | None
    offsets: dict[int, int] = field(default_factory=dict)
    topic: str | None = None
    """Its id, which it has of its brokers; None where they have none."""
    messages: int = 0
    tombstones: int = 0
    trouble: list[str] = field(default_factory=list)
    """What the client said of its connections, the last at the end."""
    _consumer: Any = None

    def __enter__(self) -> "KafkaReading":  # noqa: PYI034 - Self is not in Python 3.10
        return self

    def __exit__(self, *exc: object) -> None:
        if self._consumer is not None:
            self._consumer.close()

    def __iter__(self) -> Iterator[Batch]:
        with self.source.turns.hold():
            yield from self._batches()

    def _batches(self) -> Iterator[Batch]:
        from confluent_kafka import KafkaException

        spans = shares(self.spans(), self.source.spec.max_messages)
        columns, values = Columns(self.source.where), self._values()
        try:
            for span in spans:
                messages = self._messages(span)
                while told := [values.row(message) for message in islice(messages, _BATCH)]:
                    rows = [row for row in told if not isinstance(row, Refused)]
                    yield Batch(columns.frame(rows), tuple(row for row in told if isinstance(row, Refused)))
        except KafkaException as error:
            raise self._failed(error) from None

    @property
    def facts(self) -> SourceFacts:
        numbers = {"messages": self.messages, "tombstones": self.tombstones}
        return SourceFacts((), {"topic": self.source.spec.topic, **{k: str(v) for k, v in numbers.items() if v}})

    @property
    def cursor(self) -> CursorValue | None:
        return as_cursor(self.offsets, self.topic)

    def _values(self) -> Values:
        source, spec = self.source, self.source.spec
        schemas = None
        if spec.value.format == "avro":
            schemas = Schemas(registry(source.connection, source.resolve, source.where))
        return Values(spec.topic, spec.value.format, schemas, Rows(spec.topic, source.where, "json"))

    def spans(self) -> list[Span]:
        """From where the last load ended to the end of each partition.

        Raises ExtractionError SRC-130, SRC-131; ConfigError SRC-134.
        """
        from confluent_kafka import Consumer, KafkaException

        source = self.source
        settings = consumer_settings(
            source.spec, source.connection, source.group, source.resolve, source.where, root=source.root
        )
        try:
            self._consumer = Consumer({**settings, "error_cb": lambda error: self.trouble.append(error.str())})
            return self._spans(asking_settings(settings))
        except KafkaException as error:
            raise self._failed(error) from None

    def _spans(self, asking: dict[str, Any]) -> list[Span]:
        from confluent_kafka import TopicPartition

        spec, known = self.source.spec, None if self.before is None else from_cursor(self.before)
        listed = self._consumer.list_topics(spec.topic, timeout=self.source.timeout_s)
        found = listed.topics.get(spec.topic)
        if found is None or found.error is not None or not found.partitions:
            why = "it has no partitions" if found is None or found.error is None else str(found.error)
            raise self._error(
                "SRC-130", f"Topic {spec.topic} cannot be read: {why}.", "correct `topic`, or who may read it."
            )
        if listed.controller_id in listed.brokers:  # it is the one who knows ids
            self.topic = self._asked_for_id(asking)
        before = None if self.before is None else topic_of(self.before)
        if before is not None and self.topic is not None and before != self.topic:
            raise self._anew()
        spans = []
        for partition in sorted(found.partitions):
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(spec.topic, partition), timeout=self.source.timeout_s
            )
            first = high if spec.start_at == "latest" else low
            # One that came into being since the last load is read from its beginning.
            start = first if known is None else known.get(partition, low)
            if not low <= start <= high:
                raise self._gone(partition, start, low, high)
            self.offsets[partition] = start
            spans.append(Span(partition, start, high))
        return spans

    def _asked_for_id(self, asking: dict[str, Any]) -> str | None:
        from confluent_kafka import TopicCollection
        from confluent_kafka.admin import AdminClient

        name = self.source.spec.topic
        client = AdminClient(asking)
        asked = client.describe_topics(TopicCollection([name]), request_timeout=self.source.timeout_s)
        found = asked[name].result().topic_id
        return str(found) if found.get_most_significant_bits() or found.get_least_significant_bits() else None

    def _messages(self, span: Span) -> Iterator[Message]:
        """Those of one partition up to the span's end, or to where committed transactions end."""
        from confluent_kafka import KafkaError, TopicPartition

        topic, heard = self.source.spec.topic, monotonic()
        if span.start >= span.end:
            return
        self._consumer.assign([TopicPartition(topic, span.partition, span.start)])
        while self.offsets[span.partition] < span.end:
            # No more than there are: the client waits for as many as it is asked for.
            most = min(_AT_ONCE, span.end - self.offsets[span.partition])
            got = self._consumer.consume(most, timeout=_WAIT_S)
            heard = monotonic() if got else heard
            if monotonic() - heard > self.source.timeout_s:
                raise self._silent(span)
            for message in got:
                error = message.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:
                    self.offsets[span.partition] = max(self.offsets[span.partition], message.offset())
                    return
                if error is not None:
                    raise self._refused(error, span)
                if message.offset() >= span.end:
                    self.offsets[span.partition] = span.end
                    return
                self.offsets[span.partition] = message.offset() + 1
                self.messages += 1
                self.tombstones += message.value() is None
                yield message

    # ------------------------------------------------------------------------------------------------ errors

    def _refused(self, error: Any, span: Span) -> ExtractionError:
        from confluent_kafka import KafkaError

        if error.code() in (KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET):
            return self._gone(span.partition, self.offsets[span.partition], None, None)
        return self._error(
            "SRC-130", f"The broker refused: {error.str()}.", "see the brokers and who may read the topic."
        )

    def _gone(self, partition: int, start: int, low: int | None, high: int | None) -> ExtractionError:
        there = "" if low is None else f"; there are {low} to {high}"
        return self._error(
            "SRC-131", f"Partition {partition} was read up to offset {start}, which is not there any more{there}.",
            "raise the topic's retention or load more often; what is lost must be loaded another way, and a dataset "
            "of another name goes on from `start_at`.",
        )  # fmt: skip

    def _anew(self) -> ExtractionError:
        return self._error(
            "SRC-131", f"Topic {self.source.spec.topic} was deleted and made anew since the last load.",
            "what was not loaded of the old one must be loaded another way; a dataset of another name reads the new.",
        )  # fmt: skip

    def _silent(self, span: Span) -> ExtractionError:
        at = f"partition {span.partition} at offset {self.offsets[span.partition]}"
        return self._error(
            "SRC-132",
            f"Nothing came for {self.source.timeout_s:.0f} s of {at}.{self._said()}",
            "run again.",
        )

    def _failed(self, error: Any) -> ExtractionError:
        said = ""
        with suppress(AttributeError, IndexError):
            said = str(error.args[0].str())
        return self._error(
            "SRC-130",
            f"Kafka cannot be reached or refused: {said or error}.{self._said()}",
            "see `brokers` and `security`.",
        )

    def _said(self) -> str:
        """What the client said last. It speaks when it is asked for messages, which it was not while connecting."""
        if self._consumer is not None:
            self._consumer.consume(1, timeout=0)
        return f" The client said: {self.trouble[-1]}." if self.trouble else ""

    def _error(self, code: str, what: str, fix: str) -> ExtractionError:
        return ExtractionError(code, what, where=self.source.where, fix=fix)
