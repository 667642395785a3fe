"""What the demo plays: the stream, the trend in it, and the worker's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consumer.kafka import mock_cluster
from consumer.settings import Settings
from producer_tools.plan import SyntheticPlan, Trend

TREND_ITEM: Final = "trending-lamp"
TREND_BEGINS: Final = 0.35
"""Share of the demo's time before the trend."""
TREND_SHARE: Final = 0.1
TOP: Final = 10

N_USERS: Final = 5_000
N_ITEMS: Final = 500
HALF_LIVES_S: Final = (5.0, 30.0, 300.0)
"""Seconds instead of hours and days, as the demo lasts seconds."""
SAMPLE_ONE_IN: Final = 5
CHECKPOINT_INTERVAL_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Scenario:
    seconds: float
    events_per_s: float

    @property
    def n_events(self) -> int:
        return max(1, round(self.seconds * self.events_per_s))

    def plan(self, start_ms: int) -> SyntheticPlan:
        """The stream, with its first event at `start_ms`."""
        return SyntheticPlan(
            n_events=self.n_events,
            n_users=N_USERS,
            n_items=N_ITEMS,
            start_ms=start_ms,
            events_per_s=self.events_per_s,
            trend=Trend(TREND_ITEM, int(TREND_BEGINS * self.n_events), TREND_SHARE),
        )


def settings_for(bootstrap_servers: str, folder: Path) -> Settings:
    """A worker's defaults but for what the demo's half minute and the in-process Kafka ask for."""
    return Settings.model_validate(
        {
            "model": "demo",
            "kafka": {
                "bootstrap_servers": bootstrap_servers,
                "instance_id": "demo",
                "consumer": mock_cluster.SETTINGS,
            },
            "models": {"popularity": {"half_lives_s": HALF_LIVES_S}},
            "evaluation": {"sample_one_in": SAMPLE_ONE_IN},
            "checkpoints": {"directory": str(folder / "checkpoints"), "interval_s": CHECKPOINT_INTERVAL_S},
            "telemetry": {"port": 0},
        }
    )
