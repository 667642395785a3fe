"""The laws that every registered member obeys. A member that opts out of one says why; pytest shows it as a skip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.messages import Int32Array
from consumer.models.base import NEUTRAL, Interactions, Law, Member, Ranked
from consumer.models.base import part_of as part
from consumer.models.registry import MEMBERS
from consumer.tables import Array
from tests.models.interactions import HISTORIES, INTERACTIONS, history, interactions
from tests.streams import START_MS, Event, busy_stream, cut, small_settings

N_ROWS = 8
NOW_MS = START_MS + 10 * 86_400_000
PROBES = [history(), history(0), history(1, 2, 3), history(5, -1, 5, 0), history(*range(6))]

Make = Callable[[], Member]


TESTED: dict[str, Law] = {}
"""Which law each test is about."""

Test = TypeVar("Test", bound=Callable[..., None])


def law(obeyed: Law) -> Callable[[Test], Test]:
    """Run the test for every registered member, but those that opt out of this law."""

    def noted(test: Test) -> Test:
        TESTED[test.__name__] = obeyed
        return test

    return noted


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    obeyed = TESTED.get(metafunc.function.__name__)
    if obeyed is None:
        return
    members = []
    for name in sorted(MEMBERS):
        why = empty(name).opt_outs.get(obeyed)
        marks = [pytest.mark.skip(reason=f"{name} opts out of '{obeyed}': {why}")] if why else []
        marks += [pytest.mark.neural] if name == "neural" else []
        members.append(pytest.param(partial(empty, name), id=name, marks=marks))
    metafunc.parametrize("make", members)


def empty(name: str) -> Member:
    return MEMBERS[name](small_settings().models, N_ROWS)


def bits(state: Mapping[str, Array]) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in state.items()}


def copied(state: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array.copy() for name, array in state.items()}


def same(one: Ranked, other: Ranked) -> bool:
    return np.array_equal(one.items, other.items) and np.array_equal(one.scores, other.scores)


def taught(make: Make, *lessons: Interactions) -> Member:
    member = make()
    for lesson in lessons:
        member.learn(lesson)
    return member


def assert_alike(one: Member, other: Member) -> None:
    """Both score alike, up to what single precision rounds."""
    for probe in PROBES:
        a, b = one.score(probe, N_ROWS, NOW_MS), other.score(probe, N_ROWS, NOW_MS)
        scores = {item: a.score_of(item) for item in range(N_ROWS)}
        assert scores == pytest.approx({item: b.score_of(item) for item in range(N_ROWS)}, rel=1e-5, abs=1e-9)


def test_every_law_has_a_test() -> None:
    assert set(TESTED.values()) == set(Law)


@law(Law.LEARNING_GIVES_NOTHING)
def test_learning_returns_nothing(make: Make) -> None:
    answers: list[object] = [make().learn(interactions([Event("item-1")]))]  # type: ignore[func-returns-value] # that is the law
    assert answers == [None]


@law(Law.SCORING_IS_PURE)
@given(lesson=INTERACTIONS, probe=HISTORIES, n=st.integers(0, N_ROWS))
def test_scoring_changes_no_bit_of_the_state(make: Make, lesson: Interactions, probe: Int32Array, n: int) -> None:
    member = taught(make, lesson)
    before, asked = bits(member.state()), probe.copy()
    first = member.score(probe, n, NOW_MS)
    assert same(member.score(probe, n, NOW_MS), first)
    assert bits(member.state()) == before
    assert np.array_equal(probe, asked)


@law(Law.SCORING_IS_PURE)
@given(lesson=INTERACTIONS, probe=HISTORIES, n=st.integers(0, N_ROWS))
def test_a_list_is_best_first_each_item_once_and_no_longer_than_asked(
    make: Make, lesson: Interactions, probe: Int32Array, n: int
) -> None:
    ranked = taught(make, lesson).score(probe, n, NOW_MS)
    assert len(ranked.items) == len(ranked.scores) == len(set(ranked.items.tolist())) <= n
    assert (np.diff(ranked.scores) <= 0).all()
    assert (ranked.scores > NEUTRAL).all()
    assert np.isfinite(ranked.scores).all()


@law(Law.UNKNOWN_IS_NEUTRAL)
@given(lesson=INTERACTIONS)
def test_an_unknown_id_scores_the_neutral_value_and_adds_no_row(make: Make, lesson: Interactions) -> None:
    member = taught(make, lesson)
    before = bits(member.state())
    nothing = member.score(history(), N_ROWS, NOW_MS)
    assert same(member.score(history(-1, N_ROWS, 2**31 - 1), N_ROWS, NOW_MS), nothing)
    assert [nothing.score_of(item) for item in (-1, 6, 7, N_ROWS)] == [NEUTRAL] * 4
    assert bits(member.state()) == before


@law(Law.UNKNOWN_IS_NEUTRAL)
def test_an_empty_member_lists_what_it_knows_nothing_about_nowhere(make: Make) -> None:
    assert make().score(history(), N_ROWS, NOW_MS).items.tolist() == []


@law(Law.MEMORY_IS_BOUNDED)
def test_memory_is_bounded_by_the_settings(make: Make) -> None:
    member = make()
    n_bytes = sum(array.nbytes for array in member.state().values())
    for seed in range(5):
        member.learn(interactions(busy_stream(seed, n=500, n_items=N_ROWS, n_users=50)))
    assert sum(array.nbytes for array in member.state().values()) == n_bytes
    assert sum(array.nbytes for array in member.take_update().values()) <= n_bytes


@law(Law.SAME_STREAM_SAME_NUMBERS)
@given(lesson=INTERACTIONS)
def test_the_same_stream_gives_the_same_numbers(make: Make, lesson: Interactions) -> None:
    assert bits(taught(make, lesson).state()) == bits(taught(make, lesson).state())


@law(Law.RESTORED_GOES_ON_ALIKE)
@given(lesson=INTERACTIONS, place=st.integers(0, 20), probe=HISTORIES)
def test_saved_and_restored_state_scores_and_learns_on_exactly_alike(
    make: Make, lesson: Interactions, place: int, probe: Int32Array
) -> None:
    first, second = (part(lesson, *bounds) for bounds in cut(len(lesson), [place]))
    member, restored = taught(make, first), make()
    restored.restore(copied(member.state()))
    assert same(restored.score(probe, N_ROWS, NOW_MS), member.score(probe, N_ROWS, NOW_MS))
    member.learn(second)
    restored.learn(second)
    assert bits(restored.state()) == bits(member.state())
    assert bits(restored.take_update()) == bits(member.take_update())


@law(Law.RESTORED_GOES_ON_ALIKE)
def test_restored_state_is_a_copy(make: Make) -> None:
    member = taught(make, interactions([Event("item-1"), Event("item-2")]))
    saved = copied(member.state())
    restored = make()
    restored.restore(saved)
    for array in saved.values():
        array[...] = 0
    assert bits(restored.state()) == bits(member.state())


@law(Law.INPUTS_ARE_LEFT_ALONE)
@given(lesson=INTERACTIONS)
def test_inputs_are_neither_changed_nor_kept(make: Make, lesson: Interactions) -> None:
    columns = {f.name: getattr(lesson, f.name).copy() for f in fields(lesson)}
    member = taught(make, replace(lesson))
    for name, column in columns.items():
        assert np.array_equal(getattr(lesson, name), column), name
    before = bits(member.state())
    for name in columns:
        getattr(lesson, name)[...] = 0
    assert bits(member.state()) == before


@law(Law.BATCHES_DO_NOT_MATTER)
@given(lesson=INTERACTIONS, places=st.lists(st.integers(0, 20), max_size=4))
def test_how_the_stream_is_cut_into_batches_changes_nothing(
    make: Make, lesson: Interactions, places: list[int]
) -> None:
    pieces = [part(lesson, start, end) for start, end in cut(len(lesson), places)]
    assert bits(taught(make, *pieces).state()) == bits(taught(make, lesson).state())


@law(Law.FORGOTTEN_IS_GONE)
@given(lesson=INTERACTIONS, forgotten=st.sets(st.integers(0, 5)))
def test_a_forgotten_item_is_listed_no_more(make: Make, lesson: Interactions, forgotten: set[int]) -> None:
    member = taught(make, lesson)
    member.forget(history(*sorted(forgotten)))
    for probe in PROBES:
        assert not forgotten & set(member.score(probe, N_ROWS, NOW_MS).items.tolist())
    member.take_update()
    assert not forgotten & set(member.take_update()["items"].tolist())


@law(Law.FORGOTTEN_IS_GONE)
def test_a_row_that_is_reused_inherits_nothing(make: Make) -> None:
    kept, mine = [Event("item-1"), Event("item-2")], [Event("item-1"), Event("item-3", at_s=5.0)]
    others = [Event("item-3", "bob", type="purchase"), Event("item-2", "bob"), Event("item-3", "bob")]
    reused = taught(make, interactions(others))
    reused.forget(history(2, 3))
    reused.learn(interactions([*kept, *mine]))
    fresh = taught(make, interactions([*kept, *mine]))
    for probe in PROBES:
        one, other = reused.score(probe, N_ROWS, NOW_MS), fresh.score(probe, N_ROWS, NOW_MS)
        # the mixture of half-lives has learned from the forgotten item's events, as it should
        assert {i: one.score_of(i) for i in range(N_ROWS)} == pytest.approx(
            {i: other.score_of(i) for i in range(N_ROWS)}, rel=0.01
        )


@law(Law.UPDATE_IS_LEARNING)
@given(first=INTERACTIONS, second=INTERACTIONS, third=INTERACTIONS)
def test_anothers_update_gives_what_learning_the_same_would_have_given(
    make: Make, first: Interactions, second: Interactions, third: Interactions
) -> None:
    sender, receiver = taught(make, first), taught(make, first)
    sender.take_update()
    receiver.take_update()
    for lesson in (second, third):
        sender.learn(lesson)
        receiver.apply_update(sender.take_update())
        assert_alike(receiver, sender)


@law(Law.UPDATE_IS_LEARNING)
@given(lesson=INTERACTIONS)
def test_a_received_update_is_not_handed_on(make: Make, lesson: Interactions) -> None:
    sender, receiver, alone = taught(make, lesson), make(), make()
    receiver.apply_update(sender.take_update())
    alone.apply_update(receiver.take_update())
    assert_alike(alone, make())


@law(Law.UPDATE_IS_LEARNING)
def test_an_update_is_handed_out_once(make: Make) -> None:
    member = taught(make, interactions([Event("item-1"), Event("item-2"), Event("item-1")]))
    receiver = make()
    receiver.apply_update(member.take_update())
    before = [receiver.score(probe, N_ROWS, NOW_MS) for probe in PROBES]
    receiver.apply_update(member.take_update())
    assert all(same(receiver.score(p, N_ROWS, NOW_MS), b) for p, b in zip(PROBES, before, strict=True))


@law(Law.UPDATE_IS_LEARNING)
def test_an_update_from_much_later_is_taken_in(make: Make) -> None:
    years_later = [Event("item-1", at_s=2e9), Event("item-2", at_s=2e9)]
    first = interactions([Event("item-3"), Event("item-1")])
    sender, receiver = taught(make, first), taught(make, first)
    sender.take_update()
    sender.learn(interactions(years_later))
    receiver.apply_update(sender.take_update())
    assert_alike(receiver, sender)


@law(Law.UPDATES_COMMUTE)
@given(first=INTERACTIONS, second=INTERACTIONS, third=INTERACTIONS)
def test_updates_of_members_that_learned_side_by_side_give_what_one_would_have_learned(
    make: Make, first: Interactions, second: Interactions, third: Interactions
) -> None:
    one, other, alone = taught(make, first), taught(make, first), taught(make, first, second, third)
    one.take_update()
    other.take_update()
    one.learn(second)
    other.learn(third)
    of_one, of_other = one.take_update(), other.take_update()
    one.apply_update(of_other)
    other.apply_update(of_one)
    assert_alike(one, alone)
    assert_alike(other, alone)
