"""Plays the demo from start to end, and stops everything it started."""

from __future__ import annotations

import io
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console

from consumer.demo.figures import Figures, Gauges
from consumer.demo.scenario import TOP, TREND_ITEM, TREND_SHARE, Scenario, settings_for
from consumer.demo.sending import Sending
from consumer.demo.summary import summary
from consumer.demo.trend_watch import TrendWatch
from consumer.demo.view import View, view_on
from consumer.demo.working import Working
from consumer.errors import Fatal
from consumer.kafka.mock_cluster import MockCluster
from consumer.kafka.snapshot_reader import KafkaSnapshotReader
from consumer.settings import Settings
from consumer.telemetry import logs
from consumer.warm_up import compile_kernels

LOOK_EVERY_S: Final = 0.05
DRAW_EVERY_S: Final = 0.25
READY_TIMEOUT_S: Final = 60.0
LAST_EVENTS_TIMEOUT_S: Final = 20.0
LOG_LINES_SHOWN: Final = 15


def play(console: Console, scenario: Scenario) -> None:
    """Raises Fatal where something did not work, with the worker's last log lines on the console before."""
    view = view_on(console, scenario)
    log = io.StringIO()
    logs.configure("info", "text", log)
    try:
        with tempfile.TemporaryDirectory(prefix="freshrank-demo-") as folder, MockCluster() as cluster:
            _Play(view, scenario, settings_for(cluster.bootstrap_servers, Path(folder))).run()
    except Exception:
        view.tell("".join(log.getvalue().splitlines(keepends=True)[-LOG_LINES_SHOWN:]))
        raise


class _Play:
    def __init__(self, view: View, scenario: Scenario, settings: Settings) -> None:
        self._view = view
        self._scenario = scenario
        self._settings = settings
        self._watch = TrendWatch(TREND_ITEM, TOP)
        self._gauges = Gauges()
        self._trend_is_told = False

    def run(self) -> None:
        self._compile()
        with ExitStack() as to_close:
            worker = Working(self._settings)
            to_close.callback(worker.abandon)
            self._await_ready(worker)
            reader = KafkaSnapshotReader(self._settings)
            to_close.callback(reader.close)
            plan = self._scenario.plan(time.time_ns() // 1_000_000)
            sending = Sending(self._settings.kafka.bootstrap_servers, self._settings.input.topic, plan)
            to_close.callback(sending.stop)
            with self._view.playing():
                figures = self._follow(worker, reader, sending)
            worker.stop()
        self._view.tell(summary(self._scenario, figures, self._watch, sending.trend_began_s))

    def _compile(self) -> None:
        self._view.tell("compiling kernels (once on this machine, two minutes or so; later runs load them) ...")
        started_s = time.monotonic()
        compile_kernels(self._settings)
        self._view.tell(f"  ... took {time.monotonic() - started_s:.1f} s")

    def _await_ready(self, worker: Working) -> None:
        servers = self._settings.kafka.bootstrap_servers
        self._view.tell(f"the worker joins its group on an in-process Kafka at {servers} ...")
        give_up_s = time.monotonic() + READY_TIMEOUT_S
        while not worker.is_ready():
            if time.monotonic() > give_up_s:
                raise Fatal(f"the worker was not ready after {READY_TIMEOUT_S:g} s")
            time.sleep(LOOK_EVERY_S)
        rate = self._scenario.events_per_s
        self._view.tell(f"  ... ready; {rate:,.0f} events a second for {self._scenario.seconds:g} s begin")

    def _follow(self, worker: Working, reader: KafkaSnapshotReader, sending: Sending) -> Figures:
        """Look on until the stream is over and readers have all of it; the last figures."""
        draw_at_s = give_up_s = 0.0
        while True:
            reader.poll(LOOK_EVERY_S)
            now_s = time.monotonic()
            self._look(reader, sending, now_s)
            is_over = sending.is_over and self._has_all(reader, sending.n_delivered())
            if now_s >= draw_at_s or is_over:
                draw_at_s = now_s + DRAW_EVERY_S
                at_s = now_s - sending.started_s
                figures = self._gauges.read(at_s, worker.metrics(), reader.version, reader.top(TOP))
                self._view.show(figures)
            if is_over:
                return figures
            if sending.is_over:
                give_up_s = give_up_s or now_s + LAST_EVENTS_TIMEOUT_S
                if now_s > give_up_s:
                    raise Fatal(f"the last events were not published within {LAST_EVENTS_TIMEOUT_S:g} s")

    def _look(self, reader: KafkaSnapshotReader, sending: Sending, now_s: float) -> None:
        began_s = sending.trend_began_s
        if began_s is None:
            return
        if not self._trend_is_told:
            self._trend_is_told = True
            at_s = began_s - sending.started_s
            self._view.tell(
                f"{at_s:5.1f} s  a trend begins: {TREND_SHARE:.0%} of all events are about {TREND_ITEM}, new"
            )
        best = [item for item, _ in reader.top(TOP)]
        for news in self._watch.look(best, TREND_ITEM in reader.scores(), now_s):
            at_s, after_s = now_s - sending.started_s, now_s - began_s
            self._view.tell(f"{at_s:5.1f} s  {TREND_ITEM} {news}, {after_s:.1f} s after its first event")

    def _has_all(self, reader: KafkaSnapshotReader, n_delivered: int) -> bool:
        """Whether the version that the reader shows covers the whole stream."""
        manifest = reader.manifest
        if manifest is None:
            return False
        return sum(manifest.input_positions.get(self._settings.input.topic, {}).values()) >= n_delivered
