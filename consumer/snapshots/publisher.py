"""Publishes versions: rows and manifest in one Kafka transaction, and dead letters with them.

Steps 1 and 2 of the order of durability (DESIGN.md): everything of a version is written, delivered and committed before
a row counts as published. Nothing may be learned between cutting a version and publishing it; the settings bound that
work (`publish.max_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET, UnsetType

from consumer.errors import Fatal, OutputReplaced
from consumer.messages import OutputRecord, Positions
from consumer.models.state import ModelState
from consumer.ports import TransactionalOutput
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.snapshots.formats import Manifest
from consumer.snapshots.published import PublishedRows
from consumer.snapshots.version import Version, checksum_after, confirm, cut, vectors_checksum_after


@dataclass(frozen=True, slots=True)
class Moment:
    """The state of the stream that a version shows."""

    at_s: float  # wall time
    input_positions: Positions
    watermark_ms: int | None
    description: Callable[[], Mapping[str, object]]
    """Makes the manifest's `model`."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one committed transaction held."""

    version: int | None  # None: dead letters only
    rows: Mapping[tuple[str, str], int]  # (topic, "upsert" | "tombstone")
    waiting: Mapping[str, int]


class Publisher:
    """Owns the version number and the output positions; keeps `rows` true to what is committed."""

    def __init__(
        self,
        settings: Settings,
        settings_digest: str,
        model: ModelState,
        rows: PublishedRows,
        output: TransactionalOutput,
        instance: str,
    ) -> None:
        self._settings = settings
        self._digest = settings_digest
        self._model = model
        self._output = output
        self._instance = instance
        self._in_doubt: tuple[Version, Mapping[str, Positions]] | None = None
        self.rows = rows
        self.version = 0
        self.last_reserved = 0
        """No version beyond this one may go out before a checkpoint has reserved more."""
        self.epoch = 0
        self.discarded: Sequence[Mapping[str, object]] = ()
        """Input that rollbacks have left out, for the manifest."""
        self.output_positions: dict[str, dict[int, int]] = {}
        """Per row topic and partition: last written offset + 1."""
        self.dead_letter_positions: dict[int, int] = {}

    def announce(self, epoch: int, at_s: float) -> None:
        """Commit a writer record: from here on this process is the model's writer of that epoch."""
        record = formats.WriterRecord(self._settings.model, epoch, self._instance, formats.timestamp(at_s))
        key = formats.writer_key(self._settings.model)
        self._output.begin()
        self._output.write([OutputRecord(self._settings.publish.manifests_topic, key, formats.encode(record))])
        self._output.flush()
        self._output.commit()
        self.epoch = epoch

    def cut(self, moment: Moment) -> Version:
        """The next version, of this moment. It may be left at that: nothing depends on its being published."""
        publish = self._settings.publish
        return cut(self.version + 1, self._model, self.rows, publish, moment.at_s, moment.watermark_ms)

    def publish(self, version: Version, moment: Moment, dead_letters: Sequence[OutputRecord]) -> Written:
        """Write and commit the version just cut. On Retryable nothing has changed; on Fenced see `settle`.

        Raises OutputReplaced where a row topic has become shorter than it was.
        """
        number = version.number
        if number > self.last_reserved:
            raise Fatal(
                f"version {number} is beyond the last reserved one: no checkpoint could be saved for too long; "
                "see earlier messages about checkpoints"
            )
        self._output.begin()
        self._output.write([*dead_letters, *version.records()])
        delivered = self._output.flush()
        self._require_same_topics(delivered)
        manifest = self._manifest(version, moment, self._advanced(delivered))
        key = self._settings.model.encode()
        self._output.write([OutputRecord(self._settings.publish.manifests_topic, key, formats.encode(manifest))])
        self._in_doubt = (version, delivered)
        self._output.commit()
        self._confirm()
        return _written(version)

    def write_dead_letters(self, dead_letters: Sequence[OutputRecord]) -> Written:
        """A transaction of dead letters alone, for while nothing is published."""
        self._output.begin()
        self._output.write(dead_letters)
        delivered = self._output.flush()
        self._output.commit()
        self._note_dead_letters(delivered)
        return Written(None, {}, {})

    def settle(self, last_manifest: Manifest | None) -> bool:
        """After a commit of unknown outcome: was it the last manifest? Then confirm it. Returns whether it was."""
        in_doubt, self._in_doubt = self._in_doubt, None
        if in_doubt is None or last_manifest is None:
            return False
        is_ours = last_manifest.writer.get("epoch") == self.epoch and last_manifest.version == in_doubt[0].number
        if is_ours:
            self._in_doubt = in_doubt
            self._confirm()
        return is_ours

    def abort(self) -> None:
        """Leave the transaction after a Retryable."""
        self._in_doubt = None
        self._output.abort()

    def _require_same_topics(self, delivered: Mapping[str, Positions]) -> None:
        for topic, known in self.output_positions.items():
            for partition, end in delivered.get(topic, {}).items():
                if end <= known.get(partition, 0):
                    raise OutputReplaced(
                        f"{topic} partition {partition} was {known[partition]} long and now ends at {end}; all rows "
                        "are published anew"
                    )

    def _confirm(self) -> None:
        assert self._in_doubt is not None  # set by the callers
        version, delivered = self._in_doubt
        self._in_doubt = None
        confirm(version, self._model, self.rows)
        self.version = version.number
        self.output_positions = self._advanced(delivered)
        self._note_dead_letters(delivered)

    def _note_dead_letters(self, delivered: Mapping[str, Positions]) -> None:
        self.dead_letter_positions.update(delivered.get(self._settings.dead_letters_topic, {}))

    def _advanced(self, delivered: Mapping[str, Positions]) -> dict[str, dict[int, int]]:
        publish = self._settings.publish
        return {
            topic: {**self.output_positions.get(topic, {}), **delivered.get(topic, {})} for topic in publish.row_topics
        }

    def _manifest(self, version: Version, moment: Moment, output_positions: Mapping[str, Positions]) -> Manifest:
        watermark_ms = moment.watermark_ms
        return Manifest(
            version=version.number,
            kind="full" if self.version == 0 else "delta",
            created_at=formats.timestamp(moment.at_s),
            watermark=None if watermark_ms is None else formats.timestamp(watermark_ms / 1000),
            input_positions=formats.positions_text({self._settings.input.topic: moment.input_positions}),
            output_positions=formats.positions_text(output_positions),
            rows=version.row_counts(),
            rows_waiting=dict(version.waiting),
            checksum=formats.checksum_text(checksum_after(version, self.rows)),
            discarded=list(self.discarded),
            model=dict(moment.description()),
            settings_digest=self._digest,
            writer={"epoch": self.epoch, "instance": self._instance},
            vectors=self._of_vectors(version),
        )

    def _of_vectors(self, version: Version) -> dict[str, Any] | UnsetType:
        publish = self._settings.publish
        if not publish.vectors:
            return UNSET
        checksum = formats.checksum_text(vectors_checksum_after(version, self.rows))
        return {"topic": publish.vectors_topic, "checksum": checksum}


def _written(version: Version) -> Written:
    rows: dict[tuple[str, str], int] = {}
    for topic, counts in version.row_counts().items():
        rows[topic, "upsert"] = counts.upserts
        rows[topic, "tombstone"] = counts.tombstones
    return Written(version.number, rows, version.waiting)
