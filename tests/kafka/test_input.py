"""What every EventInput must do: one suite for the fake and the real broker."""

from __future__ import annotations

import pytest

from consumer.errors import Fatal, Retryable
from consumer.messages import InputRecord
from tests.kafka.polling import coordinates, polled, with_lease
from tests.kafka.worlds import World


def numbered(n: int) -> list[bytes]:
    return [b"%d" % i for i in range(n)]


def test_a_member_alone_gets_the_lease(world: World) -> None:
    assert with_lease(world.input()).has_lease()


def test_nothing_is_read_before_it_is_told_where(world: World) -> None:
    world.send(numbered(3))
    assert with_lease(world.input()).poll(0.2) is None


def test_reading_starts_exactly_where_it_is_told(world: World) -> None:
    world.send(numbered(10), partition=0)
    world.send(numbered(10), partition=1)
    member = with_lease(world.input())
    member.start_reading({0: 3, 1: 8})
    assert sorted(coordinates(polled(member, 9))) == [*((0, n) for n in range(3, 10)), (1, 8), (1, 9)]


def test_a_batch_holds_values_coordinates_and_the_whole_records(world: World) -> None:
    world.send([b"zero", b"one"])
    member = with_lease(world.input())
    member.start_reading({0: 0})
    (batch,) = polled(member, 2)
    assert list(batch.values) == [b"zero", b"one"]
    assert batch.offsets.tolist() == [0, 1]
    second = batch.originals[1]
    assert isinstance(second, InputRecord)
    assert (second.topic, second.partition, second.offset, second.value) == (batch.topic, 0, 1, b"one")
    assert second.timestamp_ms == batch.timestamps_ms[1]
    assert (second.key, tuple(second.headers)) == (None, ())


def test_partitions_and_bounds_are_told(world: World) -> None:
    world.send(numbered(5), partition=1)
    member = with_lease(world.input())
    assert list(member.partitions()) == [0, 1]
    assert dict(member.bounds()) == {0: (0, 0), 1: (0, 5)}


def test_lag_tells_what_was_handed_out_and_where_the_log_ends(world: World) -> None:
    world.send(numbered(5))
    member = with_lease(world.input())
    member.start_reading({0: 2, 1: 0})
    assert dict(member.lag()) == {0: (2, 5), 1: (0, 0)}
    polled(member, 3)
    assert dict(member.lag()) == {0: (5, 5), 1: (0, 0)}


def test_a_start_behind_the_end_is_fatal(world: World) -> None:
    world.send(numbered(5))
    member = with_lease(world.input())
    with pytest.raises(Fatal, match=r"\[0\]: position 6 lies outside the log, which holds 0 to 5"):
        member.start_reading({0: 6})


def test_a_start_in_a_partition_that_is_not_there_is_fatal(world: World) -> None:
    member = with_lease(world.input())
    with pytest.raises(Fatal, match=r"\[7\]: position 0 lies outside the log, which holds nothing"):
        member.start_reading({0: 0, 7: 0})


def test_only_the_first_member_gets_the_lease(world: World) -> None:
    with_lease(world.input("a"))
    second = world.input("b")  # a client joins as soon as it is made, so of two it may be either
    second.poll(0.5)
    assert not second.has_lease()
    with pytest.raises(Retryable, match="lease"):
        second.start_reading({0: 0})


def test_reading_can_start_again_elsewhere(world: World) -> None:
    world.send(numbered(5))
    member = with_lease(world.input())
    member.start_reading({0: 0})
    polled(member, 5)
    member.start_reading({0: 2})
    assert coordinates(polled(member, 3)) == [(0, 2), (0, 3), (0, 4)]


def test_another_partition_can_be_added_later(world: World) -> None:
    world.send(numbered(2), partition=0)
    world.send(numbered(2), partition=1)
    member = with_lease(world.input())
    member.start_reading({0: 0})
    polled(member, 2)
    member.start_reading({1: 0})
    assert coordinates(polled(member, 2)) == [(1, 0), (1, 1)]


def test_a_closed_member_hands_over_the_lease(world: World) -> None:
    first, second = with_lease(world.input("a")), world.input("b")
    second.poll(0.2)
    first.close()
    assert with_lease(second).has_lease()
