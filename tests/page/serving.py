"""The worker's HTTP server, showing what a test wants shown."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from consumer.clock import Clock
from consumer.settings import TelemetrySettings
from consumer.status.board import Board
from consumer.status.document import Status
from consumer.status.figures import Figures
from consumer.telemetry.health import Health
from consumer.telemetry.http import TelemetryServer
from tests.page.states import NOW_S, worker
from tests.telemetry.scrape import ManualClock


class ShownBoard(Board):
    """Shows this status, whatever happened."""

    def __init__(self, clock: Clock, shown: Status) -> None:
        super().__init__(worker(), clock, Figures)
        self.shown = shown

    @property
    def status(self) -> Status:
        return self.shown


@dataclass
class Stage:
    """A server on a free port; set `board.shown`, advance `clock`."""

    first: Status
    port: int = 0
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW_S))

    def __post_init__(self) -> None:
        self.board = ShownBoard(self.clock, self.first)
        self.health = Health(self.clock)
        self.health.moved(0.0)
        self.health.set_ready(True)
        self.server = self._serve()

    @property
    def url(self) -> str:
        return f"{self.server.url}/"

    def show(self, status: Status) -> None:
        self.board.shown = status

    def stop(self) -> None:
        """As if the worker had died."""
        self.server.stop()

    close = stop

    def come_back(self) -> None:
        """At the same address."""
        self.server = self._serve()

    def _serve(self) -> TelemetryServer:
        server = TelemetryServer(TelemetrySettings(port=self.port), CollectorRegistry(), self.health, self.board)
        self.port = server.port
        return server
