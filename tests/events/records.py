"""Hypothesis strategies for records: plain ones, unusual ones and broken ones, by members and by bytes."""

from __future__ import annotations

import json
import random

from hypothesis import strategies as st

KNOWN_NAMES = ("event_id", "user_id", "item_id", "event_type", "event_time", "session_id", "value", "features")

_NUMBERS = """
0 -0 7 -7 12.5 -12.50 0.1 -0.0 0.0 1.0 01 -01 1. .5 - -- +1 1e5 1E+05 1e-05 1e99 1e100 1e308 1e309 1e400 -1e400
1e 1e+ 0e0 0.30000000000000004 123456789012345678 1234567890123456789 9223372036854775807 9223372036854775808
-9223372036854775808 -9223372036854775809 18446744073709551616 9007199254740992 9007199254740993
90071992547409.93 9007199254740.9921 0.00000000000000001 123456789.123456789 1795421700 1795421700.1239
1795421700.9999999999 1795421700123 1795421700123.9 1795421700000000000 999999999999999 9999999999999999
946684800 946684799.9999 1795429300 1795429300.001 1795429300000 1795429300001 0x1F 1_000 NaN Infinity -Infinity
"""
NUMBERS = [*_NUMBERS.split(), "1" * 33, "1" * 400, "1." + "0" * 40, "0." + "0" * 400 + "1"]
_TIMES = """
2026-11-23T08:15:00Z 2026-11-23T08:15:00.1Z 2026-11-23T08:15:00.123456789Z 2026-11-23T08:15:00.9999999Z
2026-11-23T08:15:00.Z 2026-11-23T08:15:00.123 2026-11-23T08:15:00 2026-11-23T10:15:00+02:00
2026-11-22T18:15:00-14:00 2026-11-23T08:15:00-00:00 2026-11-23T08:15:00+24:00 2026-11-23T08:15:00+23:60
2026-11-23T08:15:00+0200 2026-11-23T08:15:00+2:00 2026-11-23T08:15:00+02:0 2026-11-23T08:15:00+02-00
2026-11-23T24:00:00Z 2026-11-23T23:59:60Z 2026-11-23T08:60:00Z 2026-11-31T08:15:00Z 2025-02-29T00:00:00Z
2024-02-29T00:00:00Z 2000-02-29T00:00:00Z 2100-02-29T00:00:00Z 2026-00-10T08:15:00Z 2026-13-10T08:15:00Z
2026-11-00T08:15:00Z 0000-01-01T00:00:00Z 0001-01-01T00:00:00Z 0001-01-01T00:00:00+23:59 9999-12-31T23:59:59Z
2026-11-23t08:15:00Z 2026-11-23T08:15:00z 2026-11-23T08:15Z 20261123T081500Z 2026-11-23T08:15:00,5Z soon
2026-11-23T08:15:0:Z 2026-11-23T08:15:/0Z 2O26-11-23T08:15:00Z 2026/11/23T08:15:00Z 2000-01-01T00:00:00Z
1999-12-31T23:59:59.999Z 2026-11-23T10:21:40.000Z 2026-11-23T10:21:40.001Z 2026-11-23T10:21:41Z
"""
TIMES = [
    *_TIMES.split(),
    "2026-11-23 08:15:00Z",
    "2026-11-23T08:15:00Z ",
    " 2026-11-23T08:15:00Z",
    "２026-11-23T08:15:00Z",
]
USUAL_TIMES = {"rfc3339": f'"{TIMES[1]}"', "epoch_seconds": "1795421700.25", "epoch_milliseconds": "1795421700250"}
LITERALS = ["true", "false", "null", "nul", "nulll", "True", "[]", "[1]", "{}", '{"a":{}}', '{"a":[]}', "", "x"]
FEATURES = [
    '{"price":12.5,"brand":"x"}',
    '{ "a" : 1 , "a" : "é" }',
    '{"a":1,}',
    '{"a":null}',
    '{"a":1e400}',
    '{"a":1e-400}',
    '{"a":true}',
    '{"a":"\\n"}',
    '{"\\u0061":1}',
    '{"a":"\\ud800"}',
    '{"a" 1}',
    "{a:1}",
    '{"a":1 "b":2}',
]
ESCAPED = [
    '"\\u002d"',
    '"\\/"',
    '"a\\\\"',
    '"\\""',
    '"\\x"',
    '"\\ud83d\\ude00"',
    '"\\ud800"',
    '"\\',
    '"\n"',
    '"\x00"',
    '"\x7f"',
]
PIECES = [bytes([c]) for c in b'"\\,:{}[]07a.-+eEnu \n\x00\x1f\x7f\x80\xff']
PIECES += [text.encode() for text in ("é", "€", "😀", "\u2028")]
PIECES += [
    b"\xc0\x80",
    b"\xe0\x9f\xbf",
    b"\xed\xa0\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xc3",
    b"\xe2\x82",
]
SPACES = ["", "", "", " ", "\n", "\t\r "]
NO_SPACES = ["\x0b", "\xa0", "\x00", "x", ","]

