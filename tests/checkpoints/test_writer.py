"""The thread beside the loop."""

from __future__ import annotations

import threading

import pytest

from consumer.checkpoints.writer import InlineWriter, Writer, WriterThread


@pytest.fixture(params=["thread", "inline"])
def writer(request: pytest.FixtureRequest) -> Writer:
    return WriterThread(100) if request.param == "thread" else InlineWriter()


def fail() -> None:
    raise OSError("disk on fire")


def test_tasks_are_done_in_their_order(writer: Writer) -> None:
    done: list[int] = []
    for n in range(20):
        writer.submit(lambda n=n: done.append(n))  # type: ignore[misc]  # bound by its default
    writer.close()
    assert done == list(range(20))


def test_after_a_failure_the_rest_is_skipped_until_somebody_asked(writer: Writer) -> None:
    done: list[str] = []
    writer.submit(fail)
    writer.submit(lambda: done.append("skipped"))
    writer.wait()
    assert str(writer.failure()) == "disk on fire"
    assert writer.failure() is None
    writer.submit(lambda: done.append("done"))
    writer.close()
    assert done == ["done"]


def test_a_thread_is_full_when_as_many_tasks_wait_as_it_has_room_for() -> None:
    writer, may_go_on, has_begun = WriterThread(2), threading.Event(), threading.Event()

    def block() -> None:
        has_begun.set()
        assert may_go_on.wait(30)

    writer.submit(block)
    assert has_begun.wait(30)
    writer.submit(lambda: None)
    assert not writer.is_full()
    writer.submit(lambda: None)
    assert writer.is_full()
    may_go_on.set()
    writer.wait()
    assert not writer.is_full()
    writer.close()


def test_a_failure_is_told_only_when_nothing_is_under_way() -> None:
    writer, may_go_on = WriterThread(3), threading.Event()
    writer.submit(fail)
    writer.submit(lambda: None)
    writer.wait()
    assert writer.failure() is not None
    writer.submit(lambda: None if may_go_on.wait(30) else fail())
    assert writer.failure() is None
    may_go_on.set()
    writer.close()


def test_an_error_that_is_no_fault_of_the_medium_is_handed_over_too() -> None:
    writer = WriterThread()
    writer.submit(lambda: [][0])
    writer.wait()
    assert isinstance(writer.failure(), IndexError)
    writer.close()
