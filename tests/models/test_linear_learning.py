"""`linear` in the pass: what it learns from and looks at, and chances that are right though few negatives are drawn."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from consumer.events.hashing import hash_text_32
from consumer.learning.drift import NEXT
from consumer.messages import Float64Array, Outcome
from consumer.models import linear_learning, linear_rows, popularity
from consumer.models.item_to_item import gain
from consumer.models.linear_learning import YOUNG_ROWS
from consumer.models.linear_model import COUNT, EVIDENCE, N_CANDIDATES, N_DISTINCT, N_ROWS, LinearScratch
from tests.learning.states import World
from tests.streams import SMALL_LINEAR, START_MS, WITH_LINEAR, Event, admitted, busy_stream, small_settings

SETTINGS = small_settings(models=WITH_LINEAR)
NOW_MS = START_MS + 100_000_000


def scratch_of(world: World) -> LinearScratch:
    return world.model.ensemble.linear_scratch


def learned_rows(world: World, event: Event) -> list[str]:
    """The items of the rows that this event gives, that of the event first."""
    scratch_of(world).counts[N_ROWS] = 0
    world.learn(admitted([event]))
    scratch = scratch_of(world)
    return [world.model.item_id(int(row)).decode() for row in scratch.items[: scratch.counts[N_ROWS]]]


def small_shop() -> World:
    """Items 0 … 9, of which ann has seen 0, 1 and 2, and bob the others."""
    rows = [Event(f"item-{i}", "ann" if i < 3 else "bob", at_s=float(i)) for i in range(10)]
    return World(SETTINGS).learn(admitted(rows))


def test_the_item_that_came_is_held_against_others_that_are_live_and_not_of_the_history() -> None:
    drawn = set()
    for offset in range(60):
        world = small_shop()
        came, *others = learned_rows(world, Event("item-7", "ann", at_s=20.0, offset=offset))
        assert came == "item-7"
        assert len(others) == SMALL_LINEAR["negatives"]
        assert scratch_of(world).counts[N_CANDIDATES] == 6  # ten without the history's three and the one that came
        drawn |= set(others)
    assert drawn == {f"item-{i}" for i in (3, 4, 5, 6, 8, 9)}


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (Event("item-99", "ann"), "nobody has seen it before"),
        (Event("item-1", "ann"), "it is in the history"),
        (Event("item-7", "cid"), "the user has no history"),
        (Event("item-7", "ann", type="remove_from_cart"), "it enters no history"),
    ],
)
def test_nothing_is_learned_of_an_event_that_says_nothing_of_what_follows_what(event: Event, why: str) -> None:
    world = small_shop()
    before = int(world.model.linear.learned.n_steps[0])
    assert learned_rows(world, event._replace(at_s=20.0)) == [], why
    assert world.model.linear.learned.n_steps[0] == before


def test_one_event_in_so_many_is_learned_from() -> None:
    rows = busy_stream(seed=2, n=3_000, n_items=60, n_users=20)
    n_steps = []
    for one_in in (1, 5):
        linear = {**SMALL_LINEAR, "enabled": True, "learn_one_in": one_in}
        world = World(small_settings(models={"item_to_item": {"neighbours": 8}, "linear": linear}))
        n_steps.append(int(world.learn(admitted(rows)).model.linear.learned.n_steps[0]))
    assert n_steps[0] / n_steps[1] == pytest.approx(5.0, rel=0.3)


@pytest.mark.parametrize(
    ("n_rows", "factor", "raised"),
    [
        (0, 10.0, 1.0),
        (YOUNG_ROWS, 10.0, 1.0),
        (4 * YOUNG_ROWS, 10.0, 2.0),
        (10**9, 10.0, 10.0),
        (10**9, 1.0, 1.0),
    ],
)
def test_longer_steps_are_for_a_model_whose_steps_have_become_short(n_rows: int, factor: float, raised: float) -> None:
    world = small_shop()
    world.model.linear.learned.n_steps[0] = n_rows
    world.trainer.drift.factor[NEXT] = factor
    world.trainer.drift.since[NEXT] = 0
    learned_rows(world, Event("item-7", "ann", at_s=20.0))
    assert world.model.linear.learned.rate_factor[0] == pytest.approx(raised)


def row_of(world: World, history: list[str], item: str, last_kind: int = 1) -> tuple[Float64Array, int]:
    """Numbers of the row before they are standardised, and how many features it has."""
    model = world.model
    rows = np.array([world.row(one) for one in history], np.int32)
    scratch = scratch_of(world)
    moment = linear_rows.begin(
        scratch, model.item_to_item, model.items.is_live, rows, len(rows), float(NOW_MS), last_kind
    )
    linear_rows.write(model.linear, scratch, model.popularity, model.item_to_item, moment, world.row(item), 0)
    assert scratch.counts[N_DISTINCT] == len(set(history))
    linear_rows.end(scratch)
    assert not scratch.mark.any()
    assert not scratch.evidence.any()
    return scratch.raw[0].copy(), int(scratch.length[0])


def test_the_numbers_of_a_row_are_those_of_the_docstring() -> None:
    world = World(SETTINGS).learn(admitted(busy_stream(seed=4, n=800, n_items=30, n_users=10)))
    model = world.model
    i2i, shares = model.item_to_item, model.popularity
    fresh = 1.0 / gain(i2i, float(NOW_MS))
    count = {item: float(i2i.counts[row]) * fresh for item, row in world.live_items().items()}
    history = ["item-2", "item-0", "item-2", "item-5"]
    weight = {item: {j: w * fresh for j, w in world.neighbours(item).items()} for item in count}
    for item in ("item-1", "item-3", "item-9"):
        raw, _ = row_of(world, history, item)
        row = world.row(item)
        for h in range(len(shares.mixture)):
            share = popularity.share(shares, model.n_items, h, row)
            assert raw[h] == pytest.approx(np.log(share * shares.n_positive[h] + 0.01))
        assert raw[COUNT] == pytest.approx(np.log(count[item] + 1.0))
        first = {
            j: sum(
                np.exp(-b / 2) * weight[i].get(j, 0.0) / (count[i] + 3.0)
                for b, i in ((0, "item-2"), (1, "item-0"), (3, "item-5"))
            )
            for j in count
        }
        bridges = sorted((j for j in count if j not in history and first[j] > 0), key=first.__getitem__)[-10:]
        over = sum(first[k] * weight[k].get(item, 0.0) / (count[k] + 3.0) for k in bridges)
        latest = weight["item-2"].get(item, 0.0) / (count["item-2"] + 3.0)
        expected = np.log(100.0 * np.array([latest, first[item], over]) + 1.0)
        assert raw[EVIDENCE:] == pytest.approx(expected, rel=1e-5)


def featured(**items: tuple[tuple[str, str | float], ...]) -> World:
    rows = [Event(item, f"user-{item}", at_s=float(i), features=said) for i, (item, said) in enumerate(items.items())]
    return World(SETTINGS).learn(admitted(rows))


def test_texts_are_compared_with_those_of_the_latest_items() -> None:
    world = featured(
        red=(("colour", "red"),),
        also=(("colour", "red"),),
        blue=(("colour", "blue"),),
        other=(("brand", "red"),),
        none=(),
    )
    plain = row_of(world, ["red"], "none")[1]
    n_more = {item: row_of(world, ["red"], item)[1] - plain for item in ("also", "blue", "other")}
    # its own text, also by hour · what follows what · the same, also by what was done, and how common
    assert n_more == {"also": 2 + 1 + 3, "blue": 2 + 1, "other": 2}


def test_numbers_are_compared_with_those_of_the_latest_items() -> None:
    world = featured(dear=(("price", 90.0),), cheap=(("price", 1.0),), middle=(("price", 20.0),), none=())
    plain = row_of(world, ["dear"], "none")[1]
    # the number, its square · the distance from the latest item and from the mean of the latest ones
    assert row_of(world, ["dear"], "cheap")[1] - plain == 4
    assert row_of(world, ["none"], "cheap")[1] - row_of(world, ["none"], "none")[1] == 2


def said_of(world: World, item: str) -> dict[int, tuple[int, float]]:
    """Features remembered of the item: text and number by name."""
    columns = zip(*(column[world.row(item)].tolist() for column in world.model.linear.features), strict=True)
    return {name: (text, value) for name, text, value in columns if name}


PRICED = (("price", 3.0),)


def test_what_an_event_says_of_its_item_is_known_from_the_next_one_on() -> None:
    world = World(SETTINGS).learn(admitted([Event("shoe", features=PRICED), Event("hat", at_s=1.0)]))
    name = hash_text_32(b"price")
    assert said_of(world, "shoe") == {name: (0, float(np.float32(np.arcsinh(3.0))))}
    dear = admitted([Event("shoe", "bob", at_s=3.0, features=(("price", 300.0),))])
    assert said_of(world.learn(dear), "shoe") == {name: (0, float(np.float32(np.arcsinh(300.0))))}


@pytest.mark.parametrize("outcome", [Outcome.LATE_POPULARITY_ONLY, Outcome.DUPLICATE])
def test_what_late_and_repeated_events_say_is_passed_over(outcome: Outcome) -> None:
    world = World(SETTINGS).learn(admitted([Event("shoe")]))
    world.learn(admitted([Event("shoe", "bob", features=PRICED)], outcome))
    assert said_of(world, "shoe") == {}


def test_a_flood_says_nothing() -> None:
    capped = small_settings(models=WITH_LINEAR, users={"daily_item_weight": 1.0})
    rows = [Event("shoe", at_s=float(i), type="purchase") for i in range(3)]
    world = World(capped).learn(admitted([*rows, Event("shoe", at_s=5.0, features=PRICED)]))
    assert said_of(world, "shoe") == {}


def test_who_comes_to_the_row_of_a_forgotten_user_or_item_inherits_nothing() -> None:
    settings = small_settings(models=WITH_LINEAR, catalogue={"item_ttl_s": 1_000.0}, users={"user_ttl_s": 1_000.0})
    rows = [Event(f"item-{i}", f"user-{i}", at_s=20.0 * i, type="purchase", features=PRICED) for i in range(400)]
    world = World(settings).learn(admitted(rows))
    assert len(world.model.items.touched) < 2_000  # rows were used again
    world.learn(admitted([Event(f"new-{i}", f"new-{i}", at_s=8_000.0 + i) for i in range(40)]))
    new = [world.row(f"new-{i}") for i in range(40)]
    assert max(new) < 400
    assert not any(column[new].any() for column in world.model.linear.features)
    live = world.model.users.is_live == 1
    assert set(world.model.linear.last_kind[live].tolist()) == {1, 3}


N_ITEMS = 1_001
N_BRANDS = 10
N_VISITS = 12_000


@cache
def one_in_a_thousand() -> tuple[World, list[tuple[int, int]]]:
    """Visits of two events among a thousand items; half of the second ones keep to the brand. Three negatives each."""
    rng = np.random.default_rng(5)
    linear = {**SMALL_LINEAR, "enabled": True, "weights": 4_096}
    settings = small_settings(
        models={"item_to_item": {"neighbours": 8}, "linear": linear},
        catalogue={"max_items": 2_000},
        users={"max_users": 100_000},
        evaluation={"sample_one_in": 1_000_000},
    )
    world = World(settings)
    pairs, rows = [], []
    for visit in range(N_VISITS):
        first = int(rng.integers(N_ITEMS))
        second = first
        while second == first:
            second = int(rng.integers(N_ITEMS))
            if rng.random() < 0.5:
                second = second // N_BRANDS * N_BRANDS + first % N_BRANDS
                second = second if second < N_ITEMS else first
        pairs.append((first, second))
        rows += [
            Event(f"item-{item}", f"user-{visit}", at_s=2.0 * visit, features=(("brand", f"b-{item % N_BRANDS}"),))
            for item in (first, second)
        ]
    return world.learn(admitted(rows)), pairs


def chances_of_all(world: World, first: int) -> tuple[Float64Array, Float64Array]:
    """Chance of each item but the first to be the next one, and whether it is of the first one's brand."""
    model = world.model
    items = [i for i in range(N_ITEMS) if i != first]
    rows = np.array([world.row(f"item-{i}") for i in items], np.int32)
    margins = np.zeros(len(rows))
    models = model.ensemble
    linear_learning.judge(
        models.linear, models.linear_plan, models.linear_scratch, model.popularity, model.item_to_item,
        model.items.is_live, np.array([world.row(f"item-{first}")], np.int32), 1, 1,
        float(START_MS + 2_000 * N_VISITS), rows, len(rows), margins,
    )  # fmt: skip
    is_same = np.array([i % N_BRANDS == first % N_BRANDS for i in items], np.float64)
    return 1.0 / (1.0 + np.exp(np.log(len(rows) - 1) - margins)), is_same


def test_one_item_in_a_thousand_is_calibrated_though_three_negatives_are_drawn() -> None:
    world, pairs = one_in_a_thousand()
    assert world.model.n_items == N_ITEMS
    n_same = np.mean([first % N_BRANDS == second % N_BRANDS for first, second in pairs])
    told = [chances_of_all(world, first) for first in range(0, N_ITEMS, 7)]
    expected_same = np.mean([chances @ is_same for chances, is_same in told])
    expected_other = np.mean([chances @ (1.0 - is_same) for chances, is_same in told])
    assert expected_same == pytest.approx(n_same, rel=0.1)
    assert expected_other == pytest.approx(1.0 - n_same, rel=0.1)
