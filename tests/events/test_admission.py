"""Admission: duplicates, lateness and the watermark, against dictionaries and by example."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.events.admission import Admission
from consumer.messages import Outcome
from consumer.settings import Input
from tests.events.admissions import input_settings, outcomes, view
from tests.streams import START_MS, Event, cut, event_batch, part_of_events

N_PARTITIONS = 3


class Model:
    """What admission promises, with a dictionary and a recount for every record."""

    def __init__(self, settings: Input) -> None:
        self.settings = settings
        self.ids: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self.reached: dict[int, float] = {}
        self.watermark = -np.inf
        self.n_forgotten_early = 0

    def admit(self, event: Event) -> Outcome:
        self._forget_passed()
        reached = self.reached.get(event.partition, -np.inf)
        if (event.event_id or "") in self.ids:
            return Outcome.DUPLICATE
        is_late = event.at_s < reached - self.settings.lateness_s
        if is_late and self.settings.late_events == "drop":
            return Outcome.LATE
        if len(self.ids) == self.settings.dedupe.max_entries:
            self.ids.popitem(last=False)
            self.n_forgotten_early += 1
        self.reached[event.partition] = max(reached, event.at_s)
        self.ids[event.event_id or ""] = (self.reached[event.partition], event.partition)
        latest = max(self.reached.values())
        awake = [t for t in self.reached.values() if t >= latest - self.settings.idle_partition_s]
        self.watermark = max(self.watermark, min(awake))
        return Outcome.LATE_POPULARITY_ONLY if is_late else Outcome.ADMITTED

    def _forget_passed(self) -> None:
        """Oldest first; an id stays while its partition hasn't passed it, and those that came after it with it."""
        while self.ids:
            time, partition = next(iter(self.ids.values()))
            if time >= self.reached[partition] - self.settings.dedupe.window_s:
                return
            self.ids.popitem(last=False)


@st.composite
def rows(draw: st.DrawFn) -> list[Event]:
    now_s, drawn = [0.0] * N_PARTITIONS, []
    for _ in range(draw(st.integers(1, 50))):
        partition = draw(st.integers(0, N_PARTITIONS - 1))
        now_s[partition] += draw(st.sampled_from((0.0, 1.0, 50.0, 59.0, 119.0, 310.0)))
        at_s = now_s[partition] - draw(st.sampled_from((0.0, 0.0, 60.0, 61.0, 400.0)))
        drawn.append(Event("shoe", at_s=at_s, partition=partition, event_id=f"e-{draw(st.integers(0, 12))}"))
    return drawn


SETTINGS = st.builds(
    input_settings, max_ids=st.sampled_from((1, 3, 8, 1_000)), late=st.sampled_from(("drop", "popularity_only"))
)


@given(SETTINGS, rows())
def test_every_record_is_decided_as_a_dictionary_of_ids_would(settings: Input, stream: list[Event]) -> None:
    admission, model = Admission(settings), Model(settings)
    batch = admission.admit(event_batch(stream))
    for i, event in enumerate(stream):
        assert Outcome(int(batch.outcome[i])) == model.admit(event), (i, event)
        assert batch.watermark_ms[i] == START_MS + model.watermark * 1000, (i, event)
    assert admission.n_ids == len(model.ids)
    assert admission.n_forgotten_early == model.n_forgotten_early
    assert admission.watermark_ms == batch.watermark_ms[-1]


def everything(admission: Admission) -> list[object]:
    table = {name: array.tolist() for name, array in admission.table().arrays.items()}
    return [table, {name: array.tolist() for name, array in admission.small().items()}]


@given(SETTINGS, rows(), st.lists(st.integers(0, 50), max_size=4))
def test_cutting_the_stream_into_batches_changes_nothing(
    settings: Input, stream: list[Event], places: list[int]
) -> None:
    events = event_batch(stream)
    whole, pieces = Admission(settings), Admission(settings)
    expected = whole.admit(events)
    for start, end in cut(len(stream), places):
        piece = pieces.admit(part_of_events(events, start, end))
        assert np.array_equal(piece.outcome, expected.outcome[start:end])
        assert np.array_equal(piece.watermark_ms, expected.watermark_ms[start:end])
    assert everything(pieces) == everything(whole)


@given(SETTINGS, rows(), st.integers(0, 50))
def test_stopping_anywhere_and_going_on_from_a_checkpoint_changes_nothing(
    settings: Input, stream: list[Event], place: int
) -> None:
    events = event_batch(stream)
    whole, stopped, resumed = Admission(settings), Admission(settings), Admission(settings)
    expected = whole.admit(events)
    place = min(place, len(stream))
    stopped.admit(part_of_events(events, 0, place))
    saved = {name: array.copy() for name, array in stopped.table().arrays.items()}
    resumed.restore(saved, {name: array.copy() for name, array in stopped.small().items()})
    rest = resumed.admit(part_of_events(events, place, len(stream)))
    assert np.array_equal(rest.outcome, expected.outcome[place:])
    assert np.array_equal(rest.watermark_ms, expected.watermark_ms[place:])
    assert everything(resumed) == everything(whole)


