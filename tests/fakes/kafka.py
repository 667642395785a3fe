"""Fakes of the Kafka ports on a cluster in memory. Synchronous.

`FakeCluster` is what outlives a crash; `FakeInput`, `FakeOutput` and `FakeLog` are one process' clients of it and
implement the ports of `consumer.ports`. All clients of a process share one `Calls`: the journal of what they were
asked, and the hooks that make them fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from consumer.byte_column import ByteColumn
from consumer.errors import Fatal, Fenced, Retryable
from consumer.messages import InputRecord, OutputRecord, Positions, RecordBatch, StoredRecord
from tests.fakes.calls import Calls, Crash
from tests.fakes.kafka_cluster import FakeCluster, Fate, Transaction

__all__ = ["Calls", "Crash", "FakeCluster", "FakeInput", "FakeLog", "FakeOutput"]


class FakeInput:
    """`consumer.ports.EventInput`. Records come in order of arrival, across partitions too, so a run is repeatable."""

    def __init__(
        self,
        cluster: FakeCluster,
        topic: str,
        *,
        group: str = "group",
        max_events: int = 100,
        calls: Calls | None = None,
    ) -> None:
        self.group = group
        self.positions: dict[int, int] = {}
        self._cluster = cluster
        self._topic = topic
        self._max_events = max_events
        self._calls = calls or Calls()
        cluster.join(group, self)

    def has_lease(self) -> bool:
        with self._calls.call("has_lease"):
            return self._has_lease()

    def partitions(self) -> Sequence[int]:
        with self._calls.call("partitions"):
            return sorted(range(len(self._cluster.logs(self._topic))))

    def bounds(self) -> Mapping[int, tuple[int, int]]:
        with self._calls.call("bounds"):
            logs = self._cluster.logs(self._topic)
            return {partition: (log.first, log.stable_end) for partition, log in enumerate(logs)}

    def start_reading(self, positions: Positions) -> None:
        with self._calls.call("start_reading", dict(positions)):
            if not self._has_lease():
                raise Retryable("cannot start reading: the lease was lost")
            for partition, position in positions.items():
                self._require_inside(partition, position)
            self.positions.update(positions)

    def poll(self, timeout_s: float) -> RecordBatch | None:
        with self._calls.call("poll"):
            for partition, position in self.positions.items():
                self._require_inside(partition, position)
            records = self._next_records()
            for record in records:
                self.positions[record.partition] = record.offset + 1
            return _batch(self._topic, records) if records else None

    def keep_alive(self) -> None:
        with self._calls.call("keep_alive"):
            pass

    def lag(self) -> Mapping[int, tuple[int, int]]:
        with self._calls.call("lag"):
            logs = self._cluster.logs(self._topic)
            return {partition: (position, logs[partition].end) for partition, position in self.positions.items()}

    def commit(self, positions: Positions) -> None:
        with self._calls.call("commit_offsets", dict(positions)):
            self._cluster.group_offsets.setdefault(self.group, {}).update(positions)

    def close(self) -> None:
        with self._calls.call("close_input"):
            self.die()

    def die(self) -> None:
        """The process is gone and with it what it knew; no call of it, so the journal and the hooks don't see it."""
        self._cluster.leave(self.group, self)
        self.positions = {}

    def _has_lease(self) -> bool:
        return self._cluster.has_lease(self.group, self)

    def _next_records(self) -> list[InputRecord]:
        logs = self._cluster.logs(self._topic)
        waiting = [e for p, position in self.positions.items() for e in logs[p].committed(position, logs[p].stable_end)]
        waiting.sort(key=lambda entry: entry.arrival)
        return [entry.record for entry in waiting[: self._max_events] if entry.record is not None]

    def _require_inside(self, partition: int, position: int) -> None:
        logs = self._cluster.logs(self._topic)
        log = logs[partition] if partition < len(logs) else None
        if log is None or not log.first <= position <= log.end:
            held = "which holds " + (f"{log.first} to {log.end}" if log else "nothing, not even the partition")
            raise Fatal(f"{self._topic} [{partition}]: position {position} lies outside the log, {held}")


