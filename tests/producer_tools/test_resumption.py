"""Wherever a replay breaks off, its position says exactly which rows are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumer.recordings.recording import Recording, RecordingPlan
from consumer.recordings.row_files import layout_of
from consumer.recordings.row_mapping import MappingPlan
from producer_tools.errors import ToolError, UsageError
from producer_tools.replay import RecordedBlocks
from producer_tools.resuming import Resumption

N_ROWS = 5_000


class FakeTransactions:
    """A topic, and a position, that change together; call number `fails_at` fails."""

    def __init__(self, fails_at: int = -1) -> None:
        self.rows: list[int] = []
        self.position: tuple[int, str] | None = None
        self.is_open = False
        self._open_rows: list[int] = []
        self._n_calls = 0
        self.fails_at = fails_at

    def stored(self) -> tuple[int, str] | None:
        return self.position

    def begin(self) -> None:
        self._call()
        self.is_open, self._open_rows = True, []

    def add(self, rows: list[int]) -> None:
        assert self.is_open, "handed over outside of a transaction"
        self._open_rows += rows

    def commit(self, offset: int, metadata: str) -> None:
        self._call()
        self.rows += self._open_rows
        self.position, self.is_open = (offset, metadata), False

    def abort(self) -> None:
        self.is_open, self._open_rows = False, []

    def _call(self) -> None:
        self._n_calls += 1
        if self._n_calls == self.fails_at:
            raise ToolError("the broker is away")


@pytest.fixture
def plan(tmp_path: Path) -> RecordingPlan:
    path = tmp_path / "rows.csv"
    lines = [f"u{i},i,view,{1_000 + i}" if i % 10 else "not,a,row" for i in range(1, N_ROWS + 1)]
    path.write_text("user_id,item_id,event_type,event_time\n" + "\n".join(lines) + "\n")
    return RecordingPlan(path, layout_of(path), MappingPlan(time_format="epoch_seconds"), skips_bad_rows=True)


GOOD_ROWS = [i for i in range(1, N_ROWS + 1) if i % 10]


def run(plan: RecordingPlan, kafka: FakeTransactions, every: int, until_row: int = N_ROWS + 1) -> bool:
    """One run that settles after so many records; whether it came to the end. At `until_row` it is killed."""
    resumption = Resumption(kafka, "name", plan)
    recording = Recording(
        RecordingPlan(plan.path, plan.layout, plan.mapping, resumption.progress.next_row, None, skips_bad_rows=True)
    )
    blocks = RecordedBlocks(recording)
    resumption.watch(blocks)
    n_sent = 0
    try:
        for block in blocks:
            for value in block.values:
                row = int(json.loads(value or b"")["event_id"].split("-")[-1])
                if row >= until_row:
                    kafka.abort()  # what the broker does once it is gone
                    return False
                resumption.open(n_sent)
                kafka.add([row])
                n_sent += 1
                if n_sent % every == 0:
                    resumption.finish(n_sent, is_whole=False)
        resumption.finish(n_sent, is_whole=True)
    except ToolError:
        resumption.finish(n_sent, is_whole=False)
        return False
    finally:
        recording.close()
    return True


@pytest.mark.parametrize("every", [1, 7, 1_999, 2_000, 2_001])
@pytest.mark.parametrize("killed_at", [1, 2, 2_000, 2_224, 2_225, 4_999])
def test_after_a_kill_every_row_is_there_once(plan: RecordingPlan, every: int, killed_at: int) -> None:
    kafka = FakeTransactions()
    assert not run(plan, kafka, every, until_row=killed_at)
    assert run(plan, kafka, every)
    assert kafka.rows == GOOD_ROWS
    assert Resumption(kafka, "name", plan).progress.is_done


@pytest.mark.parametrize("fails_at", range(1, 9))
def test_after_a_failed_call_nothing_more_counts_and_the_next_run_sends_the_rest(
    plan: RecordingPlan, fails_at: int
) -> None:
    kafka = FakeTransactions(fails_at)
    assert not run(plan, kafka, every=1_000)
    assert kafka.rows == GOOD_ROWS[: len(kafka.rows)]
    assert len(kafka.rows) == 1_000 * ((fails_at - 1) // 2)
    assert run(plan, kafka, every=1_000)
    assert kafka.rows == GOOD_ROWS


def test_rows_sent_are_counted_over_all_runs(plan: RecordingPlan) -> None:
    kafka = FakeTransactions()
    run(plan, kafka, every=100, until_row=2_001)
    assert Resumption(kafka, "name", plan).progress.n_sent == 1_800
    run(plan, kafka, every=100)
    assert Resumption(kafka, "name", plan).progress.n_sent == len(GOOD_ROWS)


def test_another_folder_is_the_same_replay_and_other_options_are_not(plan: RecordingPlan, tmp_path: Path) -> None:
    kafka = FakeTransactions()
    run(plan, kafka, every=100)
    moved = tmp_path / "elsewhere" / plan.path.name
    assert Resumption(
        kafka, "name", RecordingPlan(moved, plan.layout, plan.mapping, skips_bad_rows=True)
    ).progress.is_done
    with pytest.raises(UsageError, match="began with another file or other options"):
        Resumption(kafka, "name", RecordingPlan(plan.path, plan.layout, plan.mapping))


@pytest.mark.parametrize("metadata", ["", "{}", "text", '{"of": 1}', "[]"])
def test_the_offsets_of_somebody_elses_group_are_left_alone(plan: RecordingPlan, metadata: str) -> None:
    kafka = FakeTransactions()
    kafka.position = (17, metadata)
    with pytest.raises(UsageError, match="there is a consumer group of that name; choose another"):
        Resumption(kafka, "name", plan)
