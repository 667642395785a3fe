"""A worker that says it is ready compiles nothing any more: that would stop the loop for seconds."""

from __future__ import annotations

from tests.bench import children


def test_nothing_is_compiled_after_the_warm_up() -> None:
    assert children.ask("tests.worker.late_compilation") == []
