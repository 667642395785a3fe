"""Clients that are slow, broken or hostile: each costs a bounded amount, and nobody else anything."""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import Gauge

from consumer.settings import TelemetrySettings
from consumer.status.board import Board
from consumer.telemetry.connections import Connections
from consumer.telemetry.health import Health
from consumer.telemetry.http import HttpLimits, TelemetryServer
from consumer.telemetry.prometheus import PrometheusTelemetry
from tests.end_to_end.waiting import until
from tests.telemetry.test_http import ask, raw

Serving = Callable[[HttpLimits], TelemetryServer]
PATIENT_S = 3_600.0
FEW = HttpLimits(request_s=PATIENT_S, answer_s=PATIENT_S, connections=4)
SLOW = b"GET /metrics HTTP/1.1\r\nHost: "


@pytest.fixture
def serving(telemetry: PrometheusTelemetry, health: Health, board: Board) -> Iterator[Serving]:
    with ExitStack() as running:

        def serve(limits: HttpLimits) -> TelemetryServer:
            server = TelemetryServer(TelemetrySettings(port=0), telemetry.registry, health, board, limits)
            running.callback(server.stop)
            return server

        yield serve


def threads() -> int:
    """That serve a client each."""
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def n_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def answer_to(server: TelemetryServer, *parts: bytes) -> bytes:
    """All that comes back until the server hangs up; empty where it did so without a word."""
    with raw(server) as client, suppress(ConnectionError):
        for part in parts:
            client.sendall(part)
        with suppress(OSError):
            client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65_536), b""))
    return b""


def is_dropped(client: socket.socket) -> bool:
    """Waits for it as long as the socket's timeout allows."""
    try:
        return client.recv(1) == b""
    except ConnectionError:
        return True


def test_a_slow_client_does_not_block_others(server: TelemetryServer) -> None:
    with raw(server) as slow:
        slow.sendall(SLOW)
        assert ask(server, "/readyz").status == 503


def test_a_client_that_sends_nothing_is_dropped(serving: Serving) -> None:
    with raw(serving(HttpLimits(request_s=0.2))) as silent:
        assert is_dropped(silent)


def test_a_client_that_sends_a_byte_now_and_then_is_dropped_too(serving: Serving) -> None:
    with raw(serving(HttpLimits(request_s=0.2))) as slow:
        slow.settimeout(0.05)  # a byte this often, well within the limit for a request that goes on
        for _ in range(100):
            try:
                slow.sendall(b"G")
                assert slow.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                pass
            return
    pytest.fail("still connected after 100 bytes")


def test_a_client_that_does_not_read_its_answer_is_dropped(serving: Serving, telemetry: PrometheusTelemetry) -> None:
    large = Gauge("large", "More than the sockets between two processes hold", ["name"], registry=telemetry.registry)
    for i in range(20_000):
        large.labels(f"{i:0300}")
    server = serving(HttpLimits(answer_s=0.2))
    with socket.socket() as unwilling:
        unwilling.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        unwilling.connect(("127.0.0.1", server.port))
        unwilling.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        until(lambda: threads() == 1, "it is served")
        until(lambda: threads() == 0, "nobody serves it any more")


def test_who_waits_for_longest_makes_room(serving: Serving) -> None:
    server = serving(FEW)
    with ExitStack() as holding:
        held = [holding.enter_context(raw(server)) for _ in range(FEW.connections)]
        for client in held:
            client.sendall(SLOW)
        assert ask(server, "/nowhere").status == 404
        assert is_dropped(held[0])
        for client in held[1:]:
            client.sendall(b"me\r\n\r\n")
            assert client.recv(4_096).startswith(b"HTTP/1.0 200 ")


def test_who_has_asked_makes_room_only_where_all_have() -> None:
    connections = Connections(2)
    with ExitStack() as open_:

        def pair() -> tuple[socket.socket, socket.socket]:
            near, far = (open_.enter_context(end) for end in socket.socketpair())
            far.settimeout(10)
            return near, far

        (first, first_far), (second, second_far), (third, _) = pair(), pair(), pair()
        for one in (first, second):
            assert connections.admit(one)
        connections.has_asked(first)
        newcomer = threading.Thread(target=connections.admit, args=[third])
        newcomer.start()
        assert second_far.recv(1) == b""
        connections.forget(second)
        newcomer.join()
        connections.has_asked(third)
        assert not connections.admit(second), "nobody ended in time to make room"
        assert first_far.recv(1) == b""


def test_probes_are_answered_while_others_hold_more_connections_than_there_are(server: TelemetryServer) -> None:
    with ExitStack() as holding:
        for _ in range(10):
            for _ in range(HttpLimits().connections):
                holding.enter_context(raw(server)).sendall(SLOW)
            assert [ask(server, path).status for path in ("/healthz", "/readyz", "/startupz")] == [200, 503, 503]
        assert threads() <= HttpLimits().connections


