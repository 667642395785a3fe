"""A writer on a cluster in memory, and readers that are fed from it in every order that Kafka allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from consumer.events.hashing import hash_text
from consumer.learning.trainer import Trainer
from consumer.messages import OutputRecord, StoredRecord
from consumer.models import logit, recommend
from consumer.models.recommend import Readable
from consumer.models.state import ModelState
from consumer.ports import TransactionalOutput
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.snapshots.description import describe
from consumer.snapshots.formats import Manifest
from consumer.snapshots.published import PublishedRows
from consumer.snapshots.publisher import Moment, Publisher, Written
from consumer.snapshots.reader import SnapshotReader
from tests.fakes.kafka import Calls, FakeCluster, FakeOutput
from tests.streams import START_MS, Event, admitted, small_settings

SCORES, RELATED, MANIFESTS = "item-scores", "item-related", "score-manifests"
LETTERS = "behaviour-events-dead-letters"
N_PARTITIONS = 3


def new_cluster() -> FakeCluster:
    return FakeCluster({SCORES: N_PARTITIONS, RELATED: N_PARTITIONS, MANIFESTS: 1, LETTERS: 1})


class Writer:
    """Learns rows of a stream and publishes; `at_s` is event time, counted from START_MS, and wall time too."""

    def __init__(
        self,
        settings: Settings | None = None,
        cluster: FakeCluster | None = None,
        output: TransactionalOutput | None = None,
    ) -> None:
        self.settings = settings or small_settings()
        self.cluster = cluster or new_cluster()
        self.calls = Calls()
        self.model = ModelState(self.settings)
        self.output = output or FakeOutput(self.cluster, calls=self.calls)
        self.output.open()
        self.publisher = Publisher(
            self.settings, "0123456789abcdef", self.model, PublishedRows(), self.output, "writer-1"
        )
        self.publisher.last_reserved = 1_000_000
        self.trainer = Trainer(self.settings, self.model, lambda rows: self.publisher.rows.depart(self.model, rows))
        self.learned: list[Event] = []
        self.watermark_ms: int | None = None

    def learn(self, rows: Sequence[Event]) -> None:
        numbered = [replace_offset(row, len(self.learned) + i) for i, row in enumerate(rows)]
        self.learned += numbered
        batch = admitted(numbered)
        if self.watermark_ms is not None:
            batch = replace(batch, watermark_ms=batch.watermark_ms.clip(min=self.watermark_ms))
        if rows:
            self.trainer.learn(batch)
            self.watermark_ms = int(batch.watermark_ms[-1])

    def publish(self, letters: Sequence[OutputRecord] = ()) -> Written:
        moment = self.moment()
        return self.publisher.publish(self.publisher.cut(moment), moment, letters)

    def moment(self) -> Moment:
        at_s = (self.watermark_ms or START_MS) / 1000
        return Moment(at_s, {0: len(self.learned)}, self.watermark_ms, self._description)

    def _description(self) -> Mapping[str, object]:
        return describe(self.model, self.watermark_ms, {}, {})

    def publish_all(self) -> int:
        """Until nothing waits; returns the number of versions it took."""
        n = 1
        while any(self.publish().waiting.values()):
            n += 1
        return n

    def published_scores(self) -> dict[str, float]:
        """What readers hold, as the writer knows it; departed items are left out."""
        rows = np.flatnonzero(self.publisher.rows.score_hash).tolist()
        return {self.model.item_id(row).decode(): float(self.publisher.rows.score[row]) for row in rows}

    def recommend(self, history: Sequence[str], n: int) -> list[str]:
        """From the learned state itself, at the watermark; oldest item first."""
        model = self.model
        rows = [model.find_item(hash_text(item.encode())) for item in reversed(history)]
        lists, pool = recommend.allocate_lists(len(rows), n), logit.allocate_pool()
        scores = model.scores()
        popular = np.argsort(-np.nan_to_num(scores, nan=-1.0), kind="stable")[:n].astype(np.int32)
        known = Readable(model.item_to_item, model.repeat, model.logit, model.fusion, scores, popular)
        recommend.recommend(
            known, model.scratch, model.items.is_live, np.array(rows, np.int32), len(rows),
            float(self.watermark_ms or 0), pool, lists,
        )  # fmt: skip
        return [model.item_id(row).decode() for row in lists.merged[: lists.lengths[recommend.MERGED]]]

    def model_scores(self) -> dict[str, float]:
        scores = self.model.scores()
        return {
            self.model.item_id(row).decode(): float(scores[row]) for row in np.flatnonzero(~np.isnan(scores)).tolist()
        }


def replace_offset(row: Event, offset: int) -> Event:
    return row._replace(offset=offset, event_id=f"{row.partition}/{offset}")


def committed(cluster: FakeCluster, topic: str) -> list[StoredRecord]:
    return [StoredRecord(r.topic, r.partition, r.offset, r.key, r.value, r.headers) for r in cluster.committed(topic)]


def manifests(cluster: FakeCluster, model: str = "default") -> list[Manifest]:
    """All that were committed for the model, in order."""
    return [
        formats.decode_manifest(record.key, record.value)
        for record in cluster.committed(MANIFESTS)
        if record.key == model.encode() and record.value is not None
    ]


def ends(cluster: FakeCluster) -> dict[str, dict[int, int]]:
    """Where a reader of everything stands: behind the transactions' markers."""
    return {
        topic: {p: log.stable_end for p, log in enumerate(cluster.logs(topic))}
        for topic in (SCORES, RELATED, MANIFESTS)
    }


def read_all(cluster: FakeCluster, model: str = "default") -> SnapshotReader:
    """A reader that starts now and reads to the end."""
    reader = SnapshotReader(model)
    for topic in (MANIFESTS, SCORES, RELATED):
        reader.feed(committed(cluster, topic))
    reader.advance(ends(cluster))
    return reader
