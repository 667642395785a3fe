"""The codec: both paths agree on everything, and no record matters to its neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as test_settings
from hypothesis import strategies as st

from consumer.events.codec import JsonCodec
from consumer.events.fields import MAX_FEATURES
from consumer.events.hashing import hash_text, hash_text_32, hash_topic
from consumer.events.scanner import LEFT_TO_REFERENCE
from consumer.messages import Outcome
from consumer.settings import Input
from tests.events.batches import (
    NOW_MS,
    TOPIC,
    batch_of,
    event_json,
    features_of,
    reference_row,
    rows_of,
    scanner_outcomes,
)
from tests.events.records import awkward_records, changed_records, records

VARIANTS = {
    "defaults": Input(),
    "seconds": Input.model_validate(
        {"time_format": "epoch_seconds", "missing_event_time": "record_timestamp", "max_id_bytes": 8}
    ),
    "milliseconds": Input.model_validate(
        {"time_format": "epoch_milliseconds", "default_event_type": "вид", "event_types": {"вид": 1, 'a"b': 1, "": 1}}
    ),
    "unbounded": Input.model_validate(
        {
            "earliest_event_time_ms": -(10**30),
            "max_future_s": 1e300,
            "event_types": {"view": 1, "views": 2, "x" * 16: 3},
        }
    ),
    "odd_names": Input.model_validate({"fields": {"session_id": "вид", "value": 'a"b', "event_id": "event_id "}}),
}
VARIANTS |= {"defaults, features": VARIANTS["defaults"], "seconds, features": VARIANTS["seconds"]}
N_CHANGED = 4_000
TIMESTAMPS_MS = st.sampled_from([NOW_MS, NOW_MS, NOW_MS, 0, -1, 2**62, 2**63 - 1, -(2**63)])


@pytest.mark.parametrize("variant", VARIANTS)
@given(drawn=st.data(), timestamp_ms=TIMESTAMPS_MS)
@test_settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_both_paths_give_the_same_columns(variant: str, drawn: st.DataObject, timestamp_ms: int) -> None:
    settings, keeps = VARIANTS[variant], variant.endswith("features")
    some_records = records(settings.time_format)
    values = drawn.draw(st.lists(st.one_of(some_records, some_records, some_records, st.none()), max_size=12))
    events = JsonCodec(settings, keeps_features=keeps).decode(batch_of(values, timestamp_ms, first_offset=2**40))
    expected = [
        reference_row(settings, value, timestamp_ms, 2**40 + i, keeps_features=keeps) for i, value in enumerate(values)
    ]
    assert rows_of(events) == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_paths_give_the_same_columns_for_every_awkward_value_of_every_member(variant: str) -> None:
    settings, keeps = VARIANTS[variant], variant.endswith("features")
    values = awkward_records(settings.time_format)
    rows = rows_of(JsonCodec(settings, keeps_features=keeps).decode(batch_of(values)))
    expected = [reference_row(settings, value, offset=i, keeps_features=keeps) for i, value in enumerate(values)]
    assert [pair for pair in zip(values, rows, expected, strict=True) if pair[1] != pair[2]] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_paths_give_the_same_columns_after_small_changes_of_good_records(variant: str) -> None:
    settings, keeps = VARIANTS[variant], variant.endswith("features")
    price = "12.5" if keeps else "1.5e3"  # where features are kept, one with an exponent is left to the reference
    values = changed_records(N_CHANGED, len(variant), settings.time_format, price)
    batch = batch_of(values)
    n_scanned = sum(outcome != LEFT_TO_REFERENCE for outcome in scanner_outcomes(settings, batch, keeps_features=keeps))
    assert N_CHANGED // 10 < n_scanned < N_CHANGED * 9 // 10  # else this would test nothing
    assert rows_of(JsonCodec(settings, keeps_features=keeps).decode(batch)) == [
        reference_row(settings, value, offset=i, keeps_features=keeps) for i, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    "bad", [event_json()[:-1], b'{"item_id":"', b"\xff" * 50, b"", b'"' * 7, event_json(value="x")]
)
@pytest.mark.parametrize("at", [0, 500, 999])
def test_one_bad_record_among_a_thousand_leaves_the_others_as_they_are_alone(bad: bytes, at: int) -> None:
    codec = JsonCodec(Input())
    values: list[bytes | None] = [event_json(event_id=..., item_id=f"i-{i}") for i in range(1000)]
    good = rows_of(codec.decode(batch_of(values)))
    values[at] = bad
    with_bad = rows_of(codec.decode(batch_of(values)))
    assert with_bad[at][0] != Outcome.ADMITTED
    assert with_bad[:at] + with_bad[at + 1 :] == good[:at] + good[at + 1 :]


def test_tombstones_are_neither_events_nor_dead_letters() -> None:
    codec = JsonCodec(Input())
    batch = batch_of([None, event_json(), None])
    assert codec.decode(batch).outcome.tolist() == [Outcome.TOMBSTONE, Outcome.ADMITTED, Outcome.TOMBSTONE]
    assert codec.explain(batch, 0) == ""


def test_an_empty_batch_has_no_rows() -> None:
    assert len(JsonCodec(Input()).decode(batch_of([]))) == 0


def test_nothing_of_a_record_that_is_not_admitted_is_left_in_the_columns() -> None:
    events = JsonCodec(Input()).decode(batch_of([event_json(event_type="search"), event_json(value="x")]))
    assert events.outcome.tolist() == [Outcome.IGNORED_TYPE, Outcome.WRONG_TYPE]
    for column in (events.item_key, events.event_key, events.session_key, events.event_time_ms, events.value):
        assert not column.any()


def test_an_event_without_an_id_is_known_by_its_coordinates() -> None:
    codec = JsonCodec(Input())
    value = event_json(event_id=...)
    keys = codec.decode(batch_of([value, value])).event_key
    assert keys[0].tolist() != keys[1].tolist()
    assert codec.decode(batch_of([value], first_offset=1)).event_key[0].tolist() == keys[1].tolist()


def test_the_topic_is_known_by_its_hash() -> None:
    assert JsonCodec(Input()).decode(batch_of([])).topic_hash == hash_topic(TOPIC) == hash_text(TOPIC.encode())[0]


def test_ids_are_hashed_as_their_text_says() -> None:
    codec = JsonCodec(Input())
    escaped = event_json(item_id="5").replace(b'"5"', rb'"\u0035"')
    events = codec.decode(batch_of([event_json(item_id=5), event_json(item_id="5"), escaped]))
    assert [tuple(key) for key in events.item_key.tolist()] == [hash_text(b"5")] * 3


def test_item_texts_lie_in_the_text_of_the_batch() -> None:
    values = [event_json(item_id="plain"), event_json(item_id="ünusual\n")]
    events = JsonCodec(Input()).decode(batch_of(values))
    ends = events.item_start + events.item_length
    texts = [events.text[a:b].tobytes().decode() for a, b in zip(events.item_start, ends, strict=True)]
    assert texts == ["plain", "ünusual\n"]


def test_an_event_that_names_no_session_has_session_key_0() -> None:
    keys = JsonCodec(Input()).decode(batch_of([event_json(session_id=...), event_json()])).session_key
    assert keys.tolist() == [0, hash_text(b"s-1")[0]]


def test_columns_have_the_types_of_the_contract_on_either_path() -> None:
    plain = JsonCodec(Input()).decode(batch_of([event_json()]))
    left = JsonCodec(Input()).decode(batch_of([event_json(context=[])]))
    for events in (plain, left):
        types = [column.dtype.str for column in (events.item_length, events.event_type, events.item_key)]
        assert types == ["<i4", "<i2", "<u8"]
        assert events.text.flags.writeable


def test_explain_tells_why_a_record_is_a_dead_letter() -> None:
    batch = batch_of([event_json(), event_json(event_time="soon")])
    codec = JsonCodec(Input())
    assert codec.explain(batch, 1) == 'event_time: "soon" is not RFC 3339'
    assert codec.explain(batch, 0) == ""


@given(value=records("rfc3339"))
@test_settings(max_examples=200, deadline=None)
def test_every_dead_letter_has_a_short_explanation(value: bytes) -> None:
    codec = JsonCodec(Input())
    batch = batch_of([value])
    outcome = Outcome(int(codec.decode(batch).outcome[0]))
    assert bool(codec.explain(batch, 0)) == outcome.is_dead_letter
    assert len(codec.explain(batch, 0)) <= 200


KEEPING = JsonCodec(Input(), keeps_features=True)


def kept(value: bytes) -> dict[str, float]:
    """Which of these names the record's features have, and their numbers (texts: NaN)."""
    events = KEEPING.decode(batch_of([event_json(), value]))
    names = {hash_text_32(name.encode()): name for name in ("price", "brand", "a", "", "né")}
    return {
        names[name]: float("nan") if text else float(np.frombuffer(number)[0])
        for name, text, number in features_of(events, 1)
    }


