"""What a worker says when it stops over too many dead letters: where and why, and no value of any event."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from consumer.events.admission import Admission
from consumer.events.codec import JsonCodec
from consumer.events.dead_letter_budget import DeadLetterBudget
from consumer.intake import Intake
from consumer.kafka.dead_letters import dead_letter_record
from consumer.messages import Decoded, InputRecord
from consumer.recovery import Recovered
from consumer.settings import DeadLetterLimit, Input
from tests.events.batches import TOPIC, batch_of, event_json

MARKER = "user-whom-nobody-may-name"
BAD = {
    "id_too_long: user_id": event_json(user_id=MARKER + "x" * 300),
    "wrong_type: user_id": event_json(user_id=[MARKER]),
    "id_too_long: item_id": event_json(user_id=MARKER, item_id=MARKER * 20),
    "wrong_type: event_time": event_json(user_id=MARKER, event_time=MARKER),
    "wrong_type: value": event_json(user_id=MARKER, value=MARKER),
    "missing_field: item_id: missing": event_json(user_id=MARKER, item_id=None),
    "undecodable: ": event_json(user_id=MARKER)[:-1],
}


@pytest.mark.parametrize("told", BAD)
def test_what_stops_a_worker_is_told_without_a_value(told: str) -> None:
    settings = Input(dead_letters=DeadLetterLimit(max_in_a_row=1))
    codec = JsonCodec(settings)
    values = [b"{", BAD[told]]
    originals = [InputRecord(TOPIC, 3, n, 0, None, value, ()) for n, value in enumerate(values)]
    records = replace(batch_of(values), originals=originals)
    letter = partial(dead_letter_record, topic="letters", max_bytes=1 << 20)
    start = Recovered({0: 0}, {}, set(), {})
    intake = Intake(Admission(settings), DeadLetterBudget(settings.dead_letters), codec.explain, letter, start)
    refusal = intake.take(Decoded(records, codec.decode(records))).refusal
    assert refusal is not None
    assert f"offset 1, which is {told}" in str(refusal)
    assert MARKER not in str(refusal)