ODD_NAMES = ['"a"b"', '"вид', 'вид"', '"event_i\\u0064"', '"user_id', '"user_id""', "user_id", '"user_id\0"', '""']
TEXTS = ["", "a", "view", "cart", "вид", "views", "vie", "x" * 7, "x" * 8, "x" * 9, "x" * 16, "x" * 256, "x" * 257]

_texts = st.one_of(
    st.sampled_from(TEXTS),
    st.text(min_size=1, max_size=40),
)
_ordinary_texts = st.text(
    st.one_of(st.sampled_from("abc-09_"), st.characters(exclude_categories=["C"], exclude_characters='"\\')),
    min_size=1,
    max_size=40,
)
_ordinary_strings = _ordinary_texts.map(lambda text: json.dumps(text, ensure_ascii=False))
_strings = st.one_of(
    _texts.map(lambda text: json.dumps(text, ensure_ascii=False)),
    _texts.map(json.dumps),
    st.sampled_from(ESCAPED),
    st.sampled_from(TIMES).map(lambda text: json.dumps(text, ensure_ascii=False)),
)
_numbers = st.one_of(
    st.sampled_from(NUMBERS),
    st.integers().map(str),
    st.integers(-(2**64), 2**64).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-(10**9), 10**9, places=4).map(str),
)
_feature_objects = st.one_of(
    st.sampled_from(FEATURES),
    st.lists(st.tuples(_ordinary_strings, st.one_of(_numbers, _strings)), max_size=3).map(
        lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
    ),
)
_json_values = st.one_of(_strings, _numbers, _feature_objects, st.sampled_from(LITERALS))
_harmless_values = st.one_of(
    _ordinary_strings, st.sampled_from(["1", "-1.5e-05", "true", "false", "null", '"\\n"', '"a\\\\"'])
)
_names = st.one_of(
    st.sampled_from(KNOWN_NAMES).map(json.dumps),
    st.sampled_from(
        ['"event_i\\u0064"', '"Event_id"', '"event_id "', '""', '"вид"', '"a\\"b"', '"eventtype"', "value"]
    ),
    _strings,
)


