from __future__ import annotations

from collections.abc import Iterator

import pytest

from consumer.settings import TelemetrySettings
from consumer.status.board import Board
from consumer.status.document import Identity
from consumer.telemetry.health import Health, HealthPolicy
from consumer.telemetry.http import TelemetryServer
from consumer.telemetry.prometheus import PrometheusTelemetry
from tests.telemetry.scrape import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def health(clock: ManualClock) -> Health:
    return Health(clock, HealthPolicy(max_silence_s=30, first_move_s=120))


@pytest.fixture
def telemetry(clock: ManualClock, health: Health) -> PrometheusTelemetry:
    return PrometheusTelemetry(clock, health, codec="json", version="1.2.3")


@pytest.fixture
def board(clock: ManualClock, telemetry: PrometheusTelemetry) -> Board:
    return Board(Identity("shop", "slot-0", "1.2.3", "2027-01-15T08:00:00.000Z"), clock, telemetry.figures)


@pytest.fixture
def server(telemetry: PrometheusTelemetry, health: Health, board: Board) -> Iterator[TelemetryServer]:
    server = TelemetryServer(TelemetrySettings(port=0), telemetry.registry, health, board)
    yield server
    server.stop()