class FakeOutput:
    """`consumer.ports.TransactionalOutput`, as strict as a broker: calls out of order are programming errors."""

    def __init__(self, cluster: FakeCluster, *, transactional_id: str = "model", calls: Calls | None = None) -> None:
        self._cluster = cluster
        self._id = transactional_id
        self._calls = calls or Calls()
        self._epoch = -1
        self._transaction: Transaction | None = None

    def open(self) -> None:
        with self._calls.call("open"):
            left_open = self._cluster.transactions.pop(self._id, None)
            if left_open is not None:
                self._cluster.conclude(left_open, Fate.ABORTED)
            self._epoch = self._cluster.epochs.get(self._id, -1) + 1
            self._cluster.epochs[self._id] = self._epoch
            self._transaction = None

    def begin(self) -> None:
        with self._calls.call("begin"):
            self._require_unfenced()
            assert self._transaction is None, "begin() inside a transaction"
            self._transaction = self._cluster.transactions[self._id] = Transaction()

    def write(self, records: Iterable[OutputRecord]) -> None:
        given = list(records)
        for topic in dict.fromkeys(record.topic for record in given):
            of_topic = [record for record in given if record.topic == topic]
            with self._calls.call("write", topic, len(of_topic)):
                self._require_unfenced()
                self._append(of_topic)

    def flush(self) -> Mapping[str, Positions]:
        with self._calls.call("flush"):
            self._require_unfenced()
            ends: dict[str, dict[int, int]] = {}
            for topic, partition, offset in self._current().written:
                ends.setdefault(topic, {})[partition] = offset + 1
            return ends

    def commit(self) -> None:
        with self._calls.call("commit"):
            self._require_unfenced()
            self._conclude(Fate.COMMITTED)

    def abort(self) -> None:
        with self._calls.call("abort"):
            if self._transaction is not None and self._is_unfenced():
                self._conclude(Fate.ABORTED)
            self._transaction = None

    def close(self) -> None:
        with self._calls.call("close_output"):
            if self._transaction is not None and self._is_unfenced():
                self._conclude(Fate.ABORTED)
            self._epoch = -1

    def _append(self, records: Sequence[OutputRecord]) -> None:
        transaction = self._current()
        for record in records:
            self._cluster.logs(record.topic)
            partition, offset = self._cluster.append(
                record.topic,
                record.value,
                key=record.key,
                partition=record.partition,
                headers=record.headers,
                transaction=transaction,
            )
            transaction.written.append((record.topic, partition, offset))

    def _conclude(self, fate: Fate) -> None:
        self._cluster.conclude(self._current(), fate)
        self._cluster.transactions.pop(self._id, None)
        self._transaction = None

    def _current(self) -> Transaction:
        assert self._transaction is not None, "no transaction was begun"
        return self._transaction

    def _is_unfenced(self) -> bool:
        return self._epoch >= 0 and self._epoch == self._cluster.epochs.get(self._id)

    def _require_unfenced(self) -> None:
        if not self._is_unfenced():
            raise Fenced(f"epoch {self._epoch} of {self._id} is no longer the newest")


class FakeLog:
    """`consumer.ports.OutputLog`."""

    def __init__(self, cluster: FakeCluster, *, calls: Calls | None = None) -> None:
        self._cluster = cluster
        self._calls = calls or Calls()

    def partitions(self, topic: str) -> Sequence[int]:
        with self._calls.call("log_partitions", topic):
            return list(range(len(self._cluster.logs(topic))))

    def reconnect(self) -> None:
        with self._calls.call("reconnect"):
            pass

    def await_settled(self, topic: str) -> None:
        with self._calls.call("await_settled", topic):
            if any(log.stable_end < log.end for log in self._cluster.logs(topic)):
                raise Retryable(f"{topic}: a transaction is open")

    def ends(self, topic: str) -> Positions:
        with self._calls.call("ends", topic):
            return {partition: log.stable_end for partition, log in enumerate(self._cluster.logs(topic))}

    def read(self, topic: str, start: Positions) -> Iterator[StoredRecord]:
        with self._calls.call("read", topic, dict(start)):
            records = []
            for partition, log in enumerate(self._cluster.logs(topic)):
                begin = start.get(partition, log.first)
                # A start beyond the end comes from another log of this name.
                for entry in log.committed(begin if begin <= log.end else log.first, log.stable_end):
                    if entry.record is not None:
                        records.append(_stored(entry.record))
        return iter(records)


def _stored(record: InputRecord) -> StoredRecord:
    return StoredRecord(
        record.topic, record.partition, record.offset, record.key, record.value, record.headers, record.timestamp_ms
    )


def _batch(topic: str, records: Sequence[InputRecord]) -> RecordBatch:
    return RecordBatch(
        topic=topic,
        values=ByteColumn.of(record.value for record in records),
        partitions=np.array([record.partition for record in records], np.int32),
        offsets=np.array([record.offset for record in records], np.int64),
        timestamps_ms=np.array([record.timestamp_ms for record in records], np.int64),
        originals=records,
    )
