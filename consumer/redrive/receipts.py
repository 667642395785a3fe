"""Which dead letters were sent back: receipts in their own topic, committed together with what was sent.

So it is known for each letter by itself, whatever was asked for before, and after a kill at any moment: a receipt is
there if and only if its letters lie in the input. It lies in the partition of the letters that it names, behind them;
so retention never takes it before them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from consumer.messages import OutputRecord, StoredRecord
from consumer.redrive.letters import Letter
from consumer.unreadable_json import UNREADABLE_JSON

RECEIPT: Final = "freshrank-redrive-receipt"
"""Header of a receipt, which tells it from a dead letter."""


class Receipt(msgspec.Struct, frozen=True):
    """Value of a receipt."""

    sent_back: list[int]
    """Offsets of dead letters in the partition of the receipt."""
    at: str


def receipts_for(letters: Iterable[Letter], at: str) -> Sequence[OutputRecord]:
    """One for each partition of the letters."""
    offsets: dict[tuple[str, int], list[int]] = {}
    for letter in letters:
        offsets.setdefault(letter.place[:2], []).append(letter.place.offset)
    return [
        OutputRecord(topic, None, msgspec.json.encode(Receipt(of_partition, at)), ((RECEIPT, b"1"),), partition)
        for (topic, partition), of_partition in offsets.items()
    ]


def offsets_sent_back(record: StoredRecord) -> Sequence[int]:
    """The letters in the record's partition that it says were sent back; none for what is no receipt."""
    if not any(name == RECEIPT for name, _ in record.headers):
        return ()
    try:
        return msgspec.json.decode(record.value or b"", type=Receipt).sent_back
    except UNREADABLE_JSON:
        return ()
