"""Reads what a worker publishes, and shows whole versions only.

Runs no client itself: it is fed with the committed records of the output topics and with the consumer's positions
(`consumer.kafka.snapshot_reader` does both). See `consumer.snapshots.staging` for the rule, DESIGN.md for the contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from consumer.errors import Retryable
from consumer.messages import Positions, StoredRecord
from consumer.snapshots.catalogue import Catalogue
from consumer.snapshots.formats import Manifest, checksum_text
from consumer.snapshots.read_vectors import NO_VECTORS, VectorColumns, vector_columns
from consumer.snapshots.recommender import totals_of
from consumer.snapshots.rows import RelatedColumns, ScoreColumns, related_columns, score_columns
from consumer.snapshots.shown import ShownVersion
from consumer.snapshots.staging import OutputTopics, Staging

__all__ = ["BrokenSnapshot", "OutputTopics", "SnapshotReader"]

PIECE_ROWS = 20_000
"""While nothing can be shown yet, rows are worked off in pieces of so many, as they come."""


class BrokenSnapshot(Retryable):
    """The rows read don't add up to the version that their manifest names: `restart`, and read from the beginning."""


class SnapshotReader(ShownVersion):
    """Shows the newest whole version of one model. One thread calls `feed`, `advance` and `restart`."""

    def __init__(self, model_name: str, topics: OutputTopics | None = None) -> None:
        super().__init__()
        self._model = model_name
        self._topics = topics or OutputTopics()
        self._staging = Staging(model_name, self._topics)
        self._building: Catalogue | None = None
        self._broken = 0

    def feed(self, records: Iterable[StoredRecord]) -> None:
        """Committed records, those of a partition in the order of their offsets. Changes nothing that is shown.

        Raises Fatal for a manifest that cannot be read or whose version goes back.
        """
        self._staging.add(records)

    def advance(self, positions: Mapping[str, Positions]) -> bool:
        """The consumer has handed out everything before these positions. Returns whether a newer version is shown now.

        Read the manifests to their end before the rows: an older manifest may ask for rows that compaction has removed
        since, which looks like a loss. Raises BrokenSnapshot, once for each manifest, where the rows don't give its
        checksum; what is shown stays. Then go on, if newer manifests are to come, or else `restart`.
        """
        self._staging.reach(positions)
        manifest = self._staging.manifest
        if manifest is None:
            return False
        if self._building is not None or self.version == 0:
            return self._build(manifest)
        if manifest.version in (self.version, self._broken) or not self._staging.is_complete():
            return False
        self._update(manifest)
        return True

    def restart(self) -> None:
        """Forget what was read: the records come again from the beginning. What is shown stays until a version at least
        as new is whole."""
        self._staging = Staging(self._model, self._topics)
        self._building = None
        self._broken = 0
        if self._manifest is not None:
            self._building = _empty_catalogue(self._manifest)

    def _build(self, manifest: Manifest) -> bool:
        """Into a catalogue that nobody sees yet: its rows need not wait until all are here."""
        staging = self._staging
        can_be_shown = staging.is_complete() and manifest.version >= self.version and manifest.version != self._broken
        if not can_be_shown and staging.n_due < PIECE_ROWS:
            return False
        if self._building is None:
            self._building = _empty_catalogue(manifest)
        self._building.put(*self._columns(self._building))
        staging.drop_due()
        if not can_be_shown:
            return False
        self._require_whole(manifest, self._building, self._building.checksum, self._building.vectors.checksum)
        is_newer = manifest.version > self.version
        self._show(manifest, self._building)
        self._building = None
        return is_newer

    def _update(self, manifest: Manifest) -> None:
        """Into the catalogue that is shown, in one step."""
        catalogue = self._catalogue
        scores, related, vectors = self._columns(catalogue)
        checksums = catalogue.checksum_with(scores, related), catalogue.vectors.checksum_with(vectors)
        self._require_whole(manifest, catalogue, *checksums)
        self._staging.drop_due()
        self._put(manifest, scores, related, vectors)

    def _columns(self, catalogue: Catalogue) -> tuple[ScoreColumns, RelatedColumns, VectorColumns]:
        topics, due = self._topics, self._staging.due
        return (
            score_columns(topics.scores, due[topics.scores], catalogue.numbering),
            related_columns(topics.related, due[topics.related], catalogue.numbering),
            vector_columns(topics.vectors, due[topics.vectors], catalogue.numbering) if topics.vectors else NO_VECTORS,
        )

    def _require_whole(self, manifest: Manifest, catalogue: Catalogue, checksum: int, vectors_checksum: int) -> None:
        told = f"version {manifest.version} of model {self._model!r}"
        remedy = "Start again from the beginning of the topics (restart)"
        given, wanted = [checksum_text(checksum)], [manifest.checksum]
        if isinstance(manifest.vectors, dict) and manifest.vectors.get("topic") == self._topics.vectors:
            given.append(checksum_text(vectors_checksum))
            wanted.append(manifest.vectors["checksum"])
        if given != wanted:
            self._broken = manifest.version
            raise BrokenSnapshot(
                f"{told}: the rows read give checksum {' and '.join(given)}, the manifest says "
                f"{' and '.join(wanted)}. Rows or tombstones were compacted away before they were read, because the "
                "reader was further behind than min.compaction.lag.ms or delete.retention.ms, or something else "
                f"writes to these topics. {remedy}"
            )
        if totals_of(manifest).time_constant_ms != catalogue.time_constant_ms:
            self._broken = manifest.version
            raise BrokenSnapshot(f"{told} counts with another time constant than the versions before. {remedy}")


def _empty_catalogue(manifest: Manifest) -> Catalogue:
    totals = totals_of(manifest)
    return Catalogue(totals.as_of_ms, totals.time_constant_ms)
