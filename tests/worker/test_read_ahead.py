"""Reading ahead: in order, bounded, and no error lost on the other thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from consumer.byte_column import ByteColumn
from consumer.errors import Retryable
from consumer.messages import EventBatch, RecordBatch
from consumer.read_ahead import ReadAhead
from tests.streams import Event, event_batch

WAIT_S = 10.0


def batch(offset: int) -> RecordBatch:
    return RecordBatch(
        "t", ByteColumn.of([b"{}"]), np.zeros(1, np.int32), np.array([offset]), np.zeros(1, np.int64), ()
    )


def decode(records: RecordBatch) -> EventBatch:
    return event_batch([Event("lamp", offset=int(records.offsets[0]))])


class Source:
    """Gives batches with offsets 0, 1, 2 …; raises where told to."""

    def __init__(self, n: int, fails_at: int | None = None) -> None:
        self.n_polled = 0
        self.kept_alive = threading.Event()
        self._offsets: Iterator[int] = iter(range(n))
        self._fails_at = fails_at

    def poll(self, timeout_s: float) -> RecordBatch | None:
        if self.n_polled == self._fails_at:
            self._fails_at = None
            raise Retryable("away for a moment")
        offset = next(self._offsets, None)
        if offset is None:
            return None
        self.n_polled += 1
        return batch(offset)

    def keep_alive(self) -> None:
        self.kept_alive.set()


def offsets_read(reader: ReadAhead, n: int) -> list[int]:
    found: list[int] = []
    while len(found) < n:
        decoded = reader.next(WAIT_S)
        assert decoded is not None
        assert decoded.records.offsets[0] == decoded.events.offsets[0]
        found.append(int(decoded.records.offsets[0]))
    return found


def test_batches_come_decoded_and_in_order() -> None:
    reader = ReadAhead(Source(50), decode, max_batches=3)
    assert offsets_read(reader, 50) == list(range(50))
    reader.close()


def test_no_more_is_read_than_there_is_room_for_and_the_membership_is_kept_meanwhile() -> None:
    source = Source(50)
    reader = ReadAhead(source, decode, max_batches=3)
    assert source.kept_alive.wait(WAIT_S)
    assert source.n_polled == 4  # three in the queue, one in the hand
    assert offsets_read(reader, 50) == list(range(50))
    reader.close()


def test_nothing_to_read_gives_none_after_the_timeout() -> None:
    reader = ReadAhead(Source(0), decode, max_batches=3)
    assert reader.next(0.01) is None
    reader.close()


def test_an_error_while_reading_is_raised_on_the_loop_and_reading_goes_on() -> None:
    reader = ReadAhead(Source(10, fails_at=4), decode, max_batches=3)
    assert offsets_read(reader, 4) == [0, 1, 2, 3]
    with pytest.raises(Retryable, match="away for a moment"):
        reader.next(WAIT_S)
    assert offsets_read(reader, 6) == [4, 5, 6, 7, 8, 9]
    reader.close()


def test_closing_stops_the_thread_even_while_it_waits_for_room() -> None:
    source = Source(50)
    reader = ReadAhead(source, decode, max_batches=2)
    assert source.kept_alive.wait(WAIT_S)
    reader.close()
    assert not any(thread.name == "read-ahead" for thread in threading.enumerate())
