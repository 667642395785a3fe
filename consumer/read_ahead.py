"""Fetches and decodes ahead of the learning loop, on one thread, bounded by a number of batches."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Protocol

from consumer.messages import Decoded, EventBatch, RecordBatch

ROOM_WAIT_S = 0.2
SWITCH_INTERVAL_S = 0.0005
"""Of the interpreter between threads: the loop needs it between two kernels only, for microseconds, and must not wait
long for the reader."""


class PolledInput(Protocol):
    """What the thread needs of the input."""

    def poll(self, timeout_s: float) -> RecordBatch | None: ...

    def keep_alive(self) -> None:
        """Called now and then while there is no room for records: stay a member of the group."""
        ...


class Reader(Protocol):
    def next(self, timeout_s: float) -> Decoded | None:
        """The next batch in order, None after the timeout. Raises what polling or decoding raised."""
        ...

    def close(self) -> None: ...


class InlineReader:
    """Polls and decodes when asked; for tests of exact order."""

    def __init__(self, source: PolledInput, decode: Callable[[RecordBatch], EventBatch]) -> None:
        self._source = source
        self._decode = decode

    def next(self, timeout_s: float) -> Decoded | None:
        records = self._source.poll(timeout_s)
        return None if records is None or len(records) == 0 else Decoded(records, self._decode(records))

    def close(self) -> None:
        return


class FetchAhead:
    """A `Reader` whose thread works while the loop learns or waits for a transaction.

    It pays because kernels and librdkafka release the interpreter's lock. `fetch` gives the next batch, None where
    nothing came for a moment; what it raises is raised by `next`, behind the batches before. `keep_alive` is called now
    and then while there is no room.
    """

    def __init__(
        self, fetch: Callable[[], Decoded | None], max_batches: int, keep_alive: Callable[[], None] = lambda: None
    ) -> None:
        self._fetch = fetch
        self._keep_alive = keep_alive
        self._ready: queue.Queue[Decoded | BaseException] = queue.Queue(max_batches)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)
        self._thread.start()

    def next(self, timeout_s: float) -> Decoded | None:
        try:
            found = self._ready.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self) -> None:
        """Stop and drop what was read ahead."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                found = self._fetch()
                if found is not None:
                    self._put(found)
            except Exception as error:  # noqa: BLE001 - raised again by `next`, on the loop's thread
                self._put(error)

    def _put(self, found: Decoded | Exception) -> None:
        while not self._closing.is_set():
            try:
                self._ready.put(found, timeout=ROOM_WAIT_S)
            except queue.Full:
                self._keep_alive()
            else:
                return


class ReadAhead(FetchAhead):
    """Polls the input and decodes, ahead of the loop."""

    def __init__(self, source: PolledInput, decode: Callable[[RecordBatch], EventBatch], max_batches: int) -> None:
        def fetch() -> Decoded | None:
            records = source.poll(ROOM_WAIT_S)
            return None if records is None or len(records) == 0 else Decoded(records, decode(records))

        super().__init__(fetch, max_batches, source.keep_alive)
