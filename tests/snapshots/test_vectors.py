"""`item-vectors`: what goes out of the network, when, and that a reader ranks with it as the worker does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from msgspec import UNSET

from consumer.checkpoints.listing import DTYPES
from consumer.errors import Fatal
from consumer.models import neural
from consumer.models.knowledge import Network
from consumer.models.neural_seeding import seed_network
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.snapshots.published import PublishedRows
from consumer.snapshots.reader import BrokenSnapshot, OutputTopics, SnapshotReader
from consumer.snapshots.vector_format import (
    ENCODER_KEY,
    encoder_value,
    read_encoder,
    read_vectors,
    vector_values,
)
from consumer.snapshots.vector_selection import ENCODER_EVERY
from consumer.term import new_state
from consumer.transfer.from_version import told_by
from tests.learning.states import World
from tests.snapshots.worlds import MANIFESTS, N_PARTITIONS, RELATED, SCORES, Writer, committed, new_cluster, read_all
from tests.streams import Event, busy_stream, small_settings

VECTORS = "item-vectors"
TOPICS = OutputTopics(vectors=VECTORS)
WIDTH = 8


def with_vectors(*, item_ttl_s: float = 1e7, **publish: Any) -> Settings:
    network = {
        "enabled": True, "dimensions": WIDTH, "examples_per_step": 64, "replay_examples": 8, "steps_per_thousand": 1,
    }  # fmt: skip
    base = small_settings(catalogue={"max_items": 100, "item_ttl_s": item_ttl_s}).model_dump()
    base["models"]["neural"].update(network)
    base["publish"].update({"vectors": True, **publish})
    return Settings.model_validate(base)


def writer(n: int = 60, **changes: Any) -> Writer:
    """A writer whose network has numbers, though it takes no step: so these tests need no JAX."""
    cluster = new_cluster()
    cluster.create(VECTORS, N_PARTITIONS)
    made = Writer(with_vectors(**changes), cluster)
    made.publisher.rows = PublishedRows.of(made.settings.models)
    made.learn(busy_stream(seed=3, n=n, n_items=12, n_users=9))
    live = np.flatnonzero(made.model.items.is_live).astype(np.int32)
    rng = np.random.default_rng(7)
    encoder = neural.Encoder(*(w + rng.normal(size=w.shape).astype(np.float32) for w in neural.new_encoder(WIDTH)))
    vectors = rng.normal(size=(len(live), WIDTH)).astype(np.float32)
    assert seed_network(made.model, live, Network(vectors, encoder)) == len(live)
    made.model.wide_logit.weights[:] = rng.normal(size=len(made.model.wide_logit.weights))
    return made


def ends_of(made: Writer, topics: Sequence[str] = (SCORES, RELATED, MANIFESTS, VECTORS)) -> dict[str, dict[int, int]]:
    return {t: {p: log.stable_end for p, log in enumerate(made.cluster.logs(t))} for t in topics}


def reader_of(made: Writer) -> SnapshotReader:
    reader = SnapshotReader("default", TOPICS)
    for topic in (MANIFESTS, SCORES, RELATED, VECTORS):
        reader.feed(committed(made.cluster, topic))
    reader.advance(ends_of(made))
    return reader


def vector_rows(made: Writer) -> dict[bytes, bytes | None]:
    """The last value of each key."""
    return {r.key: r.value for r in made.cluster.committed(VECTORS) if r.key is not None}


def n_vector_records(made: Writer) -> int:
    return sum(record.key != ENCODER_KEY for record in made.cluster.committed(VECTORS))


def turn(made: Writer, row: int, angle: float) -> None:
    """By so much, towards another direction."""
    items = made.model.neural.items
    unit = items.vector[row] * items.scale[row]
    other = np.roll(unit, 1) - unit * float(unit @ np.roll(unit, 1))
    items.vector[row] = np.cos(angle) * unit + np.sin(angle) * other / np.linalg.norm(other)
    items.scale[row] = 1.0
    items.is_moved[row] = 1


def live_list(made: Writer, history: Sequence[str], n: int) -> list[str]:
    """What the worker's own kernels make of the history: that of all members."""
    world = World(made.settings)
    object.__setattr__(world, "model", made.model)
    lists = world.recommended(list(reversed(history)), made.watermark_ms or 0, n)
    return [made.model.item_id(int(row)).decode() for row in lists.merged[: lists.lengths[2]]]


