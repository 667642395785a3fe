"""One client, several threads, one at a time, in the order in which they came.

A Consumer must not be called while another of its calls waits on a different thread: confluent-kafka then blocks with
the interpreter locked, for ever. A plain lock isn't enough either, as a thread that polls in a loop would take it again
before anybody else could.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock that is handed over to whoever waits."""

    def __init__(self) -> None:
        self._next = threading.Lock()
        self._current = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for those who came first. Not reentrant."""
        with self._next:
            self._current.acquire()
        try:
            yield
        finally:
            self._current.release()
