"""Copied in pieces while learning goes on, a checkpoint is the state of the one moment at which it was frozen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.checkpoints import contents
from consumer.checkpoints.checkpointer import Checkpointer, CheckpointPolicy, Phase
from consumer.checkpoints.writer import InlineWriter
from consumer.errors import Fenced
from consumer.tables import Array
from tests.checkpoints.rigs import SETTINGS, Rig, SlowWriter, TwoTables
from tests.checkpoints.states import arrays_of, learn, new_state, notes_of, publish
from tests.checkpoints.stores import require_same
from tests.fakes.checkpoints import FakeDisk, FakeStore
from tests.streams import Event, busy_stream, small_settings

ACTIONS = ["set", "set", "set", "grow", "widen", "step", "step", "step", "freeze", "full", "free"]


@given(actions=st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 20)), max_size=120))
@settings(deadline=None, max_examples=300)
def test_whatever_happens_on_the_way_a_checkpoint_is_the_state_at_its_freeze(actions: list[tuple[str, int]]) -> None:
    """Rows change, tables grow and widen between the pieces; the disk is full at times."""
    rig = Rig(keep=1_000)
    for action, row in actions:
        if action == "set":
            rig.state.set(row)
        elif action == "grow":
            rig.state.grow()
        elif action == "widen":
            rig.state.widen()
        elif action in ("full", "free"):
            rig.disk.is_full = action == "full"
        elif action == "step":
            rig.now_s += 5.0
            rig.step()
        elif rig.checkpointer.phase is Phase.READY:
            rig.freeze()
        try:
            rig.checkpointer.saved()
        except OSError:
            assert rig.checkpointer.phase is Phase.IDLE
    rig.disk.is_full = False
    while rig.checkpointer.phase is not Phase.IDLE:  # what was under way may still fail
        rig.step()
        if rig.checkpointer.phase is Phase.READY:
            rig.freeze()
        try:
            rig.checkpointer.saved()
        except OSError:
            break
    rig.state.set(1)
    rig.require_right(rig.save())
    for name in rig.disk.complete:
        rig.require_right(name)


def test_only_what_changed_is_copied_again() -> None:
    rig = Rig()
    rig.save()
    rig.calls.journal.clear()
    rig.state.set(2)
    rig.require_right(rig.save())
    n_rows = {array: n for _, array, n in rig.calls.named("write_rows") if n}
    assert n_rows == {"main.values": 1, "main.pairs": 1, "main.text": 1, "other.x": 1}


def test_a_checkpoint_begins_only_when_due_and_when_something_was_learned() -> None:
    rig = Rig()
    begun = ("begin_checkpoint", None)
    rig.checkpointer.step(0.0, has_news=False)
    assert begun not in rig.calls.journal
    rig.checkpointer.step(0.0, has_news=True)
    assert begun in rig.calls.journal
    name = rig.save()
    rig.checkpointer.step(9.9, has_news=True)
    assert ("begin_checkpoint", name) not in rig.calls.journal
    rig.checkpointer.step(10.0, has_news=True)
    assert ("begin_checkpoint", name) in rig.calls.journal


def test_one_step_copies_one_piece() -> None:
    rig = Rig()
    for _ in range(20):
        rig.state.grow()
    rig.step()
    rig.calls.journal.clear()
    rig.step()
    assert [entry[1] for entry in rig.calls.journal] == ["main.values", "main.pairs", "main.text"]
    assert {entry[2] for entry in rig.calls.journal} == {2}  # rows of 18 bytes, pieces of 40


def test_rows_that_changed_meanwhile_are_copied_in_pieces_too_as_long_as_they_are_many() -> None:
    rig = Rig()
    for _ in range(60):
        rig.state.grow()
    rig.step()
    while rig.checkpointer.phase is Phase.COPYING:
        rig.step()
        if len(rig.calls.named("write_rows")) == 60:
            rig.state.widen()  # marks every row
    rig.calls.journal.clear()
    name = rig.freeze()
    assert all(entry[2] <= 4 for entry in rig.calls.named("write_rows"))  # type: ignore[operator]  # a number of rows
    assert rig.checkpointer.saved()
    rig.require_right(name)


def test_a_state_that_changes_faster_than_it_is_copied_is_frozen_all_the_same() -> None:
    rig = Rig()
    for _ in range(30):
        rig.state.grow()
    for _ in range(500):
        rig.step()
        rig.state.widen() if len(rig.state.text[0]) < 40 else rig.state.dirty.fill(1)
        if rig.checkpointer.phase is Phase.READY:
            break
    name = rig.freeze()
    assert rig.checkpointer.saved()
    rig.require_right(name)


def test_after_a_failure_the_next_one_copies_everything() -> None:
    rig = Rig()
    rig.save()
    rig.disk.is_full = True
    rig.state.set(0)
    rig.checkpointer.hurry(rig.now_s)
    rig.freeze()
    with pytest.raises(OSError, match="no space"):
        rig.checkpointer.saved()
    rig.disk.is_full = False
    rig.calls.journal.clear()
    rig.require_right(rig.save())
    assert rig.calls.named("begin_checkpoint") == [("begin_checkpoint", None)]


def test_a_damaged_base_is_a_failure_after_which_everything_is_copied() -> None:
    rig = Rig()
    rig.disk.damage(rig.save())
    rig.checkpointer.hurry(rig.now_s)
    rig.freeze()
    with pytest.raises(OSError, match="checksum"):
        rig.checkpointer.saved()
    rig.require_right(rig.save())


def test_the_newest_ones_are_kept() -> None:
    rig = Rig(keep=2)
    names = [rig.save(epoch=3) for _ in range(4)]
    assert sorted(rig.disk.complete) == names[2:]


def save_as_successor(rig: Rig) -> None:
    store = FakeStore(rig.disk)
    store.begin(None)
    store.commit(contents.name_of(notes_of(SETTINGS, version=1, epoch=9)), b"{}")


def test_a_writer_whose_successor_has_saved_saves_nothing_more() -> None:
    rig = Rig(keep=2)
    rig.save(epoch=3)
    save_as_successor(rig)
    before = sorted(rig.disk.complete)
    rig.state.set(0)
    rig.checkpointer.hurry(rig.now_s)
    rig.freeze(epoch=3)
    with pytest.raises(Fenced, match="later writer"):
        rig.checkpointer.saved()
    assert sorted(rig.disk.complete) == before


def test_a_writer_that_is_replaced_just_behind_its_rename_removes_nothing() -> None:
    rig = Rig(keep=1)
    first = rig.save(epoch=3)

    def replaced(name: str) -> None:
        if name == "commit_checkpoint":
            rig.calls.after_call = lambda _: None
            save_as_successor(rig)

    rig.calls.after_call = replaced
    second = rig.save(epoch=3)
    assert {first, second} < set(rig.disk.complete)


def test_an_old_one_that_cannot_be_removed_spoils_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(keep=1)
    rig.save()

    def refuse(name: str) -> None:
        if name == "remove_checkpoint":
            raise PermissionError("not yours")

    rig.calls.before_call = refuse
    rig.require_right(rig.save())
    assert "old checkpoint not removed" in caplog.text


def checkpointer_on(writer: SlowWriter, state: TwoTables, disk: FakeDisk) -> Checkpointer:
    policy = CheckpointPolicy(interval_s=10.0, keep=2, piece_bytes=40)
    return Checkpointer(FakeStore(disk), policy, writer, state.tables, state.small, base=None)


def test_a_slow_disk_never_holds_up_the_loop_and_no_more_than_a_few_pieces_wait() -> None:
    writer, state, disk = SlowWriter(room=3), TwoTables(), FakeDisk()
    checkpointer = checkpointer_on(writer, state, disk)
    for n in range(200):
        state.grow() if n < 40 else state.set(n)
        checkpointer.step(float(n), has_news=True)
        if n % 3 == 0:
            writer.go_on()
        if checkpointer.phase is Phase.READY:
            break
    expected = state.now()
    checkpointer.freeze(notes_of(SETTINGS), 200.0)
    state.set(0)
    assert checkpointer.saved() is None
    checkpointer.wait()
    saved = checkpointer.saved()
    assert saved is not None
    require_same(disk.complete[saved.name].arrays, expected)


def pieces_of_a_stream(n: int) -> list[list[Event]]:
    """Whose ids get longer and longer."""
    rows = busy_stream(seed=11, n=1_200, n_items=3_000, n_users=1_500, step_s=30.0)
    rows = [row._replace(item=row.item + "x" * (3 * i // 50)) for i, row in enumerate(rows)]
    size = len(rows) // n
    return [rows[i * size : (i + 1) * size] for i in range(n)]


@pytest.mark.parametrize("n_pieces", [24, 60])
def test_a_worker_that_learns_and_publishes_on_the_way_is_saved_as_it_is_at_the_freeze(n_pieces: int) -> None:
    """The real state: items are evicted and come back, tables grow, ids widen, rows are published."""
    worker = small_settings(
        catalogue={"max_items": 2_000, "item_ttl_s": 9_000.0}, users={"max_users": 2_000, "history": 10}
    )
    state, disk = new_state(worker), FakeDisk()
    policy = CheckpointPolicy(interval_s=0.0, keep=1_000, piece_bytes=60_000)
    checkpointer = Checkpointer(FakeStore(disk), policy, InlineWriter(), state.tables, state.small, base=None)
    expected: dict[str, dict[str, Array]] = {}
    for n, piece in enumerate(pieces_of_a_stream(n_pieces)):
        learn(state, piece)
        publish(state, worker, n + 1)
        for _ in range(4):
            checkpointer.step(float(n), has_news=True)
        if checkpointer.phase is Phase.READY:
            notes = notes_of(worker, version=n)
            expected[contents.name_of(notes)] = arrays_of(state)
            checkpointer.freeze(notes, float(n))
            assert checkpointer.saved()
    assert len(expected) > 2
    for name, arrays in expected.items():
        require_same(disk.complete[name].arrays, arrays)