def test_half_precision_tells_a_unit_vector_to_a_thousandth_of_a_degree_of_cosine() -> None:
    rows = np.random.default_rng(1).normal(size=(50, 96))
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    values = vector_values(unit.astype(np.float16), 7)
    read = np.array(read_vectors(VECTORS, {str(i).encode(): value for i, value in enumerate(values)}))
    assert read @ unit.T == pytest.approx(unit @ unit.T, abs=2e-4)
    assert len(values[0]) < 300


def test_an_encoder_is_read_as_it_was_written() -> None:
    rng = np.random.default_rng(2)
    encoder = neural.Encoder(
        *(rng.normal(size=w.shape).astype(np.float16).astype(np.float32) for w in neural.new_encoder(12))
    )
    for read, written in zip(read_encoder(VECTORS, encoder_value(encoder, 3)), encoder, strict=True):
        assert np.array_equal(read, written)


@pytest.mark.parametrize(
    "value",
    [b"no json", b'{"vector":"%%%%","version":1}', b'{"vector":"AA==","version":1}', b'{"vector":"AHw=","version":1}'],
)
def test_a_row_that_is_none_is_told_with_its_key(value: bytes) -> None:
    with pytest.raises(Fatal, match=r"row 'tea' of item-vectors cannot be read"):
        read_vectors(VECTORS, {b"tea": value})


@pytest.mark.parametrize(
    "value", [b"{}", b'{"encoder":{},"dimensions":8,"version":1}', b'{"encoder":{},"dimensions":1000000,"version":1}']
)
def test_an_encoder_that_is_none_is_told(value: bytes) -> None:
    with pytest.raises(Fatal, match=r"the encoder \(empty key\) of item-vectors cannot be read"):
        read_encoder(VECTORS, value)


def test_a_version_carries_each_items_vector_and_the_encoder_and_the_manifest_proves_them() -> None:
    made = writer()
    made.publish_all()
    rows = vector_rows(made)
    assert len(rows) == made.model.n_items + 1
    assert ENCODER_KEY in rows
    manifest = reader_of(made).manifest
    assert manifest is not None
    total = sum(formats.row_hash(VECTORS, key, value) for key, value in rows.items() if value is not None)
    assert manifest.vectors == {"topic": VECTORS, "checksum": formats.checksum_text(total)}
    assert manifest.rows[VECTORS].upserts == len(rows)


def test_a_vector_goes_out_again_only_when_it_has_turned_enough() -> None:
    made = writer()
    made.publish_all()
    before, row = n_vector_records(made), int(np.flatnonzero(made.model.items.is_live)[0])
    turn(made, row, 0.03)  # 1 − cos = 0.00045
    made.publish_all()
    assert n_vector_records(made) == before
    turn(made, row, 0.06)  # together 0.004
    made.publish_all()
    assert n_vector_records(made) == before + 1


def test_what_does_not_fit_into_a_version_waits_for_the_next() -> None:
    made = writer(max_rows=5)
    written = made.publish()
    assert written.rows[VECTORS, "upsert"] == 5 + 1
    assert written.waiting[VECTORS] == made.model.n_items - 5
    made.publish_all()
    assert len(vector_rows(made)) == made.model.n_items + 1


def test_the_encoder_goes_out_when_it_has_changed_and_not_with_every_version() -> None:
    made = writer()
    made.publish_all()
    first = made.publisher.version
    made.model.neural_moments.n_steps[0] += 1
    versions = made.publish_all()
    assert made.publisher.version - first == versions
    encoders = [r for r in made.cluster.committed(VECTORS) if r.key == ENCODER_KEY]
    assert len(encoders) == 2
    assert made.publisher.rows.vectors.encoder_version - 1 == ENCODER_EVERY


def test_an_evicted_items_vector_gets_a_tombstone() -> None:
    made = writer(item_ttl_s=3_600.0)
    made.publish_all()
    n_before = made.model.n_items
    made.learn([Event("item-0", "bob", at_s=10_000.0)])
    written = made.publish()
    assert made.model.n_items == 1
    assert written.rows[VECTORS, "tombstone"] == n_before - 1
    left = {key for key, value in vector_rows(made).items() if value is not None}
    assert left == {b"item-0", ENCODER_KEY}
    assert reader_of(made).recommend(["item-0"], 3) == ["item-0"]


