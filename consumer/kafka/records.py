"""librdkafka's messages as the values of `consumer.messages`, one by one: for what is read back now and then."""

from __future__ import annotations

from confluent_kafka import Message

from consumer.messages import Headers, StoredRecord


def stored_record(message: Message) -> StoredRecord:
    """One record read back."""
    return StoredRecord(
        topic=message.topic() or "",
        partition=_number(message.partition()),
        offset=_number(message.offset()),
        key=message.key(),
        value=message.value(),
        headers=headers_of(message),
        timestamp_ms=message.timestamp()[1],
    )


def headers_of(message: Message) -> Headers:
    """Headers in their order; names may repeat."""
    given = message.headers()
    if not given:
        return ()
    pairs = given.items() if isinstance(given, dict) else given
    return tuple((name, value.encode() if isinstance(value, str) else value) for name, value in pairs)


def _number(given: int | None) -> int:
    return -1 if given is None else given
