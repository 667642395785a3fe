"""One writer by a lease, on a real broker: who starts disturbs nobody, who dies is replaced."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.errors import Fatal
from consumer.kafka.input import KafkaInput
from consumer.messages import RecordBatch
from tests.kafka.polling import coordinates, poll_until, polled, with_lease
from tests.kafka.worlds import RealWorld

pytestmark = pytest.mark.broker

TAKE_OVER_WITHIN_S = 10


class ManualClock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def wall_s(self) -> float:
        return self.now_s

    def monotonic_s(self) -> float:
        return self.now_s


def numbered(n: int) -> list[bytes]:
    return [b"%d" % i for i in range(n)]


def test_a_standby_that_starts_does_not_disturb_the_active_member(real: RealWorld) -> None:
    rebalances: list[str] = []
    active = KafkaInput(real.settings_of("a"), on_rebalance=lambda: rebalances.append("active"))
    with_lease(active)
    active.start_reading({0: 0, 1: 0})
    told = len(rebalances)
    standby = real.input("b")
    batches: list[RecordBatch] = []
    for n in range(20):  # the standby joins while records keep coming
        real.send([b"%d" % n])
        batches += poll_until(lambda n=n: active.lag()[0][0] == n + 1, active, standby)  # type: ignore[misc]
        # (mypy can't infer the type of a lambda with a default)
    assert coordinates(batches) == [(0, n) for n in range(20)]
    assert active.has_lease()
    assert not standby.has_lease()
    assert len(rebalances) == told
    active.close()


def test_a_standby_takes_over_from_a_killed_member_in_time(real: RealWorld) -> None:
    command = [sys.executable, "-m", "tests.kafka.member", real.address, real.prefix, "a"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as active:
        try:
            assert active.stdout is not None
            assert active.stdout.readline() == "reading\n"
            standby = real.input("b")
            standby.poll(2)
            assert not standby.has_lease()
        finally:
            active.kill()
    killed_at_s = time.monotonic()
    with_lease(standby)
    assert time.monotonic() - killed_at_s < TAKE_OVER_WITHIN_S
    real.send(numbered(3))
    standby.start_reading({0: 1})
    assert coordinates(polled(standby, 2)) == [(0, 1), (0, 2)]


def test_the_lease_can_be_lost_and_regained(real: RealWorld) -> None:
    real.send(numbered(10))
    first, second = with_lease(real.input("a")), real.input("b")
    first.start_reading({0: 0})
    polled(first, 10)
    first.close()
    with_lease(second)
    second.start_reading({0: 4})
    assert coordinates(polled(second, 6)) == [(0, n) for n in range(4, 10)]
    again = real.input("a")
    again.poll(1)
    second.close()
    with_lease(again)
    again.start_reading({0: 8})
    assert coordinates(polled(again, 2)) == [(0, 8), (0, 9)]


def test_a_lease_lost_and_won_again_between_two_questions_counts_as_lost(real: RealWorld) -> None:
    rebalances: list[str] = []
    settings = real.settings_of("a", consumer={"max.poll.interval.ms": 6000})
    member = KafkaInput(settings, on_rebalance=lambda: rebalances.append("told"))
    with_lease(member).start_reading({0: 0})
    too_late_s = time.monotonic() + 7
    poll_until(lambda: time.monotonic() > too_late_s)
    poll_until(lambda: len(rebalances) == 3, member)  # won, lost, won again
    assert [member.has_lease(), member.has_lease()] == [False, True]
    member.close()


def test_manifests_are_not_taken_for_events(real: RealWorld) -> None:
    active = with_lease(real.input())
    active.start_reading({0: 0, 1: 0})
    producer = Producer({"bootstrap.servers": real.address})
    for _ in range(50):
        producer.produce(real.settings.publish.manifests_topic, b"{}", key=b"model")
    producer.flush(10)
    real.send(numbered(3))
    batches = polled(active, 3)
    assert active.poll(0.5) is None
    assert {batch.topic for batch in batches} == {real.settings.input.topic}
    assert coordinates(batches) == [(0, 0), (0, 1), (0, 2)]


def test_a_second_process_with_the_same_member_id_is_fatal_for_the_first(real: RealWorld) -> None:
    first = with_lease(real.input("a"))
    second = real.input("a")
    with pytest.raises(Fatal, match=r"kafka\.instance_id"):
        poll_until(lambda: False, first, second)


def test_records_deleted_before_they_were_read_are_fatal(real: RealWorld) -> None:
    real.send(numbered(10))
    admin = AdminClient({"bootstrap.servers": real.address})
    member = with_lease(real.input())
    for future in admin.delete_records([TopicPartition(real.settings.input.topic, 0, 5)]).values():
        future.result(30)
    with pytest.raises(Fatal, match=r"position 4 lies outside the log, which holds 5 to 10.*--rebuild"):
        member.start_reading({0: 4})


def test_records_deleted_under_the_reader_are_fatal(real: RealWorld) -> None:
    for _ in range(3):
        real.send(numbered(1000))  # each in a batch of its own
    one_batch = {"max.partition.fetch.bytes": 1024, "queued.min.messages": 1, "queued.max.messages.kbytes": 1}
    member = with_lease(KafkaInput(real.settings_of("a", consumer=one_batch)))
    member.start_reading({0: 0})  # what is fetched ahead ends with the first batch, as long as nobody polls
    admin = AdminClient({"bootstrap.servers": real.address})
    for future in admin.delete_records([TopicPartition(real.settings.input.topic, 0, 2995)]).values():
        future.result(30)
    with pytest.raises(Fatal, match=r"position \d+ lies outside the log, which holds 2995 to 3000"):
        poll_until(lambda: False, member)
    member.close()


def test_records_deleted_under_the_reader_are_skipped_and_counted_where_that_is_wanted(real: RealWorld) -> None:
    for _ in range(3):
        real.send(numbered(1000))
    one_batch = {"max.partition.fetch.bytes": 1024, "queued.min.messages": 1, "queued.max.messages.kbytes": 1}
    settings = real.settings_of("a", consumer=one_batch)
    skipping = settings.model_copy(update={"input": settings.input.model_copy(update={"on_lost_records": "skip"})})
    lost: list[tuple[int, int]] = []
    member = with_lease(KafkaInput(skipping, on_lost=lambda partition, n: lost.append((partition, n))))
    member.start_reading({0: 0})
    admin = AdminClient({"bootstrap.servers": real.address})
    for future in admin.delete_records([TopicPartition(real.settings.input.topic, 0, 2995)]).values():
        future.result(30)
    offsets: list[int] = []

    def has_reached_the_end() -> bool:
        offsets.extend(offset for batch in [member.poll(0.1)] if batch is not None for offset in batch.offsets.tolist())
        return bool(offsets) and offsets[-1] == 2999

    poll_until(has_reached_the_end)
    member.close()
    n_before = len(offsets) - 5
    assert offsets == [*range(n_before), *range(2995, 3000)]
    assert lost == [(0, 2995 - n_before)]


def test_keeping_alive_loses_no_record(real: RealWorld) -> None:
    clock = ManualClock()
    real.send(numbered(3000))
    settings = real.settings_of("a").model_copy(
        update={"batch": real.settings.batch.model_copy(update={"max_events": 500})}
    )
    member = KafkaInput(settings, clock=clock)
    while not member.has_lease():
        member.poll(0)
    member.start_reading({0: 0, 1: 0})
    seen: list[tuple[int, int]] = []
    while len(seen) < 3000:
        batch = member.poll(0)
        if batch is not None:
            seen += coordinates([batch])
            clock.now_s += 150  # half of the poll interval
            member.keep_alive()
            member.keep_alive()
    assert seen == [(0, n) for n in range(3000)]
    member.close()


def test_one_thread_may_poll_while_another_asks(real: RealWorld) -> None:
    real.send(numbered(2000))
    member = real.input()
    stop, batches = threading.Event(), []

    def reader() -> None:
        while not stop.is_set():
            batches.append(member.poll(0.2))

    thread = threading.Thread(target=reader)
    thread.start()
    try:
        give_up_s = time.monotonic() + 30
        while not member.has_lease() and time.monotonic() < give_up_s:
            time.sleep(0.01)
        member.start_reading({0: 0, 1: 0})
        while sum(len(b) for b in batches if b) < 2000 and time.monotonic() < give_up_s:
            assert list(member.partitions()) == [0, 1]
            assert member.bounds()[0] == (0, 2000)
            assert set(member.lag()) == {0, 1}
            member.commit({0: member.lag()[0][0]})
    finally:
        stop.set()
        thread.join(30)
    assert coordinates([b for b in batches if b]) == [(0, n) for n in range(2000)]


def test_committed_offsets_are_there_for_lag_tools(real: RealWorld) -> None:
    real.send(numbered(5))
    member = with_lease(real.input())
    member.start_reading({0: 0})
    polled(member, 5)
    member.commit({0: 5})
    observer = Consumer({"bootstrap.servers": real.address, "group.id": real.settings.group_id})
    asked = [TopicPartition(real.settings.input.topic, 0)]
    poll_until(lambda: observer.committed(asked, timeout=10)[0].offset == 5, member)
    observer.close()
