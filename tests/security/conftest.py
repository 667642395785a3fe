"""`freshrank` as its users meet it, and one model on the secured broker."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from consumer.settings import Settings
from tests.broker import SecuredBroker
from tests.broker.secured import PASSWORD
from tests.cli.clinic import events
from tests.cli.conftest import environment, freshrank, started
from tests.end_to_end.events import encoded, produce
from tests.end_to_end.workers import create_topics, settings_of

__all__ = ["environment", "freshrank", "started"]


@dataclass
class SecuredModel:
    """Its topics, with some events in them; nobody may do anything yet."""

    broker: SecuredBroker
    prefix: str
    folder: Path

    @property
    def settings(self) -> Settings:
        """For a test, by the door that is open."""
        return settings_of(self.broker.open_servers, self.prefix, self.folder)

    def signed_in(
        self, servers: str = "", *, sasl: Mapping[str, str] | None = None, tls: Mapping[str, str] | None = None
    ) -> Settings:
        """As a user of `sasl_ssl_servers` with the right password; `sasl` and `tls` are laid over, `servers` by another
        door and with nothing but what is given."""
        own_sasl = {} if servers else {"username": "nobody", "password": PASSWORD}
        own_tls = {} if servers else {"ca_file": str(self.broker.ca_file)}
        kafka: dict[str, Any] = {"bootstrap_servers": servers or self.broker.sasl_ssl_servers}
        for key, given, own in (("sasl", sasl, own_sasl), ("tls", tls, own_tls)):
            if given is not None or own:
                kafka[key] = {**own, **(given or {})}
        return settings_of("", self.prefix, self.folder, kafka=kafka)


@pytest.fixture(scope="module")
def secured_model(secured_kafka: SecuredBroker, tmp_path_factory: pytest.TempPathFactory) -> SecuredModel:
    made = SecuredModel(secured_kafka, f"secured-{uuid.uuid4().hex[:8]}-", tmp_path_factory.mktemp("secured"))
    create_topics(made.settings, input_partitions=1)
    produce(made.broker.open_servers, made.settings.input.topic, [encoded(event) for event in events()])
    return made


def written(settings: Settings, folder: Path) -> Path:
    """The settings in a file, the password too."""
    sections = settings.model_dump(mode="json", exclude_defaults=True)
    if settings.kafka.sasl is not None:
        sections["kafka"]["sasl"]["password"] = settings.kafka.sasl.password.get_secret_value()
    file = folder / "freshrank.yaml"
    file.write_text(yaml.safe_dump(sections))
    return file
