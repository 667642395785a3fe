"""What goes back to the input, how often, and what is said of it; on a cluster in memory."""

from __future__ import annotations

import contextlib

import pytest

from consumer.errors import Retryable
from consumer.messages import Headers, Outcome, OutputRecord
from consumer.redrive import sending
from consumer.redrive.survey import Selection, State
from tests.fakes.calls import Calls, Crash
from tests.fakes.kafka import FakeOutput
from tests.redrive.worlds import INPUT, LETTERS, World


def test_what_goes_back_is_the_original_with_one_more_header() -> None:
    world = World()
    headers: Headers = (("trace", b"abc"), ("freshrank-reason", b"not ours"), ("empty", None))
    was = world.fail(b"\xff\x00{", key=b"ann", headers=headers)
    assert world.redrive() == 1
    (back,) = world.redriven()
    assert (back.partition, back.key, back.value) == (was.partition, b"ann", b"\xff\x00{")
    mark = f"{INPUT}/{was.partition}/{was.offset} {LETTERS}/".encode()
    assert tuple(back.headers[:-1]) == headers
    assert back.headers[-1][0] == "freshrank-redriven"
    assert (back.headers[-1][1] or b"").startswith(mark)


@pytest.mark.parametrize(("key", "value"), [(None, b"x"), (b"ann", None), (b"", b""), (None, None)])
def test_no_key_and_an_empty_one_stay_apart_and_so_do_values(key: bytes | None, value: bytes | None) -> None:
    world = World()
    world.fail(value, key=key)
    world.redrive()
    (back,) = world.redriven()
    assert (back.key, back.value) == (key, value)


def test_a_record_goes_back_to_its_own_partition_whatever_its_key() -> None:
    world = World()
    odd = world.cluster.append(INPUT, b"x", key=b"ann", partition=2)
    record = world.cluster.committed(INPUT)[0]
    world.bury(record)
    world.redrive()
    assert [r.partition for r in world.redriven()] == [odd[0]]


def test_a_letter_goes_once_whatever_is_asked_for_next() -> None:
    world = World()
    for n in range(10):
        world.fail(b"%d" % n, key=b"user-%d" % n, reason=Outcome(1 + n % 2))
    assert world.redrive(Selection(reasons=frozenset({"undecodable"}))) == 5
    assert world.redrive() == 5
    assert world.redrive() == 0
    assert sorted(r.value or b"" for r in world.redriven()) == [b"%d" % n for n in range(10)]
    assert world.survey().counts() == {"sent back": 10}


def test_the_oldest_go_first_and_those_of_a_partition_stay_in_order() -> None:
    world = World()
    for n in range(9):
        world.fail(b"%d" % n, key=b"ann", at_ms=1_000 + n)
    assert world.redrive(limit=4) == 4
    assert [r.value for r in world.redriven()] == [b"0", b"1", b"2", b"3"]
    assert world.redrive(limit=100) == 5


def test_reason_and_time_choose() -> None:
    world = World()
    for n in range(6):
        world.fail(b"%d" % n, reason=Outcome(1 + n % 3), at_ms=1_000 * n)
    asked = Selection(frozenset({"missing_field", "wrong_type"}), since_ms=2_000, until_ms=5_000)
    assert world.redrive(asked) == 2
    assert {r.value for r in world.redriven()} == {b"2", b"4"}
    assert world.survey(Selection(frozenset({"wrong_type"}))).reasons() == {"wrong_type": 2}


