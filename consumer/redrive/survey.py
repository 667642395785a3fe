"""What lies in the dead-letter topic: each letter with what became of it, and which of them are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum

from consumer.messages import StoredRecord
from consumer.redrive.letters import Letter, letter_of
from consumer.redrive.receipts import offsets_sent_back

Position = tuple[int, int]  # partition and offset in the dead-letter topic


class State(Enum):
    """What can be done with a letter."""

    WAITING = "waiting"
    SENT_BACK = "sent back"
    CAME_BACK = "came back"
    """Its original had been sent back before and failed again."""
    CUT = "cut"
    """Too large for the topic: a part of it is all there is."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are asked for; what is left empty, or None, leaves none out."""

    reasons: AbstractSet[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    """Letters written before."""
    positions: AbstractSet[Position] = frozenset()

    def has(self, letter: Letter) -> bool:
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.since_ms is None or letter.died_ms >= self.since_ms)
            and (self.until_ms is None or letter.died_ms < self.until_ms)
            and (not self.positions or letter.place[1:] in self.positions)
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """The letters asked for, oldest first."""

    letters: Sequence[Letter]
    sent_back: AbstractSet[Position]

    def state_of(self, letter: Letter) -> State:
        if letter.place[1:] in self.sent_back:
            return State.SENT_BACK
        if not letter.is_whole:
            return State.CUT
        return State.CAME_BACK if letter.n_redriven else State.WAITING

    def among(self, *states: State) -> Sequence[Letter]:
        return [letter for letter in self.letters if self.state_of(letter) in states]

    def counts(self) -> Mapping[str, int]:
        """Letters by state, without zeros."""
        return _counted(self.state_of(letter).value for letter in self.letters)

    def reasons(self) -> Mapping[str, int]:
        """Letters by reason."""
        return _counted(letter.reason for letter in self.letters)


def surveyed(records: Iterable[StoredRecord], input_topic: str, selection: Selection) -> Survey:
    """Of all records of the dead-letter topic; those of other inputs, and what is no dead letter, are left out."""
    letters: list[Letter] = []
    sent_back: set[Position] = set()
    for record in records:
        letter = letter_of(record)
        if letter is None:
            sent_back.update((record.partition, offset) for offset in offsets_sent_back(record))
        elif letter.origin.topic == input_topic and selection.has(letter):
            letters.append(letter)
    return Survey(sorted(letters, key=lambda letter: (letter.died_ms, letter.place)), sent_back)


def _counted(words: Iterable[str]) -> Mapping[str, int]:
    return dict(sorted(Counter(words).items()))
