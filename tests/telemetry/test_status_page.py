"""The status and its page over HTTP."""

from __future__ import annotations

import http.client
import json
import re
from contextlib import closing
from email.message import Message
from typing import Any

import pytest

from consumer.settings import TelemetrySettings
from consumer.status.board import Board
from consumer.status.document import Status
from consumer.telemetry.health import Health
from consumer.telemetry.http import TelemetryServer
from consumer.telemetry.prometheus import PrometheusTelemetry
from tests.page import states
from tests.page.serving import Stage
from tests.telemetry.scrape import ManualClock
from tests.telemetry.test_http import raw
from tests.telemetry.test_prometheus import report_everything

PATHS = ["/", "/page.css", "/page.js", "/icon.svg", "/status.json", "/metrics", "/healthz", "/readyz", "/nowhere"]
MEMBERS = {
    "now", "loop", "worker", "stage", "stage_since", "updated_at", "held", "is_stalled", "freshness", "throughput",
    "lag", "snapshot", "quality", "weights", "standings", "checkpoints", "state", "replay", "minutes", "hour",
}  # fmt: skip


def ask(server: TelemetryServer, path: str, method: str = "GET") -> tuple[int, Message, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def status_of(server: TelemetryServer) -> dict[str, Any]:
    _, _, body = ask(server, "/status.json")
    status: dict[str, Any] = json.loads(body)
    return status


def shown(status: Status) -> dict[str, Any]:
    """As the server tells it."""
    with closing(Stage(status)) as stage:
        return status_of(stage.server)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/status.json", "application/json"),
        ("/?from=bookmark", "text/html; charset=utf-8"),
    ],
)
def test_the_page_and_its_parts_are_served_with_their_types(
    server: TelemetryServer, path: str, content_type: str
) -> None:
    status, headers, body = ask(server, path)
    assert (status, headers["Content-Type"]) == (200, content_type)
    assert len(body) == int(headers["Content-Length"]) > 100


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_every_answer_forbids_foreign_content_and_guessing(server: TelemetryServer, path: str, method: str) -> None:
    _, headers, _ = ask(server, path, method)
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Access-Control-Allow-Origin"] is None
    assert headers["Cache-Control"] == "no-store"


def test_a_request_that_is_not_http_is_refused_with_them_too(server: TelemetryServer) -> None:
    with raw(server) as client:
        client.sendall(b"GET / HTTP/9.9\r\n\r\n")
        answer = client.recv(4096)
    assert b" 505 " in answer
    assert b"X-Content-Type-Options: nosniff" in answer


@pytest.mark.parametrize("path", ["/", "/page.js", "/status.json"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_the_page_can_only_be_read(server: TelemetryServer, path: str, method: str) -> None:
    status, headers, _ = ask(server, path, method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path", ["/page.py", "/../pages.py", "/page/../pages.py", "/index.html", "/page/page.js", "/%2e%2e/http.py"]
)
def test_no_other_file_is_served(server: TelemetryServer, path: str) -> None:
    assert ask(server, path)[0] == 404


def test_the_page_can_be_switched_off(telemetry: PrometheusTelemetry, health: Health, board: Board) -> None:
    settings = TelemetrySettings(port=0, page=False)
    server = TelemetryServer(settings, telemetry.registry, health, board)
    answers = {path: ask(server, path)[0] for path in ("/", "/page.js", "/status.json", "/metrics", "/healthz")}
    server.stop()
    assert answers == {"/": 404, "/page.js": 404, "/status.json": 404, "/metrics": 200, "/healthz": 200}


def test_the_page_has_nothing_inline(server: TelemetryServer) -> None:
    html = ask(server, "/")[2].decode()
    assert "style=" not in html
    assert re.findall(r"\son\w+=", html) == []
    assert html.count("<script") == html.count("<script src=") == 1
    assert "//" not in html


def test_the_status_of_a_live_worker_has_every_member() -> None:
    status = shown(states.live())
    assert set(status) == MEMBERS
    assert status["stage"] == "live"
    assert status["now"] == states.at(0)
    assert status["loop"] == {"is_alive": True, "is_ready": True, "silent_s": 0.0}
    assert status["standings"]["top"][0] == {"item": "linen-shirt-042", "score": 0.0312}
    assert status["lag"]["partitions"][1] == {"partition": 1, "position": 3_575_031, "end": 3_575_084, "lag": 53}
    assert status["freshness"]["to_publish"] == {"p50_s": 0.31, "p95_s": 0.58, "p99_s": 0.71}
    assert status["held"] is None
    assert len(status["hour"]["values"]["ensemble"]) == 60


def test_hostile_ids_survive_as_text() -> None:
    status = shown(states.hostile())
    assert [top["item"] for top in status["standings"]["top"]] == list(states.HOSTILE_ITEMS)


def test_a_worker_that_has_only_begun_says_so(server: TelemetryServer) -> None:
    status = status_of(server)
    assert status["stage"] == "starting"
    assert status["worker"]["model"] == "shop"
    assert [name for name in MEMBERS if status[name] is None] != []


def test_time_passes_between_two_reports(server: TelemetryServer, clock: ManualClock) -> None:
    before = status_of(server)
    clock.advance(40)
    after = status_of(server)
    assert before["updated_at"] == after["updated_at"]
    assert (after["now"], after["loop"]["silent_s"]) == ("2027-01-15T08:00:40.000Z", 40.0)


def test_before_anything_was_told_there_are_no_figures(telemetry: PrometheusTelemetry) -> None:
    figures = telemetry.figures()
    assert (figures.n_learned, figures.published_at_s, figures.replay) == (0, None, None)
    assert figures.to_publish.quantiles() is None


def test_figures_are_those_of_the_metrics(telemetry: PrometheusTelemetry) -> None:
    report_everything(telemetry)
    telemetry.publish_stalled(True)
    figures = telemetry.figures()
    assert (figures.n_learned, figures.lag_s, figures.rows_waiting) == (90, 0.3, 5)
    assert (figures.outcomes["admitted"], figures.outcomes["duplicate"]) == (90, 0)
    assert (figures.published_at_s, figures.publish_failures, figures.is_stalled) == (1_800_000_000.0, 1, True)
    assert (figures.muted, figures.longer_steps) == (("item_to_item",), ("next",))
    assert (figures.drift_alarms, figures.state_rows, figures.state_bytes) == (
        {"score": 0, "next": 2},
        {"items": 55},
        1 << 20,
    )
    assert figures.to_update.quantile(0.5) == pytest.approx(0.15)
    assert figures.to_publish.quantile(0.5) == pytest.approx(0.4)
    assert figures.replay is not None
    assert (figures.replay.share, figures.replay.event_time) == (0.25, "2026-01-01T00:00:00.000Z")
