"""A recorded file through codec, admission and the learning pass, asked as a protocol says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from consumer.byte_column import ByteColumn
from consumer.errors import BadRequest, BadRow
from consumer.evaluation.answers import Answers
from consumer.evaluation.protocols import Examination, Protocol, Spent
from consumer.evaluation.questions import EveryEvent, PublishedQuestions, Questions, SomeSessions
from consumer.events.admission import Admission, AdmittedBatch
from consumer.events.codec import JsonCodec
from consumer.messages import EventBatch, Outcome, RecordBatch
from consumer.recordings.recording import Recording
from consumer.recordings.row_mapping import MappedRow
from consumer.settings import FieldNames, Settings

BLOCK_ROWS = 10_000
_TOPIC = "recording"
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """How a file is tested."""

    protocol: Protocol = Protocol.PREQUENTIAL
    period_days: float = 7.0
    known_only: bool = False
    """Ask what the published protocols ask: targets seen in an earlier period. Always so under PERIODS."""
    event_types: tuple[str, ...] = ()
    """Targets of these types only; empty: of all."""
    sessions_one_in: int = 1
    """Ask about one session in so many only; all are learned."""

    @property
    def averages_periods(self) -> bool:
        """Whether each period's figures count alike, as in the published protocols."""
        return self.known_only or self.protocol is Protocol.PERIODS


@dataclass(slots=True)
class Evaluated:
    """What came of a file."""

    outcomes: Counter[str] = field(default_factory=Counter)
    n_refused: int = 0
    """Rows that could not be mapped, or that a worker would send to the dead letters."""
    first_refused: str = ""
    spent: Spent = field(default_factory=Spent)
    n_items: int = 0
    n_users: int = 0
    n_bytes: int = 0
    answers: Answers | None = None

    def learn_us(self) -> float | None:
        """Per learned event; None without one."""
        return 1e6 * self.spent.learning_s / self.spent.n_learned if self.spent.n_learned else None

    def query_us(self) -> float | None:
        """Per question; None without one."""
        return 1e6 * self.spent.asking_s / self.spent.n_asked if self.spent.n_asked else None


def evaluate(
    recording: Recording,
    path: Path,
    settings: Settings,
    plan: EvaluationPlan,
    *,
    skips_bad_rows: bool = False,
    on_progress: Callable[[int], None] = lambda n_bytes: None,
) -> Evaluated:
    """Learn the whole recording and ask about it.

    Raises BadRow at the first row that a worker would send to the dead letters, unless those are skipped, and
    BadRequest for a plan that doesn't fit the settings.
    """
    settings = reads_standard_events(settings)
    chosen = _chosen_types(plan, settings)
    examined: Examination | None = None
    found = Evaluated()
    for batch in admitted_batches(recording, path, settings, found, skips_bad_rows=skips_bad_rows):
        if examined is None:
            _new_examination(settings, plan).take(batch)  # the kernels' compiling isn't to be timed
            examined = _new_examination(settings, plan)
        examined.take(batch)
        on_progress(recording.file.bytes_read())
    if examined is not None:
        answers = examined.answers()
        found.answers = answers.where(np.isin(answers.event_type, chosen)) if plan.event_types else answers
        found.spent = examined.spent
        found.n_items, found.n_users = examined.model.n_items, examined.model.n_users
        found.n_bytes = examined.model.n_bytes
    return found


def admitted_batches(
    recording: Recording, path: Path, settings: Settings, found: Evaluated, *, skips_bad_rows: bool = False
) -> Iterator[AdmittedBatch]:
    """The recording as the worker's loop would learn it; counts in `found` what became of the rows. Raises BadRow."""
    codec, admission = (
        JsonCodec(settings.input, keeps_features=settings.models.linear.enabled),
        Admission(settings.input),
    )
    for rows in recording.blocks(BLOCK_ROWS):
        records = _records(rows)
        events = codec.decode(records)
        for row, why in _refused(codec, records, events):
            error = BadRow(path, rows[row].number, why)
            if not skips_bad_rows:
                raise error
            found.n_refused += 1
            found.first_refused = found.first_refused or str(error)
        batch = admission.admit(events)
        found.outcomes.update(batch.counts())
        yield batch
    found.n_refused += recording.n_skipped
    found.first_refused = recording.first_skipped or found.first_refused


def _new_examination(settings: Settings, plan: EvaluationPlan) -> Examination:
    questions: Questions = PublishedQuestions() if plan.averages_periods else EveryEvent()
    if plan.sessions_one_in > 1:
        questions = SomeSessions(questions, plan.sessions_one_in)
    return Examination(settings, plan.protocol, questions, round(plan.period_days * _DAY_MS))


def reads_standard_events(settings: Settings) -> Settings:
    """The same settings, but for events as a mapping gives them."""
    changes = {"fields": FieldNames(), "time_format": "rfc3339"}
    return settings.model_copy(update={"input": settings.input.model_copy(update=changes)})


def _chosen_types(plan: EvaluationPlan, settings: Settings) -> list[int]:
    """Indices of the types whose targets count."""
    known: Mapping[str, int] = {name: i for i, name in enumerate(settings.input.event_types)}
    unknown = [name for name in plan.event_types if name not in known]
    if unknown:
        raise BadRequest(
            f"no event type {', '.join(unknown)}; the settings have {', '.join(known)} (input.event_types)"
        )
    outside = [name for name in plan.event_types if not settings.input.event_types[name].history]
    if outside:
        raise BadRequest(f"events of type {', '.join(outside)} enter no history, so nothing is asked about them")
    return [known[name] for name in plan.event_types]


def _records(rows: list[MappedRow]) -> RecordBatch:
    """Rows as records of one partition: a row's number is its offset, its event time the timestamp."""
    n = len(rows)
    return RecordBatch(
        topic=_TOPIC,
        values=ByteColumn.of(row.value for row in rows),
        partitions=np.zeros(n, np.int32),
        offsets=np.array([row.number for row in rows], np.int64),
        timestamps_ms=np.array([row.time_ms for row in rows], np.int64),
        originals=(),
    )


def _refused(codec: JsonCodec, records: RecordBatch, events: EventBatch) -> Iterator[tuple[int, str]]:
    """The records that a worker would send to the dead letters, and why."""
    for row in np.flatnonzero(events.outcome).tolist():
        outcome = Outcome(int(events.outcome[row]))
        if outcome.is_dead_letter:
            yield row, f"{outcome.name.lower()}: {codec.explain(records, row)}"