def test_a_thousand_connections_at_once_leave_nothing_behind(server: TelemetryServer) -> None:
    until(lambda: threads() == 0, "nobody is connected")
    before = n_descriptors()
    with ExitStack() as holding:
        for i in range(1_000):
            client = raw(server)
            if i % 2:
                holding.callback(client.close)
            else:
                client.close()
        assert threads() <= HttpLimits().connections
        assert ask(server, "/healthz").status == 200
    until(lambda: threads() == 0, "nobody is connected")
    assert n_descriptors() <= before


def test_a_client_that_goes_on_sending_takes_no_memory(server: TelemetryServer) -> None:
    """A body is never read, nor what comes behind the limit of a request."""
    before = resident_bytes()
    for head in (b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"GET /", b"GET / HTTP/1.1\r\nX: "):
        with raw(server) as endless, suppress(ConnectionError):
            endless.sendall(head)
            for _ in range(1_000):
                endless.sendall(b"x" * 65_536)
    assert resident_bytes() - before < 32 << 20


def resident_bytes() -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) << 10


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\n" + b"X-Filler: 0123456789\r\n" * 1_000, 431),
        (b"GET /metrics HTTP/1.1\r\nX-Filler: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n", 431),
        (b"x" * 100_000, 431),
        (b"\r\n", 0),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # the beginning of a TLS handshake
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n", 200),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\nContent-Length: x\r\n\r\n", 200),
        (b"GET\x00/ HTTP/1.1\r\n\r\n", 400),
        (b"GET http://elsewhere.example/metrics HTTP/1.1\r\n\r\n", 404),
        (b"CONNECT elsewhere.example:443 HTTP/1.1\r\n\r\n", 405),
        (b"get /metrics HTTP/1.1\r\n\r\n", 405),
    ],
)
def test_an_odd_request_gets_a_short_answer(serving: Serving, request_: bytes, status: int) -> None:
    """Only as much is sent as is read, or else the client may not see the answer; 0 stands for none."""
    limits = HttpLimits()
    answer = answer_to(serving(limits), request_[: limits.request_bytes])
    assert answer.startswith(f"HTTP/1.0 {status} ".encode()) if status else answer == b""


def test_of_several_requests_sent_at_once_the_first_is_answered(server: TelemetryServer) -> None:
    answer = answer_to(server, b"GET /nowhere HTTP/1.1\r\n\r\n" * 50 + b"POST /metrics HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 404 ")
    assert answer.count(b"HTTP/1.0") == 1


@pytest.mark.parametrize(
    "path",
    [
        "/../../../etc/passwd", "/page/../../http.py", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd",
        "//etc/passwd", "/page.css/../../pages.py", "/page.css%00.html", "/\\..\\..\\etc\\passwd", "/page/", "file:///etc/passwd",
        "/page.js\xff", "*",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_pages(server: TelemetryServer, path: str) -> None:
    answer = answer_to(server, f"GET {path} HTTP/1.1\r\n\r\n".encode("latin-1"))
    assert answer.startswith(b"HTTP/1.0 404 ")


METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"get", b"", b"G\x00T", b"\xff"])
LINES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"Accept: a/b;q=x", b"Accept: \xff", b": ", b" folded", b"Expect: 100-continue"]),
)
REQUESTS = st.one_of(
    st.binary(max_size=3_000),
    st.builds(
        lambda method, path, version, lines: b"\r\n".join([b" ".join([method, path, version]), *lines, b"", b""]),
        METHODS,
        st.one_of(st.binary(max_size=100), st.sampled_from([b"/", b"/metrics", b"/status.json", b"/healthz"])),
        st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/9.9", b"HTTP/x", b"", b"\xff"]),
        st.lists(LINES, max_size=5),
    ),
)  # fmt: skip


def test_whatever_is_sent_it_answers_or_hangs_up_and_goes_on(
    server: TelemetryServer, caplog: pytest.LogCaptureFixture
) -> None:
    @settings(max_examples=300, suppress_health_check=list(HealthCheck))
    @given(REQUESTS)
    def send(request: bytes) -> None:
        answer = answer_to(server, request)
        assert answer == b"" or re.match(rb"HTTP/1\.0 [2-5]\d\d ", answer)

    with caplog.at_level(logging.DEBUG):
        send()
    assert caplog.records == []
    assert ask(server, "/healthz").status == 200


def test_stopping_hangs_up_on_everybody(serving: Serving) -> None:
    server = serving(FEW)
    with raw(server) as slow, raw(server) as silent:
        slow.sendall(SLOW)
        until(lambda: threads() == 2, "both are served")
        server.stop()
        assert is_dropped(slow)
        assert is_dropped(silent)
        until(lambda: threads() == 0, "nobody is served")
        with pytest.raises(ConnectionRefusedError):
            raw(server)
