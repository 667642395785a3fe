"""Which rows go out first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.snapshots.selection import Due, most_urgent

URGENCIES = st.lists(st.floats(0.1, 100.0), max_size=30)


def due(urgencies: list[float]) -> Due:
    return Due(np.arange(0, 2 * len(urgencies), 2), np.array(urgencies, np.float64))


@given(URGENCIES, st.integers(0, 40))
def test_no_row_that_waits_is_more_urgent_than_one_that_goes(urgencies: list[float], limit: int) -> None:
    rows, n_waiting = most_urgent(due(urgencies), limit)
    assert (len(rows), n_waiting) == (min(limit, len(urgencies)), max(0, len(urgencies) - limit))
    assert rows.tolist() == sorted(set(rows.tolist()))
    going = [urgencies[row // 2] for row in rows.tolist()]
    waiting = [urgency for n, urgency in enumerate(urgencies) if 2 * n not in rows]
    assert not going or not waiting or min(going) >= max(waiting)


@pytest.mark.parametrize("n_due", [0, 3])
def test_without_room_everything_waits(n_due: int) -> None:
    rows, n_waiting = most_urgent(due([1.0] * n_due), 0)
    assert (len(rows), n_waiting) == (0, n_due)
