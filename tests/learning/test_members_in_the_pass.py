"""The fused pass and the members one by one learn the same, bit for bit: they run the same kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from consumer.events.hashing import hash_topic
from consumer.learning.sampling import draw_of
from consumer.models import histories, linear_model, neural, session_ring
from consumer.models.base import Interactions
from consumer.models.item_to_item import WINDOW
from consumer.models.linear_model import LinearModel
from consumer.models.neural import N_STEPS, NeuralArrays
from consumer.models.recency_index import NONE
from consumer.models.registry import MEMBERS
from consumer.tables import Array
from tests.learning.states import World
from tests.models.interactions import feature_columns
from tests.streams import TOPIC, TYPES, WITH_ALL, WITH_NEURAL, Event, admitted, busy_stream, event_batch, small_settings

SETTINGS = small_settings(catalogue={"max_items": 500}, users={"max_users": 500}, models=WITH_ALL)
NEURAL = small_settings(catalogue={"max_items": 500}, users={"max_users": 500}, models=WITH_NEURAL)
N_ROWS = 500
N_PLACES = SETTINGS.users.history


def interactions_of(world: World, rows: Sequence[Event]) -> Interactions:
    """What the pass gives to each member's kernel, while the world learns the rows one by one."""
    kinds = [SETTINGS.input.event_types[row.type] for row in rows]
    items, keys, before, long_before, n_history, last_kinds, coordinates = [], [], [], [], [], [], []
    last_kind: dict[str, int] = {}
    for row in rows:
        history, session, key = histories_of(world, row)
        world.learn(admitted([row]))
        items.append(world.row(row.item))
        keys.append(key)
        long_before.append(history + [NONE] * (N_PLACES - len(history)))
        before.append(session + [NONE] * (WINDOW - len(session)))
        n_history.append(len(history))
        last_kinds.append(last_kind.get(row.user, 0))
        if SETTINGS.input.event_types[row.type].history:
            last_kind[row.user] = TYPES.index(row.type) + 1
        coordinates.append(draw_of(np.uint64(hash_topic(TOPIC)), row.partition, 0))
    return Interactions(
        item=np.array(items, np.int32),
        weight=np.array([kind.weight for kind in kinds], np.float64),
        time_ms=event_batch(rows).event_time_ms,
        enters_history=np.array([kind.history for kind in kinds], np.uint8),
        session=np.array(keys, np.uint64),
        predecessors=np.array(before, np.int32),
        history=np.array(long_before, np.int32),
        n_history=np.array(n_history, np.int32),
        key=np.array(coordinates, np.uint64),
        last_kind=np.array(last_kinds, np.uint8),
        **feature_columns(rows),
    )


def histories_of(world: World, row: Event) -> tuple[list[int], list[int], int]:
    """Rows of the user's items and of those of this event's session, both latest first, and the session's key."""
    batch = event_batch([row])
    keys = world.model.users.keys
    found = np.flatnonzero((keys == batch.user_key[0]).all(axis=1) & (world.model.users.is_live == 1))
    rings, user = histories.allocate(1, N_PLACES), 0
    if len(found) > 0:
        rings, user = world.model.histories, int(found[0])
    items, session_items = np.zeros(N_PLACES, np.int32), np.zeros(WINDOW, np.int32)
    n = histories.latest_first(rings, user, world.model.items.is_live, items)
    gap_ms = int(SETTINGS.users.session_gap_s * 1000)
    session = histories.session_of(rings, user, batch.session_key[0], int(batch.event_time_ms[0]), gap_ms)
    n_before = histories.predecessors(rings, user, session, session_items)
    key = session_ring.key_of(batch.user_key[0, 0], session)
    return items[:n].tolist(), session_items[:n_before].tolist(), int(key)


def arrays_of(learned: Any) -> Mapping[str, Array]:
    """Of a member's state in the pass, by name."""
    if isinstance(learned, LinearModel):
        return {**linear_model.small(learned), **linear_model.of_items(learned)}
    if isinstance(learned, NeuralArrays):
        return {**learned.encoder._asdict(), **neural.of_items(learned)}
    named: Mapping[str, Array] = learned._asdict()
    return named


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.neural] if name == "neural" else []) for name in sorted(MEMBERS)]
)
def test_a_member_learns_what_the_pass_learned(name: str) -> None:
    world = World(NEURAL if name == "neural" else SETTINGS)
    lesson = interactions_of(world, busy_stream(seed=6, n=1_500, n_items=200, n_users=60))
    member = MEMBERS[name](SETTINGS.models, N_ROWS)
    member.learn(lesson)
    in_the_pass = getattr(world.model, name)
    state = member.state()
    of_the_pass = {"top", "top_age", "top_scores", "work", "weight_bits", "fetched"}  # working memory
    for field, expected in arrays_of(in_the_pass).items():
        if field in of_the_pass:
            continue
        found = state[f"learned.{field}"]
        n = min(len(expected), len(found))
        assert n > 0, field
        assert found[:n].tobytes() == expected[:n].tobytes(), field
    if name == "neural":
        assert world.model.neural.counts[N_STEPS] > 50