def test_who_fails_again_says_how_often_and_from_where_and_waits_until_asked_for_again() -> None:
    world = World()
    first = world.fail()
    world.redrive()
    (second,) = world.redriven()
    world.bury(second, Outcome.MISSING_FIELD, at_ms=2_000)
    waits, failed_again = world.survey().letters
    assert world.survey().state_of(waits) is State.SENT_BACK
    assert (world.survey().state_of(failed_again), failed_again.n_redriven) == (State.CAME_BACK, 1)
    letter = world.cluster.committed(LETTERS)[-1]
    assert dict(letter.headers)["freshrank-redriven-times"] == b"1"

    assert world.redrive() == 0
    assert world.redrive(again=True) == 1
    third = world.redriven()[-1]
    assert third.value == first.value
    marks = [value for name, value in third.headers if name == "freshrank-redriven"]
    assert [(mark or b"").split()[0] for mark in marks] == [
        f"{INPUT}/{r.partition}/{r.offset}".encode() for r in (first, second)
    ]
    assert "freshrank-redriven-times" not in dict(third.headers)
    world.bury(third, at_ms=3_000)
    assert world.survey().letters[-1].n_redriven == 2
    assert world.redrive(again=True) == 1


def test_a_cut_letter_stays_where_it_is() -> None:
    world = World()
    world.fail(b"x" * 20_000, max_bytes=10_000)
    world.fail(b"small")
    assert world.redrive() == 1
    assert [r.value for r in world.redriven()] == [b"small"]
    assert world.survey().counts() == {"cut": 1, "sent back": 1}


def test_a_cut_letter_still_says_from_where_it_was_sent_back() -> None:
    world = World()
    marks: Headers = (("freshrank-redriven", b"events/0/1 letters/0/0"), ("big", b"x" * 20_000))
    world.fail(b"x" * 20_000, headers=marks, max_bytes=10_000)
    (letter,) = world.survey().letters
    assert (letter.n_redriven, letter.is_whole) == (1, False)
    assert dict(world.cluster.committed(LETTERS)[0].headers)["freshrank-redriven"] == b"events/0/1 letters/0/0"


def test_letters_of_another_input_and_what_is_no_letter_are_left_alone() -> None:
    world = World()
    world.fail(topic="other-events")
    world.cluster.append(LETTERS, b"somebody else's", key=b"k")
    world.cluster.append(LETTERS, b"{", headers=(("freshrank-redrive-receipt", b"1"),))
    assert world.redrive() == 0
    assert not world.survey().letters


def test_nothing_goes_while_receipts_may_be_hidden_behind_an_open_transaction() -> None:
    world = World()
    world.fail()
    writer = FakeOutput(world.cluster, transactional_id="worker")
    writer.open()
    writer.begin()
    writer.write([OutputRecord(LETTERS, b"ann", b"x")])
    with pytest.raises(Retryable, match="a transaction is open"):
        world.redrive()
    assert not world.redriven()


class CrashAt:
    """Ends the process at the k-th moment before or after a call."""

    def __init__(self, k: int | None) -> None:
        self.n_moments = 0
        self._k = k
        self.calls = Calls(before_call=self._pass, after_call=self._pass)

    def _pass(self, _name: str) -> None:
        self.n_moments += 1
        if self.n_moments - 1 == self._k:
            raise Crash


def world_of_letters(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(sending, "MAX_LETTERS", 4)
    world = World()
    for n in range(14):
        world.fail(b"%d" % n, key=b"user-%d" % (n % 5), at_ms=n)
    return world


def test_killed_at_any_call_and_repeated_every_letter_goes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = CrashAt(None)
    assert world_of_letters(monkeypatch).redrive(calls=whole.calls) == 14
    assert whole.n_moments > 40
    for k in range(whole.n_moments):
        world = world_of_letters(monkeypatch)
        with contextlib.suppress(Crash):
            world.redrive(calls=CrashAt(k).calls)
        world.redrive()
        assert sorted(int(r.value or b"") for r in world.redriven()) == list(range(14)), k


def test_a_redrive_that_another_one_overtakes_sends_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of_letters(monkeypatch)
    n_pieces = 0

    def overtake(_name: str) -> None:
        nonlocal n_pieces
        n_pieces += _name == "commit"
        if _name == "commit" and n_pieces == 2:
            world.redrive()

    with pytest.raises(Exception, match="no longer the newest"):
        world.redrive(calls=Calls(before_call=overtake))
    assert sorted(int(r.value or b"") for r in world.redriven()) == list(range(14))
