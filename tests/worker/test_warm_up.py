"""A worker that says it is ready compiles nothing any more: that would stop the loop for seconds."""

from __future__ import annotations

import multiprocessing
import resource

import pytest

from consumer import gradient_step, kernels, warm_up
from consumer.errors import Fatal
from consumer.settings import Settings
from consumer.warm_up import load_kernels
from tests.bench import children
from tests.worker.test_gate import model


def test_nothing_is_compiled_after_the_warm_up() -> None:
    assert children.ask("tests.worker.late_compilation") == []


@pytest.mark.neural
def test_nothing_is_compiled_after_the_warm_up_of_a_worker_with_a_network() -> None:
    assert children.ask("tests.worker.late_compilation", "neural") == []


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


def test_a_member_whose_packages_are_missing_is_refused_before_anything_is_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> None:
        raise Fatal("models.neural.enabled is true, but: pip install 'freshrank[neural]'")

    asked: list[str] = []
    monkeypatch.setattr(gradient_step, "require", missing)
    monkeypatch.setattr(kernels, "is_compiled", asked.append)
    with pytest.raises(Fatal, match=r"models.neural.enabled is true.*pip install 'freshrank\[neural\]'"):
        load_kernels(Settings.model_validate({"models": {"neural": {"enabled": True}}}), lambda: True)
    assert asked == []


def ended_children_cpu_s() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