def _mostly(usual: st.SearchStrategy[str], unusual: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """One in eight is unusual."""
    return st.integers(0, 7).flatmap(lambda n: unusual if n == 5 else usual)


def _fitting_values(time_format: str) -> dict[str, st.SearchStrategy[str]]:
    """Of each known member, values of the right type: most of them good, some just outside what is allowed."""
    integers = st.integers(0, 10**12).map(str)
    ids = _mostly(st.one_of(_ordinary_strings, integers), st.one_of(_strings, _numbers))
    if time_format == "rfc3339":
        times = _mostly(st.just(json.dumps(TIMES[0])), st.sampled_from(TIMES).map(json.dumps))
    else:
        near = 1_795_421_700 if time_format == "epoch_seconds" else 1_795_421_700_000
        usual = st.one_of(st.just(str(near)), st.integers(0, 10**6).map(lambda n: f"{near}.{n}"))
        times = _mostly(usual, st.sampled_from(NUMBERS))
    types = st.sampled_from(
        ['"view"', '"view"', '"cart"', '"search"', '"вид"', '"a\\"b"', '"views"', '"' + "x" * 16 + '"']
    )
    return {
        **dict.fromkeys(("event_id", "user_id", "item_id", "session_id"), ids),
        "event_type": types,
        "event_time": times,
        "value": _mostly(st.sampled_from(["12.5", "3", "-1.25"]), _numbers),
        "features": _mostly(st.just(FEATURES[0]), _feature_objects),
    }


@st.composite
def _pairs(draw: st.DrawFn, time_format: str) -> list[tuple[str, str]]:
    """Names and values of an event that is mostly good: fitting values, now and then something else."""
    fitting = _fitting_values(time_format)
    absent = draw(st.sets(st.sampled_from(("event_id", "session_id", "value", "features", "event_type", "event_time"))))
    kept = draw(st.sampled_from([absent - {"event_type", "event_time"}] * 5 + [absent]))
    pairs = [(json.dumps(name), draw(fitting[name])) for name in KNOWN_NAMES if name not in kept]
    pairs += draw(st.lists(st.tuples(_ordinary_strings, _harmless_values), max_size=2))
    if draw(st.integers(0, 5)) == 4:
        pairs += draw(st.lists(st.tuples(_names, _json_values), max_size=2))
    if draw(st.integers(0, 5)) == 4:
        pairs[draw(st.integers(0, len(pairs) - 1))] = (draw(_names), draw(_json_values))
    return draw(st.permutations(pairs))


@st.composite
def structured_records(draw: st.DrawFn, time_format: str) -> bytes:
    """JSON objects of which few are no events, spaced in one way throughout."""
    a, b, c, d = (draw(st.sampled_from(SPACES)) for _ in range(4))
    if draw(st.integers(0, 19)) == 7:
        a = draw(st.sampled_from(NO_SPACES))
    text = ",".join(f"{a}{name}{b}:{c}{value}{d}" for name, value in draw(_pairs(time_format)))
    return f"{d}{{{text}}}{b}".encode(errors="surrogatepass")


@st.composite
def mutated_records(draw: st.DrawFn, time_format: str) -> bytes:
    """Such an object with a few of its bytes changed, put in or cut out."""
    record = bytearray(draw(structured_records(time_format)))
    piece = st.one_of(st.sampled_from(PIECES), st.binary(min_size=1, max_size=3))
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(record)))
        cut = draw(st.sampled_from([0, 1, 1, 2]))
        record[at : at + cut] = draw(st.one_of(st.just(b""), piece))
    if draw(st.integers(0, 9)) == 7:
        del record[draw(st.integers(0, len(record))) :]
    return bytes(record)


def records(time_format: str) -> st.SearchStrategy[bytes]:
    """Records for an input with this time format."""
    return st.one_of(structured_records(time_format), mutated_records(time_format), st.binary(max_size=40))


def awkward_records(time_format: str) -> list[bytes]:
    """A good record with each of the values above at each member in turn, and with each odd name, twice in a row."""
    strings = [json.dumps(text, ensure_ascii=False) for text in TEXTS + TIMES]
    good = {f'"{name}"': '"a"' for name in KNOWN_NAMES}
    good |= {'"event_type"': '"view"', '"event_time"': USUAL_TIMES[time_format], '"value"': "1", '"features"': "{}"}
    made = []
    for name in [*good, '"вид"', '"event_id "', '"a\\"b"']:
        made += [good | {name: value} for value in NUMBERS + LITERALS + FEATURES + ESCAPED + strings]
    for odd_name in ODD_NAMES:
        for name in good:
            renamed = {odd_name if n == name else n: value for n, value in good.items()}
            made += [renamed, renamed, {**good, odd_name: "1"}, {**good, odd_name: "1"}]
    return [("{" + ",".join(f"{n}:{value}" for n, value in members.items()) + "}").encode() for members in made]


def changed_records(n: int, seed: int, time_format: str, price: str = "1.5e3") -> list[bytes]:
    """Good, plain records, most of them with one or two bytes changed at random: many, and quickly made."""
    rng = random.Random(seed)
    template = (
        '{"event_id":"e-%d","user_id":%d, "item_id":"i-%dé","event_type":"view","event_time":'
        + USUAL_TIMES[time_format]
        + ',"value":%d.%d,"features":{"price":'
        + price
        + ',"brand":"x","size": 7},"new":true,"note":"a\\n"}'
    )
    made = []
    for _ in range(n):
        record = bytearray((template % tuple(rng.randrange(10 ** rng.randrange(1, 9)) for _ in range(5))).encode())
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(record))
            piece = rng.choice(PIECES) if rng.random() < 0.7 else bytes([rng.randrange(256)])
            record[at : at + rng.randrange(3)] = piece * rng.randrange(2)
        made.append(bytes(record))
    return made
