"""One model a test: settings, topics, and where it publishes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumer.settings import Settings
from tests.broker import Broker
from tests.end_to_end.replica import Published
from tests.end_to_end.workers import settings_of

SettingsOf = Callable[..., Settings]


@pytest.fixture
def model(kafka: Broker, topic_prefix: str, tmp_path: Path) -> SettingsOf:
    """Settings of this test's model on the common broker, with what is given laid over."""

    def settings(suffix: str = "", **sections: dict[str, Any]) -> Settings:
        return settings_of(kafka.bootstrap_servers, f"{topic_prefix}{suffix}", tmp_path, **sections)

    return settings


def published_by(settings: Settings) -> Published:
    """What somebody else has to know of a model."""
    publish = settings.publish
    return Published(
        settings.kafka.bootstrap_servers,
        settings.model,
        publish.scores_topic,
        publish.related_topic,
        publish.manifests_topic,
    )
