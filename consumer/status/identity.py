"""Which worker this is."""

from __future__ import annotations

import socket

from consumer import __version__
from consumer.settings import Settings
from consumer.snapshots.formats import timestamp
from consumer.status.document import Identity


def instance_of(settings: Settings) -> str:
    """Name of this deployment slot."""
    return settings.kafka.instance_id or socket.gethostname()


def identity(settings: Settings, wall_s: float) -> Identity:
    """Of the process that begins now."""
    return Identity(settings.model, instance_of(settings), __version__, timestamp(wall_s))
