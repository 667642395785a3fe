"""Whether the worker is alive and whether it is ready, as its supervisor sees it."""

from __future__ import annotations

from dataclasses import dataclass

from consumer.clock import Clock


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """How long the loop may stand still before the worker counts as stuck."""

    max_silence_s: float = 30.0
    first_move_s: float = 300.0
    """The same before its first move: kernels are compiled and a checkpoint is loaded then."""

    def __post_init__(self) -> None:
        if not (self.max_silence_s > 0 and self.first_move_s > 0):
            raise ValueError(f"both limits must be above 0 s, got {self.max_silence_s} and {self.first_move_s}")


@dataclass(frozen=True, slots=True)
class Liveness:
    is_alive: bool
    has_moved: bool
    silent_s: float
    """Since the loop's last move, or since the start where it never moved."""
    since_s: float
    """Wall time of that moment."""


class Health:
    """Written by the loop, read by the HTTP thread; each fact is one reference, so no lock is needed."""

    def __init__(self, clock: Clock, policy: HealthPolicy | None = None) -> None:
        self._clock = clock
        self._policy = policy or HealthPolicy()
        self._started_s = clock.monotonic_s()
        self._moved_s: float | None = None
        self._is_ready = False

    def moved(self, now_s: float) -> None:
        """The loop went round at `now_s`, monotonic."""
        self._moved_s = now_s

    def set_ready(self, is_ready: bool) -> None:
        self._is_ready = is_ready

    @property
    def is_ready(self) -> bool:
        return self._is_ready

    def liveness(self) -> Liveness:
        moved_s = self._moved_s
        has_moved = moved_s is not None
        last_s = self._started_s if moved_s is None else moved_s
        silent_s = max(0.0, self._clock.monotonic_s() - last_s)
        allowed_s = self._policy.max_silence_s if has_moved else self._policy.first_move_s
        return Liveness(silent_s <= allowed_s, has_moved, silent_s, self._clock.wall_s() - silent_s)
