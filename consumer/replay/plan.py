"""The range of a replay, captured once and kept beside its checkpoints: who goes on later goes on to the same end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from consumer.checkpoints.local_store import REPLAYS
from consumer.errors import BadRequest, Fatal
from consumer.messages import Positions
from consumer.replay.files import FileMark
from consumer.settings import Settings
from consumer.unreadable_json import UNREADABLE_JSON

PLAN: Final = "replay.json"


class ReplayPlan(msgspec.Struct, frozen=True, kw_only=True):
    topic: str
    ranges: dict[int, tuple[int, int]]
    """Partition → first offset and end."""
    asked: str
    """The range in the operator's words."""
    begun_at: str
    files: list[FileMark] = []
    """Where the input is files: one a partition."""

    def n_left(self, positions: Positions) -> int:
        """Offsets still to be read."""
        return sum(max(0, end - max(start, positions.get(p, start))) for p, (start, end) in self.ranges.items())

    @property
    def n_offsets(self) -> int:
        return self.n_left({})

    def ranges_from(self, positions: Positions) -> Mapping[int, tuple[int, int]]:
        """What is left to read of each partition."""
        return {p: (min(end, max(start, positions.get(p, start))), end) for p, (start, end) in self.ranges.items()}


def replay_settings(settings: Settings, name: str, topic: str | None = None) -> Settings:
    """Those of a replay: a model of its own, whose checkpoints lie under the live model's, so that whoever holds its
    lease can read them. Raises BadRequest for a name that cannot be."""
    if name == settings.model:
        raise BadRequest(f"--name {name} is the live model; a replay learns a model of its own")
    directory = Path(settings.checkpoints.directory) / REPLAYS / name
    changes = {
        "model": name,
        "input": settings.input if topic is None else settings.input.model_copy(update={"topic": topic}),
        "checkpoints": settings.checkpoints.model_copy(update={"directory": str(directory)}),
    }
    try:
        return Settings.model_validate({**dict(settings), **changes})
    except ValueError as error:
        raise BadRequest(f"--name {name}: letters, digits, dots, hyphens and underscores make a name") from error


def read_plan(directory: Path) -> ReplayPlan | None:
    """That of the replay in this directory; None if there is none. Raises Fatal if it cannot be read."""
    path = directory / PLAN
    try:
        return msgspec.json.decode(path.read_bytes(), type=ReplayPlan)
    except FileNotFoundError:
        return None
    except (OSError, *UNREADABLE_JSON) as error:
        raise Fatal(f"{path} cannot be read ({error}); --restart begins anew") from error


def write_plan(directory: Path, plan: ReplayPlan) -> None:
    """As a whole or not at all. Raises Fatal."""
    path = directory / PLAN
    unfinished = path.with_suffix(".unfinished")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(plan), indent=1))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    except OSError as error:
        raise Fatal(f"{path} cannot be written: {error.strerror}") from error
