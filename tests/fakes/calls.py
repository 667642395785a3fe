"""Where the fakes of the ports may be made to fail: before a call, or after it took effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class Crash(BaseException):
    """The process dies here. No `except Exception` may survive it."""


def _goes_on(_name: str) -> None:
    return None


@dataclass(slots=True)
class Calls:
    """Shared by all fakes of one process: what was called, in order, and hooks that may raise `Crash` or an error.

    `before_call(name)` runs before anything happened, `after_call(name)` after it took effect but before the caller
    knows.
    """

    journal: list[tuple[object, ...]] = field(default_factory=list)
    before_call: Callable[[str], None] = _goes_on
    after_call: Callable[[str], None] = _goes_on

    @contextmanager
    def call(self, name: str, *details: object) -> Iterator[None]:
        self.before_call(name)
        self.journal.append((name, *details))
        yield
        self.after_call(name)

    def named(self, *names: str) -> list[tuple[object, ...]]:
        """The journal's entries of these names."""
        return [entry for entry in self.journal if entry[0] in names]
