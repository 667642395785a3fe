"""Whether the newest checkpoint can be taken up, and who is in the group."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.checkpoints import contents
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.local_store import LocalStore
from consumer.doctor.findings import Severity
from consumer.doctor.membership import check_binding, check_group
from consumer.kafka.inspection import GroupFacts, Member
from consumer.settings import Settings

SETTINGS = Settings()
PARTITIONS = {"item-scores": 4, "item-related": 4}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """With a checkpoint of the default settings."""
    notes = Notes(
        epoch=1, version=5, reserved_version=9, input_positions={0: 3}, output_positions={}, dead_letter_positions={},
        output_partitions=PARTITIONS, watermark_ms=None, saved_at="2026-11-23T10:15:00.000Z",
        binding=contents.binding_of(SETTINGS),
    )  # fmt: skip
    made = LocalStore(tmp_path)
    made.begin(None)
    made.commit(contents.name_of(notes), contents.encode(notes))
    return made


def test_a_checkpoint_of_these_settings_and_topics_can_be_taken_up(store: LocalStore) -> None:
    assert check_binding(SETTINGS, store, PARTITIONS) == []


def test_a_checkpoint_of_other_settings_cannot(store: LocalStore) -> None:
    (finding,) = check_binding(Settings.model_validate({"users": {"history": 30}}), store, PARTITIONS)
    assert finding.severity is Severity.PROBLEM
    assert "users.history was 20 and is now 30" in finding.saw


def test_row_topics_of_another_number_of_partitions_cannot_be_gone_on_with(store: LocalStore) -> None:
    (finding,) = check_binding(SETTINGS, store, {**PARTITIONS, "item-scores": 6})
    assert finding.severity is Severity.PROBLEM
    assert finding.saw.startswith("item-scores has 6 partitions, but had 4 when checkpoint-")


def test_members_without_a_static_name_are_called_by_their_clients() -> None:
    group = GroupFacts("freshrank-default", "STABLE", "cooperative-sticky", [Member("", "somebody", "/10.0.0.7")])
    (finding,) = check_group(group, "slot-0")
    assert (finding.severity, finding.saw) == (Severity.OK, "1 running: somebody; this slot is slot-0")
