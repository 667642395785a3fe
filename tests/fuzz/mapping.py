"""Which members an input's settings name, against records that have such members: any text may be a name.

A case is the settings of the input as JSON, and behind it records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, Final

from hypothesis import strategies as st
from pydantic import ValidationError

from consumer.events.fields import field_names
from consumer.settings import Input
from tests.events.records import KNOWN_NAMES, PIECES, USUAL_TIMES, mutated_records
from tests.fuzz.codec import reading, require_right
from tests.fuzz.target import SEPARATOR, Target, mangled

_NAMES: Final = [
    "a",
    "ab",
    "user",
    'a"b',
    "a\\b",
    "é",
    "вид",
    "😀",
    "\n",
    "\0",
    "a b",
    "x" * 8,
    "x" * 7,
    "x" * 300,
    "{}",
]
_names: Final = st.one_of(st.sampled_from([*_NAMES, *KNOWN_NAMES, "", "\ud800"]), st.text(max_size=20))
_settings: Final = st.fixed_dictionaries(
    {"fields": st.dictionaries(st.sampled_from(KNOWN_NAMES), _names, max_size=8)},
    optional={
        "event_types": st.dictionaries(_names, st.sampled_from([1, -1, 0.5, {"weight": 2}, 10**4, "x"]), max_size=6),
        "default_event_type": st.one_of(st.none(), _names),
        "time_format": st.sampled_from(["rfc3339", "epoch_seconds", "epoch_milliseconds", "epoch"]),
        "missing_event_time": st.sampled_from(["dead_letter", "record_timestamp"]),
        "max_id_bytes": st.sampled_from([0, 1, 2, 4096, 5000]),
        "earliest_event_time_ms": st.integers(),
        "max_future_s": st.sampled_from([0, 300, 1e300]),
    },
)


@st.composite
def _cases(draw: st.DrawFn) -> bytes:
    given = draw(_settings)
    try:
        settings = Input.model_validate(given)
    except ValidationError:
        return json.dumps(given).encode()
    some = st.one_of(_of_these_names(settings), _of_these_names(settings), mutated_records(settings.time_format))
    return SEPARATOR.join([json.dumps(given).encode(), *draw(st.lists(some, min_size=1, max_size=12))])


@st.composite
def _of_these_names(draw: st.DrawFn, settings: Input) -> bytes:
    """Events with members of the names that the settings give, written in one of the ways in which JSON can."""
    of_type = st.sampled_from([*settings.event_types, "view", ""])
    ids = st.one_of(st.text(min_size=1, max_size=6), st.integers(-5, 10**6))
    time = json.loads(USUAL_TIMES[settings.time_format])
    values: list[st.SearchStrategy[Any]] = [ids, ids, ids, of_type, st.just(time), ids, st.integers(-9, 9)]
    names = field_names(settings)
    members = {name: draw(value) for name, value in zip(names, values, strict=False)}
    members[draw(_names)] = draw(st.sampled_from([1, "x", None, {"a": 1}, [], True]))
    for name in draw(st.sets(st.sampled_from(names), max_size=1)):
        members.pop(name, None)
    text = json.dumps(members, ensure_ascii=draw(st.booleans()))
    return text.encode(errors="surrogatepass")


class MappingTarget(Target):
    def check(self, case: bytes) -> int:
        given, *values = case.split(SEPARATOR)
        try:
            settings = json.loads(given)
        except (ValueError, RecursionError):
            return 1
        if not isinstance(settings, dict):
            return 1
        try:
            how = reading(settings, keeps_features=len(values) % 2 == 1)
        except ValidationError:
            return 1
        if values:
            require_right(how, values)
        return max(1, len(values))

    def alone(self, case: bytes) -> Iterable[bytes]:
        given, *values = case.split(SEPARATOR)
        return [SEPARATOR.join((given, value)) for value in values]

    def cases(self) -> st.SearchStrategy[bytes]:
        return _cases()

    def seeds(self) -> Sequence[bytes]:
        def of(given: dict[str, object]) -> bytes:
            return json.dumps(given).encode()

        names = {"user_id": "u", "item_id": 'i"', "event_type": "\n", "event_time": "вид"}
        event = {"u": "a", 'i"': 1, "\n": "\0", "вид": 1_795_421_700}
        given = {"fields": names, "event_types": {"\0": 1, "b": -2}, "time_format": "epoch_seconds"}
        return [of({}), SEPARATOR.join((of(given), of(event), of({**event, "u": None})))]

    def changed(self, random: Random) -> bytes:
        given, *values = self.seeds()[1].split(SEPARATOR)
        names = random.sample(_NAMES, 5)
        settings = json.loads(given)
        settings["fields"] = dict(zip(settings["fields"], names, strict=False))
        settings["event_types"][names[4]] = 1
        event = dict(zip(names, ("a", 1, names[4], 1_795_421_700), strict=False))
        good = [json.dumps(event).encode(), json.dumps(event, ensure_ascii=False).encode(), *values]
        return SEPARATOR.join(
            [json.dumps(settings).encode(), *(mangled(random, random.choice(good), PIECES, 2) for _ in range(100))]
        )
