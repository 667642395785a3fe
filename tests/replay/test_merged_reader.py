"""Several partitions come out as one stream in the order of event times, the same whatever came when."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.events.codec import JsonCodec
from consumer.messages import SHARED_BY_ALL, Decoded, EventBatch, Outcome
from consumer.replay.merged_reader import EndOfRange, MergedReader
from consumer.settings import Input
from tests.replay.partitions import FakePartitions

SETTINGS = Input(time_format="epoch_seconds")
CODEC = JsonCodec(SETTINGS, keeps_features=True)
START_S = 1_700_000_000
Values = Mapping[int, Sequence[bytes | None]]


def event(at_s: float, item: str = "i", **members: object) -> bytes:
    base = {"user_id": "ann", "item_id": item, "event_type": "view", "event_time": START_S + at_s}
    return json.dumps({**base, **members}).encode()


def reader_of(partitions: FakePartitions, max_events: int = 50, window: int = 2_048) -> MergedReader:
    return MergedReader(partitions, CODEC.decode, max_events, window)


def batches(reader: MergedReader) -> Iterator[Decoded]:
    while True:
        try:
            found = reader.next()
        except EndOfRange:
            return
        if found is not None:
            yield found


def coordinates(decoded: Sequence[Decoded]) -> list[tuple[int, int]]:
    return [
        (int(p), int(offset))
        for one in decoded
        for p, offset in zip(one.records.partitions, one.records.offsets, strict=True)
    ]


def told_order(values: Values) -> list[tuple[int, int]]:
    """By the rule in words: of the heads the least time, then the least partition; what has no time comes at once."""
    times = {p: [_time(value) for value in of] for p, of in values.items()}
    heads = dict.fromkeys(values, 0)
    found = []
    while any(heads[p] < len(times[p]) for p in heads):
        first = min((p for p in sorted(heads) if heads[p] < len(times[p])), key=lambda p: times[p][heads[p]])
        found.append((first, heads[first]))
        heads[first] += 1
    return found


def _time(value: bytes | None) -> float:
    """0: it will never be learned, so nothing has to wait for it."""
    if value is None or not value.endswith(b"}"):
        return 0.0
    members = json.loads(value)
    return float(members["event_time"]) if members["item_id"] else 0.0


times = st.integers(0, 40)
values_of_a_partition = st.lists(
    st.one_of(
        st.builds(event, times, st.sampled_from(["a", "bb", "ccc", "ä€", ""])),
        st.builds(lambda at: event(at, "escaped\u2028", value=1.5), times),
        st.builds(
            lambda at, given: event(at, "with", features=given),
            times,
            st.dictionaries(st.sampled_from("abc"), st.one_of(st.sampled_from(["x", "\u2028"]), times), max_size=3),
        ),
        st.sampled_from([None, b"{broken", b""]),
    ),
    max_size=60,
)


@given(
    values=st.dictionaries(st.integers(0, 5), values_of_a_partition, min_size=1, max_size=4),
    seed=st.integers(0, 9),
    max_events=st.sampled_from([1, 7, 1_000]),
)
def test_the_order_is_that_of_the_heads_whatever_came_when(values: Values, seed: int, max_events: int) -> None:
    found = list(batches(reader_of(FakePartitions(values, seed), max_events)))
    assert coordinates(found) == told_order(values)
    assert all(0 < len(one.events) <= max_events for one in found)


@given(
    values=st.dictionaries(st.integers(0, 5), values_of_a_partition, min_size=1, max_size=4),
    seed=st.integers(0, 9),
    share=st.floats(0, 1),
)
def test_reading_on_from_the_positions_after_any_record_gives_the_same_order(
    values: Values, seed: int, share: float
) -> None:
    whole = told_order(values)
    n_before = int(share * len(whole))
    positions = dict.fromkeys(values, 0)
    for partition, offset in whole[:n_before]:
        positions[partition] = offset + 1
    rest = FakePartitions(values, seed, positions)
    assert coordinates(list(batches(reader_of(rest)))) == whole[n_before:]


@given(values=st.dictionaries(st.integers(0, 5), values_of_a_partition, min_size=2, max_size=4), seed=st.integers(0, 9))
def test_a_merged_batch_is_what_decoding_its_records_would_give(values: Values, seed: int) -> None:
    for one in batches(reader_of(FakePartitions(values, seed))):
        again = CODEC.decode(one.records)
        for name in (
            f.name for f in fields(EventBatch) if f.name not in (*SHARED_BY_ALL, "item_start", "feature_start")
        ):
            np.testing.assert_array_equal(getattr(one.events, name), getattr(again, name), err_msg=name)
        assert item_ids(one.events) == item_ids(again)
        assert features(one.events) == features(again)
        for row, original in enumerate(one.records.originals):
            assert original.value == one.records.values[row] == values[original.partition][original.offset]
            assert original.key == b"%d-%d" % (original.partition, original.offset)


def item_ids(events: EventBatch) -> list[bytes]:
    return [
        events.text[start : start + length].tobytes() if outcome == Outcome.ADMITTED else b""
        for start, length, outcome in zip(events.item_start, events.item_length, events.outcome, strict=True)
    ]


def features(events: EventBatch) -> list[list[tuple[float, ...]]]:
    entries = np.column_stack(events.features).tolist()
    return [
        [tuple(entry) for entry in entries[start : start + n]]
        for start, n in zip(events.feature_start.tolist(), events.n_features.tolist(), strict=True)
    ]


def test_what_waits_is_bounded_though_one_partition_lies_hours_behind_the_others() -> None:
    values: Values = {0: [event(n) for n in range(8_000)], 1: [event(10_000 + n) for n in range(8_000)]}
    partitions = FakePartitions(values)
    n_out = 0
    for one in batches(reader_of(partitions, window=2_048)):
        n_out += len(one.events)
        assert partitions.n_read - n_out <= 2_048
    assert n_out == 16_000


@pytest.mark.parametrize("empty", [{0: []}, {0: [], 3: []}])
def test_empty_partitions_are_at_their_end_at_once(empty: Values) -> None:
    assert list(batches(reader_of(FakePartitions(empty)))) == []
