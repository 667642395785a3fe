"""What the loop needs of the world outside: small protocols that adapters and test fakes implement alike.

Every call of these protocols is a place where a process may die; the crash-anywhere test dies at each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from consumer.messages import Float64Array, InputRecord, Int64Array, OutputRecord, Positions, RecordBatch, StoredRecord
from consumer.tables import Array


class EventInput(Protocol):
    """The input topic, behind the lease of one model.

    The lease is partition 0 of the manifest topic in the consumer group of the model; whoever holds it is the writer.
    """

    def has_lease(self) -> bool:
        """Whether this process holds the lease as far as it knows. May be stale: writes are fenced by the output.

        A loss is told once, even if the lease was won again before anybody asked: nothing is being read any more.
        """
        ...

    def partitions(self) -> Sequence[int]:
        """Partitions of the input topic by the newest metadata, ascending. Raises Retryable, Fatal if none exists."""
        ...

    def bounds(self) -> Mapping[int, tuple[int, int]]:
        """For each partition: first offset that still exists, end offset. Asks the broker."""
        ...

    def start_reading(self, positions: Positions) -> None:
        """Assign exactly these partitions at these positions (added to those already assigned)."""
        ...

    def poll(self, timeout_s: float) -> RecordBatch | None:
        """The next records, or None after the timeout. Must be called even while nothing is to be read: it keeps the
        lease. Raises Fatal where a position lies outside the log, Retryable where the broker is away."""
        ...

    def lag(self) -> Mapping[int, tuple[int, int]]:
        """For each assigned partition: this process's last handed-out position, and the end offset last heard of."""
        ...

    def commit(self, positions: Positions) -> None:
        """Commit group offsets, for lag tools; recovery doesn't depend on them. Returns at once, never raises."""
        ...

    def close(self) -> None:
        """Give up the lease."""
        ...


class TransactionalOutput(Protocol):
    """The output topics, written in Kafka transactions under one `transactional.id` per model.

    Raises Retryable (abort, try again), Fenced (another writer, or an outage that looks like it) or Fatal.
    """

    def open(self) -> None:
        """A new producer and its `init_transactions`: from here on every older writer of this model is fenced."""
        ...

    def begin(self) -> None: ...

    def write(self, records: Iterable[OutputRecord]) -> None:
        """Hand records to the producer; delivery is only known after `flush`."""
        ...

    def flush(self) -> Mapping[str, Positions]:
        """Wait until all of this transaction is delivered. Per topic and partition: last delivered offset + 1."""
        ...

    def commit(self) -> None: ...

    def abort(self) -> None:
        """Leave the transaction; never raises Retryable."""
        ...

    def close(self) -> None: ...


class OutputLog(Protocol):
    """Reads back what was committed to the output topics (`read_committed`)."""

    def partitions(self, topic: str) -> Sequence[int]:
        """Partitions of the topic, ascending. Raises Fatal if it doesn't exist."""
        ...

    def reconnect(self) -> None:
        """Topics were made anew: whoever has read them before waits for ever, so read by new clients."""
        ...

    def ends(self, topic: str) -> Positions:
        """Where each partition ends for whoever reads committed records."""
        ...

    def read(self, topic: str, start: Positions) -> Iterator[StoredRecord]:
        """Committed records from `start` (a partition not named: from its first offset) to the end as of the call."""
        ...


class CheckpointStore(Protocol):
    """Named directories of arrays, each visible as a whole or not at all.

    The writing calls (`begin` … `commit`, `remove`) come from one thread; so do the reading ones, at start.
    Raises OSError where the medium fails.
    """

    def names(self) -> Sequence[str]:
        """Complete checkpoints, ascending."""
        ...

    def begin(self, base: str | None) -> None:
        """Start a new checkpoint with the arrays of `base` as its content, or with nothing. Drops an unfinished one."""
        ...

    def write_rows(self, array: str, rows: Int64Array, values: Array) -> None:
        """Set rows (axis 0) of an array; it is made, or made longer, as needed. An array whose dtype or row shape
        differs from `values` starts anew, filled with zeros."""
        ...

    def write_array(self, array: str, values: Array) -> None:
        """Set a whole array."""
        ...

    def commit(self, name: str, notes: bytes) -> None:
        """Add checksums, make everything durable, then make it visible under `name` by one rename.

        Raises Fenced where a checkpoint of a later epoch is there: whoever wrote that has taken over.
        """
        ...

    def remove(self, name: str) -> None: ...

    def notes(self, name: str) -> bytes:
        """What `commit` was given. Raises CorruptCheckpoint."""
        ...

    def arrays(self, name: str) -> Mapping[str, Array]:
        """All arrays, checked against their checksums. Raises CorruptCheckpoint."""
        ...

    def array(self, name: str, array: str) -> Array | None:
        """One array, only to be read, checked against its checksum; None if there is none of this name. Raises
        CorruptCheckpoint."""
        ...

    def rewrite(self, name: str, changes: Mapping[str, tuple[Int64Array, Array]], notes: bytes) -> None:
        """Set rows of arrays of a complete checkpoint, and its notes: readers see all of it as it was or as it is then.
        Between two checkpoints only. Raises CorruptCheckpoint."""
        ...

    def replays(self) -> Sequence[str]:
        """Names of the replays of this model."""
        ...

    def idle_replay(self, name: str) -> AbstractContextManager[CheckpointStore | None]:
        """The checkpoints of a replay, which stays idle in the block; None while a process goes on with it."""
        ...

    def replay(self, name: str) -> CheckpointStore:
        """The checkpoints of a replay of this model. Raises Fatal if there is none of this name."""
        ...

    def request(self) -> bytes | None:
        """What an operator asks of the model's worker (`consumer.checkpoints.requests`), None: nothing; empty where it
        cannot be read."""
        ...

    def put_request(self, request: bytes) -> None:
        """As a whole or not at all; takes the place of another."""
        ...

    def drop_request(self) -> None:
        """It is done. Nothing happens where there is none."""
        ...

    def erasures(self, after: int) -> Sequence[tuple[int, bytes]]:
        """Requests to forget users (`consumer.checkpoints.erasures`) with a greater number, by their numbers."""
        ...

    def add_erasure(self, erasure: bytes) -> int:
        """Its number, the next one whoever asks at the same time."""
        ...

    def drop_erasures(self, numbers: Sequence[int]) -> None:
        """They are settled. Their numbers are never given again."""
        ...


