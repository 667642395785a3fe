"""The floor: consume with the worker's client settings and decode each record, nothing else.

`python -m tests.bench.bare_loop SETTINGS_FILE N_RECORDS` prints the rate from the first records to the last.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from consumer.kafka.client_config import reader_properties
from consumer.settings import Settings
from consumer.settings_loading import load
from tests.bench.workers import PARTITIONS

GIVE_UP_S = 30.0


class Event(msgspec.Struct):
    """The members that the worker reads."""

    event_id: str
    user_id: str
    item_id: str
    event_type: str
    event_time: str
    session_id: str | None = None


def consume(settings: Settings, n_records: int) -> tuple[int, float]:
    """Read the whole topic; records after the first call and the seconds they took."""
    consumer = Consumer(reader_properties(settings))
    decode = msgspec.json.Decoder(Event).decode
    consumer.assign([TopicPartition(settings.input.topic, p, 0) for p in range(PARTITIONS)])
    n_first = n = 0
    began_s = last_s = time.perf_counter()
    while n < n_records:
        n_before = n
        for message in consumer.consume(10_000, 0.1):
            error, value = message.error(), message.value()
            if error is None and value is not None:
                decode(value)
                n += 1
            elif error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise SystemExit(f"reading {settings.input.topic}: {error.str()}")
        now_s = time.perf_counter()
        if n > n_before:
            last_s = now_s
        elif now_s - last_s > GIVE_UP_S:
            raise SystemExit(f"{n} of {n_records} records came")
        if n and not n_first:
            n_first, began_s = n, now_s
    seconds = time.perf_counter() - began_s
    consumer.close()
    return n - n_first, seconds


def main() -> None:
    settings = load([Path(sys.argv[1])], {})
    n, seconds = consume(settings, int(sys.argv[2]))
    cpu_s = sum(os.times()[:2])
    sys.stdout.write(json.dumps({"records_per_s": n / seconds, "seconds": seconds, "cpu_s": cpu_s}) + "\n")


if __name__ == "__main__":
    main()
