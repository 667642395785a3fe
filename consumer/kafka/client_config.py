"""librdkafka's properties, from the settings: tuned defaults, what the user adds, and on top what the worker owns.

The consumer's defaults fetch in large pieces and without a pause: four times the rate of librdkafka's own. What the
worker's guarantees rest on (positions, isolation, transactions, membership) can't be overridden; such keys are refused.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from consumer.errors import BadSettings
from consumer.kafka.complaints import client_log
from consumer.kafka.record_reader import RecordReader
from consumer.settings import Settings

Properties = dict[str, Any]
C = TypeVar("C")

DEFAULT_MAX_POLL_INTERVAL_MS: Final = 300_000
MIB: Final = 1 << 20

RANGES_AHEAD_BYTES: Final = 16 * MIB
"""Fetched ahead by a replay, over all partitions."""

_CONSUMER_DEFAULTS: Final[Properties] = {
    "fetch.min.bytes": MIB,
    "fetch.wait.max.ms": 50,
    "max.partition.fetch.bytes": 8 * MIB,
    "fetch.max.bytes": 64 * MIB,
    "queued.max.messages.kbytes": 8 * 1024,  # with librdkafka's own part of a small record, over twice that
    # librdkafka stops fetching a partition for a whole second once this many of its records wait (default 100,000);
    # the bytes above are the bound that is meant.
    "queued.min.messages": 200_000,
    "fetch.queue.backoff.ms": 20,
    "max.poll.interval.ms": DEFAULT_MAX_POLL_INTERVAL_MS,
    "log.connection.close": False,
}
_PRODUCER_DEFAULTS: Final[Properties] = {
    "linger.ms": 5,
    "compression.type": "lz4",
    # The topics' own limits decide; the client's default of 1 MB would refuse a dead letter of a large record.
    "message.max.bytes": 64 * MIB,
    # How long a topic may take to appear before records for it fail.
    "topic.metadata.propagation.max.ms": 10_000,
    "log.connection.close": False,
}

_OWNED_BY_ALL: Final = frozenset({"bootstrap.servers", "metadata.broker.list", "client.id"})
_OWNED_CONSUMER: Final = _OWNED_BY_ALL | {
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "auto.offset.reset",
    "enable.auto.commit",
    "auto.commit.enable",
    "enable.auto.offset.store",
    "auto.commit.interval.ms",
    "isolation.level",
    "enable.partition.eof",
    "on_commit",
}
_OWNED_PRODUCER: Final = _OWNED_BY_ALL | {
    "transactional.id",
    "transaction.timeout.ms",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "acks",
    "request.required.acks",
    "partitioner",
    "partitioner_cb",
    "delivery.report.only.error",
    "on_delivery",
    "dr_cb",
    "dr_msg_cb",
}
_CALLBACKS: Final = frozenset(
    {"error_cb", "stats_cb", "throttle_cb", "log_cb", "logger", "oauth_cb", "default.topic.config"}
)
_SASL_KEYS: Final = frozenset(
    {"security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.username", "sasl.password"}
)
_TLS_KEYS: Final = {
    "ca_file": "ssl.ca.location",
    "certificate_file": "ssl.certificate.location",
    "key_file": "ssl.key.location",
    "key_password": "ssl.key.password",
}


def transactional_id(settings: Settings) -> str:
    """One per model: opening a producer with it fences every older writer of the model."""
    return f"freshrank-{settings.model}"


def instance_id(settings: Settings) -> str:
    """Static member id of this deployment slot."""
    return settings.kafka.instance_id or socket.gethostname()


def member_properties(settings: Settings) -> Properties:
    """Of the member of the model's group, which may hold the lease."""
    properties = reader_properties(settings)
    return {
        **properties,
        "group.instance.id": instance_id(settings),
        "group.protocol": "classic",
        "partition.assignment.strategy": "cooperative-sticky",
        "heartbeat.interval.ms": min(1000, properties["session.timeout.ms"] // 6),
    }


def reader_properties(settings: Settings) -> Properties:
    """Of a consumer that is assigned by hand and never joins the group, though it bears its name (for the ACLs)."""
    _refuse_owned(settings)
    return {
        **_CONSUMER_DEFAULTS,
        **settings.kafka.consumer,
        **_connection(settings),
        "group.id": settings.group_id,
        "session.timeout.ms": round(settings.kafka.session_timeout_s * 1000),  # of a member, but `max.poll` goes by it
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
    }


def producer_properties(settings: Settings) -> Properties:
    """Of the transactional producer."""
    _refuse_owned(settings)
    return {
        **_PRODUCER_DEFAULTS,
        **settings.kafka.producer,
        **_connection(settings),
        "transactional.id": transactional_id(settings),
        "transaction.timeout.ms": round(settings.kafka.transaction_timeout_s * 1000),
        "enable.idempotence": True,
        "acks": "all",
        "partitioner": "murmur2_random",
    }


def admin_properties(settings: Settings) -> Properties:
    """Connection and security of the consumer, nothing else."""
    _refuse_owned(settings)
    shared = ("security.", "sasl.", "ssl.", "socket.", "broker.address.", "client.dns.", "allow.auto.")
    extras = {key: value for key, value in settings.kafka.consumer.items() if key.startswith(shared)}
    return {**extras, **_connection(settings), "log.connection.close": False}


def new_consumer(settings: Settings, properties: Properties, **callbacks: Callable[..., None]) -> Consumer:
    """Raises BadSettings where librdkafka refuses a property."""
    return _made(Consumer, {**properties, **callbacks, "logger": client_log}, "consumer", settings.kafka.consumer)


def new_record_reader(settings: Settings, on_error: Callable[[KafkaError], None]) -> RecordReader:
    """Of the input. Raises BadSettings where librdkafka refuses a property; `new_consumer`, which is given the same
    ones, names each."""
    topic, properties = settings.input.topic, reader_properties(settings)
    return _made(lambda given: RecordReader(topic, given, on_error), properties, "consumer", {})


def new_range_reader(settings: Settings, n_partitions: int, on_error: Callable[[KafkaError], None]) -> RecordReader:
    """Of partitions with a queue each, which share the bytes that may be fetched ahead. Raises BadSettings as above."""
    share_bytes = max(MIB // 2, RANGES_AHEAD_BYTES // max(1, n_partitions))
    shared = {
        "max.partition.fetch.bytes": min(2 * share_bytes, 8 * MIB),
        "queued.max.messages.kbytes": share_bytes // 1024,
    }
    given = {key: value for key, value in settings.kafka.consumer.items() if key in shared}
    topic, properties = settings.input.topic, {**reader_properties(settings), **shared, **given}
    return _made(lambda given: RecordReader(topic, given, on_error), properties, "consumer", settings.kafka.consumer)


def new_producer(settings: Settings, properties: Properties, **callbacks: Callable[..., None]) -> Producer:
    """Raises BadSettings where librdkafka refuses a property."""
    return _made(Producer, {**properties, **callbacks, "logger": client_log}, "producer", settings.kafka.producer)


def new_admin(settings: Settings, **callbacks: Callable[..., None]) -> AdminClient:
    """Raises BadSettings where librdkafka refuses a property."""
    properties = {**admin_properties(settings), **callbacks, "logger": client_log}
    return _made(AdminClient, properties, "consumer", settings.kafka.consumer)


def check_properties(settings: Settings) -> None:
    """Raises BadSettings with every property that the clients would refuse. Connects to nothing."""
    problems = list(_owned(settings))
    if not problems:
        # Without an address librdkafka has nobody to connect to, and none of these properties depends on one.
        for made, properties, side, extras in (
            (Consumer, member_properties(settings), "consumer", settings.kafka.consumer),
            (Producer, producer_properties(settings), "producer", settings.kafka.producer),
        ):
            try:
                _made(made, {**properties, "bootstrap.servers": "", "logger": client_log}, side, extras)
            except BadSettings as refused:
                problems.extend(refused.problems)
    if problems:
        raise BadSettings(problems)


def _connection(settings: Settings) -> Properties:
    kafka = settings.kafka
    protocol = ("SASL_" if kafka.sasl else "") + ("SSL" if kafka.tls else "PLAINTEXT")
    properties: Properties = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "client.id": transactional_id(settings),
    }
    if kafka.sasl or kafka.tls:
        properties["security.protocol"] = protocol
    if kafka.sasl:
        properties["sasl.mechanism"] = kafka.sasl.mechanism
        properties["sasl.username"] = kafka.sasl.username
        properties["sasl.password"] = kafka.sasl.password.get_secret_value()
    if kafka.tls:
        for name, key in _TLS_KEYS.items():
            given = getattr(kafka.tls, name)
            if given is not None:
                properties[key] = given.get_secret_value() if name == "key_password" else given
    return properties


def _refuse_owned(settings: Settings) -> None:
    problems = list(_owned(settings))
    if problems:
        raise BadSettings(problems)


def _owned(settings: Settings) -> list[str]:
    kafka = settings.kafka
    by_settings = (_SASL_KEYS if kafka.sasl else frozenset()) | (
        frozenset({"security.protocol", *_TLS_KEYS.values()}) if kafka.tls else frozenset()
    )
    problems = []
    for side, extras, owned in (
        ("consumer", kafka.consumer, _OWNED_CONSUMER),
        ("producer", kafka.producer, _OWNED_PRODUCER),
    ):
        for key in extras:
            if key in owned:
                problems.append(f"kafka.{side}.{key}: set by freshrank itself, remove it")
            elif key in by_settings:
                problems.append(f"kafka.{side}.{key}: follows from kafka.sasl and kafka.tls, give it in one place only")
            elif key in _CALLBACKS or key.startswith("test.mock."):
                problems.append(f"kafka.{side}.{key}: cannot be given in a settings file, remove it")
    return problems


def _made(factory: Callable[[Properties], C], properties: Properties, side: str, extras: Mapping[str, Any]) -> C:
    try:
        return factory(properties)
    except (KafkaException, ValueError, TypeError) as error:
        raise BadSettings(_refused_properties(factory, side, extras) or [f"kafka: {_reason(error)}"]) from error


def _refused_properties(factory: Callable[[Properties], Any], side: str, extras: Mapping[str, Any]) -> list[str]:
    """librdkafka stops at the first property that it refuses; asking for each alone finds them all."""
    problems = []
    for key, value in extras.items():
        try:
            factory({key: value, "group.id": "check"} if side == "consumer" else {key: value})
        except (KafkaException, ValueError, TypeError) as error:
            problems.append(f"kafka.{side}.{key}: {_reason(error)}")
    return problems


def _reason(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return first.str() if isinstance(first, KafkaError) else str(first)
