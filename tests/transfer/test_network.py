"""Vectors from files and from other checkpoints, as the network's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from consumer.errors import Fatal
from consumer.events.hashing import hash_text
from consumer.models import neural, neural_encoder
from consumer.models.item_to_item import Float32Array
from consumer.models.knowledge import Knowledge, Network
from consumer.models.neural import NONE
from consumer.models.neural_seeding import projected, projection_of
from consumer.models.state import ModelState
from consumer.settings import Settings
from consumer.transfer.from_checkpoint import learned_by
from consumer.transfer.vectors import ItemVectors, read_vectors
from consumer.transfer.warm_start import warm_started
from tests.learning.states import World
from tests.streams import admitted, busy_stream
from tests.transfer.deployments import PLAIN, started
from tests.worker.world import settings

WIDTH = 8
TINY = {"enabled": True, "dimensions": WIDTH, "examples_per_step": 4, "replay_examples": 8, "negatives": 8}


def with_network(**changes: Any) -> Settings:
    return settings(models={"neural": {**TINY, **changes}})


def vectors_of(n: int, width: int, seed: int = 1) -> ItemVectors:
    rows = np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)
    return ItemVectors([f"item-{i}".encode() for i in range(n)], rows)


def row_of(model: ModelState, item: bytes) -> int:
    return model.find_item(hash_text(item))


def cosines(rows: Float32Array | NDArray[np.float64]) -> NDArray[np.float64]:
    unit = np.asarray(rows, np.float64)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    cosine: NDArray[np.float64] = unit @ unit.T
    return cosine


def taken(model: ModelState, vectors: ItemVectors) -> Float32Array:
    return model.neural.items.vector[[row_of(model, item) for item in vectors.ids]]


@pytest.mark.parametrize("width", [2, 5, WIDTH])
def test_vectors_of_no_more_dimensions_keep_every_cosine(width: int) -> None:
    vectors = vectors_of(30, width)
    model = started(None, vectors, chosen=with_network()).state.model
    assert cosines(taken(model, vectors)) == pytest.approx(cosines(vectors.vectors), abs=1e-5)
    assert np.abs(taken(model, vectors)).min(axis=0).max() > 0.0  # no coordinate is empty


def test_of_more_dimensions_no_projection_keeps_cosines_better() -> None:
    rng = np.random.default_rng(5)
    rows = (rng.normal(size=(200, 24)) * np.linspace(3.0, 0.1, 24)).astype(np.float32)
    width = 8

    def error(matrix: NDArray[np.float64]) -> float:
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        made = unit @ matrix
        return float(np.square(made @ made.T - unit @ unit.T).mean())

    ours = error(projection_of(rows, width))
    others = [np.linalg.qr(rng.normal(size=(24, width)))[0] for _ in range(20)]
    assert ours < 0.5 * min(map(error, others))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 1_000))
def test_a_projection_is_the_same_each_time_and_never_makes_longer(n: int, width: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(5, n)).astype(np.float32)
    projection = projection_of(rows, width)
    assert np.array_equal(projection, projection_of(rows, width))
    assert (np.linalg.norm(rows @ projection, axis=1) <= np.linalg.norm(rows, axis=1) * (1 + 1e-6)).all()


def test_a_vector_of_length_zero_leaves_the_item_to_begin_as_new_ones_do() -> None:
    vectors = ItemVectors([b"a", b"b"], np.array([[1.0, 0.0], [0.0, 0.0]], np.float32))
    found = started(None, vectors, chosen=with_network())
    items = found.state.model.neural.items
    assert items.scale[row_of(found.state.model, b"a")] > 0.0
    assert items.scale[row_of(found.state.model, b"b")] == 0.0
    assert found.told.endswith(
        "1 vectors for the network, brought from 2 dimensions to 8; 1 of length 0 begin as new items do"
    )


def test_vectors_of_a_second_source_are_not_mixed_with_those_of_the_first() -> None:
    first, second = vectors_of(5, WIDTH), vectors_of(9, WIDTH, seed=2)
    found = started(None, first, second, chosen=with_network())
    assert np.array_equal(taken(found.state.model, first), first.vectors)
    assert not taken(found.state.model, second)[5:].any()
    assert found.told.endswith(
        "none of these vectors for the network, which has those of another source, or they are 0"
    )


def test_a_network_that_is_off_or_not_asked_for_gets_nothing() -> None:
    vectors = vectors_of(5, WIDTH)
    assert "network" not in started(None, vectors).told
    others = replace(PLAIN, members=("item_to_item",))
    assert not started(None, vectors, plan=others, chosen=with_network()).state.model.neural.items.scale.any()


def test_a_file_comes_under_our_ids_by_its_own_mapping(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", ids=["x", "y", "z"], vectors=np.eye(3))
    (tmp_path / "ids.csv").write_text("from,to\nx,tea\nz,cup\n")
    plan = replace(PLAIN, sources=(str(tmp_path / "v.npz"),), vector_mapping=tmp_path / "ids.csv")
    model = warm_started(plan, with_network(), 0.0).state.model
    assert model.n_items == 2
    assert model.neural.items.scale[[row_of(model, b"tea"), row_of(model, b"cup")]].all()
    (tmp_path / "ids.csv").write_text("from,to\na,tea\n")
    with pytest.raises(Fatal, match=r"lists none of the 3 items of .*v\.npz"):
        warm_started(plan, with_network(), 0.0)


def test_parquet_vectors_of_mixed_length_are_told_with_the_item(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="reading Parquet needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="reading Parquet needs pyarrow")
    path = tmp_path / "v.parquet"
    for rows, message in (
        ([[1.0, 2.0], [1.0]], "the vector of item 'b' has 1 numbers, others 2"),
        ([[1.0, 2.0], None], "the vector of item 'b' has none"),
        ([["x"], ["y"]], "not numbers"),
    ):
        parquet.write_table(pyarrow.table({"id": ["a", "b"], "vector": rows}), path)
        with pytest.raises(Fatal, match=message):
            read_vectors(path)


def learned(n: int = 600) -> World:
    """A world whose network has numbers everywhere, without having learned: no step is taken here."""
    world = World(with_network(steps_per_thousand=1))
    world.learn(admitted(busy_stream(seed=3, n=n, n_items=30, n_users=20)))
    rng, arrays, rows = np.random.default_rng(4), world.model.neural, list(world.live_items().values())
    arrays.items.vector[rows] = rng.normal(size=(len(rows), WIDTH)) * rng.uniform(1.0, 3.0, size=(len(rows), 1))
    arrays.items.scale[rows] = 1.0 / np.linalg.norm(arrays.items.vector[rows], axis=1)
    for weights in arrays.encoder:
        weights += rng.normal(size=weights.shape) * 0.2
    return world


def query(model: ModelState, history: list[bytes]) -> Float32Array:
    scratch = neural_encoder.allocate_scratch(model.settings.models.neural, len(model.items.is_live))
    rows = np.full(neural.LENGTH, NONE, np.int32)
    rows[: len(history)] = [row_of(model, item) for item in history]
    assert neural_encoder.encode(model.neural, scratch, model.items.is_live, rows, len(history)) == len(history)
    return scratch.query.copy()


def lists_of(model: ModelState, ids: list[bytes]) -> NDArray[np.float64]:
    """(histories, items) cosines of the query of each history of three with each item."""
    items, rows = model.neural.items, [row_of(model, item) for item in ids]
    unit = items.vector[rows] * items.scale[rows, None]
    found: NDArray[np.float64] = np.array(
        [unit @ query(model, ids[i : i + 3]) for i in range(len(ids) - 3)], np.float64
    )
    return found


@pytest.mark.parametrize("width", [WIDTH, 12])
def test_another_checkpoints_network_answers_as_it_did_there(width: int) -> None:
    knowledge = learned_by(learned().model)
    mine = started(knowledge, chosen=with_network(dimensions=width)).state.model
    assert lists_of(mine, knowledge.ids) == pytest.approx(lists_of(learned().model, knowledge.ids), abs=1e-4)


def test_lengths_and_ids_of_another_checkpoint_come_along_and_moments_begin_anew() -> None:
    source = learned().model
    knowledge = learned_by(source).renamed({b"item-3": b"tea", b"item-5": b"cup"})
    mine = started(knowledge, chosen=with_network()).state.model
    for ours, theirs in ((b"tea", b"item-3"), (b"cup", b"item-5")):
        assert np.array_equal(
            mine.neural.items.vector[row_of(mine, ours)], source.neural.items.vector[row_of(source, theirs)]
        )
    assert mine.n_items == 2
    assert not mine.neural.items.square.any()
    assert not any(array.any() for array in mine.neural_moments.square)


def test_into_directions_that_the_old_network_had_not_the_new_one_begins_as_usual() -> None:
    old = neural.new_encoder(4)
    made = projected(old, projection_of(np.eye(4, dtype=np.float32), 6))
    assert made.latest == pytest.approx(neural.new_encoder(6).latest, abs=1e-6)


def test_a_checkpoint_without_a_network_brings_none() -> None:
    world = World(settings())
    world.learn(admitted(busy_stream(seed=3, n=50, n_items=5, n_users=5)))
    knowledge = learned_by(world.model)
    assert knowledge.neural is None
    assert "neural" not in knowledge.members
    assert not started(knowledge, chosen=with_network()).state.model.neural.items.scale.any()


def taught_by(knowledge: Knowledge, n: int = 400, **changes: Any) -> ModelState:
    """After so many events of steps from there on."""
    found = started(knowledge, chosen=with_network(steps_per_thousand=100, **changes))
    found.state.trainer.learn(admitted(busy_stream(seed=9, n=n, n_items=40, n_users=20)))
    assert found.state.model.neural.counts[neural.N_STEPS] > 20
    return found.state.model


def moved(model: ModelState, knowledge: Knowledge) -> NDArray[np.float64]:
    """How far each transferred vector has gone."""
    assert knowledge.neural is not None
    rows = [row_of(model, item) for item in knowledge.ids]
    gone: NDArray[np.float64] = np.linalg.norm(model.neural.items.vector[rows] - knowledge.neural.vector, axis=1)
    return gone


@pytest.mark.neural
def test_transferred_vectors_stand_still_while_the_encoder_and_new_items_learn() -> None:
    knowledge = learned_by(learned().model)
    assert isinstance(knowledge.neural, Network)
    assert knowledge.neural.encoder is not None
    model = taught_by(knowledge, frozen_steps=1_000)
    assert not moved(model, knowledge).any()
    assert not np.array_equal(model.neural.encoder.latest, knowledge.neural.encoder.latest)
    new = row_of(model, b"item-39")
    assert model.neural.items.n_steps[new] > 0
    assert not model.neural.items.is_given[new]


@pytest.mark.neural
def test_after_that_they_learn_at_a_rate_of_their_own() -> None:
    knowledge = learned_by(learned().model)
    fast, slow = (moved(taught_by(knowledge, frozen_steps=5, transferred_rate=rate), knowledge) for rate in (1.0, 0.1))
    went = fast > 0.0
    assert went.mean() > 0.9
    assert (slow[went] > 0.0).all()
    assert slow[went].mean() < 0.2 * fast[went].mean()


@pytest.mark.neural
def test_what_is_frozen_is_in_the_checkpoint() -> None:
    knowledge = learned_by(learned().model)
    model = taught_by(knowledge, frozen_steps=1_000)
    tables = {name: {c: a[: t.n_rows].copy() for c, a in t.arrays.items()} for name, t in model.tables().items()}
    again = ModelState(model.settings)
    again.restore(tables, {name: array.copy() for name, array in model.small().items()})
    assert np.array_equal(again.neural.items.is_given, model.neural.items.is_given)
    assert again.neural.items.is_given.sum() == len(knowledge.ids)
