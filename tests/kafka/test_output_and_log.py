"""What every TransactionalOutput and OutputLog must do: one suite for the fake and the real broker."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from consumer.errors import Fatal, Fenced
from consumer.messages import OutputRecord, StoredRecord
from consumer.ports import TransactionalOutput
from tests.kafka.worlds import N_PARTITIONS, World


def rows(world: World, *keys: str, value: bytes | None = b"v") -> list[OutputRecord]:
    return [OutputRecord(world.rows, key.encode(), value) for key in keys]


def opened(world: World) -> TransactionalOutput:
    output = world.output()
    output.open()
    return output


def publish(output: TransactionalOutput, records: Sequence[OutputRecord]) -> dict[int, int]:
    """Positions behind the last row of each partition."""
    output.begin()
    output.write(records)
    ends = output.flush()
    output.commit()
    return {partition: end for positions in ends.values() for partition, end in positions.items()}


def settled(world: World) -> None:
    """From here on every commit so far is visible: opening waits for the markers of the transactions before."""
    world.output().open()


def read(world: World, start: dict[int, int] | None = None) -> list[StoredRecord]:
    return list(world.log().read(world.rows, start or {}))


def keys(records: Sequence[StoredRecord]) -> set[bytes | None]:
    return {record.key for record in records}


MANY = [f"item-{i}" for i in range(40)]


def test_committed_rows_are_read_back_as_they_were_written(world: World) -> None:
    publish(opened(world), [OutputRecord(world.rows, b"k", b"v", (("h", b"1"), ("h", None)))])
    settled(world)
    (record,) = read(world)
    assert (record.topic, record.key, record.value) == (world.rows, b"k", b"v")
    assert tuple(record.headers) == (("h", b"1"), ("h", None))


def test_a_tombstone_is_read_back_as_none(world: World) -> None:
    publish(opened(world), rows(world, "k", value=None))
    settled(world)
    assert [record.value for record in read(world)] == [None]


def test_a_dead_letter_without_a_key_can_be_written(world: World) -> None:
    publish(opened(world), [OutputRecord(world.dead_letters, None, b"v")])
    settled(world)
    assert [record.key for record in world.log().read(world.dead_letters, {})] == [None]


def test_rows_of_an_open_transaction_are_not_read(world: World) -> None:
    output = opened(world)
    output.begin()
    output.write(rows(world, *MANY))
    output.flush()
    assert read(world) == []


def test_aborted_rows_are_never_read(world: World) -> None:
    output = opened(world)
    output.begin()
    output.write(rows(world, "aborted"))
    output.flush()
    output.abort()
    publish(output, rows(world, "kept"))
    settled(world)
    assert keys(read(world)) == {b"kept"}


def test_rows_left_open_vanish_when_the_next_writer_opens(world: World) -> None:
    older = opened(world)
    older.begin()
    older.write(rows(world, "left open"))
    older.flush()
    publish(opened(world), rows(world, "kept"))
    settled(world)
    assert keys(read(world)) == {b"kept"}


def test_flush_tells_where_each_partition_ends(world: World) -> None:
    ends = publish(opened(world), rows(world, *MANY))
    settled(world)
    last = {record.partition: record.offset + 1 for record in read(world)}
    assert ends == last
    assert set(ends) == {0, 1}


def test_reading_from_where_a_version_ended_gives_what_came_after(world: World) -> None:
    output = opened(world)
    ends = publish(output, rows(world, *MANY))
    publish(output, rows(world, "later"))
    settled(world)
    assert keys(read(world, ends)) == {b"later"}


def test_reading_from_the_end_gives_nothing(world: World) -> None:
    ends = publish(opened(world), rows(world, *MANY))
    settled(world)
    assert read(world, ends) == []


def test_a_start_of_another_log_of_this_name_reads_everything(world: World) -> None:
    publish(opened(world), rows(world, "k"))
    settled(world)
    assert keys(read(world, {0: 1_000_000, 1: 1_000_000})) == {b"k"}


def test_a_read_ends_where_the_log_ended_when_it_was_asked_for(world: World) -> None:
    output = opened(world)
    publish(output, rows(world, *MANY))
    settled(world)
    begun = world.log().read(world.rows, {})
    publish(opened(world), rows(world, "later"))
    settled(world)
    assert keys(list(begun)) == {key.encode() for key in MANY}


def test_two_reads_at_once_do_not_disturb_each_other(world: World) -> None:
    publish(opened(world), rows(world, *MANY))
    settled(world)
    log = world.log()
    one, other = log.read(world.rows, {}), log.read(world.rows, {})
    pairs = list(zip(one, other, strict=True))
    assert keys([record for record, _ in pairs]) == keys([record for _, record in pairs])


def test_records_of_one_key_share_a_partition(world: World) -> None:
    output = opened(world)
    publish(output, rows(world, *MANY))
    publish(output, rows(world, *MANY))
    settled(world)
    assert len({(record.key, record.partition) for record in read(world)}) == len(MANY)


def test_a_newer_writer_fences_the_older_one(world: World) -> None:
    older = opened(world)
    publish(older, rows(world, "k"))
    opened(world)
    with pytest.raises(Fenced):
        publish(older, rows(world, "stale"))
    settled(world)
    assert keys(read(world)) == {b"k"}


def test_a_writer_fenced_inside_its_transaction_cannot_commit(world: World) -> None:
    older = opened(world)
    older.begin()
    older.write(rows(world, "stale"))
    older.flush()
    opened(world)
    with pytest.raises(Fenced):
        older.commit()
    older.abort()


def test_a_fenced_writer_that_opens_again_may_write(world: World) -> None:
    output = opened(world)
    opened(world)
    with pytest.raises(Fenced):
        publish(output, rows(world, "stale"))
    output.open()
    publish(output, rows(world, "fresh"))
    settled(world)
    assert keys(read(world)) == {b"fresh"}


def test_an_empty_transaction_can_be_committed(world: World) -> None:
    output = opened(world)
    assert publish(output, []) == {}
    output.abort()  # none is open: nothing to do


def test_reading_a_topic_that_does_not_exist_is_fatal(world: World) -> None:
    with pytest.raises(Fatal, match="nowhere"):
        world.log().partitions("nowhere")


def test_the_log_knows_the_partitions_of_a_topic(world: World) -> None:
    assert list(world.log().partitions(world.rows)) == [0, 1]


def test_a_record_goes_to_the_partition_it_names(world: World) -> None:
    records = [OutputRecord(world.rows, b"k", b"v", partition=p) for p in range(N_PARTITIONS)]
    publish(opened(world), records)
    settled(world)
    assert sorted(record.partition for record in read(world)) == list(range(N_PARTITIONS))
