"""Notices events flowing while no version changes."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)


class StallWatch:
    """Told what is learned and published, at monotonic times."""

    def __init__(self, after_s: float, now_s: float) -> None:
        self._after_s = after_s
        self._since_s = now_s
        self._n_learned = 0
        self._is_stalled = False

    def learned(self, n_events: int) -> None:
        self._n_learned += n_events

    def published(self, now_s: float) -> None:
        """A version went out."""
        self._since_s = now_s
        self._n_learned = 0

    def is_stalled(self, now_s: float) -> bool:
        """Whether events were learned and no version has gone out for too long. Says so in the log when it begins."""
        before = self._is_stalled
        self._is_stalled = self._n_learned > 0 and now_s - self._since_s >= self._after_s
        if self._is_stalled and not before:
            logger.error(
                "no version goes out",
                extra={"events_learned_since": self._n_learned, "seconds": round(now_s - self._since_s, 1)},
            )
        return self._is_stalled
