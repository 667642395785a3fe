"""Errors, named by what the loop does with them.

FreshrankError
├── MalformedEvent    this record goes to the dead letters, the others go on
├── Retryable         keep what is in hand, back off inside a deadline, try again
├── CorruptCheckpoint this one is skipped with a warning, an older one is tried
├── OutputReplaced    the output topics are not those that were written to: end the term, and take over anew
├── Fenced            another writer may have taken over: check the lease, reopen the output or leave
└── Fatal             stop without committing, exit non-zero, with the values in the message
    ├── BadSettings   the same, before anything was touched: lists every problem at once
    ├── BadRequest    the same: what was asked for cannot be done as asked
    └── BadRow        a row of a recorded file that cannot be used, with its number
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class FreshrankError(Exception):
    """Base of every error that this package raises on purpose."""


class MalformedEvent(FreshrankError):
    """A record that can never be learned; `reason` is one of `consumer.messages.Outcome`."""

    def __init__(self, reason: int, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Retryable(FreshrankError):
    """A fault that may pass by itself, such as a broker that does not answer."""


class CorruptCheckpoint(FreshrankError):
    """A checkpoint that is incomplete, damaged or not ours."""


class Fenced(FreshrankError):
    """The transactional producer was fenced, or a long outage looks like it."""


class OutputReplaced(FreshrankError):
    """A topic that was written to has been made anew meanwhile: what readers hold is no longer what was published."""


class Fatal(FreshrankError):
    """Nothing this process can do will help; an operator has to act."""


class BadSettings(Fatal):
    """One or more settings are wrong; every problem is in `problems`."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(("the settings cannot be used:", *(f"  - {p}" for p in self.problems))))


class BadRequest(Fatal):
    """An option, a file or a combination of options that makes no sense."""


class Named(Protocol):
    """A file, wherever it lies."""

    @property
    def name(self) -> str: ...


class BadRow(Fatal):
    """A row of a recorded file that cannot be used; `row` 1 is the first one after the header."""

    def __init__(self, path: Named, row: int, problem: str) -> None:
        super().__init__(f"{path.name}, row {row}: {problem}")
        self.row = row
