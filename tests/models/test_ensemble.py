"""All members together, inside the learning pass: what switching one on changes, and what a broken one cannot do."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.learning import quality
from consumer.learning.sampling import place_judged
from consumer.models import ensemble, item_to_item, logit, recommend
from consumer.models.logit import EACH, ITEM_TO_ITEM, LINEAR, NEURAL, PENANCE, SESSION_KNN
from consumer.models.neural import N_ASKED, N_STEPS, N_UNASKED
from consumer.models.recommend import LISTED, MERGED, Readable
from consumer.snapshots.description import describe
from tests.learning.states import World
from tests.streams import START_MS, WITH_ALL, WITH_KNN, WITH_LINEAR, WITH_NEURAL, admitted, busy_stream, small_settings

DEFAULT = small_settings()
EVERY = small_settings(models=WITH_ALL)
ROWS = busy_stream(seed=8, n=1_500, n_items=60, n_users=20)
NOW_MS = START_MS + 8_000_000
NEURAL_UNHEARD = [0.0] * EACH
HISTORIES: list[list[str | None]] = [["item-1"], ["item-2", "item-0", None, "item-5"], ["item-0"] * 3, []]


@pytest.mark.parametrize("history", HISTORIES)
def test_with_item_to_item_alone_its_list_stands_as_readers_have_it(history: list[str | None]) -> None:
    world = World(DEFAULT).learn(admitted(ROWS))
    model = world.model
    rows = np.array([*(-1 if item is None else world.row(item) for item in history), -1], np.int32)
    lists, pool = recommend.allocate_lists(20, 20), logit.allocate_pool()
    known = Readable(model.item_to_item, model.repeat, model.logit, model.fusion, model.scores(), model.popularity.top)
    recommend.recommend(
        known, item_to_item.allocate_scratch(len(model.items.is_live)), model.items.is_live, rows, len(history),
        float(NOW_MS), pool, lists,
    )  # fmt: skip
    fused = world.recommended(history, NOW_MS)
    for kind, name in ((LISTED, "listed"), (MERGED, "merged")):
        n = int(lists.lengths[kind])
        assert fused.lengths[kind] == n
        assert getattr(fused, name)[:n].tolist() == getattr(lists, name)[:n].tolist()
    assert model.logit.n_learned[0] > 0
    assert model.wide_logit.n_learned[0] == 0


def test_a_member_that_is_off_takes_no_memory_and_is_not_described() -> None:
    world = World(DEFAULT).learn(admitted(ROWS))
    assert world.model.session_knn.recent.nbytes == world.model.sessions.items.nbytes == 0
    description = describe(world.model, NOW_MS, *quality.summary(world.trainer.quality))
    assert world.model.linear.features.name.nbytes == world.model.linear.last_kind.nbytes == 0
    assert world.model.linear.learned.weights.weight.nbytes == 8  # an intercept that nobody asks for
    assert not any("linear" in name for name in (*world.model.tables(), *world.model.small()))
    assert not any("neural" in name for name in world.model.small())
    assert "examples" not in world.model.tables()
    assert world.model.neural.items.vector.nbytes == world.model.neural.examples.history.nbytes == 0
    assert "neural" not in str(description)
    assert "session_knn" not in str(description)
    assert "linear" not in str(description)


def test_the_manifest_carries_what_the_features_weigh_for_readers_and_for_a_worker_with_more_members() -> None:
    world = World(EVERY).learn(admitted(ROWS))
    description = describe(world.model, NOW_MS, {}, {})
    narrow, wide = (description["weights"][f"fusion.{name}"] for name in ("logit", "wide_logit"))
    heard = [*wide["item_to_item"], *wide["session_knn"], *NEURAL_UNHEARD, *wide["linear"]]
    assert [*heard, *wide["item"].values()] == pytest.approx(_weights(world.model.wide_logit))
    assert wide["session_knn"] != [0.0, 0.0, 0.0]
    assert wide["linear"] != [0.0]
    unheard = [0.0] * (2 * EACH + 1)
    of_readers = [*narrow["item_to_item"], *unheard, *narrow["item"].values()]
    assert of_readers == pytest.approx(_weights(world.model.logit))
    assert list(narrow["item"]) == ["rising", "count", "second_hop", "latest"]
    assert description["members"][-2:] == ["session_knn", "linear"]
    without = World(small_settings(models=WITH_KNN)).learn(admitted(ROWS))
    weights = describe(without.model, NOW_MS, {}, {})["weights"]
    assert weights["fusion.wide_logit"].keys() == {"item_to_item", "session_knn", "item"}


def test_what_readers_go_by_is_learned_the_same_whatever_else_a_worker_hears() -> None:
    one, other = (World(settings).learn(admitted(ROWS)).model.logit for settings in (DEFAULT, EVERY))
    assert one.n_learned[0] > 100
    assert one.weights == pytest.approx(other.weights, abs=1e-12)


def _weights(arrays: logit.LogitArrays) -> list[float]:
    return [float(weight) for weight in arrays.weights]


def test_a_poisoned_member_is_muted_in_the_pass_and_heard_again_when_it_is_well() -> None:
    world = World(EVERY).learn(admitted(ROWS[:500]))
    time_constant_ms = world.model.session_knn.time_constant_ms
    well = time_constant_ms.copy()
    time_constant_ms[:] = np.nan
    world.learn(admitted(ROWS[500:600]))
    n_faults = int(world.model.wide_logit.n_faults[SESSION_KNN])
    assert n_faults > 0
    assert world.model.is_muted == {"item_to_item": False, "session_knn": True, "linear": False}
    assert world.model.wide_logit.n_faults[ITEM_TO_ITEM] == 0
    assert np.isfinite(world.model.wide_logit.weights).all()
    pool, lists = world.asked(["item-1"], NOW_MS)
    theirs = pool.proposed[ITEM_TO_ITEM, : pool.n_proposed[ITEM_TO_ITEM]]
    assert set(lists.listed[: lists.lengths[LISTED]].tolist()) == set(theirs.tolist())
    time_constant_ms[:] = well
    n_samples = int(world.trainer.quality.n_samples[0])
    world.learn(admitted(ROWS[600:]))
    assert int(world.trainer.quality.n_samples[0]) - n_samples > PENANCE
    assert world.model.wide_logit.penance[SESSION_KNN] == 0
    assert world.model.wide_logit.n_faults[SESSION_KNN] == n_faults
    assert not world.model.is_muted["session_knn"]


def test_muting_survives_a_checkpoint() -> None:
    world = World(EVERY).learn(admitted(ROWS[:500]))
    world.model.session_knn.time_constant_ms[:] = np.nan
    world.learn(admitted(ROWS[500:600]))
    restored = World(EVERY).restore(world.saved())
    owed = world.model.wide_logit.penance.tolist()
    assert restored.model.wide_logit.penance.tolist() == owed != [0, 0, 0, 0]


def test_of_a_member_that_is_off_nobody_asks_whether_it_is_muted() -> None:
    assert World(DEFAULT).model.is_muted == {"item_to_item": False}


def test_a_linear_model_that_went_astray_is_muted_begins_anew_and_is_heard_again() -> None:
    world = World(small_settings(models=WITH_LINEAR)).learn(admitted(ROWS[:500]))
    world.model.linear.learned.weights.weight[:] = np.nan
    pool, lists = world.asked(["item-1"], NOW_MS)
    assert pool.is_faulty[LINEAR]
    n = int(pool.n_proposed[ITEM_TO_ITEM])
    assert lists.listed[:n].tolist() != []
    world.learn(admitted(ROWS[500:600]))
    assert world.model.wide_logit.n_faults[LINEAR] > 0
    assert world.model.wide_logit.penance[LINEAR] > 0
    assert np.isfinite(world.model.linear.learned.weights.weight).all()
    assert np.isfinite(world.model.wide_logit.weights).all()
    world.learn(admitted(ROWS[600:]))
    assert world.model.wide_logit.penance[LINEAR] == 0
    assert not world.asked(["item-1"], NOW_MS)[0].is_faulty[LINEAR]


@pytest.mark.neural
@pytest.mark.parametrize(("models", "step"), [(WITH_NEURAL, logit.NETWORK_STEP), (WITH_KNN, logit.STEP)])
def test_the_weights_beside_a_network_learn_in_longer_steps(models: dict[str, dict[str, object]], step: float) -> None:
    world = World(small_settings(models=models)).learn(admitted(ROWS))
    model, wide = world.model, world.model.wide_logit
    wide.weights[:], wide.squares[:] = logit.allocate().weights, 0.0
    model.logit.squares[:] = 0.0
    before, before_narrow = wide.weights.copy(), model.logit.weights.copy()
    pool, lists = world.asked(["item-1"], NOW_MS)
    item = int(pool.proposed[ITEM_TO_ITEM, 1])
    ensemble.learn_sample(model.ensemble, model.popularity, model.n_items, NOW_MS, pool, lists, item, 1.0)
    # A first step of AdaGrad is as long as it may be, whatever the gradient.
    assert np.abs(wide.weights - before).max() == pytest.approx(step, rel=1e-3)
    assert np.abs(model.logit.weights - before_narrow).max() == pytest.approx(logit.STEP, rel=1e-3)


@pytest.mark.neural
def test_a_network_proposes_is_heard_and_is_described() -> None:
    world = World(small_settings(models=WITH_NEURAL)).learn(admitted(ROWS))
    assert world.model.neural.counts[N_STEPS] > 50
    assert world.model.wide_logit.n_learned[0] > 100
    pool, lists = world.asked(["item-1"], NOW_MS)
    proposed = pool.proposed[NEURAL, : pool.n_proposed[NEURAL]].tolist()
    assert len(proposed) > 20
    assert set(proposed) <= set(lists.listed.tolist())
    description = describe(world.model, NOW_MS, *quality.summary(world.trainer.quality))
    assert description["members"][-1] == "neural"
    assert description["quality"]["hit_ratio"]["neural"] > 0.0
    wide = description["weights"]["fusion.wide_logit"]
    assert wide.keys() == {"item_to_item", "neural", "item"}
    assert wide["neural"] != [0.0] * EACH
    assert [*wide["neural"], *wide["item"].values()] == [
        *_weights(world.model.wide_logit)[EACH * logit.NEURAL :][:EACH],
        *_weights(world.model.wide_logit)[logit.RISING :],
    ]


@pytest.mark.neural
def test_what_readers_go_by_is_learned_the_same_beside_a_network() -> None:
    rows = admitted(ROWS)
    one, other = (World(small_settings(models=models)).learn(rows).model.logit for models in ({}, WITH_NEURAL))
    assert one.n_learned[0] > 100
    assert one.weights == pytest.approx(other.weights, abs=1e-12)


@pytest.mark.neural
def test_a_network_that_is_not_asked_leaves_the_weights_of_all_members_where_they_are() -> None:
    frugal = {**WITH_NEURAL["neural"], "queries_per_thousand": 1}
    world = World(small_settings(models={**WITH_NEURAL, "neural": frugal})).learn(admitted(ROWS))
    assert world.model.logit.n_learned[0] > 100
    assert world.model.wide_logit.n_learned[0] <= world.model.neural.counts[N_ASKED] == 1
    assert world.model.neural.counts[N_UNASKED] > 100
    alone = World(small_settings()).learn(admitted(ROWS))
    assert quality.summary(world.trainer.quality)[1]["ensemble"] == pytest.approx(
        quality.summary(alone.trainer.quality)[1]["ensemble"], abs=0.01
    )


def test_what_was_done_last_and_the_hour_reach_the_judgement() -> None:
    world = World(small_settings(models=WITH_LINEAR)).learn(admitted(ROWS))
    answers = [
        world.asked(["item-1"], NOW_MS + hours * 3_600_000, last_kind=kind)[0]
        for kind, hours in ((1, 0), (3, 0), (1, 9))
    ]
    n = int(answers[0].n_items[0])
    assert len({answer.judged[:n].tobytes() for answer in answers}) == 3


def test_each_list_of_linear_is_that_of_its_judgement() -> None:
    world = World(small_settings(models=WITH_LINEAR)).learn(admitted(ROWS))
    history: list[str | None] = ["item-2", "item-0"]
    pool, _ = world.asked(history, NOW_MS)
    n = int(pool.n_items[0])
    order = np.lexsort((pool.items[:n], -pool.judged[:n]))
    for place, c in enumerate(order[:5].tolist()):
        assert place_judged(pool, int(pool.items[c])) == place + 1
    assert place_judged(pool, world.row("item-2")) == 0
