"""Waiting for a broker until it answers."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient


def wait_until_it_answers(address: str, timeout_s: float, still_worth_it: Callable[[], bool] = lambda: True) -> bool:
    """Whether the broker gave metadata with itself in it, in time. Gives up early once `still_worth_it()` is false."""
    client = AdminClient({"bootstrap.servers": address, "log_level": 0})  # refused connections are expected here
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and still_worth_it():
        try:
            if client.list_topics(timeout=0.5).brokers:
                return True
        except KafkaException:
            continue  # the call itself waited
    return False
