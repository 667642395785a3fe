"""One version, cut from the state at one moment: rows, tombstones, and what to note once it is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from consumer.events.hashing import hash_text
from consumer.messages import Float64Array, OutputRecord
from consumer.models import item_to_item
from consumer.models.state import ModelState
from consumer.settings import Publish
from consumer.snapshots import formats
from consumer.snapshots.published import PublishedRows
from consumer.snapshots.selection import most_urgent, related_urgency, score_urgency


@dataclass(frozen=True, slots=True)
class ScoreUpsert:
    row: int
    score: float  # as the text says
    record: OutputRecord
    hash: int


@dataclass(frozen=True, slots=True)
class RelatedUpsert:
    row: int
    record: OutputRecord
    hash: int


@dataclass(frozen=True, slots=True)
class Version:
    """Everything of one version but its manifest."""

    number: int
    scores: Sequence[ScoreUpsert] = ()
    related: Sequence[RelatedUpsert] = ()
    departed: Sequence[bytes] = ()
    tombstones: Sequence[OutputRecord] = ()
    waiting: dict[str, int] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        return len(self.scores) + len(self.related) + len(self.tombstones)

    def records(self) -> Sequence[OutputRecord]:
        return [*(s.record for s in self.scores), *(r.record for r in self.related), *self.tombstones]

    def row_counts(self) -> dict[str, formats.RowCounts]:
        """Rows by topic, as the manifest says them."""
        upserts: dict[str, int] = {}
        tombstones: dict[str, int] = {}
        for record in self.records():
            counts = tombstones if record.value is None else upserts
            counts[record.topic] = counts.get(record.topic, 0) + 1
        topics = sorted({*upserts, *tombstones})
        return {t: formats.RowCounts(upserts.get(t, 0), tombstones.get(t, 0)) for t in topics}


def cut(
    number: int, model: ModelState, published: PublishedRows, settings: Publish, at_s: float, watermark_ms: int | None
) -> Version:
    """Choose and format the rows of a version. Learned state stays as it is; `published` notes what waits."""
    published.fit(model.n_item_rows)
    published.depart(model, model.retired_items())
    _take_back_returned(model, published)
    scores, n_scores_waiting = _score_upserts(number, model, published, settings, at_s)
    related, n_related_waiting = _related_upserts(number, model, published, settings, watermark_ms)
    departed = list(published.departed)[: settings.max_rows]
    n_departed_waiting = len(published.departed) - len(departed)
    return Version(
        number=number,
        scores=scores,
        related=related,
        departed=departed,
        tombstones=_tombstones(departed, published, settings),
        waiting={
            settings.scores_topic: n_scores_waiting + n_departed_waiting,
            settings.related_topic: n_related_waiting + n_departed_waiting,
        },
    )


def confirm(version: Version, model: ModelState, published: PublishedRows) -> None:
    """The version has been committed: note what readers now hold."""
    for upsert in version.scores:
        published.replace_score(upsert.row, upsert.score, upsert.hash)
    for related in version.related:
        published.replace_related(related.row, related.hash)
        model.item_to_item.changed[related.row] = 0.0
        model.items.dirty[related.row] = 1
    for key in version.departed:
        published.forget(key)


def checksum_after(version: Version, published: PublishedRows) -> int:
    """The checksum of all rows once this version is committed."""
    total = published.checksum
    for upsert in version.scores:
        total += upsert.hash - int(published.score_hash[upsert.row])
    for related in version.related:
        total += related.hash - int(published.related_hash[related.row])
    for key in version.departed:
        hashes = published.departed[key]
        total -= hashes.score + hashes.related
    return total % formats.MODULUS


def _take_back_returned(model: ModelState, published: PublishedRows) -> None:
    for key in list(published.departed):
        row = model.find_item(hash_text(key))
        if row >= 0:
            published.take_back(key, row)


def _score_upserts(
    number: int, model: ModelState, published: PublishedRows, settings: Publish, at_s: float
) -> tuple[list[ScoreUpsert], int]:
    scores = model.scores()
    n = len(scores)
    urgency = score_urgency(
        scores, published.score[:n], published.score_waits_since[:n], number, settings.tolerance, model.n_items
    )
    rows, n_waiting = most_urgent(urgency, settings.max_rows)
    updated_at = formats.timestamp(at_s)
    upserts = []
    for row, score in zip(rows.tolist(), scores[rows].tolist(), strict=True):
        text = formats.score_text(score)
        value = formats.score_value(text, number, updated_at)
        record = OutputRecord(settings.scores_topic, model.item_id(row), value)
        upserts.append(ScoreUpsert(row, float(text), record, formats.row_hash(record.topic, record.key, value)))
    return upserts, n_waiting


def _related_upserts(
    number: int, model: ModelState, published: PublishedRows, settings: Publish, watermark_ms: int | None
) -> tuple[list[RelatedUpsert], int]:
    n = model.n_item_rows
    i2i = model.item_to_item
    urgency = related_urgency(
        i2i.changed[:n],
        i2i.evidence[:n],
        i2i.counts[:n],
        model.items.is_live[:n],
        (published.related_hash[:n] != 0).astype(np.uint8),
        published.related_waits_since[:n],
        number,
        settings.related_tolerance,
    )
    rows, n_waiting = most_urgent(urgency, settings.max_rows)
    if len(rows) == 0:
        return [], n_waiting
    as_of_ms = float(watermark_ms or 0)
    per_fresh_event = 1.0 / item_to_item.gain(i2i, as_of_ms) if not np.isnan(i2i.totals[1]) else 0.0
    as_of = formats.timestamp(as_of_ms / 1000)
    masses = formats.rounded(i2i.counts[rows] * per_fresh_event, 6).tolist()
    upserts = []
    for row, mass in zip(rows.tolist(), masses, strict=True):
        related = _related(model, row, per_fresh_event, settings.related)
        value = formats.related_value(related, mass, as_of, number)
        record = OutputRecord(settings.related_topic, model.item_id(row), value)
        upserts.append(RelatedUpsert(row, record, formats.row_hash(record.topic, record.key, value)))
    return upserts, n_waiting


def _related(model: ModelState, row: int, per_fresh_event: float, most: int) -> list[tuple[str, float]]:
    """A row's live entries, best first (ties: the longer known item)."""
    i2i = model.item_to_item
    size = int(i2i.size[row])
    neighbours = i2i.neighbour[row, :size]
    weights: Float64Array = i2i.weight[row, :size] * per_fresh_event
    weights = np.where(model.items.is_live[neighbours] == 1, weights, 0.0)
    order = np.lexsort((neighbours, -weights))[:most]
    order = order[weights[order] > 0]
    chosen = neighbours[order]
    width = model.text.text.shape[1]
    text = model.text.text[chosen].tobytes()
    lengths = model.text.length[chosen].tolist()
    values = formats.rounded(weights[order], 6).tolist()
    return [
        (text[i * width : i * width + length].decode(), value)
        for i, (length, value) in enumerate(zip(lengths, values, strict=True))
    ]


def _tombstones(departed: Sequence[bytes], published: PublishedRows, settings: Publish) -> list[OutputRecord]:
    tombstones = []
    for key in departed:
        hashes = published.departed[key]
        if hashes.score:
            tombstones.append(OutputRecord(settings.scores_topic, key, None))
        if hashes.related:
            tombstones.append(OutputRecord(settings.related_topic, key, None))
    return tombstones
