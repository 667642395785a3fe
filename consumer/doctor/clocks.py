"""How this machine's clock and those of the records' writers go together.

Kafka tells nobody its time, so records have to: none may be from the future, and one that came in while the doctor
looked must not be from long before that. With `message.timestamp.type=LogAppendTime` they have the brokers' time, else
that of their producers.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from consumer.doctor.findings import Finding, ok, problem, warning
from consumer.doctor.words import duration
from consumer.messages import RecordBatch

FAST_MS: Final = 2_000.0
FAR_MS: Final = 60_000.0
SLOW_MS: Final = 10_000.0
"""A record waits for its producer's batch, and perhaps for a second attempt, before it comes in."""


def check_clocks(
    sampled: RecordBatch | None,
    read_at_ms: float,
    arrived: RecordBatch | None,
    since_ms: float,
    arrived_at_ms: float,
    timestamp_type: str,
) -> list[Finding]:
    """`sampled` lay in the topic at `read_at_ms`; `arrived` came in after `since_ms` and before `arrived_at_ms`, by
    this machine's clock."""
    whose = "the brokers' clocks" if timestamp_type == "LogAppendTime" else "the clocks of the records' producers"
    ahead_ms = max(_newest(sampled) - read_at_ms, _newest(arrived) - arrived_at_ms)
    behind_ms = since_ms - _newest(arrived) if arrived is not None else -np.inf
    if ahead_ms > FAST_MS:
        return [
            (problem if ahead_ms > FAR_MS else warning)(
                f"the newest record is {duration(ahead_ms / 1000)} ahead of this machine's clock",
                f"set this machine's clock, or {whose}, by NTP: ages of events, and so every figure of freshness, "
                "would be too small",
                ahead_ms=round(ahead_ms),
            )
        ]
    if behind_ms > SLOW_MS:
        return [
            warning(
                f"records that come in now are stamped {duration(behind_ms / 1000)} ago",
                f"set this machine's clock, or {whose}, by NTP, if nobody sends old records with their original times: "
                "the worker would call itself so much behind",
                behind_ms=round(behind_ms),
            )
        ]
    if sampled is None and arrived is None:
        return [ok("no record to hold this machine's clock against; Kafka itself tells nobody its time")]
    if arrived is None:
        return [ok(f"no record is from the future, by {whose}; none came in meanwhile to tell more")]
    return [ok(f"{len(arrived)} records came in meanwhile with times that fit, by {whose}", arrived=len(arrived))]


def _newest(records: RecordBatch | None) -> float:
    return float(records.timestamps_ms.max()) if records is not None and len(records) else -np.inf
