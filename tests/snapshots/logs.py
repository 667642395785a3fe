"""What a broker may have of a published history, and the ways in which a consumer may come to read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from hypothesis import strategies as st

from consumer.errors import Retryable
from consumer.messages import OutputRecord, StoredRecord
from consumer.snapshots import formats
from tests.fakes.kafka import FakeCluster, FakeOutput
from tests.snapshots.worlds import MANIFESTS, N_PARTITIONS, RELATED, SCORES, Writer, new_cluster
from tests.streams import busy_stream, small_settings

PARTITIONS = [(MANIFESTS, 0), *((topic, p) for topic in (SCORES, RELATED) for p in range(N_PARTITIONS))]


@dataclass(frozen=True)
class History:
    """`scores` and `checksums` by version, as the writer knows them."""

    cluster: FakeCluster
    scores: Mapping[int, Mapping[str, float]]
    checksums: Mapping[int, str]

    @property
    def last(self) -> int:
        return max(self.scores)


@cache
def published_history(seed: int) -> History:
    """Fourteen versions with evictions, returns, waiting rows and two failed attempts, beside another model's."""
    settings = small_settings(
        catalogue={"max_items": 100, "item_ttl_s": 3_000.0}, publish={"related": 8, "max_rows": 12}
    )
    writer = Writer(settings, new_cluster())
    writer.publisher.announce(1, 0.0)
    _publish_as_another_model(writer.cluster)
    scores: dict[int, Mapping[str, float]] = {}
    checksums: dict[int, str] = {}
    rows = busy_stream(seed, 420, n_items=40, n_users=6, step_s=30.0)
    for n, start in enumerate(range(0, len(rows), 30)):
        writer.learn(rows[start : start + 30])
        if n in (3, 7):
            _fail_to_publish(writer)
        writer.publish()
        scores[writer.publisher.version] = writer.published_scores()
        checksums[writer.publisher.version] = formats.checksum_text(writer.publisher.rows.checksum)
    return History(writer.cluster, scores, checksums)


def _fail_to_publish(writer: Writer) -> None:
    def fail(name: str) -> None:
        if name == "commit":
            raise Retryable("the broker is away")

    writer.calls.before_call = fail
    try:
        writer.publish()
    except Retryable:
        writer.calls.before_call = lambda name: None
        writer.publisher.abort()


def _publish_as_another_model(cluster: FakeCluster) -> None:
    output = FakeOutput(cluster, transactional_id="other")
    output.open()
    output.begin()
    output.write([OutputRecord(MANIFESTS, b"other", b'{"not": "ours"}')])
    output.commit()


@dataclass
class Log:
    """One partition as a reader may find it: committed records by offset, and where it ends."""

    records: dict[int, StoredRecord] = field(default_factory=dict)
    end: int = 0


def logs_of(history: History) -> dict[tuple[str, int], Log]:
    logs = {}
    for topic, partition in PARTITIONS:
        stored = history.cluster.logs(topic)[partition]
        records = [entry.record for entry in stored.committed(0, stored.end) if entry.record is not None]
        by_offset = {r.offset: StoredRecord(r.topic, r.partition, r.offset, r.key, r.value, r.headers) for r in records}
        logs[topic, partition] = Log(by_offset, stored.end)
    return logs


def compacted(log: Log, clean_up_to: int, *, drops_tombstones: bool) -> Log:
    """Before `clean_up_to` only the last record of each key is left, and tombstones for a while."""
    last = {record.key: offset for offset, record in log.records.items()}
    kept = {
        offset: record
        for offset, record in log.records.items()
        if offset >= clean_up_to or (last[record.key] == offset and not (drops_tombstones and record.value is None))
    }
    return Log(kept, log.end)


@st.composite
def compactions(draw: st.DrawFn, logs: Mapping[tuple[str, int], Log]) -> dict[tuple[str, int], Log]:
    """Each partition cleaned up to some point of its own."""
    return {
        at: compacted(log, draw(st.integers(0, log.end)), drops_tombstones=draw(st.booleans()))
        for at, log in logs.items()
    }


@dataclass
class Follower:
    """A consumer's positions in the logs."""

    logs: Mapping[tuple[str, int], Log]
    at: dict[tuple[str, int], int] = field(default_factory=dict)

    def read(self, partition: tuple[str, int], n: int) -> list[StoredRecord]:
        """The next n offsets of one partition; markers and compacted rows take some of them."""
        log, start = self.logs[partition], self.at.get(partition, 0)
        end = min(start + n, log.end)
        self.at[partition] = end
        return [log.records[offset] for offset in range(start, end) if offset in log.records]

    def positions(self) -> dict[str, dict[int, int]]:
        by_topic: dict[str, dict[int, int]] = {}
        for (topic, partition), position in self.at.items():
            by_topic.setdefault(topic, {})[partition] = position
        return by_topic

    def is_at_end(self, partition: tuple[str, int]) -> bool:
        return self.at.get(partition, 0) >= self.logs[partition].end


@st.composite
def orders(draw: st.DrawFn) -> list[tuple[tuple[str, int], int]]:
    """Which partition's records come next, and how many offsets of it; manifests may be faster or slower than rows."""
    most_manifests, most_rows = draw(st.sampled_from([(2, 40), (4, 10), (36, 36)]))
    steps = draw(st.lists(st.tuples(st.sampled_from(PARTITIONS), st.floats(0, 1)), min_size=1, max_size=150))
    return [(at, 1 + round(share * (most_manifests if at[0] == MANIFESTS else most_rows))) for at, share in steps]
