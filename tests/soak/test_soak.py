"""Memory is bounded by the settings, however many shoppers and items come: a short soak, and what one would notice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.broker import Broker
from tests.soak.report import Report, Sample
from tests.soak.soaking import Plan, limits, soak

SHORT = Plan(
    n_events=600_000,
    limits=limits(
        max_items=1_000,
        max_users=4_000,
        max_ids=20_000,
        pairs=4_000,
        models={"session_knn": {"enabled": True, "sessions": 2_000}, "linear": {"enabled": True, "weights": 1_024}},
    ),
    allowance=0.15,  # a short run has not come to rest: the allocator's habits alone are some ten MiB
    every_s=0.1,
    timeout_s=240.0,
)


@pytest.mark.broker
@pytest.mark.timeout(400)
def test_a_worker_stays_within_its_limits_and_a_readers_catalogue_shrinks_with_it(
    kafka: Broker, tmp_path: Path
) -> None:
    report = soak(kafka.bootstrap_servers, tmp_path, SHORT)
    assert report.problems() == []


def sample(n_events: int, resident_mib: float = 300.0, state_mib: float = 100.0) -> Sample:
    rows = {"users": 100, "items": 10, "event_ids": 50, "departed_items": 0}
    return Sample(n_events / 10, n_events, resident_mib, state_mib, rows, 10)


SOUND = Report(
    samples=[sample(n) for n in range(100, 1_001, 50)],
    bounds={"users": 100, "items": 10, "event_ids": 50},
    most={"users": 100, "items": 10, "event_ids": 50, "departed_items": 3},
    events_per_s=1_000.0,
    n_offered={"users": 1_000, "items": 100, "event_ids": 1_000},
    n_shown_before=10,
    n_shown_after=2,
    n_left=2,
    n_tombstones=16,
    n_failures=0,
    allowance=0.05,
)


def test_a_sound_run_has_no_problems() -> None:
    assert SOUND.problems() == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"samples": [sample(n, resident_mib=300 + n / 20) for n in range(100, 1_001, 50)]}, "resident memory grew"),
        ({"samples": [sample(n, state_mib=n / 10) for n in range(100, 1_001, 50)]}, "the state grew"),
        ({"most": {"users": 101, "items": 10, "event_ids": 50}}, "101 users at the most, 100 allowed"),
        ({"most": {"users": 100, "items": 9, "event_ids": 50}}, "only 9 items at the most"),
        ({"n_offered": {"users": 999, "items": 100, "event_ids": 1_000}}, "999 users would not overflow 100"),
        ({"n_shown_after": 3}, "at the end 3 where 2 are left"),
        ({"n_tombstones": 15}, "after 15 tombstones"),
        ({"n_failures": 1}, "1 versions or checkpoints failed"),
        ({"samples": [sample(1_000)]}, "too few samples"),
    ],
)
def test_what_is_not_as_it_should_be_is_told(changed: dict[str, object], said: str) -> None:
    (problem,) = replace(SOUND, **changed).problems()  # type: ignore[arg-type]  # each of its field's type
    assert said in problem


def test_memory_that_only_rises_while_it_warms_up_is_flat() -> None:
    warming = [sample(n, resident_mib=min(300.0, n)) for n in range(10, 1_001, 10)]
    assert replace(SOUND, samples=warming).problems() == []
