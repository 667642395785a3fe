"""Small records that others may have written: requests beside the checkpoints, dead letters, receipts.

A case is `kind` and, behind it, the bytes; for dead letters names and values of headers, and the value."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from hypothesis import strategies as st

from consumer.checkpoints import erasures, requests
from consumer.errors import Fatal
from consumer.kafka import dead_letters
from consumer.messages import DeadLetter, InputRecord, Outcome, StoredRecord
from consumer.redrive import letters, receipts
from tests.fakes.checkpoints import FakeDisk, FakeStore
from tests.fuzz.target import SEPARATOR, Target, mangled, quiet, told

_PIECES: Final = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"null",
    b"-1",
    b"1e400",
    b"\xff",
    b"\0",
    b"9" * 30,
    b"\\ud800",
    b"kind",
    b"x",
]
_REQUESTS: Final = (
    requests.encode(requests.RollbackRequest(id="r1", checkpoint="checkpoint-1")),
    requests.encode(requests.PromotionRequest(id="r2", replay="fresh", checkpoint="checkpoint-1")),
)
_ERASURE: Final = erasures.encode(erasures.erasure_of(["ann", "bob"], {0: 5}, 1_795_421_700_000))


class RequestsTarget(Target):
    def check(self, case: bytes) -> int:
        kind, *parts = case.split(SEPARATOR)
        data = SEPARATOR.join(parts)
        if kind == b"request":
            try:
                requests.decode(data)
            except Fatal as error:
                told(error)
        elif kind == b"erasure":
            store = FakeStore(FakeDisk())
            store.add_erasure(data)
            with quiet():
                asked = erasures.requests_after(store, 0)
            for one in asked:
                assert one.erasure.keys.shape == (len(one.erasure.users), 2)
        elif kind == b"receipt":
            receipts.offsets_sent_back(StoredRecord("letters", 0, 0, None, data, ((receipts.RECEIPT, b"1"),)))
        else:
            _read_letter(parts)
        return 1

    def cases(self) -> st.SearchStrategy[bytes]:
        return st.one_of(
            st.randoms(use_true_random=False).map(self.changed),
            st.tuples(st.sampled_from([b"request", b"erasure", b"receipt", b"letter"]), st.binary(max_size=60)).map(
                lambda pair: pair[0] + SEPARATOR + pair[1]
            ),
        )

    def seeds(self) -> Sequence[bytes]:
        record = InputRecord("events", 1, 7, 1_795_421_700_000, b"k", b"{", (("h", b"1"),))
        letter = dead_letters.dead_letter_record(
            DeadLetter(record, Outcome.UNDECODABLE, "why"), "letters", max_bytes=1_000_000
        )
        headers = [part for name, value in letter.headers for part in (name.encode(), value or b"")]
        found = [b"request" + SEPARATOR + request for request in _REQUESTS]
        found += [b"erasure" + SEPARATOR + _ERASURE, b"receipt" + SEPARATOR + b'{"sent_back":[1,2],"at":"now"}']
        return [*found, SEPARATOR.join((b"letter", *headers, b"{"))]

    def changed(self, random: Random) -> bytes:
        kind, *parts = random.choice(self.seeds()).split(SEPARATOR)
        at = random.randrange(len(parts))
        parts[at] = mangled(random, parts[at], _PIECES)
        return SEPARATOR.join((kind, *parts))


def _read_letter(parts: Sequence[bytes]) -> None:
    names = [name.decode("utf-8", "replace") for name in parts[:-1:2]]
    record = StoredRecord(
        "letters", 0, 0, b"k", parts[-1] if parts else b"", tuple(zip(names, parts[1::2], strict=False))
    )
    letter = letters.letter_of(record)
    original = letters.original_of(record)
    assert len(original.headers) <= len(record.headers)
    if letter is not None:
        assert letters.sent_back(record, letter, [0, 1]).value == record.value
