"""A clock that tests move; it may also move a little each time it is asked, so that what is periodic comes due."""

from __future__ import annotations


class FakeClock:
    def __init__(self, *, wall_s: float = 1_795_000_000.0, step_s: float = 0.0) -> None:
        self.now_s = 0.0
        self._wall_start_s = wall_s
        self._step_s = step_s

    def wall_s(self) -> float:
        return self._wall_start_s + self.now_s

    def monotonic_s(self) -> float:
        self.now_s += self._step_s
        return self.now_s
