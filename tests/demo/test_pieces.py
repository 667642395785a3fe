"""The demo's parts: the trend's milestones, the figures, how they look, the summary."""

from __future__ import annotations

import io
import time

import pytest
from prometheus_client.samples import Sample
from rich.console import Console

from consumer.demo.figures import Figures, Gauges
from consumer.demo.scenario import TREND_BEGINS, TREND_ITEM, Scenario
from consumer.demo.sending import Sending
from consumer.demo.summary import summary
from consumer.demo.trend_watch import TrendWatch
from consumer.demo.view import LiveView, PlainView, view_on
from consumer.kafka.mock_cluster import MockCluster
from consumer.telemetry.scraping import Scrape

SCENARIO = Scenario(seconds=10, events_per_s=200)
FIGURES = Figures(
    at_s=6.0,
    n_learned=1_200,
    learned_per_s=201.0,
    p50_s=0.25,
    p99_s=0.5,
    hit_ratio=0.6,
    popularity_hit_ratio=0.3,
    version=12,
    top=[(TREND_ITEM, 0.04), ("item-1", 0.02)],
)


def test_each_milestone_of_the_trend_is_news_once() -> None:
    watch = TrendWatch("lamp", top=2)
    assert watch.look(["a", "b"], False, 1.0) == []
    assert watch.look(["a", "b", "lamp"], True, 2.0) == ["has a published score"]
    assert watch.look(["a", "lamp"], True, 3.0) == ["is in the published top 2"]
    assert watch.look(["lamp", "a"], True, 4.0) == ["is in first place"]
    assert watch.look(["lamp", "a"], True, 5.0) == []
    assert (watch.published_s, watch.in_top_s, watch.first_s) == (2.0, 3.0, 4.0)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    gauges = Gauges()
    rates = [
        gauges.read(at_s, metrics(n), 1, []).learned_per_s
        for at_s, n in [(0.0, 0), (1.0, 100), (2.0, 200), (4.0, 1_200), (5.0, 2_200)]
    ]
    assert rates == [0, 100, 100, (1_200 - 100) / 3, (2_200 - 200) / 3]


def test_before_anything_is_known_figures_are_empty() -> None:
    figures = Gauges().read(0.0, Scrape([]), 0, [])
    assert (figures.n_learned, figures.p99_s, figures.hit_ratio) == (0, None, None)


def test_figures_come_from_the_workers_metrics() -> None:
    figures = Gauges().read(1.0, metrics(7), 3, [("a", 0.5)])
    assert (figures.n_learned, figures.hit_ratio, figures.popularity_hit_ratio) == (7, 0.5, 0.25)


def test_redirected_output_has_plain_lines_now_and_then() -> None:
    console = Console(file=io.StringIO(), soft_wrap=True)
    view = view_on(console, SCENARIO)
    assert isinstance(view, PlainView)
    with view.playing():
        view.show(FIGURES)
        view.show(FIGURES)
    assert text_of(console) == (
        "  6.0 s  201 events/s  published after 0.25 s (p50) 0.50 s (p99)  hit ratio 60.0 % (popularity 30.0 %)  "
        f"version 12  top {TREND_ITEM}\n"
    )


def test_a_terminal_shows_a_picture_with_the_trend_in_it() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=120)
    view = view_on(console, SCENARIO)
    assert isinstance(view, LiveView)
    with view.playing():
        view.tell("a trend begins")
        view.show(FIGURES)
    shown = text_of(console)
    for part in ("a trend begins", "freshrank demo: 6 of 10 s", "201 events/s", "p99 0.50 s", TREND_ITEM, "4.00 %"):
        assert part in shown


def test_the_summary_says_how_long_the_trend_took() -> None:
    watch = TrendWatch(TREND_ITEM, 10, published_s=100.5, in_top_s=102.0, first_s=107.25)
    told = summary(SCENARIO, FIGURES, watch, 100.0)
    assert "a published score 0.5 s after its first event, in the published top 10 after 2.0 s" in told
    assert "in first place after 7.2 s" in told
    assert "freshrank topics --create" in told


def test_the_summary_admits_a_trend_that_did_not_arrive() -> None:
    told = summary(SCENARIO, FIGURES, TrendWatch(TREND_ITEM, 10, published_s=100.5), 100.0)
    assert "not in the top 10 in this time" in told
    assert "was not published in this time" in summary(SCENARIO, FIGURES, TrendWatch(TREND_ITEM, 10), None)


def test_the_stream_is_sent_at_its_rate_and_the_trend_begins_in_it() -> None:
    scenario = Scenario(seconds=1, events_per_s=500)
    with MockCluster() as cluster:
        sending = Sending(cluster.bootstrap_servers, "events", scenario.plan(time.time_ns() // 1_000_000))
        assert sending.n_delivered() == 500
    assert sending.trend_began_s is not None
    assert sending.trend_began_s - sending.started_s == pytest.approx(TREND_BEGINS, abs=0.3)


def test_a_stream_that_was_stopped_is_over() -> None:
    with MockCluster() as cluster:
        sending = Sending(cluster.bootstrap_servers, "events", Scenario(600, 500).plan(1_800_000_000_000))
        sending.stop()
        assert sending.is_over
        assert sending.n_delivered() < 300_000


def metrics(n_learned: int) -> Scrape:
    return Scrape(
        [
            Sample("freshrank_events_total", {"outcome": "admitted"}, n_learned),
            Sample("freshrank_quality_hit_ratio", {"model": "ensemble"}, 0.5),
            Sample("freshrank_quality_hit_ratio", {"model": "popularity"}, 0.25),
        ]
    )


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
