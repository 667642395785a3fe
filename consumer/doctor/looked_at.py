"""Sampled records, decoded by the worker's own code, and their members as plain JSON for statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from consumer.events.codec import JsonCodec
from consumer.messages import EventBatch, Int64Array, Outcome, RecordBatch
from consumer.settings import Input
from consumer.unreadable_json import UNREADABLE_JSON

Members = Mapping[str, Any]


@dataclass(frozen=True)
class LookedAt:
    """What a worker makes of these records: `events` says, whatever the statistics beside it say."""

    settings: Input
    records: RecordBatch

    @cached_property
    def codec(self) -> JsonCodec:
        return JsonCodec(self.settings)

    @cached_property
    def events(self) -> EventBatch:
        return self.codec.decode(self.records)

    @cached_property
    def objects(self) -> Sequence[Members | None]:
        """The members of each record that is a JSON object."""
        return [_object(value) for value in self.records.values]

    def with_outcome(self, *outcomes: Outcome) -> Int64Array:
        """Rows."""
        return np.flatnonzero(np.isin(self.events.outcome, [int(one) for one in outcomes]))

    def read_as(self, **changed: Any) -> LookedAt:
        """The same records under other settings of the input."""
        return LookedAt(self.settings.model_copy(update=changed), self.records)

    def place(self, row: int) -> str:
        return f"partition {self.records.partitions[row]} offset {self.records.offsets[row]}"


def _object(value: bytes | None) -> Members | None:
    try:
        found = msgspec.json.decode(value or b"")
    except UNREADABLE_JSON:
        return None
    return found if isinstance(found, dict) else None
