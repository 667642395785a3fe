"""A model with dead letters on a cluster in memory, and redrives of them."""

from __future__ import annotations

from collections.abc import Sequence

from consumer.kafka.dead_letters import dead_letter_record
from consumer.messages import DeadLetter, Headers, InputRecord, Outcome
from consumer.redrive.sending import Asked, Redriver
from consumer.redrive.survey import Selection, Survey
from consumer.settings import Settings
from tests.fakes.calls import Calls
from tests.fakes.clock import FakeClock
from tests.fakes.kafka import FakeCluster, FakeLog, FakeOutput

INPUT, LETTERS = "events", "events-dead-letters"
N_PARTITIONS = 3
SETTINGS = Settings.model_validate({"model": "shop", "input": {"topic": INPUT}})
ALL = Selection()


class World:
    """What outlives a redrive."""

    def __init__(self) -> None:
        self.cluster = FakeCluster({INPUT: N_PARTITIONS, LETTERS: 2})

    def fail(
        self,
        value: bytes | None = b"{broken",
        *,
        key: bytes | None = b"ann",
        headers: Headers = (),
        reason: Outcome = Outcome.UNDECODABLE,
        at_ms: int = 1_000,
        max_bytes: int = 1 << 20,
        topic: str = INPUT,
    ) -> InputRecord:
        """A record of the input and its dead letter, written at this time."""
        partition, offset = self.cluster.append(INPUT, value, key=key, headers=headers)
        record = InputRecord(topic, partition, offset, 500, key, value, headers)
        self.bury(record, reason, at_ms, max_bytes)
        return record

    def bury(
        self, record: InputRecord, reason: Outcome = Outcome.UNDECODABLE, at_ms: int = 1_000, max_bytes: int = 1 << 20
    ) -> None:
        """Its dead letter, as the worker writes it."""
        letter = dead_letter_record(DeadLetter(record, reason, "as said"), LETTERS, max_bytes=max_bytes)
        self.cluster.append(LETTERS, letter.value, key=letter.key, headers=letter.headers, timestamp_ms=at_ms)

    def redriver(self, calls: Calls | None = None) -> Redriver:
        output = FakeOutput(self.cluster, transactional_id="redrive", calls=calls)
        return Redriver(SETTINGS, output, FakeLog(self.cluster, calls=calls), FakeClock())

    def redrive(
        self,
        selection: Selection = ALL,
        *,
        limit: int | None = None,
        again: bool = False,
        calls: Calls | None = None,
    ) -> int:
        """How many letters went."""
        return self.redriver(calls).send(Asked(selection, limit, again))[0]

    def survey(self, selection: Selection = ALL) -> Survey:
        return self.redriver().survey(selection)

    def redriven(self) -> Sequence[InputRecord]:
        """What lies in the input by a redrive, in order of arrival."""
        return [r for r in self.cluster.committed(INPUT) if any(name == "freshrank-redriven" for name, _ in r.headers)]
