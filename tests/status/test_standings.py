"""The items that lead and those that rise, of a model that has learned a few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from consumer.checkpoints.loading import AllState
from consumer.status.document import Standings
from consumer.status.standings import N_SHOWN, standings
from tests.checkpoints.states import arrays_of, learn, new_state
from tests.streams import Event, small_settings

HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S


def views(counts: Mapping[str, int], start_s: float = 0.0) -> list[Event]:
    """So many of each item within an hour, spread evenly, each by another user."""
    spread = sorted((n / count, item) for item, count in counts.items() for n in range(count))
    return [Event(item, user=f"user-{n}", at_s=start_s + share * HOUR_S) for n, (share, item) in enumerate(spread)]


def a_week(counts: Mapping[str, int]) -> list[Event]:
    return [view for day in range(7) for view in views(counts, day * DAY_S)]


def learned(events: Sequence[Event], **settings: Any) -> AllState:
    state = new_state(small_settings(**settings))
    for view in range(0, len(events), 50):
        learn(state, [event._replace(offset=view + n) for n, event in enumerate(events[view : view + 50])])
    return state


def shown(state: AllState, version: int = 1) -> Standings:
    return standings(state.model, version, state.model.scores(), state.admission.watermark_ms)


def test_the_items_that_lead_come_with_their_scores_best_first() -> None:
    state = learned(views({"a": 5, "b": 20, "c": 10}))
    leading = shown(state, 7)
    assert [top.item for top in leading.top] == ["b", "c", "a"]
    assert sum(top.score for top in leading.top) == pytest.approx(1.0)
    assert (leading.version, leading.items) == (7, 3)


def test_no_more_than_a_few_are_shown() -> None:
    state = learned(views({f"item-{n}": n + 1 for n in range(3 * N_SHOWN)}))
    leading = shown(state, 1)
    assert [top.item for top in leading.top] == [f"item-{3 * N_SHOWN - n}" for n in range(1, N_SHOWN + 1)]


def test_what_grows_against_its_usual_share_is_rising() -> None:
    today = views({"old": 10, "steady": 40, "new": 50}, 7 * DAY_S)
    state = learned([*a_week({"old": 40, "steady": 40}), *today])
    leading = shown(state, 1)
    assert [rising.item for rising in leading.rising] == ["new"]
    assert leading.rising[0].share_now > 0.4 > 0.2 > leading.rising[0].share_usual
    assert (leading.now_half_life_s, leading.usual_half_life_s) == pytest.approx((3_600.0, 604_800.0))


def test_an_event_or_two_are_no_rise() -> None:
    state = learned([*a_week({"old": 40}), *views({"old": 10, "new": 3}, 7 * DAY_S)])
    assert shown(state).rising == []


def test_one_half_life_has_nothing_to_be_held_against() -> None:
    state = learned(views({"a": 50}), models={"popularity": {"half_lives_s": [3_600.0]}})
    assert shown(state).rising == []


def test_before_the_first_event_nothing_is_shown() -> None:
    leading = shown(new_state(small_settings()))
    assert (leading.top, leading.rising, leading.items) == ([], [], 0)


def test_what_was_never_published_does_not_lead() -> None:
    state = learned(views({"a": 5, "b": 20}))
    assert standings(state.model, 0, state.published.score, state.admission.watermark_ms).top == []


@pytest.mark.parametrize("item", ["<b>", "umlaut-ä", "\u202e", "x" * 200])
def test_ids_are_shown_as_they_are(item: str) -> None:
    state = learned(views({item: 3}))
    leading = shown(state, 1)
    assert [top.item for top in leading.top] == [item]


def test_asking_changes_nothing() -> None:
    state = learned(views({"a": 5, "b": 20}))
    before = {name: array.tobytes() for name, array in arrays_of(state).items()}
    shown(state)
    assert {name: array.tobytes() for name, array in arrays_of(state).items()} == before
