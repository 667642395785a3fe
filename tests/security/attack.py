"""Clients that mean no good: some send a byte now and then, some never read, some come and go with garbage."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from types import TracebackType

N_SLOW = 60
N_DEAF = 10
PAUSE_S = 0.05


class Attack:
    """On the port of this machine, for a `with` block."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self._threads = [threading.Thread(target=way, daemon=True) for way in (self._slow, self._deaf, self._garbage)]
        self.n_connections = 0

    def __enter__(self) -> Attack:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _slow(self) -> None:
        """More than there are places, each always about to go on."""
        self._hold(N_SLOW, b"GET /metrics HTTP/1.1\r\nX-Filler: ")

    def _deaf(self) -> None:
        self._hold(N_DEAF, b"GET /metrics HTTP/1.1\r\n\r\n")

    def _hold(self, n: int, first: bytes) -> None:
        held: list[socket.socket] = []
        while not self._over.wait(PAUSE_S):
            for client in list(held):
                try:
                    client.sendall(b"X")
                except OSError:
                    held.remove(client)
                    client.close()
            made = [self._connected(first) for _ in range(n - len(held))]
            held += [client for client in made if client is not None]
        for client in held:
            client.close()

    def _garbage(self) -> None:
        while not self._over.wait(PAUSE_S / 10):
            client = self._connected(os.urandom(2_000) + b"\r\n\r\n")
            if client is not None:
                client.close()

    def _connected(self, first: bytes) -> socket.socket | None:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        client.settimeout(1)
        try:
            client.connect(("127.0.0.1", self._port))
            with suppress(OSError):
                client.sendall(first)
        except OSError:
            client.close()
            return None
        self.n_connections += 1
        return client