def test_a_reader_ranks_as_the_worker_does() -> None:
    made = writer(n=400)
    made.publish_all()
    reader = reader_of(made)
    rng, ids = np.random.default_rng(5), sorted(reader.scores())
    plain = read_all(made.cluster)
    n_different = 0
    for _ in range(60):
        history = [ids[i] for i in rng.permutation(len(ids))[: int(rng.integers(1, 6))]]
        assert reader.recommend(history, 8) == live_list(made, history, 8)
        n_different += plain.recommend(history, 8) != reader.recommend(history, 8)
    assert n_different > 20  # the network has a say


def test_a_reader_without_the_topic_goes_on_as_ever() -> None:
    made = writer(n=400)
    made.publish_all()
    plain = read_all(made.cluster)
    assert plain.version == made.publisher.version
    history = sorted(plain.scores())[:3]
    assert plain.recommend(history, 5) == made.recommend(history, 5)


def test_without_the_setting_nothing_of_it_is_in_a_manifest() -> None:
    plain = Writer()
    plain.learn(busy_stream(seed=3, n=50, n_items=5, n_users=5))
    plain.publish_all()
    (*_, last) = [r.value for r in plain.cluster.committed(MANIFESTS) if r.key == b"default"]
    assert last is not None
    assert b"vectors" not in last
    assert formats.decode_manifest(b"default", last).vectors is UNSET


def test_where_further_members_are_on_a_reader_keeps_to_what_it_has() -> None:
    made = writer(n=200)
    made.publish_all()
    reader, plain = reader_of(made), read_all(made.cluster)
    assert reader.manifest is not None
    assert plain.manifest is not None
    reader.manifest.model["members"].append("linear")
    history = sorted(plain.scores())[:3]
    assert reader.recommend(history, 8) == plain.recommend(history, 8)


def test_a_missing_vector_row_is_noticed() -> None:
    made = writer()
    made.publish_all()
    reader = SnapshotReader("default", TOPICS)
    for topic in (MANIFESTS, SCORES, RELATED):
        reader.feed(committed(made.cluster, topic))
    reader.feed(committed(made.cluster, VECTORS)[1:])
    with pytest.raises(BrokenSnapshot, match=r"the rows read give checksum .* and "):
        reader.advance(ends_of(made))


def test_what_readers_hold_of_vectors_is_in_the_checkpoint() -> None:
    made = writer()
    made.publish_all()
    rows, n = made.publisher.rows, made.model.n_item_rows
    again = PublishedRows.of(made.settings.models)
    table = {name: array[:n].copy() for name, array in rows.table(n).arrays.items()}
    small: Mapping[str, Any] = {name: array.copy() for name, array in rows.small().items()}
    again.restore(table, small)
    assert again.vectors.checksum == rows.vectors.checksum
    assert np.array_equal(again.vectors.vector[:n], rows.vectors.vector[:n])


def test_every_type_of_array_is_one_that_a_checkpoint_takes() -> None:
    state = new_state(with_vectors())
    arrays = [array for table in state.tables().values() for array in table.arrays.values()]
    assert {array.dtype.str for array in [*arrays, *state.small().values()]} <= DTYPES


def test_a_network_can_start_from_published_topics() -> None:
    made = writer()
    made.publish_all()
    reader = reader_of(made)
    assert reader.manifest is not None
    knowledge = told_by(reader.manifest, reader.catalogue)
    assert knowledge.neural is not None
    assert knowledge.neural.vector.shape == (made.model.n_items, WIDTH)


def test_vectors_that_are_not_finite_hold_the_version() -> None:
    made = writer()
    made.publish_all()
    made.model.neural.items.vector[0, 0] = np.nan
    made.model.neural.items.is_moved[0] = 1
    assert made.publisher.cut(made.moment()).not_finite == "neural.vector"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"enabled": False}, "publish.vectors is true, but there is no network"),
        ({"dimensions": 400}, "the encoder doesn't fit into one record"),
    ],
)
def test_settings_that_cannot_publish_vectors_are_refused(changes: dict[str, Any], message: str) -> None:
    base = with_vectors().model_dump()
    base["models"]["neural"].update(changes)
    with pytest.raises(ValueError, match=message):
        Settings.model_validate(base)
