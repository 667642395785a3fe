"""What a reader makes of the output topics: whole versions, or Fatal or Retryable, and nothing else ever happens.

A case is a manifest and, behind it, rows: topic (`s` or `r`), key and value of each. The rows' checksum is put into a
manifest that is JSON, so that what lies behind that check is reached too."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

from consumer.errors import Fatal, Retryable
from consumer.messages import StoredRecord
from consumer.snapshots import formats
from consumer.snapshots.reader import SnapshotReader
from tests.fakes.kafka import FakeLog
from tests.fuzz.target import SEPARATOR, Target, mangled, told
from tests.snapshots.worlds import MANIFESTS, RELATED, SCORES, Writer, new_cluster
from tests.streams import busy_stream, small_settings

_TOPICS: Final = {b"s": SCORES, b"r": RELATED}
_TOKENS: Final = """null true -1 0 1e308 1e400 99999999999999999999 [ ] { } , : " "" [] {} "x" "nan" "inf" "-1" 1e-400
0001-01-01T00:00:00Z 9999-12-31T23:59:59Z 2026-11-23 [[["a",1]]] {"a":{}} \\ud800 \\u0000"""
_PIECES: Final = [*(token.encode() for token in _TOKENS.split()), b"\xff", b"\0", b"[" * 300]


class ManifestTarget(Target):
    def check(self, case: bytes) -> int:
        manifest, *parts = case.split(SEPARATOR)
        rows = [
            (_TOPICS.get(parts[i], SCORES), parts[i + 1], parts[i + 2] or None) for i in range(0, len(parts) - 2, 3)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # numbers beyond what anything adds up to
            _read(manifest, rows)
            _read(_with_checksum(manifest, rows), rows)
        return 1

    def cases(self) -> st.SearchStrategy[bytes]:
        def replaced(drawn: tuple[int, list[tuple[int, Any]]]) -> bytes:
            manifest, *parts = self._published[drawn[0] % len(self._published)].split(SEPARATOR)
            tree = json.loads(manifest)
            for place, value in drawn[1]:
                places = list(_places(tree))
                holder, key = places[place % len(places)]
                holder[key] = value
            return SEPARATOR.join((json.dumps(tree).encode(), *parts))

        values = st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
            st.sampled_from(["", "x", "0", "nan", "2026-11-23T10:15:00Z", "9999-12-31T23:59:59Z", "0001-01-01"]),
            st.sampled_from([[], {}, [1], {"a": 1}, 10**30, -1, 0, 1e308, [[]], 10**400]),
        )  # fmt: skip
        changes = st.lists(st.tuples(st.integers(0, 10**6), values), min_size=1, max_size=3)
        structured = st.tuples(st.integers(0, 10**6), changes).map(replaced)
        return st.one_of(structured, st.randoms(use_true_random=False).map(self.changed), st.binary(max_size=60))

    def seeds(self) -> Sequence[bytes]:
        return self._published

    def changed(self, random: Random) -> bytes:
        manifest, *parts = random.choice(self._published).split(SEPARATOR)
        if random.random() < 0.5:
            manifest = mangled(random, manifest, _PIECES, 2)
        if parts:
            at = random.randrange(len(parts))
            parts[at] = mangled(random, parts[at], _PIECES, 3)
        return SEPARATOR.join((manifest, *parts))

    @cached_property
    def _published(self) -> Sequence[bytes]:
        """The first version of a small shop, and one of nothing."""
        return [_case_of(0), _case_of(40)]


def _case_of(n_events: int) -> bytes:
    writer = Writer(small_settings(), new_cluster())
    if n_events:
        writer.learn(busy_stream(3, n_events, n_items=6, n_users=3))
    writer.publish()
    log = FakeLog(writer.cluster)
    parts = [next(r.value for r in log.read(MANIFESTS, {}) if r.key == b"default" and r.value)]
    for mark, topic in _TOPICS.items():
        for record in log.read(topic, {}):
            parts += [mark, record.key or b"", record.value or b""]
    return SEPARATOR.join(parts)


def _read(manifest: bytes, rows: Sequence[tuple[str, bytes, bytes | None]]) -> None:
    reader = SnapshotReader("default")
    records = [StoredRecord(MANIFESTS, 0, 0, b"default", manifest, ())]
    records += [StoredRecord(topic, 0, n, key, value, ()) for n, (topic, key, value) in enumerate(rows)]
    everywhere = dict.fromkeys(range(3), 10**6)
    try:
        reader.feed(records)
        for _ in range(2):
            reader.advance({MANIFESTS: {0: 1}, SCORES: everywhere, RELATED: everywhere})
        ids = list(reader.scores())[:3]
        reader.top(5)
        for item in ids:
            reader.related(item)
        reader.recommend([*ids, "unknown", *ids], 5)
        reader.recommend([], 200)
    except (Fatal, Retryable) as error:
        told(error)


def _with_checksum(manifest: bytes, rows: Sequence[tuple[str, bytes, bytes | None]]) -> bytes:
    """That of the last row of each key."""
    try:
        tree = json.loads(manifest)
    except (ValueError, RecursionError):
        return manifest
    if not isinstance(tree, dict):
        return manifest
    last = {(topic, key): value for topic, key, value in rows}
    total = sum(formats.row_hash(topic, key, value) for (topic, key), value in last.items() if value is not None)
    tree["output_positions"] = {topic: {"0": len(rows)} for topic in _TOPICS.values()}
    return json.dumps({**tree, "checksum": formats.checksum_text(total)}).encode()


def _places(tree: Any) -> Any:
    """Every (holder, key) of a tree of JSON."""
    inner: Mapping[Any, Any] = tree if isinstance(tree, dict) else dict(enumerate(tree))
    for key, value in inner.items():
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)
