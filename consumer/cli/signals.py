"""Asked to stop by a signal: the first one is a request, the second one an order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Gives a question: was SIGTERM or SIGINT received? Only on the main thread.

    After the first of them both do again what they did before, so that a second Ctrl-C ends a stop that takes too long.
    """
    is_asked = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, former in before.items():
            signal.signal(number, former)

    def ask(_number: int, _frame: FrameType | None) -> None:
        is_asked.set()
        restore()

    for number in before:
        signal.signal(number, ask)
    try:
        yield is_asked.is_set
    finally:
        restore()
