"""What comes in that should not have: each kind ends where the table says, and too much of it stops the worker."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from consumer.settings import Settings
from tests.end_to_end.conftest import SettingsOf, published_by
from tests.end_to_end.events import START_S, encoded, event, produce
from tests.end_to_end.follower import Follower
from tests.end_to_end.letters import dead_letters, headers, offsets_of_dead_letters
from tests.end_to_end.replica import rebuilt
from tests.end_to_end.states import newest
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics

pytestmark = pytest.mark.broker

LIMIT = 5
BROKEN = b'{"user_id": "ann", "item_id": '


def good(n: int, first: int = 0) -> list[bytes | None]:
    return [encoded(event(f"item-{i % 10}", user=f"user-{i % 7}", at_s=i)) for i in range(first, first + n)]


def committed_position(settings: Settings) -> int:
    """What a tool that watches lag sees."""
    consumer = Consumer({"bootstrap.servers": settings.kafka.bootstrap_servers, "group.id": settings.group_id})
    try:
        return consumer.committed([TopicPartition(settings.input.topic, 0)], timeout=30)[0].offset
    finally:
        consumer.close()


def saved_position(settings: Settings) -> int:
    return newest(Path(settings.checkpoints.directory))[0].input_positions[0]


def test_too_many_dead_letters_in_a_row_stop_the_worker_in_front_of_the_next(model: SettingsOf, tmp_path: Path) -> None:
    settings = model(input={"topic": model().input.topic, "dead_letters": {"max_in_a_row": LIMIT}})
    create_topics(settings, input_partitions=1)
    produce(
        settings.kafka.bootstrap_servers, settings.input.topic, [*good(50), *[BROKEN] * (LIMIT + 20), *good(50, 50)]
    )
    first_refused = 50 + LIMIT
    with WorkerProcess(settings, tmp_path) as worker:
        for _ in range(3):
            worker.start()
            assert worker.wait(timeout_s=150) == 1
            assert committed_position(settings) == saved_position(settings) == first_refused
            assert [m.value() for m in dead_letters(settings)] == [BROKEN] * LIMIT
        told = worker.log().splitlines()[-1]
        assert "more than 5 in a row (input.dead_letters.max_in_a_row)" in told
        assert f"{settings.input.topic} partition 0 offset {first_refused}" in told
        assert "undecodable" in told
        assert "Traceback" not in worker.log()


def test_a_raised_limit_lets_the_worker_go_on_from_there(model: SettingsOf, tmp_path: Path) -> None:
    strict = model(input={"topic": model().input.topic, "dead_letters": {"max_in_a_row": LIMIT}})
    create_topics(strict, input_partitions=1)
    produce(strict.kafka.bootstrap_servers, strict.input.topic, [*good(50), *[BROKEN] * (LIMIT + 20), *good(50, 50)])
    with WorkerProcess(strict, tmp_path) as worker:
        worker.start()
        assert worker.wait(timeout_s=150) == 1
    lenient = model(input={"topic": strict.input.topic, "dead_letters": {"max_in_a_row": 1_000}})
    with WorkerProcess(lenient, tmp_path) as worker, Follower(published_by(lenient)) as reader:
        worker.start_ready()
        until(lambda: reader.position(lenient.input.topic) == 50 + LIMIT + 20 + 50, "everything is learned")
        assert worker.terminate() == 0
    assert offsets_of_dead_letters(lenient) == list(range(50, 50 + LIMIT + 20))


def test_every_line_of_the_table_of_what_comes_in(model: SettingsOf, tmp_path: Path) -> None:
    settings = model()
    create_topics(settings, input_partitions=1)
    topic, late_s = settings.input.topic, -3_600.0
    malformed = {
        "undecodable": [b"\xff\xfe", b"", b"[1]", BROKEN],
        "missing_field": [encoded(event("a", user_id=None)), encoded(event("a", item_id=None))],
        "wrong_type": [encoded(event("a", item_id=["a"])), encoded(event("a", features={"deep": {}}))],
        "empty_id": [encoded(event("")), encoded(event("a", session_id=""))],
        "id_too_long": [encoded(event("a" * 257))],
        "not_finite": [encoded(event("a")).replace(b"}", b', "value": 1e999}')],
        "time_out_of_range": [
            encoded(event("a", at_s=10 * 365 * 86_400.0)),
            encoded(event("a", event_time="1999-12-31T23:59:59Z")),
        ],
    }
    once = encoded(event("a", event_id="once", at_s=1.0))
    values: list[bytes | None] = [
        once,
        once,  # duplicate
        *(value for kind in malformed.values() for value in kind),
        None,  # tombstone
        encoded(event("b", kind="scrolled", at_s=2.0)),  # a type that isn't listed
        encoded(event("c", event_id="late", at_s=late_s)),
        encoded(event("d", at_s=3.0)),
    ]
    produce(settings.kafka.bootstrap_servers, topic, values)
    redriven: list[tuple[str, str | bytes | None]] = [("freshrank-redriven", b"1"), ("trace", b"x")]
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers})
    producer.produce(topic, encoded(event("e", event_id="redriven", at_s=late_s)), headers=redriven, partition=0)
    producer.produce(topic, BROKEN, key=b"ann", headers=[("trace", b"y"), ("empty", None)], partition=0)
    assert producer.flush(30) == 0
    n = len(values) + 2
    malformed["undecodable"].append(BROKEN)

    with WorkerProcess(settings, tmp_path) as worker, Follower(published_by(settings)) as reader:
        worker.start_ready()
        until(lambda: reader.position(topic) == n, "everything is learned")
        found = worker.metrics()
        assert worker.terminate() == 0

    counted = {
        name: int(found[f'freshrank_events_total{{outcome="{name}"}}'])
        for name in ("admitted", "duplicate", "tombstone", "ignored_type", "late", *malformed)
    }
    expected = {"admitted": 3, "duplicate": 1, "tombstone": 1, "ignored_type": 1, "late": 1}
    assert counted == expected | {name: len(kind) for name, kind in malformed.items()}
    assert {name: int(found[f'freshrank_dead_letters_total{{reason="{name}"}}']) for name in malformed} == {
        name: len(kind) for name, kind in malformed.items()
    }
    assert set(rebuilt(published_by(settings)).scores()) == {"a", "d", "e"}
    assert_whole_letters(settings, malformed)


def assert_whole_letters(settings: Settings, malformed: dict[str, list[bytes]]) -> None:
    """Each with its original and with headers in both conventions."""
    letters = {int(headers(m)["__connect.errors.offset"]): m for m in dead_letters(settings)}
    by_reason: dict[str, list[bytes]] = {}
    for _, letter in sorted(letters.items()):
        by_reason.setdefault(headers(letter)["freshrank-reason"].decode(), []).append(letter.value() or b"")
    assert by_reason == malformed
    offset, last = max(letters.items())
    found = headers(last)
    assert last.key() == b"ann"
    assert list(last.headers() or [])[:2] == [("trace", b"y"), ("empty", None)]
    assert found["__connect.errors.topic"] == found["kafka_dlt-original-topic"] == settings.input.topic.encode()
    assert found["__connect.errors.partition"] == b"0"
    assert found["kafka_dlt-original-partition"] == struct.pack(">i", 0)
    assert found["kafka_dlt-original-offset"] == struct.pack(">q", offset)
    assert found["__connect.errors.exception.message"] == found["kafka_dlt-exception-message"]
    assert found["__connect.errors.exception.message"].startswith(b"undecodable: ")


def test_events_ahead_of_their_record_are_judged_by_its_timestamp(model: SettingsOf, tmp_path: Path) -> None:
    settings = model()
    create_topics(settings, input_partitions=1)
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers})
    for item, ahead_s in (("near", 299), ("far", 301)):
        value = encoded(event(item, at_s=ahead_s))
        producer.produce(settings.input.topic, value, partition=0, timestamp=START_S * 1000)
    assert producer.flush(30) == 0
    with WorkerProcess(settings, tmp_path) as worker, Follower(published_by(settings)) as reader:
        worker.start_ready()
        until(lambda: reader.position(settings.input.topic) == 2, "both are learned")
        assert worker.terminate() == 0
    assert set(rebuilt(published_by(settings)).scores()) == {"near"}
    assert [headers(m)["freshrank-reason"] for m in dead_letters(settings)] == [b"time_out_of_range"]
