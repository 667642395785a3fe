"""A worker's metrics, read back over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from consumer.clock import SystemClock
from consumer.errors import Retryable
from consumer.settings import TelemetrySettings
from consumer.status.board import Board
from consumer.telemetry.health import Health
from consumer.telemetry.http import TelemetryServer
from consumer.telemetry.prometheus import PrometheusTelemetry
from consumer.telemetry.scraping import scrape


@pytest.fixture
def telemetry() -> PrometheusTelemetry:
    clock = SystemClock()
    return PrometheusTelemetry(clock, Health(clock), codec="json")


@pytest.fixture
def url(telemetry: PrometheusTelemetry, board: Board) -> Iterator[str]:
    server = TelemetryServer(TelemetrySettings(port=0), telemetry.registry, telemetry.health, board)
    yield server.url
    server.stop()


def test_values_are_those_that_were_told(telemetry: PrometheusTelemetry, url: str) -> None:
    telemetry.outcomes({"admitted": 7, "late": 2})
    seen = scrape(url)
    assert seen.value("freshrank_events_total", outcome="admitted") == 7
    assert seen.value("freshrank_events_total") == 9


def test_a_metric_without_a_value_is_none(url: str) -> None:
    assert scrape(url).value("freshrank_snapshot_version") is None


def test_a_quantile_lies_inside_its_bucket(telemetry: PrometheusTelemetry, url: str) -> None:
    telemetry.events_published([0.15] * 90 + [0.6] * 10, is_live=True)
    seen = scrape(url)
    median = seen.quantile("freshrank_event_to_publish_seconds", 0.5, phase="live")
    p99 = seen.quantile("freshrank_event_to_publish_seconds", 0.99, phase="live")
    assert median is not None
    assert p99 is not None
    assert 0.1 < median <= 0.2
    assert 0.5 < p99 <= 0.75


def test_a_quantile_beyond_the_last_bound_is_that_bound(telemetry: PrometheusTelemetry, url: str) -> None:
    telemetry.events_published([1_000.0], is_live=True)
    assert scrape(url).quantile("freshrank_event_to_publish_seconds", 0.5, phase="live") == 60.0


def test_an_empty_histogram_has_no_quantile(url: str) -> None:
    assert scrape(url).quantile("freshrank_event_to_publish_seconds", 0.5, phase="live") is None


def test_a_worker_that_is_gone_is_said_by_its_address() -> None:
    with pytest.raises(Retryable, match=r"no metrics from http://127\.0\.0\.1:1"):
        scrape("http://127.0.0.1:1")
