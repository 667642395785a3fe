"""Polls until something is so, instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from consumer.messages import RecordBatch
from consumer.ports import EventInput


def poll_until(is_so: Callable[[], bool], *inputs: EventInput, timeout_s: float = 30) -> list[RecordBatch]:
    """Batches of all inputs meanwhile."""
    batches = []
    give_up_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < give_up_s, f"not so within {timeout_s:g} s"
        batches += [batch for batch in (i.poll(0.05) for i in inputs) if batch is not None]
    return batches


def with_lease(member: EventInput) -> EventInput:
    """The same, once it is the writer."""
    poll_until(member.has_lease, member)
    return member


def polled(member: EventInput, n: int) -> list[RecordBatch]:
    """Batches with at least n records."""
    batches: list[RecordBatch] = []
    give_up_s = time.monotonic() + 30
    while sum(map(len, batches)) < n:
        assert time.monotonic() < give_up_s, f"only {sum(map(len, batches))} of {n} records came"
        batch = member.poll(0.5)
        batches += [] if batch is None else [batch]
    return batches


def coordinates(batches: Sequence[RecordBatch]) -> list[tuple[int, int]]:
    """Partition and offset of each record, in order."""
    return [pair for b in batches for pair in zip(b.partitions.tolist(), b.offsets.tolist(), strict=True)]
