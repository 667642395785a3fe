"""A worker that says it is ready compiles nothing any more: that would stop the loop for seconds."""

from __future__ import annotations

import multiprocessing
import resource

import pytest

from consumer import kernels, warm_up
from consumer.warm_up import load_kernels
from tests.bench import children
from tests.worker.test_gate import model


def test_nothing_is_compiled_after_the_warm_up() -> None:
    assert children.ask("tests.worker.late_compilation") == []


@pytest.mark.parametrize("is_new_here", [True, False])
def test_the_compiler_runs_in_a_process_of_its_own_that_ends_and_only_where_it_never_ran(
    monkeypatch: pytest.MonkeyPatch, is_new_here: bool
) -> None:
    notes: list[str] = [] if is_new_here else [warm_up.way_of(model())]
    monkeypatch.setattr(kernels, "is_compiled", notes.__contains__)
    monkeypatch.setattr(kernels, "note_compiled", notes.append)
    before = ended_children_cpu_s()
    load_kernels(model(), lambda: False)
    assert (ended_children_cpu_s() > before) == is_new_here
    assert set(notes) == {warm_up.way_of(model())}
    assert multiprocessing.active_children() == []


def test_a_stop_does_not_wait_for_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr(kernels, "is_compiled", notes.__contains__)
    monkeypatch.setattr(kernels, "note_compiled", notes.append)
    asked = iter([False, True, True])
    load_kernels(model(), lambda: next(asked))
    assert notes == []
    assert multiprocessing.active_children() == []


def ended_children_cpu_s() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
