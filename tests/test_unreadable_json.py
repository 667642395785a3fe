"""Whoever reads JSON that others wrote refuses what is none with the error that callers expect."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consumer.checkpoints import contents, erasures, listing, requests
from consumer.errors import CorruptCheckpoint, Fatal, FreshrankError
from consumer.messages import StoredRecord
from consumer.redrive import receipts
from consumer.settings import Settings
from consumer.snapshots import formats
from consumer.snapshots.rows import MAX_RELATED, Numbering, related_columns, score_columns
from tests.fakes.checkpoints import FakeDisk, FakeStore

READERS: dict[str, tuple[Callable[[bytes], object], type[FreshrankError]]] = {
    "manifest": (lambda data: formats.decode_manifest(b"default", data), Fatal),
    "writer record": (lambda data: formats.decode_writer(b"default/writer", data), Fatal),
    "score row": (lambda data: score_columns("item-scores", {b"a": data}, Numbering()), Fatal),
    "related row": (lambda data: related_columns("item-related", {b"a": data}, Numbering()), Fatal),
    "request": (requests.decode, Fatal),
    "notes": (lambda data: contents.decode("checkpoint-x", data), CorruptCheckpoint),
    "contents": (lambda data: listing.decode("checkpoint-x", data), CorruptCheckpoint),
}
BROKEN = {
    "nothing": b"",
    "no UTF-8": b'{"version": "\xff", "id": "\xff", "kind": "\xff", "score": "\xff", "as_of": "\xff", "saved_at":'
    b'"\xff", "notes": "\xff", "contents": "\xff", "model": "\xff"}',
    "deep": b'{"x": ' + b"[" * 100_000,
    "a lone surrogate": rb'{"x": "\ud800"}',
    "another type": b"[]",
    "1e400": b'{"score": 1e400, "version": 1e400, "epoch": 1e400, "kind": 1e400, "crc32": 1e400, "mass": 1e400}',
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("data", BROKEN)
def test_what_cannot_be_read_is_refused(reader: str, data: str) -> None:
    read, error = READERS[reader]
    with pytest.raises(error):
        read(BROKEN[data])


@pytest.mark.parametrize("data", [data for name, data in BROKEN.items() if name != "nothing"])
def test_a_request_to_forget_that_cannot_be_read_forgets_nobody(data: bytes) -> None:
    store = FakeStore(FakeDisk())
    number = store.add_erasure(data)
    assert erasures.requests_after(store, 0) == [(number, erasures.NOBODY)]


@pytest.mark.parametrize("data", BROKEN.values())
def test_a_receipt_that_cannot_be_read_is_none(data: bytes) -> None:
    record = StoredRecord("letters", 0, 0, None, data, ((receipts.RECEIPT, b"1"),))
    assert receipts.offsets_sent_back(record) == ()


def test_notes_without_a_time_are_refused() -> None:
    with pytest.raises(CorruptCheckpoint, match="its notes cannot be read"):
        contents.decode("checkpoint-x", NOTES.replace(b"2026-11-23T10:15:00.000Z", b"soon"))
    assert contents.decode("checkpoint-x", NOTES).epoch == 1


NOTES = (
    b'{"epoch":1,"version":1,"reserved_version":1,"input_positions":{},"output_positions":{},"output_partitions":{},'
    b'"dead_letter_positions":{},"watermark_ms":null,"saved_at":"2026-11-23T10:15:00.000Z","binding":{}}'
)


@pytest.mark.parametrize("text", ["(" * 2_000, "-" * 100_000, "1" * 5_000, "soon", "["])
def test_a_setting_in_the_notes_is_data_and_short(text: str) -> None:
    binding = {"users.history": text}
    with pytest.raises(CorruptCheckpoint, match="cannot be understood"):
        contents.shaped_by("checkpoint-x", Settings(), binding)
    with pytest.raises(CorruptCheckpoint, match="cannot be understood"):
        contents.shaped_by("checkpoint-x", Settings(), {"users.history.x": "1"})


@pytest.mark.parametrize("partition", ["x", "1.5", "9" * 5_000, ""])
def test_a_partition_in_a_manifest_is_a_number(partition: str) -> None:
    manifest = MANIFEST.replace(b'"0"', f'"{partition}"'.encode())
    assert formats.decode_manifest(b"default", MANIFEST).version == 1
    with pytest.raises(Fatal, match="the manifest of default cannot be read"):
        formats.decode_manifest(b"default", manifest)


MANIFEST = (
    b'{"version":1,"kind":"full","created_at":"","watermark":null,"input_positions":{},"output_positions":{"t":{"0":1}},'
    b'"rows":{},"rows_waiting":{},"checksum":"","discarded":[],"model":{},"settings_digest":"","writer":{}}'
)


def test_a_related_row_is_no_longer_than_any_worker_writes() -> None:
    def row(n: int) -> bytes:
        entries = ",".join(f'["i-{k}",1.0]' for k in range(n))
        return f'{{"related":[{entries}],"mass":1.0,"as_of":"2026-11-23T10:15:00Z","version":1}}'.encode()

    assert related_columns("item-related", {b"a": row(MAX_RELATED)}, Numbering()).sizes.tolist() == [MAX_RELATED]
    with pytest.raises(Fatal, match="1001 entries, more than 1000"):
        related_columns("item-related", {b"a": row(MAX_RELATED + 1)}, Numbering())
