"""The worker's read-only HTTP server: `/metrics`, `/healthz`, `/readyz`, `/startupz`, `/status.json` and the page `/`.

It serves a scraper, a supervisor and the people of the house, not the internet: GET and HEAD only, one request a
connection, and everything that a client could use up is bounded (time, bytes, connections), so that a slow or broken
one costs the others nothing.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry

from consumer.errors import Fatal
from consumer.settings import TelemetrySettings
from consumer.status.board import Board
from consumer.telemetry.connections import Connections
from consumer.telemetry.health import Health
from consumer.telemetry.pages import Page, Site

_log = logging.getLogger(__name__)

SECURITY_HEADERS: Final = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""With every answer. Item ids are written by strangers: even if one became markup, nothing inline would run and
nothing could be sent anywhere."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one client may take."""

    request_s: float = 5.0
    """From the connection to the end of the request's headers."""
    answer_s: float = 5.0
    """For taking the whole answer."""
    request_bytes: int = 8192
    connections: int = 32
    """At once; a further one takes the place of the one that has kept the server waiting for longest."""


class TelemetryServer:
    """Serves from construction until `stop`, in daemon threads. `port` is the real one where the settings say 0.

    Raises Fatal where the address can't be listened on.
    """

    def __init__(
        self,
        settings: TelemetrySettings,
        registry: CollectorRegistry,
        health: Health,
        board: Board,
        limits: HttpLimits | None = None,
    ) -> None:
        self._server = _listen(settings, Site(registry, health, board, has_page=settings.page), limits or HttpLimits())
        self.host: str = settings.host
        self.port: int = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="telemetry-http", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def stop(self) -> None:
        """Stop listening, hang up on clients and free the port; may be called twice."""
        self._server.shutdown()
        self._server.server_close()
        self._server.connections.end()
        self._thread.join()


class _RequestTooLargeError(Exception):
    """More bytes than `HttpLimits.request_bytes`."""


class _BoundedInput(io.RawIOBase):
    """A socket's bytes until a deadline for all of them and up to a number of them.

    A timeout for each read alone would let a client that sends a byte now and then stay for ever.
    """

    def __init__(self, connection: socket.socket, limits: HttpLimits) -> None:
        self._connection = connection
        self._deadline_s = time.monotonic() + limits.request_s
        self._bytes_left = limits.request_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._bytes_left <= 0:
            raise _RequestTooLargeError
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        n_read = self._connection.recv_into(memoryview(buffer)[: self._bytes_left])
        self._bytes_left -= n_read
        return n_read


class _Request(BaseHTTPRequestHandler):
    """One connection: a request, an answer, closed (HTTP/1.0)."""

    server: _Server
    error_content_type = "text/plain"
    error_message_format = "%(code)d %(message)s\n"

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_BoundedInput(self.connection, self.server.limits))

    def handle(self) -> None:
        try:
            super().handle()
        except _RequestTooLargeError:
            self._refuse_size()
        except OSError:
            pass  # the client went away, which is its business

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        self.server.connections.has_asked(self.connection)
        self.connection.settimeout(self.server.limits.answer_s)  # sendall counts it for the answer as a whole
        if self.command in ("GET", "HEAD"):
            return True
        self._send(Page(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"only GET and HEAD\n"), (("Allow", "GET, HEAD"),))
        return False

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self._send(self.server.site.page(path, self.headers.get("Accept", "")))

    def do_HEAD(self) -> None:
        self.do_GET()

    def _send(self, page: Page, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(page.status)
        for name, value in (
            ("Content-Type", page.content_type),
            ("Content-Length", str(len(page.body))),
            ("Cache-Control", "no-store"),
            *headers,
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)

    def send_response_only(self, code: int, message: str | None = None) -> None:
        self.request_version = "HTTP/1.0"  # in answer to 0.9 there would be neither a status nor headers
        super().send_response_only(code, message)

    def end_headers(self) -> None:
        for name, value in SECURITY_HEADERS:
            self.send_header(name, value)
        super().end_headers()

    def _refuse_size(self) -> None:
        # by hand: nothing of the request is known yet that send_error would need
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.0 431 Request Header Fields Too Large\r\nContent-Length: 0\r\n\r\n")

    def version_string(self) -> str:
        return "freshrank"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a scrape every few seconds isn't news."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1_024  # where they are many at once, whoever finds it full is kept waiting for a second

    def __init__(self, family: socket.AddressFamily, address: tuple[str, int], site: Site, limits: HttpLimits) -> None:
        self.address_family = family
        self.site = site
        self.limits = limits
        self.connections = Connections(limits.connections)
        super().__init__(address, _Request)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's would ask the DNS for this host's name, which may hang
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return self.connections.admit(request)

    def shutdown_request(self, request: Any) -> None:
        self.connections.forget(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An error of ours, since those of clients are caught before; the others are served on."""
        _log.error("a telemetry request failed", exc_info=True)


def _listen(settings: TelemetrySettings, site: Site, limits: HttpLimits) -> _Server:
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        return _Server(family, (settings.host, settings.port), site, limits)
    except OSError as error:
        raise Fatal(
            f"telemetry: cannot listen on {settings.host}:{settings.port}: {_why(error)}; free it or set "
            "telemetry.host and telemetry.port (FRESHRANK__TELEMETRY__PORT; 0 takes any free port)"
        ) from error


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program, perhaps another worker on this machine, already listens there"
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return str(error)
