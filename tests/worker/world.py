"""A worker among fakes: a cluster and a disk that outlive its crashes, and processes that come and go."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from consumer import term
from consumer.adapters import Adapters
from consumer.checkpoints.writer import InlineWriter
from consumer.kafka.dead_letters import coordinates, dead_letter_record
from consumer.read_ahead import InlineReader
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.snapshots.formats import Manifest
from consumer.status.board import Board
from consumer.status.document import Status
from consumer.status.figures import Figures
from consumer.status.identity import identity
from consumer.tables import Array
from consumer.worker import Ended
from tests.fakes.calls import Calls
from tests.fakes.checkpoints import FakeDisk, FakeStore
from tests.fakes.clock import FakeClock
from tests.fakes.kafka import FakeCluster, FakeInput, FakeLog, FakeOutput
from tests.fakes.telemetry import RecordingTelemetry

START_S = 1_795_000_000
DEPENDS_ON_PACE = ("published.", "departed.", "items.changed")
"""Arrays of a checkpoint that depend on when versions went out, beside the learned and admission state."""


def settings(**changes: Any) -> Settings:
    """A small model that publishes and saves every few batches."""
    sections: dict[str, Any] = {
        "catalogue": {"max_items": 100},
        "users": {"max_users": 100, "history": 10, "remembered_pairs": 512},
        "models": {"item_to_item": {"neighbours": 8}},
        "evaluation": {"sample_one_in": 2},
        "publish": {"related": 8, "max_rows": 60, "interval_s": 0.1, "catch_up_share": 1.0},
        "checkpoints": {"interval_s": 1.0, "keep": 2},
        "input": {"time_format": "epoch_seconds"},
    }
    for name, section in changes.items():
        sections[name] = {**sections.get(name, {}), **section}
    return Settings.model_validate(sections)


def event(n: int, user: str, item: str, at_s: float, **members: Any) -> bytes:
    """One event as JSON; `at_s` counts from START_S."""
    base = {"event_id": f"e{n}", "user_id": user, "item_id": item, "event_type": "view", "event_time": START_S + at_s}
    return json.dumps({**base, **members}).encode()


@dataclass
class World:
    """What outlives a process."""

    settings: Settings
    n_partitions: int = 1
    batch: int = 25
    cluster: FakeCluster = field(init=False)
    ended: list[Ended] = field(default_factory=list)
    """How each term ended."""
    disk: FakeDisk = field(default_factory=FakeDisk)
    telemetry: RecordingTelemetry = field(default_factory=RecordingTelemetry)
    statuses: list[Status] = field(default_factory=list)
    """What was shown at each turn of the loop, and at the end of each process."""

    def __post_init__(self) -> None:
        publish = self.settings.publish
        self.cluster = FakeCluster(
            {
                self.settings.input.topic: self.n_partitions,
                publish.scores_topic: 2,
                publish.related_topic: 2,
                publish.manifests_topic: 1,
                self.settings.dead_letters_topic: 1,
                **({publish.vectors_topic: 1} if publish.vectors else {}),
            }
        )

    def produce(self, values: Sequence[bytes | None], partition: int = 0) -> None:
        for n, value in enumerate(values):
            self.cluster.append(
                self.settings.input.topic,
                value,
                key=b"k%d" % n,
                partition=partition,
                timestamp_ms=(START_S + 86_400) * 1000,
            )

    def live(
        self,
        calls: Calls | None = None,
        *,
        should_stop: Callable[[FakeInput], bool] | None = None,
        rebuild: bool = False,
        instance: str = "one",
        settings: Settings | None = None,
    ) -> Ended:
        """One process' life, to its clean end: by default it stops once everything is learned and published."""
        calls = calls or Calls()
        chosen = settings or self.settings
        source = FakeInput(self.cluster, chosen.input.topic, max_events=self.batch, calls=calls)
        stop = should_stop or self._has_nothing_left_to_do
        clock = FakeClock(step_s=0.02)
        board = Board(identity(chosen, clock.wall_s()), clock, Figures)
        try:
            adapters = Adapters(
                clock=clock,
                source=source,
                output=FakeOutput(self.cluster, calls=calls),
                log=FakeLog(self.cluster, calls=calls),
                store=FakeStore(self.disk, calls=calls),
                telemetry=self.telemetry,
                board=board,
                new_writer=InlineWriter,
                new_reader=partial(InlineReader, source),
                letter=partial(dead_letter_record, topic=chosen.dead_letters_topic, max_bytes=1 << 20),
                letter_coordinates=coordinates,
            )
            ended = None
            while ended in (None, Ended.ROLLBACK, Ended.OUTPUT_REPLACED):
                reread = ended is Ended.OUTPUT_REPLACED
                ended = term.serve(
                    chosen,
                    adapters,
                    instance,
                    lambda: self._note(board) or stop(source),
                    rebuild=rebuild,
                    reread=reread,
                )
                self.ended.append(ended)
                rebuild = False
            return ended
        finally:
            source.die()
            self._note(board)

    def _note(self, board: Board) -> bool:
        self.statuses.append(board.status)
        return False

    def _has_nothing_left_to_do(self, source: FakeInput) -> bool:
        ends = {p: log.end for p, log in enumerate(self.cluster.logs(self.settings.input.topic))}
        if source.positions != ends or not (manifests := self.manifests()):
            return False
        learned = formats.positions_of(manifests[-1].input_positions)[self.settings.input.topic]
        return learned == ends and not sum(manifests[-1].rows_waiting.values())

    def newest_checkpoint(self) -> Mapping[str, Array]:
        return self.disk.complete[max(self.disk.complete)].arrays

    def learned_state(self) -> Mapping[str, bytes]:
        """Learned and admission state of the newest checkpoint, bit for bit."""
        arrays = self.newest_checkpoint()
        return {name: array.tobytes() for name, array in arrays.items() if not name.startswith(DEPENDS_ON_PACE)}

    def manifests(self) -> list[Manifest]:
        """All that were ever committed, in order."""
        return [
            formats.decode_manifest(record.key or b"", record.value or b"")
            for record in self.cluster.committed(self.settings.publish.manifests_topic)
            if record.key == self.settings.model.encode()
        ]

    def rows_of(self, manifest: Manifest) -> dict[str, dict[bytes, bytes]]:
        """Per topic, the rows of a version, as a reader that has read exactly up to its positions holds them."""
        positions = formats.positions_of(manifest.output_positions)
        rows: dict[str, dict[bytes, bytes]] = {}
        for topic in (self.settings.publish.scores_topic, self.settings.publish.related_topic):
            held = rows[topic] = {}
            for record in self.cluster.committed(topic):
                if record.offset < positions.get(topic, {}).get(record.partition, 0):
                    assert record.key is not None
                    held.pop(record.key, None)
                    if record.value is not None:
                        held[record.key] = record.value
        return rows

    def checksum_of(self, manifest: Manifest) -> str:
        """Recounted from the rows."""
        hashes = (
            formats.row_hash(topic, key, value)
            for topic, rows in self.rows_of(manifest).items()
            for key, value in rows.items()
        )
        return formats.checksum_text(sum(hashes))

    def dead_letter_coordinates(self) -> list[tuple[int, int]]:
        """(partition, offset) of every dead letter committed, in order of both."""
        found = []
        for record in self.cluster.committed(self.settings.dead_letters_topic):
            headers = dict(record.headers)
            partition, offset = headers["__connect.errors.partition"], headers["__connect.errors.offset"]
            assert partition is not None
            assert offset is not None
            found.append((int(partition), int(offset)))
        return sorted(found)
