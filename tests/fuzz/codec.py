"""Records to columns: the compiled codec, the reference and Python's `json` agree, and no record harms its neighbours.

A case is a digit for the settings and, behind it, records. They are decoded in one batch in which good records stand
between them; what becomes of each is compared with what the two slow readers make of it by itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from random import Random
from typing import Final, NamedTuple

from hypothesis import strategies as st

from consumer.errors import MalformedEvent
from consumer.events.codec import JsonCodec
from consumer.events.reference import ReferenceDecoder
from consumer.messages import Outcome
from consumer.settings import Input
from tests.events.batches import NOW_MS, Row, batch_of, row_of, rows_of
from tests.events.records import (
    FEATURES,
    KNOWN_NAMES,
    LITERALS,
    NUMBERS,
    PIECES,
    TIMES,
    USUAL_TIMES,
    awkward_records,
    changed_records,
    records,
)
from tests.fuzz.oracle import Oracle
from tests.fuzz.target import SEPARATOR, Target, mangled

N_CHANGED: Final = 200
GOOD_EVERY: Final = 8
FIRST_OFFSET: Final = 2**40

_PIECES: Final = [*PIECES, b"\\ud800", b"\\u0000", b'"', b"e9", b"[[", b"}}", b"null", b"\xed\xb0\x80", b"\xf8\x88"]
_PIECES_AS_VALUES: Final = [text.encode() for text in (*NUMBERS[:60], *LITERALS, *FEATURES)]


class Reading(NamedTuple):
    """One way to read records, and the slow ones beside it."""

    settings: Input
    codec: JsonCodec
    reference: ReferenceDecoder
    oracle: Oracle
    good: bytes
    good_row: Row

    def by_reference(self, value: bytes, offset: int) -> Row:
        try:
            return row_of(self.reference.decode(value, NOW_MS), offset)
        except MalformedEvent as error:
            return (Outcome(error.reason),)

    def by_oracle(self, value: bytes, offset: int) -> Row:
        found = self.oracle.decode(value, NOW_MS)
        return (found,) if isinstance(found, Outcome) else row_of(found, offset)


def reading(given: Mapping[str, object], *, keeps_features: bool) -> Reading:
    settings = Input.model_validate(given)
    codec = JsonCodec(settings, keeps_features=keeps_features)
    good = good_record(settings)
    return Reading(
        settings,
        codec,
        ReferenceDecoder(settings, keeps_features=keeps_features),
        Oracle(settings, keeps_features=keeps_features),
        good,
        rows_of(codec.decode(batch_of([good], first_offset=FIRST_OFFSET)))[0],
    )


def good_record(settings: Input) -> bytes:
    """Admitted whatever the settings are, and by its own id, so that it is the same at every offset."""
    names = settings.fields
    members = {
        names.event_id: "e",
        names.user_id: "u",
        names.item_id: "i",
        names.event_type: next(iter(settings.event_types)),
        names.event_time: json.loads(USUAL_TIMES[settings.time_format]),
        names.features: {"a": 1},
    }
    return json.dumps(members, ensure_ascii=False).encode()


def require_right(how: Reading, values: Sequence[bytes]) -> None:
    """All of these in one batch, good ones between them. Raises AssertionError."""
    batch: list[bytes] = []
    for n, value in enumerate(values):
        if n % GOOD_EVERY == 0:
            batch.append(how.good)
        batch.append(value)
    batch.append(how.good)
    rows = rows_of(how.codec.decode(batch_of(batch, first_offset=FIRST_OFFSET)))
    assert len(rows) == len(batch)
    for n, (value, row) in enumerate(zip(batch, rows, strict=True)):
        if value is how.good:
            assert row == how.good_row, f"a good record at {n} became {row}"
            continue
        by_reference = how.by_reference(value, FIRST_OFFSET + n)
        by_oracle = how.by_oracle(value, FIRST_OFFSET + n)
        assert row == by_reference == by_oracle, (
            f"{value[:300]!r} is {row} to the codec, {by_reference} to the reference, {by_oracle} to json"
        )


SETTINGS: Final[Sequence[tuple[Mapping[str, object], bool]]] = (
    ({}, False),
    ({}, True),
    ({"time_format": "epoch_seconds", "missing_event_time": "record_timestamp", "max_id_bytes": 8}, True),
    ({"time_format": "epoch_milliseconds", "default_event_type": "вид", "event_types": {"вид": 1, 'a"b': 1}}, False),
    ({"earliest_event_time_ms": -(10**30), "max_future_s": 1e300, "event_types": {"view": 1, "views": 2}}, False),
    ({"fields": {"session_id": "вид", "value": 'a"b', "event_id": "event_id "}}, True),
)


class CodecTarget(Target):
    @cached_property
    def _readings(self) -> Sequence[Reading]:
        return [reading(given, keeps_features=keeps) for given, keeps in SETTINGS]

    def check(self, case: bytes) -> int:
        how = self._readings[(case[0] if case else 0) % len(SETTINGS)]
        values = case[1:].split(SEPARATOR)
        require_right(how, values)
        return len(values)

    def alone(self, case: bytes) -> Iterable[bytes]:
        return [case[:1] + value for value in case[1:].split(SEPARATOR)]

    def cases(self) -> st.SearchStrategy[bytes]:
        def of_variant(n: int) -> st.SearchStrategy[bytes]:
            some = records(str(SETTINGS[n][0].get("time_format", "rfc3339")))
            return st.lists(some, min_size=1, max_size=12).map(lambda values: case_of(n, values))

        return st.integers(0, len(SETTINGS) - 1).flatmap(of_variant)

    def seeds(self) -> Sequence[bytes]:
        return [case_of(n, values[:3]) for n, values in enumerate(self._originals)]

    def changed(self, random: Random) -> bytes:
        n = random.randrange(len(SETTINGS))
        originals = self._originals[n]
        values = []
        for _ in range(N_CHANGED):
            value = random.choice(originals)
            if random.random() < 0.2:
                value = _with_another_value(random, value)
            if random.random() < 0.05:
                other = random.choice(originals)
                value = value[: random.randrange(len(value) + 1)] + other[random.randrange(len(other) + 1) :]
            values.append(mangled(random, value, _PIECES, most=2))
        return case_of(n, values)

    @cached_property
    def _originals(self) -> Sequence[Sequence[bytes]]:
        """By settings: good records with ordinary members, those with odd ones, and odd spacing."""
        found = []
        for how, (_, keeps) in zip(self._readings, SETTINGS, strict=True):
            time_format = how.settings.time_format
            plain = changed_records(400, 7, time_format, "12.5" if keeps else "1.5e3")
            spaced = [json.dumps(json.loads(how.good), indent=1).encode(), how.good]
            found.append([how.good, *plain, *awkward_records(time_format)[::5], *spaced])
        return found


def case_of(variant: int, values: Sequence[bytes]) -> bytes:
    """Records that hold a separator fall into two, which is as good."""
    return b"%d" % variant + SEPARATOR.join(values)


def _with_another_value(random: Random, value: bytes) -> bytes:
    """A member's value, if the name is found, replaced by an awkward one."""
    name = b'"%s":' % random.choice(KNOWN_NAMES).encode()
    at = value.find(name)
    if at < 0:
        return value
    end = value.find(b",", at)
    new = random.choice(_PIECES_AS_VALUES) if random.random() < 0.7 else b'"%s"' % random.choice(TIMES).encode()
    return value[: at + len(name)] + new + value[end if end >= 0 else len(value) :]
