"""What a checkpoint says about itself beside its arrays, and which settings it binds."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from consumer.errors import CorruptCheckpoint, Fatal
from consumer.settings import Settings
from consumer.unreadable_json import UNREADABLE_JSON

BINDING = (
    "model",
    "input.topic",
    "models.popularity.half_lives_s",
    "models.item_to_item.neighbours",
    "models.item_to_item.time_constant_s",
    "models.session_knn.enabled",
    "models.session_knn.sessions",
    "models.session_knn.recent",
    "models.linear.enabled",
    "models.linear.weights",
    "models.linear.item_features",
    "models.neural.enabled",
    "models.neural.dimensions",
    "models.neural.examples_per_step",
    "models.neural.replay_examples",
    "users.history",
    "publish.scores_topic",
    "publish.related_topic",
    "publish.manifests_topic",
    "publish.dead_letters_topic",
)
"""Settings that shape the state: with another value a checkpoint cannot be taken up. Everything else may change."""


_SHAPING = ("models.", "users.")

RESERVED_VERSIONS = 100_000
"""A checkpoint sets so many version numbers aside, in case the output topics are lost."""

MAX_TEXT = 1_000
"""Characters of a setting in the notes."""

GOOD = "good"
HELD = "held"
UNPROVEN = "unproven"


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    """The small facts of a checkpoint, all of the same moment."""

    epoch: int
    version: int
    reserved_version: int
    """No version up to this one will ever be given again, even if the output topics are lost."""
    input_positions: dict[int, int]
    output_positions: dict[str, dict[int, int]]
    output_partitions: dict[str, int]
    """How many each row topic has."""
    dead_letter_positions: dict[int, int]
    watermark_ms: int | None
    saved_at: str
    binding: dict[str, str]
    verdict: str = UNPROVEN
    """Of the gate on this state: GOOD, it (or what it grew from since the last version) went out; HELD, it did not;
    UNPROVEN: nothing was cut from it yet."""
    quality: dict[str, float] = {}
    """Live figures of the ensemble at this moment; none before the first sample."""
    discarded: list[dict[str, Any]] = []
    """Input that the state has left out, by rollbacks."""
    request: str = ""
    """Id of the rollback done last."""
    rolled_back_at: int = -1
    """Version at which it was done."""
    before_promotion: str = ""
    """The checkpoint of the model that a promotion took the place of; it stays, to be returned to."""
    forgotten: int = 0
    """Number of the last request to forget users (`erasures`) that the state has obeyed."""
    held_since_s: float = 0.0
    """Wall time since when versions are held for a reason that ends in a rollback; 0: they are not."""


def name_of(notes: Notes) -> str:
    """Names sort by epoch, version and progress in the input: versions stand still while a rebuild catches up."""
    return f"checkpoint-{notes.epoch:010d}-{notes.version:015d}-{sum(notes.input_positions.values()):019d}"


def epoch_of(name: str) -> int:
    try:
        return int(name.split("-")[1])
    except (IndexError, ValueError) as error:
        raise CorruptCheckpoint(f"{name!r} is not the name of a checkpoint") from error


def reserved_by(name: str) -> int:
    """Versions up to this one were set aside by the checkpoint of this name at the most, be it damaged or not."""
    epoch_of(name)
    return int(name.split("-")[2]) + RESERVED_VERSIONS


def binding_of(settings: Settings) -> dict[str, str]:
    """The binding settings as text."""
    values: dict[str, str] = {}
    for key in BINDING:
        value: object = settings
        for part in key.split("."):
            value = getattr(value, part)
        values[key] = str(value)
    return values


def shaped_by(name: str, settings: Settings, binding: Mapping[str, str]) -> Settings:
    """These settings, but those that shape the state as the notes have them. Raises CorruptCheckpoint."""
    sections = settings.model_dump()
    try:
        for key, text in binding.items():
            if key.startswith(_SHAPING):
                *path, last = key.split(".")
                section = sections
                for part in path:
                    section = section[part]
                section[last] = _literal(text)
        sections["publish"]["related"] = min(
            sections["publish"]["related"], sections["models"]["item_to_item"]["neighbours"]
        )
        return Settings.model_validate(sections)
    except (KeyError, TypeError, ValueError, SyntaxError) as error:
        raise CorruptCheckpoint(f"{name}: the settings in its notes cannot be understood: {error}") from error


def _literal(text: str) -> Any:
    """Of a setting's text; it is not left to Python's parser what to do with a long one."""
    if len(text) > MAX_TEXT:
        raise ValueError(f"{len(text)} characters")
    return ast.literal_eval(text)


def digest_of(settings: Settings) -> str:
    """Digest of the binding settings, for manifests."""
    text = "\n".join(f"{key}={value}" for key, value in binding_of(settings).items())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def encode(notes: Notes) -> bytes:
    return msgspec.json.encode(notes)


def decode(name: str, notes: bytes) -> Notes:
    try:
        found = msgspec.json.decode(notes, type=Notes)
        datetime.fromisoformat(found.saved_at)  # is it a time?
        return found
    except (*UNREADABLE_JSON, ValueError) as error:
        raise CorruptCheckpoint(f"{name}: its notes cannot be read: {error}") from error


def check_binding(name: str, saved: Mapping[str, str], settings: Settings) -> None:
    """Raise Fatal, naming each change, if the settings no longer fit the checkpoint."""
    changes = [
        f"{key} was {saved.get(key, '(unknown)')} and is now {now}"
        for key, now in binding_of(settings).items()
        if saved.get(key) != now
    ]
    if changes:
        raise Fatal(
            f"{name} was learned with other settings: {'; '.join(changes)}. Set them back, or give the changed model "
            "another name (`model`), or learn again from the beginning with --rebuild"
        )
