"""`freshrank check-config`."""

from __future__ import annotations

from consumer.cli import console, options
from consumer.kafka.client_config import check_properties


def check_config(config: options.ConfigFiles = None) -> None:
    """Say whether the settings can be used: every problem at once, with its file, line and key. Connects to nothing."""
    settings = options.settings_of(config)
    check_properties(settings)
    console.say(
        f"the settings are good: model {settings.model!r} learns from {settings.input.topic} on "
        f"{settings.kafka.bootstrap_servers} and publishes to "
        f"{', '.join(settings.publish.row_topics)} and {settings.publish.manifests_topic}"
    )
