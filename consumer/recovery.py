"""Taking over as the model's writer: from the lease to the positions at which to read on.

In this order: fence every older writer (`init_transactions`), find out what it last published and under which epoch,
announce the next epoch, load the newest checkpoint, bring what is noted as published up to what readers hold. A
checkpoint of the new epoch follows at once, so that an older writer can no longer pass for the newest.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from consumer import promotions
from consumer.adapters import Adapters
from consumer.checkpoints import contents, loading, requests
from consumer.checkpoints.loading import AllState, Loaded
from consumer.errors import Fatal
from consumer.events.hashing import hash_text
from consumer.lost_records import tell_lost
from consumer.messages import Positions
from consumer.ports import OutputLog
from consumer.rollbacks import RolledBack, do_what_is_asked
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.snapshots.formats import Manifest
from consumer.snapshots.published import PublishedRows, RowKind
from consumer.snapshots.publisher import Publisher
from consumer.snapshots.vector_format import ENCODER_KEY

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the manifest topic says about the model."""

    manifest: Manifest | None
    epoch: int  # of the last writer record; 0: none


@dataclass(frozen=True, slots=True)
class Recovered:
    """Where to go on."""

    positions: dict[int, int]
    publish_from: Positions
    """Nothing is published before the input has been learned up to here: an earlier run already showed that much."""
    written_dead_letters: set[tuple[int, int]]
    """(partition, offset) of input records whose dead letters lie behind the checkpoint's position."""
    output_partitions: dict[str, int]
    """How many each row topic has."""
    past: RolledBack = field(default_factory=RolledBack)
    rolled_back_by: str = ""
    """Who asked for the rollback that has been done just now; empty: none was."""


def read_standing(log: OutputLog, settings: Settings) -> Standing:
    """Read the manifest topic to its end. Raises Fatal if another model publishes to the same row topics."""
    latest: dict[bytes, bytes] = {}
    for record in log.read(settings.publish.manifests_topic, {}):
        if record.key is not None and record.value is not None:
            latest[record.key] = record.value
    key, writer_key = settings.model.encode(), formats.writer_key(settings.model)
    manifest = formats.decode_manifest(key, latest[key]) if key in latest else None
    epoch = formats.decode_writer(writer_key, latest[writer_key]).epoch if writer_key in latest else 0
    for other, value in latest.items():
        if other != key and not other.endswith(b"/writer"):
            _refuse_shared_topics(formats.decode_manifest(other, value), other, settings)
    return Standing(manifest, epoch)


def _refuse_shared_topics(other: Manifest, key: bytes, settings: Settings) -> None:
    shared = set(settings.publish.row_topics) & set(other.output_positions)
    if shared:
        raise Fatal(
            f"model {key.decode(errors='replace')!r} already publishes to {', '.join(sorted(shared))}; give model "
            f"{settings.model!r} row topics of its own (publish.scores_topic, publish.related_topic)"
        )


def _require_unchanged(before: dict[str, int], now: dict[str, int]) -> None:
    for topic, n in now.items():
        if before.get(topic, n) != n:
            raise Fatal(
                f"{topic} had {before[topic]} partitions and now has {n}: rows of items that moved to another "
                "partition would stay where they were for ever. Make the topic anew with the old number, or publish "
                "to new row topics under another model name"
            )


def _adds_up(rows: PublishedRows, manifest: Manifest) -> bool:
    """Whether the rows found are those of the manifest; of vectors where it tells of them."""
    found, told = [rows.checksum], [manifest.checksum]
    if isinstance(manifest.vectors, dict) and rows.vectors.is_kept:
        found.append(rows.vectors.checksum)
        told.append(manifest.vectors["checksum"])
    return list(map(formats.checksum_text, found)) == told


