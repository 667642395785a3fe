"""What is said about the checkpoints' directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from consumer.doctor.disk import DiskFacts, check_disk, disk_facts, estimated_bytes
from consumer.doctor.findings import Severity
from consumer.settings import Settings
from consumer.snapshots.published import PublishedRows
from tests.checkpoints.states import new_state

GIB = 1 << 30
GOOD = DiskFacts(Path("var"), exists=True, error="", sync_s=0.004, free_bytes=100 * GIB, newest_bytes=0)


def told(facts: DiskFacts) -> tuple[Severity, str]:
    (finding,) = check_disk(facts, estimate_bytes=GIB, n_kept=3)
    return finding.severity, finding.saw


def test_room_for_all_that_is_kept_is_enough() -> None:
    assert told(GOOD)[0] is Severity.OK
    severity, saw = told(replace(GOOD, free_bytes=5 * GIB))
    assert severity is Severity.WARNING
    assert "5.0 GiB are free; 6 checkpoints at the limits of" in saw


def test_no_room_for_the_next_one_is_a_problem() -> None:
    severity, saw = told(replace(GOOD, free_bytes=5 * GIB, newest_bytes=3 * GIB))
    assert severity is Severity.PROBLEM
    assert "5.0 GiB are free, the newest checkpoint has 3.0 GiB" in saw
    assert told(replace(GOOD, free_bytes=1_000))[0] is Severity.PROBLEM


def test_a_slow_disk_is_told() -> None:
    severity, saw = told(replace(GOOD, sync_s=0.5))
    assert severity is Severity.WARNING
    assert "a MiB takes 500 ms until it is safe" in saw


def test_looking_leaves_nothing_behind_and_makes_no_directory(tmp_path: Path) -> None:
    facts = disk_facts(tmp_path / "a" / "b")
    assert (facts.exists, facts.error) == (False, "")
    assert facts.sync_s > 0
    assert list(tmp_path.iterdir()) == []


def test_the_estimate_is_what_the_tables_would_take() -> None:
    """Against the arrays themselves, of a state that has just the rows that the settings allow."""
    settings = Settings.model_validate(
        {
            "catalogue": {"max_items": 1_024},
            "users": {"max_users": 1_024, "remembered_pairs": 8},
            "input": {"dedupe": {"max_entries": 4_096}},
        }
    )
    state = replace(new_state(settings), published=PublishedRows(settings.models.item_to_item.neighbours))
    arrays = sum(a.nbytes for table in state.tables().values() for a in table.arrays.values())
    small = sum(a.nbytes for a in state.model.small().values())
    assert estimated_bytes(settings) == arrays + small + 64
