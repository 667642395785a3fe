"""One version, cut from the state at one moment: rows, tombstones, and what to note once it is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from consumer.events.hashing import hash_text
from consumer.messages import Float64Array, Int64Array, OutputRecord, UInt64Array
from consumer.models import item_to_item
from consumer.models.state import ModelState
from consumer.settings import Publish
from consumer.snapshots import formats
from consumer.snapshots.finiteness import first_not_finite
from consumer.snapshots.published import PublishedRows
from consumer.snapshots.related_text import around, related_values
from consumer.snapshots.selection import due_related, due_scores, most_urgent
from consumer.snapshots.vector_format import ENCODER_KEY, Float16Array, encoder_value, vector_values
from consumer.snapshots.vector_selection import due_vectors, is_encoder_due, unit_vectors

NO_ROWS: Int64Array = np.zeros(0, np.int64)
NO_SCORES: Float64Array = np.zeros(0)


@dataclass(frozen=True, slots=True)
class Upserts:
    """Rows of one topic; entry i of each belongs to the same item."""

    rows: Int64Array = field(default_factory=NO_ROWS.copy)  # (n,) item rows
    hashes: UInt64Array = field(default_factory=lambda: np.zeros(0, np.uint64))  # (n,)
    records: Sequence[OutputRecord] = ()


@dataclass(frozen=True, slots=True)
class VectorUpserts:
    """Rows of `item-vectors`, and perhaps the encoder."""

    items: Upserts = field(default_factory=Upserts)
    values: Float16Array = field(default_factory=lambda: np.zeros((0, 0), np.float16))  # (n, D) as published
    encoder: OutputRecord | None = None
    encoder_hash: int = 0
    encoder_steps: int = 0

    @property
    def records(self) -> Sequence[OutputRecord]:
        return [*self.items.records, *([self.encoder] if self.encoder else [])]


@dataclass(frozen=True, slots=True)
class Version:
    """Everything of one version but its manifest."""

    number: int
    scores: Upserts
    score_values: Float64Array  # (n,) as the texts of `scores` say
    related: Upserts
    departed: Sequence[bytes]
    tombstones: Sequence[OutputRecord]
    waiting: dict[str, int]
    model_scores: Float64Array  # (n_item_rows,) of the live items, NaN for other rows, at this moment
    vectors: VectorUpserts = field(default_factory=VectorUpserts)
    not_finite: str = ""
    """What of the model is not finite, if anything: then there are no rows, for nothing can be made of it."""

    @property
    def n_rows(self) -> int:
        return len(self.records())

    def records(self) -> Sequence[OutputRecord]:
        return [*self.scores.records, *self.related.records, *self.vectors.records, *self.tombstones]

    def row_counts(self) -> dict[str, formats.RowCounts]:
        """Rows by topic, as the manifest says them."""
        upserts: dict[str, int] = {}
        tombstones: dict[str, int] = {}
        for of_topic in (self.scores.records, self.related.records, self.vectors.records):
            if of_topic:
                upserts[of_topic[0].topic] = len(of_topic)
        for record in self.tombstones:
            tombstones[record.topic] = tombstones.get(record.topic, 0) + 1
        topics = sorted({*upserts, *tombstones})
        return {t: formats.RowCounts(upserts.get(t, 0), tombstones.get(t, 0)) for t in topics}


def cut(
    number: int, model: ModelState, published: PublishedRows, settings: Publish, at_s: float, watermark_ms: int | None
) -> Version:
    """Choose and format the rows of a version, at most `max_rows` a topic. Learned state stays as it is; `published`
    notes what waits, and takes back departed keys whose item has returned."""
    published.fit(model.n_item_rows)
    published.depart(model, model.retired_items())
    departed = _next_departed(model, published, settings)
    limit = settings.max_rows - len(departed)
    model_scores = model.scores()
    score_rows, n_scores_waiting = _due_scores(number, model, published, settings, limit, model_scores)
    related_rows, n_related_waiting = _due_related(number, model, published, settings, limit)
    vector_rows, n_vectors_waiting = _due_vectors(number, model, published, settings, limit)
    not_finite = first_not_finite(model, model_scores, related_rows, vector_rows)
    if not_finite:
        return Version(number, Upserts(), NO_SCORES, Upserts(), (), (), {}, model_scores, not_finite=not_finite)
    if published.departed:
        _take_back_returned(model, published, np.union1d(np.union1d(score_rows, related_rows), vector_rows))
    n_departed_waiting = len(published.departed) - len(departed)
    texts = [formats.score_text(value) for value in model_scores[score_rows].tolist()]
    updated_at = formats.timestamp(at_s)
    scores = [formats.score_value(text, number, updated_at) for text in texts]
    related = _related_values(number, model, related_rows, settings, watermark_ms)
    vectors, encoder_waits = _vector_upserts(number, model, published, settings, vector_rows)
    waiting = {
        settings.scores_topic: n_scores_waiting + n_departed_waiting,
        settings.related_topic: n_related_waiting + n_departed_waiting,
    }
    if settings.vectors:
        waiting[settings.vectors_topic] = n_vectors_waiting + n_departed_waiting + encoder_waits
    return Version(
        number=number,
        scores=_upserts(model, settings.scores_topic, score_rows, scores),
        score_values=np.array(texts, np.float64),
        related=_upserts(model, settings.related_topic, related_rows, related),
        departed=departed,
        tombstones=_tombstones(departed, published, settings),
        waiting=waiting,
        model_scores=model_scores,
        vectors=vectors,
    )


def confirm(version: Version, model: ModelState, published: PublishedRows) -> None:
    """The version has been committed: note what readers now hold."""
    published.replace_scores(version.scores.rows, version.score_values, version.scores.hashes)
    published.replace_related(version.related.rows, version.related.hashes)
    model.item_to_item.changed[version.related.rows] = 0.0
    model.items.dirty[version.related.rows] = 1
    for key in version.departed:
        published.forget(key)
    published.take_lists(model, version.related.rows)
    _confirm_vectors(version, published)


def _confirm_vectors(version: Version, published: PublishedRows) -> None:
    vectors, held = version.vectors, published.vectors
    if len(vectors.items.rows):
        held.replace(vectors.items.rows, vectors.values, vectors.items.hashes)
        published.dirty[vectors.items.rows] = 1
    if vectors.encoder is not None:
        held.note_encoder(vectors.encoder_hash)
        held.encoder_steps, held.encoder_version = vectors.encoder_steps, version.number


def checksum_after(version: Version, published: PublishedRows) -> int:
    """The checksum of all rows once this version is committed."""
    total = published.checksum
    for upserts, held in ((version.scores, published.score_hash), (version.related, published.related_hash)):
        # Sums of uint64 wrap around, as the checksum does.
        total += int(upserts.hashes.sum()) - int(held[upserts.rows].sum())
    for key in version.departed:
        hashes = published.departed[key]
        total -= hashes.score + hashes.related
    return total % formats.MODULUS


def vectors_checksum_after(version: Version, published: PublishedRows) -> int:
    """The checksum of the topic of vectors once this version is committed."""
    vectors, held = version.vectors, published.vectors
    total = held.checksum_with(vectors.items.rows, vectors.items.hashes) if held.is_kept else 0
    if vectors.encoder is not None:
        total += vectors.encoder_hash - held.encoder_hash
    total -= sum(published.departed[key].vector for key in version.departed)
    return total % formats.MODULUS


def _next_departed(model: ModelState, published: PublishedRows, settings: Publish) -> list[bytes]:
    """Keys to be deleted now, the longest departed first; at most half of a version, so that upserts go on too."""
    chosen: list[bytes] = []
    for key in list(published.departed)[: max(1, settings.max_rows // 2)]:
        row = model.find_item(hash_text(key))
        if row >= 0:
            published.take_back(key, row)
        else:
            chosen.append(key)
    return chosen


def _take_back_returned(model: ModelState, published: PublishedRows, rows: Int64Array) -> None:
    """Of these rows, which are about to be published, those whose items departed and came back."""
    unknown = rows[(published.score_hash[rows] == 0) & (published.related_hash[rows] == 0)]
    for row in unknown.tolist():
        key = model.item_id(row)
        if key in published.departed:
            published.take_back(key, row)


def _due_scores(
    number: int, model: ModelState, published: PublishedRows, settings: Publish, limit: int, scores: Float64Array
) -> tuple[Int64Array, int]:
    """Rows to be published, and how many more wait."""
    due = due_scores(
        scores,
        published.score,
        published.score_waits_since,
        published.dirty,
        number,
        settings.tolerance,
        model.n_items,
    )
    rows, n_waiting = most_urgent(due, limit)
    return rows, n_waiting


def _due_related(
    number: int, model: ModelState, published: PublishedRows, settings: Publish, limit: int
) -> tuple[Int64Array, int]:
    """Rows to be published, and how many more wait."""
    i2i = model.item_to_item
    due = due_related(
        i2i.changed[: model.n_item_rows],
        i2i.evidence,
        i2i.counts,
        model.items.is_live,
        published.related_hash,
        published.related_waits_since,
        published.dirty,
        number,
        settings.related_tolerance,
    )
    rows, n_waiting = most_urgent(due, limit)
    return rows, n_waiting


def _due_vectors(
    number: int, model: ModelState, published: PublishedRows, settings: Publish, limit: int
) -> tuple[Int64Array, int]:
    """Rows to be published, and how many more wait."""
    if not settings.vectors:
        return NO_ROWS, 0
    due = due_vectors(model, published.vectors, published.dirty, number, settings.vectors_tolerance)
    rows, n_waiting = most_urgent(due, limit)
    return rows, n_waiting


def _vector_upserts(
    number: int, model: ModelState, published: PublishedRows, settings: Publish, rows: Int64Array
) -> tuple[VectorUpserts, bool]:
    """And whether the encoder waits."""
    if not settings.vectors:
        return VectorUpserts(), False
    topic, values = settings.vectors_topic, unit_vectors(model.neural.items, rows)
    items = _upserts(model, topic, rows, vector_values(values, number))
    is_due, waits = is_encoder_due(model, published.vectors, number)
    if not is_due:
        return VectorUpserts(items, values), waits
    value = encoder_value(model.neural.encoder, number)
    return VectorUpserts(
        items,
        values,
        OutputRecord(topic, ENCODER_KEY, value),
        formats.row_hash(topic, ENCODER_KEY, value),
        int(model.neural_moments.n_steps[0]),
    ), waits


def _related_values(
    number: int, model: ModelState, rows: Int64Array, settings: Publish, watermark_ms: int | None
) -> list[bytes]:
    i2i = model.item_to_item
    as_of_ms = float(watermark_ms or 0)
    is_empty = bool(np.isnan(i2i.totals[item_to_item.LANDMARK_MS]))
    per_fresh_event = 0.0 if is_empty else 1.0 / item_to_item.gain(i2i, as_of_ms)
    texts = around(formats.timestamp(as_of_ms / 1000), number)
    return related_values(i2i, model.items.is_live, model.text, rows, per_fresh_event, settings.related, texts)


def _upserts(model: ModelState, topic: str, rows: Int64Array, values: Sequence[bytes]) -> Upserts:
    keys = model.item_ids(rows)
    hashes = formats.row_hashes(topic, keys, values)
    return Upserts(rows, hashes, [OutputRecord(topic, key, value) for key, value in zip(keys, values, strict=True)])


def _tombstones(departed: Sequence[bytes], published: PublishedRows, settings: Publish) -> list[OutputRecord]:
    tombstones = []
    for key in departed:
        hashes = published.departed[key]
        if hashes.score:
            tombstones.append(OutputRecord(settings.scores_topic, key, None))
        if hashes.related:
            tombstones.append(OutputRecord(settings.related_topic, key, None))
        if hashes.vector and settings.vectors:
            tombstones.append(OutputRecord(settings.vectors_topic, key, None))
    return tombstones
