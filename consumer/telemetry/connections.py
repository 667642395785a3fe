"""Who is connected to the HTTP server, and who has to make room."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Final

MAKE_ROOM_S: Final = 1.0
"""For a connection that was hung up on to end."""


class Connections:
    """The open ones, up to a number of them.

    One more takes the place of the one that has been without a whole request for longest, else of the one that takes
    longest over its answer. So nobody keeps a probe out by holding connections open: whoever asks at once is answered.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._asked: dict[socket.socket, bool] = {}  # the oldest first
        self._changed = threading.Condition()

    def admit(self, connection: socket.socket) -> bool:
        """Whether there is a place for it. May take up to MAKE_ROOM_S."""
        with self._changed:
            if len(self._asked) >= self._most:
                _hang_up(self._next_to_go())
                self._changed.wait_for(lambda: len(self._asked) < self._most, MAKE_ROOM_S)
            if len(self._asked) >= self._most:
                return False
            self._asked[connection] = False
            return True

    def has_asked(self, connection: socket.socket) -> None:
        """Its request is whole."""
        with self._changed:
            self._asked[connection] = True

    def forget(self, connection: socket.socket) -> None:
        """Before it is closed: its number may be another's at once. It need not have been admitted."""
        with self._changed:
            self._asked.pop(connection, None)
            self._changed.notify_all()

    def end(self) -> None:
        """Hang up on all, and wait up to MAKE_ROOM_S until they have ended."""
        with self._changed:
            for connection in self._asked:
                _hang_up(connection)
            self._changed.wait_for(lambda: not self._asked, MAKE_ROOM_S)

    def _next_to_go(self) -> socket.socket:
        return min(self._asked, key=self._asked.__getitem__)  # the first of the least


def _hang_up(connection: socket.socket) -> None:
    """Whoever reads from it or writes to it is told at once."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
