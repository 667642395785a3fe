"""What the records' timestamps say about clocks."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.byte_column import ByteColumn
from consumer.doctor.clocks import check_clocks
from consumer.doctor.findings import Severity
from consumer.messages import RecordBatch

NOW_MS = 1_800_000_000_000.0
BEGAN_MS = NOW_MS - 1_000


def stamped(*ahead_ms: float) -> RecordBatch:
    """Records whose timestamps are so far ahead of now."""
    n = len(ahead_ms)
    times = np.array([NOW_MS + ahead for ahead in ahead_ms]).astype(np.int64)
    return RecordBatch("t", ByteColumn.of([b""] * n), np.zeros(n, np.int32), np.arange(n), times, ())


@pytest.mark.parametrize(
    ("sampled", "arrived", "severity", "saw"),
    [
        ((-900_000, -5), (-40,), Severity.OK, "1 records came in meanwhile with times that fit"),
        ((-900_000,), None, Severity.OK, "none came in meanwhile to tell more"),
        (None, None, Severity.OK, "no record to hold this machine's clock against"),
        ((5_000,), None, Severity.WARNING, "the newest record is 5 s ahead of this machine's clock"),
        ((-900_000,), (120_000,), Severity.PROBLEM, "the newest record is 2 min ahead"),
        ((-900_000,), (-31_000, -40_000), Severity.WARNING, "records that come in now are stamped 30 s ago"),
        ((-900_000,), (-5_000,), Severity.OK, "times that fit"),
    ],
)
def test_records_tell_how_clocks_differ(
    sampled: tuple[float, ...] | None, arrived: tuple[float, ...] | None, severity: Severity, saw: str
) -> None:
    (finding,) = check_clocks(
        stamped(*sampled) if sampled else None,
        NOW_MS,
        stamped(*arrived) if arrived else None,
        BEGAN_MS,
        NOW_MS,
        "CreateTime",
    )
    assert finding.severity is severity
    assert saw in finding.saw


def test_whose_clock_it_is_follows_from_the_topic() -> None:
    def told(timestamp_type: str) -> str:
        return check_clocks(stamped(5_000), NOW_MS, None, BEGAN_MS, NOW_MS, timestamp_type)[0].advice

    assert "the brokers' clocks" in told("LogAppendTime")
    assert "the clocks of the records' producers" in told("CreateTime")