def test_features_are_kept_where_somebody_learns_from_them() -> None:
    value = event_json(features={"price": 12.5, "brand": "é", "": 0})
    assert kept(value) == pytest.approx({"price": 12.5, "brand": float("nan"), "": 0.0}, nan_ok=True)
    assert JsonCodec(Input()).decode(batch_of([value])).n_features.tolist() == [0]


@pytest.mark.parametrize(
    ("features", "plain"),
    [('{"brand":"a\\nb"}', '{"brand":"a\nb"}'), ('{"br\\u0061nd":"x"}', '{"brand":"x"}'), ('{"a":1e2}', '{"a":100}')],
)
def test_features_mean_the_same_however_they_are_written(features: str, plain: str) -> None:
    written = [event_json(features=...)[:-1] + f', "features": {text}}}'.encode() for text in (features, plain)]
    events = KEEPING.decode(batch_of([value.replace(b"\n", rb"\n") for value in written]))
    assert features_of(events, 0) == features_of(events, 1) != []


def test_of_a_name_that_occurs_twice_the_last_value_counts() -> None:
    assert kept(event_json(features=...)[:-1] + b', "features": {"a":1,"price":2,"a":3}}') == {"a": 3.0, "price": 2.0}


@pytest.mark.parametrize("scanned", [True, False])
def test_of_very_many_features_the_first_are_kept(scanned: bool) -> None:
    value = event_json(features={f"f-{i}": i for i in range(MAX_FEATURES + (not scanned))}, note=1 if scanned else [])
    events = KEEPING.decode(batch_of([value] * 300))
    assert events.n_features.tolist() == [MAX_FEATURES] * 300
    assert [name for name, _, _ in features_of(events, 299)] == [
        hash_text_32(f"f-{i}".encode()) for i in range(MAX_FEATURES)
    ]
    assert features_of(events, 299) == features_of(events, 0)
