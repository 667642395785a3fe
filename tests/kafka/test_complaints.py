"""What librdkafka says: each complaint once in a while, and how often it was repeated."""

from __future__ import annotations

import logging

from consumer.kafka.complaints import EVERY_S, OnceInAWhile
from tests.telemetry.scrape import ManualClock

REFUSED = "FAIL [rdkafka#consumer-1]: Connect to 10.0.0.1:9092 failed (after %dms in state CONNECT)"


def record(text: str, *arguments: object, level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord("client", level, __file__, 1, text, arguments, None)


def test_a_complaint_is_not_repeated_whatever_its_duration() -> None:
    recent = OnceInAWhile(ManualClock())
    assert [bool(recent.filter(record(REFUSED, ms))) for ms in (0, 1, 17)] == [True, False, False]


def test_after_a_while_it_is_repeated_with_the_number_held_back() -> None:
    clock = ManualClock()
    recent = OnceInAWhile(clock)
    for _ in range(4):
        recent.filter(record(REFUSED, 0))
    clock.advance(EVERY_S)
    again = record(REFUSED, 5)
    assert recent.filter(again)
    assert again.getMessage() == f"{REFUSED % 5} (and 3 more times since)"


def test_another_complaint_passes() -> None:
    recent = OnceInAWhile(ManualClock())
    assert all(recent.filter(record(text)) for text in ("broker 1 is down", "broker 2 is down"))


def test_what_is_no_complaint_always_passes() -> None:
    recent = OnceInAWhile(ManualClock())
    assert all(recent.filter(record("joined", level=logging.INFO)) for _ in range(3))


def test_what_is_remembered_is_bounded() -> None:
    recent = OnceInAWhile(ManualClock())
    assert all(recent.filter(record("offset %d", n)) for n in range(5_000))
