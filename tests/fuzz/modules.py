"""Where coverage guides atheris: plain Python only, since nothing looks into compiled kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

_EVENTS: Final = (
    "consumer.events.values",
    "consumer.events.times",
    "consumer.events.reference",
    "tests.fuzz.oracle",
)
MODULES: Final[Mapping[str, Sequence[str]]] = {
    "event codec": _EVENTS,
    "field mapping": _EVENTS,
    "settings": (
        *(f"yaml.{part}" for part in ("reader", "scanner", "parser", "composer", "resolver", "constructor")),
        "consumer.settings_sources",
        "consumer.settings_loading",
    ),
    "snapshot reader": (
        "consumer.snapshots.formats",
        "consumer.snapshots.rows",
        "consumer.snapshots.staging",
        "consumer.snapshots.recommender",
        "consumer.snapshots.reader",
    ),
    "checkpoint": (
        "consumer.checkpoints.listing",
        "consumer.checkpoints.contents",
        "consumer.checkpoints.fitting",
        "consumer.checkpoints.local_store",
    ),
    "requests": (
        "consumer.checkpoints.requests",
        "consumer.checkpoints.erasures",
        "consumer.kafka.dead_letters",
        "consumer.redrive.letters",
        "consumer.redrive.receipts",
    ),
}
"""By target."""
