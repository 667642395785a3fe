"""The cluster that the fakes of `tests.fakes.kafka` are clients of: logs with transactions, leases, epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from confluent_kafka import murmur2

from consumer.errors import Fatal
from consumer.messages import Headers, InputRecord


class Fate(Enum):
    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(slots=True, eq=False)
class Transaction:
    fate: Fate = Fate.OPEN
    written: list[tuple[str, int, int]] = field(default_factory=list)
    """Topic, partition, offset of each of its records."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies at one offset; `record` None: a transaction marker."""

    record: InputRecord | None
    arrival: int
    """Number of the record in the cluster's life, which orders records of different partitions."""
    transaction: Transaction | None = None


@dataclass(slots=True)
class Partition:
    entries: list[Entry] = field(default_factory=list)
    first: int = 0
    begun: dict[Transaction, int] = field(default_factory=dict)
    """Where the first record of each transaction lies."""

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def stable_end(self) -> int:
        """In front of the first record of a transaction still open."""
        return min((at for transaction, at in self.begun.items() if transaction.fate is Fate.OPEN), default=self.end)

    def committed(self, start: int, end: int) -> Iterator[Entry]:
        for entry in self.entries[max(start, self.first) : end]:
            aborted = entry.transaction is not None and entry.transaction.fate is not Fate.COMMITTED
            if entry.record is not None and not aborted:
                yield entry


class FakeCluster:
    """What outlives a process: topics, the group's lease and the producers' epochs."""

    def __init__(self, topics: Mapping[str, int] | None = None) -> None:
        """`topics`: name → number of partitions."""
        self.topics: dict[str, list[Partition]] = {}
        self.members: dict[str, list[object]] = {}
        self.group_offsets: dict[str, dict[int, int]] = {}
        self.transactions: dict[str, Transaction] = {}
        self.epochs: dict[str, int] = {}
        self._arrivals = 0
        for name, n in (topics or {}).items():
            self.create(name, n)

    def create(self, topic: str, partitions: int) -> None:
        self.topics[topic] = [Partition() for _ in range(partitions)]

    def logs(self, topic: str) -> list[Partition]:
        """Raises Fatal where it doesn't exist."""
        if topic not in self.topics:
            raise Fatal(f"topic {topic} does not exist")
        return self.topics[topic]

    def delete(self, topic: str) -> None:
        del self.topics[topic]

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """As retention does."""
        self.topics[topic][partition].first = offset

    def append(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        timestamp_ms: int = 0,
        headers: Headers = (),
        transaction: Transaction | None = None,
    ) -> tuple[int, int]:
        """Partition and offset of the new record."""
        partitions = self.topics[topic]
        chosen = partition if partition is not None else murmur2(key or b"", len(partitions))
        log = partitions[chosen]
        record = InputRecord(topic, chosen, log.end, timestamp_ms, key, value, tuple(headers))
        self._arrivals += 1
        log.entries.append(Entry(record, self._arrivals, transaction))
        if transaction is not None:
            log.begun.setdefault(transaction, record.offset)
        return chosen, record.offset

    def conclude(self, transaction: Transaction, fate: Fate) -> None:
        """Decide it and write its markers; they take an offset in each partition written to."""
        if transaction.fate is not Fate.OPEN:
            return
        transaction.fate = fate
        for topic, partition in sorted({(topic, partition) for topic, partition, _ in transaction.written}):
            if topic in self.topics:
                self.topics[topic][partition].entries.append(Entry(None, self._arrivals, transaction))

    def committed(self, topic: str) -> list[InputRecord]:
        """Every record that a `read_committed` reader of the whole topic sees, in order of arrival."""
        found = [e for log in self.topics[topic] for e in log.committed(log.first, log.stable_end)]
        return [e.record for e in sorted(found, key=lambda e: e.arrival) if e.record is not None]

    def join(self, group: str, member: object) -> None:
        self.members.setdefault(group, []).append(member)

    def leave(self, group: str, member: object) -> None:
        """Also what a killed process does after its session: the lease goes to who has waited longest."""
        if member in self.members[group]:
            self.members[group].remove(member)

    def has_lease(self, group: str, member: object) -> bool:
        return self.members[group][:1] == [member]
