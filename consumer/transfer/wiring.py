"""The real parts of a warm start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consumer.checkpoints.local_store import LocalStore
from consumer.clock import SystemClock
from consumer.kafka.client_config import check_properties
from consumer.kafka.log import KafkaLog
from consumer.kafka.output import KafkaOutput
from consumer.settings import Settings
from consumer.transfer.first_checkpoint import Deployment


@contextmanager
def deployment_of(settings: Settings) -> Iterator[Deployment]:
    """On the brokers and the disk that the settings name."""
    check_properties(settings)
    clock = SystemClock()
    output, log = KafkaOutput(settings, clock=clock), KafkaLog(settings, clock=clock)
    try:
        yield Deployment(settings, output, log, LocalStore(Path(settings.checkpoints.directory)), clock)
    finally:
        output.close()
        log.close()
