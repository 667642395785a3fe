"""Waits until something is so, instead of sleeping for a while."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_S = 0.05


def until(condition: Callable[[], T], what: str, timeout_s: float = 60.0) -> T:
    """The first true answer of `condition`, asked again and again. Fails the test with `what` after the timeout."""
    give_up_s = time.monotonic() + timeout_s
    while not (answer := condition()):
        assert time.monotonic() < give_up_s, f"after {timeout_s:g} s still not so: {what}"
        time.sleep(PAUSE_S)
    return answer