class Telemetry(Protocol):
    """What happened, in the domain's words. Called a few times a batch, never for each event."""

    def batch_learned(self, n_events: int, seconds: float) -> None: ...

    def outcomes(self, counts: Mapping[str, int]) -> None:
        """Records by outcome; names as in `consumer.messages.Outcome`, lower case."""
        ...

    def dead_letters(self, counts: Mapping[str, int]) -> None: ...

    def records_lost(self, topic: str, partition: int, n_records: int) -> None:
        """So many were deleted from the input before they were read; it goes on behind them."""
        ...

    def dedupe_overflowed(self, n_ids: int) -> None:
        """Event ids forgotten before their time because the dedupe window was full."""
        ...

    def events_updated(self, ages_s: Sequence[float] | Float64Array, *, is_live: bool) -> None:
        """Seconds from each record's Kafka timestamp until it was learned."""
        ...

    def events_published(self, ages_s: Sequence[float] | Float64Array, *, is_live: bool) -> None:
        """Seconds from each record's Kafka timestamp until a version that covers it was committed."""
        ...

    def version_published(
        self,
        version: int,
        rows: Mapping[tuple[str, str], int],
        seconds: float,
        waiting: Mapping[str, int],
        at_s: float,
        moved: float,
    ) -> None:
        """`rows` by (topic, "upsert" | "tombstone"), `waiting` by topic; `at_s` wall time of the commit; `moved`: share
        of expected interactions that went to other items with it."""
        ...

    def publish_failed(self, reason: str) -> None: ...

    def publish_held(self, reason: str | None) -> None:
        """A version was judged: held for this reason (`consumer.learning.gate.REASONS`), or not held."""
        ...

    def publish_stalled(self, is_stalled: bool) -> None:
        """Whether events flow while no version changes."""
        ...

    def events_capped(self, n_events: int) -> None:
        """So many more were counted in part or not at all: their user had weighed enough on their item that day."""
        ...

    def checkpoint_saved(self, seconds: float, size_bytes: int, at_s: float) -> None: ...

    def checkpoint_failed(self, reason: str) -> None: ...

    def lag(self, records: Mapping[tuple[str, int], int], seconds: float) -> None: ...

    def replay_progress(
        self, share: float, event_time_s: float | None, records_per_s: float, left_s: float | None
    ) -> None:
        """How far a replay has come: share of its range, greatest event time (seconds since 1970), rate, time left."""
        ...

    def quality(self, hit_ratio: Mapping[str, float], mrr: Mapping[str, float], n_samples: int) -> None:
        """By member, over so many sampled events."""
        ...

    def ensemble_weights(self, weights: Mapping[tuple[str, str], float]) -> None:
        """By (member, feature), as `consumer.model_report` names them."""
        ...

    def popularity_weights(self, weights: Mapping[str, float]) -> None:
        """By half-life in seconds."""
        ...

    def learning_rates(self, rates: Mapping[str, float]) -> None:
        """Of the next step, by what takes it."""
        ...

    def neural_learned(self, steps: Mapping[str, int], left_out: Mapping[str, int], loss: float) -> None:
        """Of `neural`: so many more steps by outcome, so much more left out by reason, and the mean loss of the latest
        steps, as `consumer.model_report` names them; zeros where it is off."""
        ...

    def drift_alarms(self, counts: Mapping[str, int]) -> None:
        """So many more, by loss (`consumer.learning.drift.LOSSES`)."""
        ...

    def steps_raised(self, is_raised: Mapping[str, bool]) -> None:
        """By loss: whether the steps that it stands for are longer than usual now."""
        ...

    def members_muted(self, is_muted: Mapping[str, bool]) -> None:
        """Of the members that propose items (`consumer.models.logit.MEMBERS`) those that are on."""
        ...

    def state(self, rows: Mapping[str, int], size_bytes: int) -> None: ...

    def state_limits(self, rows: Mapping[str, int]) -> None:
        """Most rows that the state may have, by kind."""
        ...

    def rolled_back(self, reason: str) -> None:
        """Learned state has returned to an earlier checkpoint: `operator` or `held`."""
        ...

    def rebalanced(self) -> None: ...

    def loop_moved(self, now_s: float) -> None:
        """The loop is alive; `now_s` is monotonic."""
        ...

    def ready(self, is_ready: bool) -> None:
        """Recovered and assigned (or not)."""
        ...


__all__ = [
    "CheckpointStore",
    "EventInput",
    "InputRecord",
    "OutputLog",
    "Telemetry",
    "TransactionalOutput",
]
