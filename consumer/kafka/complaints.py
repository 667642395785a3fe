"""librdkafka's own log lines, each complaint once in a while: while brokers are away, every client repeats its own many
times a second."""

from __future__ import annotations

import logging
import re
from typing import Final

from consumer.clock import Clock, SystemClock

EVERY_S: Final = 30.0
MOST_REMEMBERED: Final = 1_000
_VARYING: Final = re.compile(r"\d+ ?ms\b")


class OnceInAWhile(logging.Filter):
    """Lets a warning through unless the same one, but for durations in it, was let through in the last `EVERY_S`; then
    says how many were held back. Lines below a warning all pass."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock or SystemClock()
        self._told: dict[str, tuple[float, int]] = {}  # when, and how many were held back since

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        text, now_s = record.getMessage(), self._clock.monotonic_s()
        key = _VARYING.sub("", text)
        told_s, n_held_back = self._told.get(key, (-EVERY_S, 0))
        if now_s - told_s < EVERY_S:
            self._told[key] = (told_s, n_held_back + 1)
            return False
        if len(self._told) >= MOST_REMEMBERED:
            self._told.clear()
        self._told[key] = (now_s, 0)
        if n_held_back:
            record.msg, record.args = "%s (and %d more times since)", (text, n_held_back)
        return True


client_log: Final = logging.getLogger("consumer.kafka.client")
"""Where all that librdkafka says goes."""
client_log.addFilter(OnceInAWhile())
