"""What the tests of admission share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from consumer.events.admission import Admission
from consumer.messages import Outcome
from consumer.settings import Input
from tests.streams import Event, event_batch


def input_settings(
    *, lateness_s: float = 60, window_s: float = 120, idle_s: float = 300, max_ids: int = 1_000, late: str = "drop"
) -> Input:
    return Input.model_validate(
        {
            "lateness_s": lateness_s,
            "idle_partition_s": idle_s,
            "late_events": late,
            "dedupe": {"window_s": window_s, "max_entries": max_ids},
        }
    )


def outcomes(admission: Admission, rows: Sequence[Event], redriven: Sequence[int] = ()) -> list[Outcome]:
    exempt = np.zeros(len(rows), np.uint8)
    exempt[list(redriven)] = 1
    return [Outcome(int(code)) for code in admission.admit(event_batch(rows), exempt).outcome]


def view(at_s: float, partition: int = 0, event_id: str | None = None) -> Event:
    return Event("shoe", at_s=at_s, partition=partition, event_id=event_id or f"{partition} at {at_s}")
