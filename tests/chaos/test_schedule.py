"""What a run consists of."""

from __future__ import annotations

from collections import Counter

from tests.chaos.faults import FAULTS
from tests.chaos.run import schedule


def test_a_run_has_two_hundred_faults_of_more_than_twelve_kinds() -> None:
    counts = Counter(name for faults in schedule(1, list(FAULTS)) for name in faults)
    assert counts == {name: fault.times for name, fault in FAULTS.items()}
    assert counts.total() >= 200
    assert len(counts) >= 12


def test_the_seed_alone_decides_the_order() -> None:
    assert schedule(3, list(FAULTS)) == schedule(3, list(FAULTS))
    assert schedule(3, list(FAULTS)) != schedule(4, list(FAULTS))
