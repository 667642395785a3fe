"""What a contract test needs of a Kafka, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from confluent_kafka import Producer

from consumer.kafka.input import KafkaInput
from consumer.kafka.log import KafkaLog
from consumer.kafka.output import KafkaOutput
from consumer.kafka.topic_admin import TopicAdmin
from consumer.ports import EventInput, OutputLog, TransactionalOutput
from consumer.settings import Settings
from tests.broker import create_topic
from tests.fakes.kafka import FakeCluster, FakeInput, FakeLog, FakeOutput

ROWS, DEAD_LETTERS, INPUT = "rows", "dead-letters", "events"
N_PARTITIONS = 2
C = TypeVar("C", KafkaInput, KafkaOutput, KafkaLog)


class World(Protocol):
    """One model with an input and a row topic of `N_PARTITIONS` each."""

    @property
    def rows(self) -> str:
        """Name of the row topic."""
        ...

    @property
    def dead_letters(self) -> str:
        """Name of the dead-letter topic, of any number of partitions."""
        ...

    def output(self) -> TransactionalOutput: ...

    def log(self) -> OutputLog: ...

    def input(self, member: str = "a") -> EventInput: ...

    def send(self, values: Sequence[bytes], partition: int = 0) -> None:
        """Append to the input topic."""
        ...


class FakeWorld:
    rows = ROWS
    dead_letters = DEAD_LETTERS

    def __init__(self) -> None:
        self.cluster = FakeCluster({ROWS: N_PARTITIONS, DEAD_LETTERS: 1, INPUT: N_PARTITIONS})

    def output(self) -> FakeOutput:
        return FakeOutput(self.cluster)

    def log(self) -> FakeLog:
        return FakeLog(self.cluster)

    def input(self, member: str = "a") -> FakeInput:
        return FakeInput(self.cluster, INPUT)

    def send(self, values: Sequence[bytes], partition: int = 0) -> None:
        for value in values:
            self.cluster.append(INPUT, value, partition=partition)


class RealWorld:
    """Closes at the end what it handed out, in reverse."""

    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        self.address = bootstrap_servers
        self.prefix = prefix
        self.settings = self.settings_of("a")
        self._to_close: list[KafkaInput | KafkaOutput | KafkaLog] = []
        create_topic(bootstrap_servers, self.settings.input.topic, N_PARTITIONS)
        TopicAdmin(self.settings, row_partitions=N_PARTITIONS).create()

    @property
    def rows(self) -> str:
        return self.settings.publish.scores_topic

    @property
    def dead_letters(self) -> str:
        return self.settings.dead_letters_topic

    def settings_of(self, member: str, **kafka: object) -> Settings:
        return settings_of(self.address, self.prefix, member, **kafka)

    def output(self) -> KafkaOutput:
        return self._closed_later(KafkaOutput(self.settings))

    def log(self) -> KafkaLog:
        return self._closed_later(KafkaLog(self.settings))

    def input(self, member: str = "a") -> KafkaInput:
        return self._closed_later(KafkaInput(self.settings_of(member)))

    def send(self, values: Sequence[bytes], partition: int = 0) -> None:
        producer = Producer({"bootstrap.servers": self.address, "linger.ms": 5})
        for value in values:
            producer.produce(self.settings.input.topic, value, partition=partition)
        assert producer.flush(30) == 0

    def close(self) -> None:
        for client in reversed(self._to_close):
            client.close()

    def _closed_later(self, client: C) -> C:
        self._to_close.append(client)
        return client


def settings_of(address: str, prefix: str, member: str, **kafka: object) -> Settings:
    """One model's settings; `kafka`: further settings of that section."""
    return Settings.model_validate(
        {
            "model": f"{prefix}model",
            "input": {"topic": f"{prefix}{INPUT}"},
            "publish": {
                "scores_topic": f"{prefix}scores",
                "related_topic": f"{prefix}related",
                "manifests_topic": f"{prefix}manifests",
            },
            "kafka": {
                "bootstrap_servers": address,
                "instance_id": f"{prefix}{member}",
                "session_timeout_s": 6,
                **kafka,
            },
        }
    )
