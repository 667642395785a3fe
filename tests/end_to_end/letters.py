"""The dead-letter topic, read by a client of its own."""

from __future__ import annotations

from typing import Any

from confluent_kafka import Message

from consumer.settings import Settings
from tests.end_to_end.replica import messages


def dead_letters(settings: Settings) -> list[Message]:
    return list(messages(settings.kafka.bootstrap_servers, settings.dead_letters_topic))


def headers(letter: Message) -> dict[str, Any]:
    """By name; of one that repeats, the last counts."""
    return dict(letter.headers() or [])


def offsets_of_dead_letters(settings: Settings) -> list[int]:
    """Where they lay in the input, ascending."""
    return sorted(int(headers(letter)["__connect.errors.offset"]) for letter in dead_letters(settings))
