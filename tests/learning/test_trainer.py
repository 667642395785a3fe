"""What the learning pass makes of single events, and the ranks it takes just before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from consumer.events.hashing import hash_text, hash_topic
from consumer.learning import quality
from consumer.learning.quality import CUTOFF, MEMBERS, WINDOW
from consumer.learning.sampling import draw_of, is_sampled, place_judged
from consumer.messages import Outcome
from consumer.models.logit import ITEM_TO_ITEM, SESSION_KNN
from consumer.models.recency_index import NONE
from consumer.models.recommend import MERGED, REPEATED
from consumer.settings import Settings
from tests.learning.states import World, differences
from tests.models.reference import Counted, Recount
from tests.streams import (
    START_MS,
    TOPIC,
    TYPES,
    WITH_ALL,
    WITH_KNN,
    Event,
    admitted,
    busy_stream,
    small_settings,
    streams,
)

SETTINGS = small_settings()
A_SESSION = [Event("shoe"), Event("hat", at_s=1.0), Event("scarf", at_s=2.0)]


def test_every_event_type_counts_with_its_weight() -> None:
    rows = [
        Event("shoe"),
        Event("hat", type="cart"),
        Event("scarf", type="purchase"),
        Event("hat", type="remove_from_cart"),
    ]
    world = World(SETTINGS).learn(admitted(rows))
    assert [world.score(item) for item in ("shoe", "hat", "scarf")] == pytest.approx([1 / 13, 2 / 13, 10 / 13])


def test_what_does_not_enter_the_history_is_counted_only() -> None:
    world = World(SETTINGS).learn(admitted([Event("shoe"), Event("hat", type="remove_from_cart")]))
    assert world.history("ann") == ["shoe"]
    assert world.neighbours("shoe") == {}
    assert world.score("hat") == 0.0


def test_a_late_event_counts_for_popularity_and_touches_nothing_else() -> None:
    world, without = World(SETTINGS).learn(admitted(A_SESSION)), World(SETTINGS).learn(admitted(A_SESSION))
    world.learn(admitted([Event("hat")], Outcome.LATE_POPULARITY_ONLY))
    changed = set(differences(world, without))
    assert world.score("hat") == pytest.approx(0.5, rel=1e-3)
    assert all(name.startswith(("popularity.", "items.", "items_index.", "daily_cap.")) for name in changed)
    assert not changed & {"popularity.mixture", "items.weight", "items.counts", "items.neighbour"}


def test_sessions_by_name_and_by_gap_decide_what_is_linked() -> None:
    gap_s = SETTINGS.users.session_gap_s
    rows = [
        Event("shoe"),
        Event("hat", at_s=gap_s),
        Event("scarf", at_s=2 * gap_s + 1),
        Event("sock", session="x", at_s=1),
    ]
    world = World(SETTINGS).learn(admitted(rows))
    assert world.neighbours("hat").keys() == {"shoe"}
    assert world.neighbours("scarf") == world.neighbours("sock") == {}


def test_an_item_is_published_under_the_bytes_of_its_id() -> None:
    ids = ["ü", "a" * 200, "x y"]
    world = World(SETTINGS).learn(admitted([Event(item) for item in ids]))
    assert set(world.live_items()) == set(ids)


@given(streams(n_items=4))
def test_scores_are_those_of_a_recount(rows: list[Event]) -> None:
    settings = small_settings()
    recount = Recount(settings.models.popularity.half_lives_s)
    world = World(settings)
    for row in rows:
        weight = settings.input.event_types[row.type].weight
        world.learn(admitted([row]))
        recount.learn(Counted(int(row.item[-1]), weight, START_MS + round(row.at_s * 1000)))
        if recount.is_delicate():
            return
    scores = {int(item[-1]): world.score(item) for item in world.live_items()}
    assert scores == pytest.approx(recount.scores(), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    "settings",
    [SETTINGS, small_settings(models=WITH_KNN), small_settings(models=WITH_ALL)],
    ids=["default", "with kNN", "every member"],
)
def test_each_sample_is_ranked_as_it_would_have_been_just_before_its_event(settings: Settings) -> None:
    world = World(settings)
    expected = []
    last_kind: dict[str, int] = {}
    for row in busy_stream(seed=3, n=600, n_items=40, n_users=8):
        kind = SETTINGS.input.event_types[row.type]
        time_ms = START_MS + round(row.at_s * 1000)
        history = world.history(row.user) if kind.history and is_known(world, row.user) else []
        if history and history[0] != row.item:
            pool, lists = world.asked(history, time_ms, last_kind=last_kind[row.user])
            item = world.row(row.item)
            listed = [
                lists.merged[: lists.lengths[MERGED]], pool.proposed[ITEM_TO_ITEM, : pool.n_proposed[ITEM_TO_ITEM]],
                lists.repeated[: lists.lengths[REPEATED]], world.model.popularity.top,
            ]  # fmt: skip
            if settings.models.session_knn.enabled:
                listed.append(pool.proposed[SESSION_KNN, : pool.n_proposed[SESSION_KNN]])
            places = [place(rows.tolist(), item) for rows in listed]
            if settings.models.linear.enabled:
                judged = place_judged(pool, item)
                places.append(judged if judged <= CUTOFF else 0)
            expected.append(places + [quality.OFF] * (len(MEMBERS) - len(places)))
        world.learn(admitted([row]))
        if kind.history:
            last_kind[row.user] = TYPES.index(row.type) + 1
    n = int(world.trainer.quality.n_samples[0])
    assert n > 100
    assert world.trainer.quality.ranks[:n].tolist() == expected


def is_known(world: World, user: str) -> bool:
    keys = world.model.users.keys[world.model.users.is_live == 1]
    return list(hash_text(user.encode())) in keys.tolist()


def place(rows: list[int], item: int) -> int:
    if item == NONE or item not in rows:
        return 0
    found = rows.index(item) + 1
    return found if found <= CUTOFF else 0


def test_consecutive_events_on_one_item_are_no_samples() -> None:
    world = World(SETTINGS).learn(admitted([Event("shoe"), Event("shoe"), Event("shoe", type="cart")]))
    assert world.trainer.quality.n_samples[0] == 0
    assert world.model.repeat.n_events[0] == 2


def is_sample(topic: np.uint64, partition: int, offset: int, one_in: int) -> bool:
    return is_sampled(np.uint64(draw_of(topic, partition, offset)), one_in)


def test_a_sample_is_one_in_so_many_by_the_hash_of_its_coordinates() -> None:
    topic = np.uint64(hash_topic(TOPIC))
    sampled = [[is_sample(topic, partition, offset, 100) for offset in range(20_000)] for partition in range(2)]
    assert [sum(of_partition) for of_partition in sampled] == pytest.approx([200, 200], rel=0.3)
    assert sampled[0] != sampled[1]
    assert [is_sample(np.uint64(7), 0, offset, 100) for offset in range(20_000)] != sampled[0]


def test_every_event_is_sampled_where_the_settings_say_one_in_one() -> None:
    assert all(is_sample(np.uint64(5), 3, offset, 1) for offset in range(100))


def test_the_samples_do_not_depend_on_what_happened_before_them() -> None:
    settings = small_settings(evaluation={"sample_one_in": 3})
    topic = np.uint64(hash_topic(TOPIC))
    rows = [Event(f"item-{i % 7}", offset=i * 11) for i in range(60)]
    world = World(settings).learn(admitted(rows))
    assert world.trainer.quality.n_samples[0] == sum(is_sample(topic, 0, i * 11, 3) for i in range(1, 60))


def test_an_unknown_item_has_no_row_and_asking_adds_none() -> None:
    world = World(SETTINGS).learn(admitted(A_SESSION))
    n_rows = world.model.n_item_rows
    assert [world.row(f"unknown-{i}") for i in range(1_000)] == [NONE] * 1_000
    world.recommended(["unknown", "shoe"], START_MS)
    assert (world.model.n_item_rows, world.model.n_items) == (n_rows, 3)


def test_scoring_changes_no_bit_of_the_state() -> None:
    rows = busy_stream(seed=4, n=500, n_items=60, n_users=10)
    scored, other = World(SETTINGS).learn(admitted(rows)), World(SETTINGS).learn(admitted(rows))
    scored.model.scores()
    for history in (["item-1", "item-2"], [], [None], ["item-1"] * 5):
        scored.recommended(history, START_MS)
    scored.model.item_id(0)
    assert differences(scored, other) == []


def test_quality_is_a_mean_over_the_latest_samples() -> None:
    window = quality.allocate()
    assert quality.summary(window) == ({}, {})
    quality.record(window, 1, 2, 0, CUTOFF + 1, 3, 5, 2)
    quality.record(window, 4, 0, 0, CUTOFF, quality.OFF, 0, 0)
    hit_ratio, mrr = quality.summary(window)
    assert hit_ratio == dict(zip(MEMBERS, (1.0, 0.5, 0.0, 0.5, 1.0, 0.5, 0.5), strict=True))
    assert mrr == pytest.approx(dict(zip(MEMBERS, (0.625, 0.25, 0.0, 0.5 / CUTOFF, 1 / 3, 0.1, 0.25), strict=True)))
    for _ in range(WINDOW):
        quality.record(window, 2, 0, 0, 0, quality.OFF, quality.OFF, quality.OFF)
    assert quality.summary(window)[1]["ensemble"] == 0.5
    assert not {"session_knn", "linear", "neural"} & quality.summary(window)[0].keys()  # nobody asked them