class TakeOver:
    """One attempt to become the writer."""

    def __init__(self, settings: Settings, adapters: Adapters, state: AllState, publisher: Publisher) -> None:
        self._settings = settings
        self._adapters = adapters
        self._state = state
        self._publisher = publisher
        self._rolled_back_by = ""

    def run(self, *, rebuild: bool, reread: bool = False) -> tuple[Recovered, Loaded | None]:
        """`reread`: the row topics have to be read in full.

        Raises Fatal where an operator has to decide, Retryable or Fenced where it may be tried again.
        """
        if reread:
            self._adapters.log.reconnect()
        self._adapters.output.open()
        standing = read_standing(self._adapters.log, self._settings)
        names = self._adapters.store.names()
        epoch = max([standing.epoch, *(contents.epoch_of(name) for name in names)]) + 1
        self._publisher.announce(epoch, self._adapters.clock.wall_s())
        request = self._adapters.store.request()
        loaded = None if rebuild else self._load(request)
        if loaded is None and not rebuild and (standing.manifest is not None or names):
            raise Fatal(
                f"no usable checkpoint of model {self._settings.model!r} in {self._settings.checkpoints.directory}, "
                "though it has been published before. Bring the checkpoints back, or learn again from the beginning "
                "with --rebuild"
            )
        partitions = self._output_partitions()
        self._resume_publishing(standing, loaded, partitions, names, reread=reread)
        positions = self._input_positions(loaded)
        publish_from = self._published_input(standing.manifest)
        written = set(self._written_dead_letters(positions))
        past = RolledBack.of(loaded.notes, request) if loaded else RolledBack(seen=request)
        self._publisher.discarded = past.discarded
        return Recovered(positions, publish_from, written, partitions, past, self._rolled_back_by), loaded

    def _load(self, request: bytes | None) -> Loaded | None:
        """The newest checkpoint, or what a rollback makes of it, or the one that is promoted."""
        store = self._adapters.store
        if request is not None:
            bounds = self._adapters.source.bounds
            promoted = promotions.promoted(store, self._settings, self._state, request, bounds)
            if promoted is not None:
                return promoted
        newest = loading.load_newest(store, self._settings, self._state)
        if newest is None or request is None:
            return newest
        at = formats.timestamp(self._adapters.clock.wall_s())
        loaded = do_what_is_asked(store, self._settings, self._state, newest, request, at, self._first_offsets)
        if loaded is not newest:
            self._rolled_back_by = requests.decode(request).by
        return loaded

    def _first_offsets(self) -> Positions:
        return {partition: first for partition, (first, _) in self._adapters.source.bounds().items()}

    def _output_partitions(self) -> dict[str, int]:
        topics = self._settings.publish.row_topics
        return {topic: len(self._adapters.log.partitions(topic)) for topic in topics}

    def _resume_publishing(
        self,
        standing: Standing,
        loaded: Loaded | None,
        partitions: dict[str, int],
        names: Sequence[str],
        *,
        reread: bool,
    ) -> None:
        """Version number, output positions and published rows as readers hold them now."""
        publisher, manifest = self._publisher, standing.manifest
        publisher.version = manifest.version if manifest else 0
        if loaded is not None:
            publisher.dead_letter_positions = dict(loaded.notes.dead_letter_positions)
            if standing.epoch < loaded.notes.epoch or publisher.version < loaded.notes.version:
                # The output topics were made anew: numbers go on behind all that may ever have been given.
                publisher.version = max(loaded.notes.reserved_version, *map(contents.reserved_by, names))
                manifest = None
            else:
                _require_unchanged(loaded.notes.output_partitions, partitions)
        if loaded is None or manifest is None or reread:
            self._read_all_rows()
        elif self._are_row_topics_shorter_than(formats.positions_of(manifest.output_positions)):
            logger.error("row topics made anew", extra={"why": "they are shorter than the last manifest says"})
            self._read_all_rows()
        elif not (start := loaded.notes.output_positions):
            self._read_all_rows()
        else:
            if self._settings.publish.vectors and self._settings.publish.vectors_topic not in start:
                publisher.rows.clear_vectors()  # they were not published, or to another topic
            ends = self._apply_rows(start)
            told = formats.positions_of(manifest.output_positions)
            publisher.output_positions = {topic: told.get(topic, ends[topic]) for topic in ends}
            if not _adds_up(publisher.rows, manifest):
                logger.warning(
                    "published rows read in full",
                    extra={"why": "those behind the checkpoint's positions do not give the manifest's checksum"},
                )
                self._read_all_rows()

    def _are_row_topics_shorter_than(self, positions: Mapping[str, Positions]) -> bool:
        for topic in self._settings.publish.row_topics:
            ends = self._adapters.log.ends(topic)
            if any(at > ends.get(partition, 0) for partition, at in positions.get(topic, {}).items()):
                return True
        return False

    def _read_all_rows(self) -> None:
        """What is published is what lies in the row topics, however they came to be."""
        self._publisher.rows.clear()
        self._publisher.output_positions = self._apply_rows({})

    def _apply_rows(self, start: Mapping[str, Positions]) -> dict[str, dict[int, int]]:
        """Those behind `start`; returns where the last one of each topic and partition ends."""
        # Between the last version before the checkpoint and the checkpoint itself, items may have been evicted.
        self._publisher.rows.depart(self._state.model, self._state.model.retired_items())
        ends: dict[str, dict[int, int]] = {}
        for topic in self._settings.publish.row_topics:
            of_topic = ends[topic] = {}
            for record in self._adapters.log.read(topic, start.get(topic, {})):
                of_topic[record.partition] = record.offset + 1
                if record.key is not None:
                    self._apply_row(topic, record.key, record.value)
        return ends

    def _apply_row(self, topic: str, key: bytes, value: bytes | None) -> None:
        new_hash = 0 if value is None else formats.row_hash(topic, key, value)
        kind = self._kind_of(topic)
        if kind is RowKind.VECTOR and key == ENCODER_KEY:
            self._publisher.rows.vectors.note_encoder(new_hash)
            return
        row = self._state.model.find_item(hash_text(key))
        if row >= 0 and key in self._publisher.rows.departed:
            self._publisher.rows.take_back(key, row)
        self._publisher.rows.note(key, row, new_hash, kind)

    def _kind_of(self, topic: str) -> RowKind:
        publish = self._settings.publish
        kinds = {publish.scores_topic: RowKind.SCORE, publish.related_topic: RowKind.RELATED}
        return kinds.get(topic, RowKind.VECTOR)

    def _input_positions(self, loaded: Loaded | None) -> dict[int, int]:
        """The checkpoint's positions; partitions it doesn't know start at their beginning."""
        positions = dict(loaded.notes.input_positions) if loaded else {}
        for partition, (first, end) in self._adapters.source.bounds().items():
            position = positions.setdefault(partition, first)
            if position > end:
                raise Fatal(
                    f"{self._learned_up_to(partition, position, first, end)}. The topic was made anew, or has lost its "
                    "end. Learn again from what there is with --rebuild, or bring the topic back"
                )
            if position < first:
                self._lose(partition, position, first, end)
                positions[partition] = first
        return positions

    def _lose(self, partition: int, position: int, first: int, end: int) -> None:
        """Retention has overtaken the state: go on behind what is gone, if that is wanted. Raises Fatal if not."""
        topic, n_lost = self._settings.input.topic, first - position
        if self._settings.input.on_lost_records == "fail":
            raise Fatal(
                f"{self._learned_up_to(partition, position, first, end)}: {n_lost} records were deleted before they "
                "were read. Learn again from what there is with --rebuild, or go on without them with "
                "input.on_lost_records: skip"
            )
        tell_lost(topic, partition, position, first)
        self._adapters.telemetry.records_lost(topic, partition, n_lost)

    def _learned_up_to(self, partition: int, position: int, first: int, end: int) -> str:
        return (
            f"{self._settings.input.topic} partition {partition}: the state has learned up to offset {position}, but "
            f"the topic now holds {first} to {end}"
        )

    def _published_input(self, manifest: Manifest | None) -> Positions:
        if manifest is None:
            return {}
        return formats.positions_of(manifest.input_positions).get(self._settings.input.topic, {})

    def _written_dead_letters(self, positions: Positions) -> Iterable[tuple[int, int]]:
        return written_dead_letters(self._adapters, self._settings, self._publisher.dead_letter_positions, positions)


def written_dead_letters(
    adapters: Adapters, settings: Settings, start: Positions, positions: Positions
) -> Iterable[tuple[int, int]]:
    """(partition, offset) of input records at or behind `positions` whose dead letters are written, from `start` on."""
    for record in adapters.log.read(settings.dead_letters_topic, start):
        found = adapters.letter_coordinates(record)
        if found is not None and found[0] == settings.input.topic and found[2] >= positions.get(found[1], 0):
            yield found[1], found[2]
