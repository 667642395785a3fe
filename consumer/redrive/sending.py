"""Sends dead letters back to the input, each once.

Letters and their receipts are written in transactions under one transactional id per model:

1. Open it: what an earlier run left open is aborted, and one that still runs is fenced.
2. Wait until all that was committed can be seen, then read letters and receipts.
3. Send what is asked for and has no receipt, a piece and its receipts a transaction.

So a run that is killed anywhere leaves letters that are either sent and receipted or neither, and the next one goes on
with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from consumer.clock import Clock
from consumer.messages import StoredRecord
from consumer.ports import OutputLog, TransactionalOutput
from consumer.redrive.letters import Letter, sent_back
from consumer.redrive.receipts import receipts_for
from consumer.redrive.survey import Selection, State, Survey, surveyed
from consumer.settings import Settings
from consumer.snapshots.formats import timestamp

MAX_LETTERS: Final = 500
MAX_BYTES: Final = 8 << 20
"""A transaction has at most so many letters, and is closed once it has so many bytes."""


def transactional_id(settings: Settings) -> str:
    """One per model, beside its writer's."""
    return f"freshrank-{settings.model}-redrive"


class SettlingLog(OutputLog, Protocol):
    """An output log that can be read up to what was committed last."""

    def await_settled(self, topic: str) -> None:
        """See `consumer.kafka.log.KafkaLog`."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What a redrive is to do."""

    selection: Selection
    limit: int | None = None
    """At most so many letters, the oldest."""
    again: bool = False
    """Letters that had been sent back and failed again, too."""

    def chosen(self, survey: Survey) -> Sequence[Letter]:
        states = (State.WAITING, State.CAME_BACK) if self.again else (State.WAITING,)
        return survey.among(*states)[: self.limit]


class Redriver:
    """Of one model. `output` writes under a transactional id of redrives, not the model's writer's."""

    def __init__(self, settings: Settings, output: TransactionalOutput, log: SettlingLog, clock: Clock) -> None:
        self._settings = settings
        self._output = output
        self._log = log
        self._clock = clock
        self._topic = settings.dead_letters_topic

    def survey(self, selection: Selection) -> Survey:
        return surveyed(self._log.read(self._topic, {}), self._settings.input.topic, selection)

    def records(self, letters: Iterable[Letter]) -> Iterator[tuple[Letter, StoredRecord]]:
        """The letters with their bytes; those of a partition in its order."""
        by_position = {letter.place[1:]: letter for letter in letters}
        if not by_position:
            return
        start = {p: min(offset for q, offset in by_position if q == p) for p, _ in by_position}
        for record in self._log.read(self._topic, start):
            letter = by_position.get((record.partition, record.offset))
            if letter is not None:
                yield letter, record

    def send(self, asked: Asked, on_sent: Callable[[int, int], None] = lambda n, of: None) -> tuple[int, Survey]:
        """Send back what is asked for; how many letters went, and what was found before. `on_sent` is told after each
        transaction how many are there, and of how many. Raises Retryable, Fenced or Fatal; what was sent before stays.
        """
        self._log.partitions(self._settings.input.topic)  # is there, and somebody answers
        self._output.open()
        self._log.await_settled(self._topic)
        survey = self.survey(asked.selection)
        chosen = asked.chosen(survey)
        n_sent = 0
        for piece in _pieces(self.records(chosen)):
            self._send_piece(piece)
            n_sent += len(piece)
            on_sent(n_sent, len(chosen))
        return n_sent, survey

    def _send_piece(self, piece: Sequence[tuple[Letter, StoredRecord]]) -> None:
        partitions = self._log.partitions(self._settings.input.topic)
        self._output.begin()
        self._output.write([sent_back(record, letter, partitions) for letter, record in piece])
        self._output.write(receipts_for((letter for letter, _ in piece), timestamp(self._clock.wall_s())))
        self._output.flush()
        self._output.commit()


def _pieces(records: Iterable[tuple[Letter, StoredRecord]]) -> Iterator[list[tuple[Letter, StoredRecord]]]:
    piece: list[tuple[Letter, StoredRecord]] = []
    n_bytes = 0
    for letter, record in records:
        piece.append((letter, record))
        n_bytes += letter.n_bytes
        if len(piece) >= MAX_LETTERS or n_bytes >= MAX_BYTES:
            yield piece
            piece, n_bytes = [], 0
    if piece:
        yield piece
