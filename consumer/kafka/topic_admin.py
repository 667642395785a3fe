"""Asks the brokers about the worker's topics, creates what is missing, and checks them before the worker starts."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ClusterMetadata, ConfigResource  # type: ignore[attr-defined]  # re-exported without saying so
from confluent_kafka.cimpl import NewTopic

from consumer.clock import SystemClock
from consumer.errors import Fatal
from consumer.kafka.client_errors import cause, translated
from consumer.kafka.first_answer import Introduced
from consumer.kafka.metadata import partitions_of
from consumer.kafka.topics import (
    DEAD_LETTER_ROOM,
    DEFAULT_INPUT_LIMIT,
    DesiredTopic,
    Finding,
    FoundTopic,
    desired_topics,
    differences,
    input_topic,
)
from consumer.settings import Settings

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S: Final = 15.0
VISIBLE_EVERY_S: Final = 0.1
DEFAULT_PARTITIONS: Final = 4


class TopicAdmin:
    """`freshrank topics` and the check at start. Raises Fatal, Retryable; BadSettings for a refused property.

    `row_partitions` None: `DEFAULT_PARTITIONS` where a topic is created, whatever it has where it exists.
    """

    def __init__(self, settings: Settings, *, row_partitions: int | None = None, replication_factor: int = 1) -> None:
        self._settings = settings
        self._row_partitions = row_partitions
        self._replication_factor = replication_factor
        self._clock = SystemClock()
        self._introduced = Introduced(settings)
        self._client = self._introduced.client

    def differences(self, *, input_partitions: int | None = None) -> list[Finding]:
        """What `create` would create, and what an operator has to change."""
        desired = self._desired(input_partitions)
        findings = differences(desired, self._found([topic.name for topic in desired]))
        if input_partitions is None and not self._existing([self._settings.input.topic]):
            findings.append(Finding(self._settings.input.topic, "does not exist (the input)", is_harmful=True))
        return findings

    def create(self, *, input_partitions: int | None = None) -> list[str]:
        """Create the topics that are missing, the input only where a number of partitions is given; names of those
        created. Topics that exist are left as they are."""
        desired = self._desired(input_partitions)
        existing = self._existing([topic.name for topic in desired])
        missing = [topic for topic in desired if topic.name not in existing]
        if not missing:
            return []
        futures = self._client.create_topics(
            [self._new(topic) for topic in missing],
            operation_timeout=ANSWER_TIMEOUT_S,
            request_timeout=ANSWER_TIMEOUT_S,
        )
        for name, future in futures.items():
            _result(future, f"creating topic {name}", unless=KafkaError.TOPIC_ALREADY_EXISTS)
        names = [topic.name for topic in missing]
        self._await_visible(names)
        return names

    def cleanup_policy(self, topic: str) -> str:
        """As configured; empty where no broker tells."""
        return self._configs(self._existing([topic])).get(topic, {}).get("cleanup.policy", "")

    def check_at_start(self) -> int:
        """Refuse to run on topics that break what is promised: missing ones, row topics that aren't compacted, too
        small a limit for dead letters. Returns that limit in bytes. Weaker differences are logged."""
        names = [topic.name for topic in desired_topics(self._settings)]
        # Asked one by one where topics appear when asked for, as in the mock cluster.
        if self._settings.kafka.consumer.get("allow.auto.create.topics"):
            for name in (*names, self._settings.input.topic):
                partitions_of(self._client, name, ANSWER_TIMEOUT_S)
        desired = desired_topics(self._settings, row_partitions=None, input_limit_bytes=self._input_limit())
        found = self._found(names)
        findings = differences(desired, found)
        harmful = [finding for finding in findings if finding.is_harmful]
        for finding in findings:
            if not finding.is_harmful:
                log.warning("topic %s", finding)
        if harmful:
            listed = "\n".join(f"  - {finding}" for finding in harmful)
            raise Fatal(
                f"the topics cannot be used:\n{listed}\n`freshrank topics --create` creates what is missing; "
                "kafka-configs.sh --alter changes the rest."
            )
        limit = found[self._settings.dead_letters_topic].config.get("max.message.bytes")
        return int(limit) if limit else DEFAULT_INPUT_LIMIT + DEAD_LETTER_ROOM

    def _await_visible(self, names: Sequence[str]) -> None:
        """A topic that was created is in no broker's metadata until that broker has heard of it."""
        give_up_s = self._clock.monotonic_s() + ANSWER_TIMEOUT_S
        while len(self._existing(names)) < len(names) and self._clock.monotonic_s() < give_up_s:
            self._client.poll(VISIBLE_EVERY_S)

    def _desired(self, input_partitions: int | None) -> tuple[DesiredTopic, ...]:
        output = desired_topics(
            self._settings,
            row_partitions=self._row_partitions,
            replication_factor=self._replication_factor,
            input_limit_bytes=self._input_limit(),
        )
        return output if input_partitions is None else (*output, input_topic(self._settings, input_partitions))

    def _new(self, topic: DesiredTopic) -> Any:
        return NewTopic(
            topic.name,
            num_partitions=topic.partitions or self._row_partitions or DEFAULT_PARTITIONS,
            replication_factor=self._replication_factor,
            config=dict(topic.config),
        )

    def _input_limit(self) -> int:
        config = self._configs(self._existing([self._settings.input.topic])).get(self._settings.input.topic, {})
        return int(config.get("max.message.bytes", DEFAULT_INPUT_LIMIT))

    def _found(self, names: Sequence[str]) -> dict[str, FoundTopic]:
        existing = self._existing(names)
        configs = self._configs(existing)
        return {name: FoundTopic(name, n, configs.get(name, {})) for name, n in existing.items()}

    def _existing(self, names: Sequence[str]) -> dict[str, int]:
        """Numbers of partitions. Lists all topics, since asking for one by name may create it, with a broker's default
        of deleting old records."""
        topics = self._metadata().topics
        return {name: len(topics[name].partitions) for name in names if name in topics and topics[name].error is None}

    def _configs(self, names: Iterable[str]) -> dict[str, Mapping[str, str]]:
        """Configurations in force; nothing where no broker can tell, as in the mock cluster."""
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        metadata = self._metadata()
        if metadata.controller_id not in metadata.brokers:
            log.debug("cannot check how the topics are configured: the cluster has no controller")
            return {}
        if not resources:
            return {}
        configs: dict[str, Mapping[str, str]] = {}
        for resource, future in self._client.describe_configs(resources, request_timeout=ANSWER_TIMEOUT_S).items():
            doing = f"asking for the configuration of topic {resource.name}"
            entries = _result(future, doing, unless=KafkaError.TOPIC_AUTHORIZATION_FAILED)
            if entries is None:
                log.warning("cannot check the configuration of topic %s without DescribeConfigs on it", resource.name)
                continue
            configs[resource.name] = {e.name: e.value for e in entries.values() if e.value is not None}
        return configs

    def _metadata(self) -> ClusterMetadata:
        return self._introduced.metadata(ANSWER_TIMEOUT_S)


def _result(future: Any, doing: str, *, unless: int = KafkaError.NO_ERROR) -> Any:
    """What confluent-kafka's untyped future holds; None for the error code `unless`."""
    try:
        return future.result()
    except KafkaException as error:
        if cause(error).code() == unless:
            return None
        raise translated(cause(error), doing) from error
