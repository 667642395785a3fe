"""All that is fuzzed, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.fuzz.checkpoints import CheckpointTarget
from tests.fuzz.codec import CodecTarget
from tests.fuzz.manifests import ManifestTarget
from tests.fuzz.mapping import MappingTarget
from tests.fuzz.requests import RequestsTarget
from tests.fuzz.settings import SettingsTarget
from tests.fuzz.target import Target

TARGETS: Final[tuple[Callable[[], Target], ...]] = (
    CodecTarget,
    MappingTarget,
    SettingsTarget,
    ManifestTarget,
    CheckpointTarget,
    RequestsTarget,
)
NAMES: Final = ("event codec", "field mapping", "settings", "snapshot reader", "checkpoint", "requests")
"""In the same order."""


def target_of(name: str) -> Target:
    return TARGETS[NAMES.index(name)]()