@pytest.mark.parametrize("max_ids", [5_000, 50_000])
def test_a_window_that_outgrows_its_room_does_not_depend_on_the_batches_either(max_ids: int) -> None:
    events = event_batch([view(float(i), partition=i % 2, event_id=f"e-{i % 15_000}") for i in range(20_000)])
    settings = input_settings(window_s=9_000, max_ids=max_ids)
    whole, pieces = Admission(settings), Admission(settings)
    expected = whole.admit(events)
    found = [pieces.admit(part_of_events(events, a, b)).outcome for a, b in cut(20_000, range(0, 20_000, 999))]
    assert np.array_equal(np.concatenate(found), expected.outcome)
    assert everything(pieces) == everything(whole)


def test_a_checkpoint_that_takes_only_marked_rows_is_complete() -> None:
    admission = Admission(input_settings(max_ids=50))
    saved = {name: array.copy() for name, array in admission.table().arrays.items()}
    for start in range(0, 400, 20):
        admission.admit(event_batch([view(float(i)) for i in range(start, start + 20)]))
        table = admission.table()
        for name, array in table.arrays.items():
            saved[name][table.dirty == 1] = array[table.dirty == 1]
        table.dirty[:] = 0
    assert all(np.array_equal(saved[name], array) for name, array in admission.table().arrays.items())


def test_a_window_of_many_ids_finds_each_of_them_again() -> None:
    stream = [view(0.0, event_id=f"e-{i}") for i in range(10_000)]
    admission = Admission(input_settings(max_ids=20_000))
    assert set(outcomes(admission, stream)) == {Outcome.ADMITTED}
    assert set(outcomes(admission, stream)) == {Outcome.DUPLICATE}


def test_an_id_is_forgotten_when_its_own_partition_has_passed_it_by_the_window() -> None:
    admission = Admission(input_settings(window_s=120))
    outcomes(admission, [view(0, event_id="a"), view(1_000, partition=1), view(120)])
    assert outcomes(admission, [view(120, event_id="a")]) == [Outcome.DUPLICATE]
    outcomes(admission, [view(121)])
    assert outcomes(admission, [view(121, event_id="a")]) == [Outcome.ADMITTED]


def test_an_id_forgotten_because_the_window_is_full_is_counted() -> None:
    admission = Admission(input_settings(max_ids=2))
    outcomes(admission, [view(0, event_id=name) for name in "abc"])
    assert (admission.n_ids, admission.n_forgotten_early) == (2, 1)
    assert outcomes(admission, [view(0, event_id="a"), view(0, event_id="c")]) == [Outcome.ADMITTED, Outcome.DUPLICATE]


def test_a_window_made_smaller_by_the_settings_shrinks() -> None:
    wide, narrow = Admission(input_settings(max_ids=10)), Admission(input_settings(max_ids=2))
    outcomes(wide, [view(0, event_id=name) for name in "abcdef"])
    narrow.restore(wide.table().arrays, wide.small())
    outcomes(narrow, [view(0, event_id="g")])
    assert narrow.n_ids == 2


@pytest.mark.parametrize("outcome", [Outcome.WRONG_TYPE, Outcome.TOMBSTONE, Outcome.IGNORED_TYPE])
def test_what_was_not_decoded_is_passed_on_and_remembered_nowhere(outcome: Outcome) -> None:
    admission = Admission(input_settings())
    events = event_batch([view(0, event_id="a"), view(99, event_id="b"), view(0, event_id="b")])
    events.outcome[1] = int(outcome)
    assert admission.admit(events).outcome.tolist() == [0, int(outcome), 0]
    assert admission.watermark_ms == START_MS


def test_a_dropped_late_event_is_not_remembered() -> None:
    admission = Admission(input_settings())
    late = view(0, event_id="late")
    assert outcomes(admission, [view(100), late, late]) == [Outcome.ADMITTED, Outcome.LATE, Outcome.LATE]


def test_a_late_event_may_count_for_popularity_only_and_only_once() -> None:
    admission = Admission(input_settings(late="popularity_only"))
    late = view(0, event_id="late")
    assert outcomes(admission, [view(100), late, late])[1:] == [Outcome.LATE_POPULARITY_ONLY, Outcome.DUPLICATE]


def test_a_duplicate_does_not_move_its_partitions_clock() -> None:
    admission = Admission(input_settings())
    assert outcomes(admission, [view(0, event_id="a"), view(500, event_id="a"), view(0, event_id="b")]) == [
        Outcome.ADMITTED,
        Outcome.DUPLICATE,
        Outcome.ADMITTED,
    ]


def test_the_batch_given_is_not_changed() -> None:
    events = event_batch([view(0, event_id="a"), view(0, event_id="a"), view(900), view(0, event_id="b")])
    before = {name: np.copy(getattr(events, name)) for name in ("outcome", "partitions", "event_key", "event_time_ms")}
    batch = Admission(input_settings()).admit(events)
    assert all(np.array_equal(getattr(events, name), array) for name, array in before.items())
    assert batch.counts() == {"admitted": 2, "duplicate": 1, "late": 1}
