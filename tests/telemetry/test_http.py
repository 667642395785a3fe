from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from consumer.errors import Fatal
from consumer.settings import TelemetrySettings
from consumer.status.board import Board
from consumer.telemetry.health import Health
from consumer.telemetry.http import TelemetryServer
from consumer.telemetry.prometheus import PrometheusTelemetry
from tests.telemetry.scrape import ManualClock, samples

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass
class Answer:
    status: int
    content_type: str
    body: str


def ask(server: TelemetryServer, path: str, method: str = "GET", accept: str = "*/*") -> Answer:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request(method, path, headers={"Accept": accept})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers.get("Content-Type", ""), answer.read().decode())


def openmetrics(body: str) -> Iterator[Metric]:
    yield from text_string_to_metric_families(body)  # type: ignore[no-untyped-call] # prometheus_client's parser


def raw(server: TelemetryServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def test_a_scrape_shows_what_was_reported(server: TelemetryServer, telemetry: PrometheusTelemetry) -> None:
    telemetry.outcomes({"admitted": 3})
    assert samples(ask(server, "/metrics").body)['freshrank_events_total{outcome="admitted"}'] == 3


def test_a_plain_scrape_gets_the_text_format(server: TelemetryServer) -> None:
    assert ask(server, "/metrics").content_type.startswith("text/plain; version=0.0.4")


def test_a_scrape_may_ask_for_openmetrics(server: TelemetryServer) -> None:
    answer = ask(server, "/metrics", accept=OPENMETRICS)
    families: dict[str, Metric] = {family.name: family for family in openmetrics(answer.body)}
    assert answer.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert (families["freshrank_events"].type, families["freshrank_build"].type) == ("counter", "info")


@pytest.mark.parametrize("accept", ["application/openmetrics-text; version=new", "text/plain;version=x.y", ";;,,"])
def test_an_accept_header_that_makes_no_sense_gets_the_text_format(server: TelemetryServer, accept: str) -> None:
    answer = ask(server, "/metrics", accept=accept)
    assert (answer.status, answer.content_type.partition(";")[0]) == (200, "text/plain")


def test_a_query_does_not_change_the_page(server: TelemetryServer) -> None:
    assert ask(server, "/metrics?from=prometheus").status == 200


def test_healthy_while_the_loop_moves(server: TelemetryServer, telemetry: PrometheusTelemetry) -> None:
    telemetry.loop_moved(0.0)
    answer = ask(server, "/healthz")
    assert (answer.status, json.loads(answer.body)["status"]) == (200, "ok")


def test_unhealthy_says_since_when_the_loop_stands_still(
    server: TelemetryServer, telemetry: PrometheusTelemetry, clock: ManualClock
) -> None:
    telemetry.loop_moved(0.0)
    clock.advance(31)
    answer = ask(server, "/healthz")
    assert answer.status == 503
    assert json.loads(answer.body) == {
        "status": "the loop stands still",
        "loop_moved_at": "2027-01-15T08:00:00.000Z",
        "silent_seconds": 31.0,
    }


def test_ready_only_while_recovered_and_assigned(server: TelemetryServer, telemetry: PrometheusTelemetry) -> None:
    statuses = [ask(server, "/readyz").status]
    for is_ready in (True, False):
        telemetry.ready(is_ready)
        statuses.append(ask(server, "/readyz").status)
    assert statuses == [503, 200, 503]


def test_started_once_the_loop_moves_though_it_only_stands_by(
    server: TelemetryServer, telemetry: PrometheusTelemetry, clock: ManualClock
) -> None:
    statuses = [ask(server, "/startupz").status]
    telemetry.loop_moved(0.0)
    statuses.append(ask(server, "/startupz").status)
    clock.advance(31)
    statuses.append(ask(server, "/startupz").status)
    assert statuses == [503, 200, 503]


@pytest.mark.parametrize("path", ["/nowhere", "/metrics/", "/page/page.js", "/../etc/passwd", "/healthz%00"])
def test_any_other_path_is_not_found(server: TelemetryServer, path: str) -> None:
    assert ask(server, path).status == 404


def test_head_gets_the_headers_alone(server: TelemetryServer) -> None:
    answer = ask(server, "/metrics", method="HEAD")
    assert (answer.status, answer.body) == (200, "")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_nothing_but_get_and_head_is_allowed(server: TelemetryServer, method: str) -> None:
    assert ask(server, "/metrics", method=method).status == 405


def test_a_request_that_is_not_http_is_refused_in_plain_text(server: TelemetryServer) -> None:
    with raw(server) as client:
        client.sendall(b"HELO mail.example.org and more\r\n\r\n")
        assert b"400" in client.recv(4096)


def test_requests_are_not_logged(server: TelemetryServer, capfd: pytest.CaptureFixture[str]) -> None:
    ask(server, "/metrics")
    ask(server, "/nowhere")
    assert capfd.readouterr() == ("", "")


def test_a_port_in_use_is_fatal_and_says_where_and_which_setting(
    server: TelemetryServer, telemetry: PrometheusTelemetry, health: Health, board: Board
) -> None:
    with pytest.raises(Fatal) as refused:
        TelemetryServer(TelemetrySettings(port=server.port), telemetry.registry, health, board)
    message = str(refused.value)
    assert f"127.0.0.1:{server.port}" in message
    assert "already listens there" in message
    assert "telemetry.port" in message


def test_an_address_of_another_machine_is_fatal(telemetry: PrometheusTelemetry, health: Health, board: Board) -> None:
    with pytest.raises(Fatal, match=r"cannot listen on 192\.0\.2\.1:0: cannot assign requested address"):
        TelemetryServer(TelemetrySettings(host="192.0.2.1", port=0), telemetry.registry, health, board)


def test_stopping_frees_the_port(telemetry: PrometheusTelemetry, health: Health, board: Board) -> None:
    first = TelemetryServer(TelemetrySettings(port=0), telemetry.registry, health, board)
    first.stop()
    second = TelemetryServer(TelemetrySettings(port=first.port), telemetry.registry, health, board)
    second.stop()
    assert second.port == first.port


def test_stopping_twice_is_no_error(server: TelemetryServer) -> None:
    server.stop()
    server.stop()


def test_the_url_is_where_it_serves(server: TelemetryServer) -> None:
    assert server.url == f"http://127.0.0.1:{server.port}"
