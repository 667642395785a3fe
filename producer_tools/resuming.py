"""A replay that goes on exactly where it stopped, however it stopped.

Rows are sent in transactions, and each transaction carries the number of the next row. Readers of committed records (a
worker is one) see every row once.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from consumer.recordings.recording import RecordingPlan
from producer_tools.errors import UsageError
from producer_tools.interrupts import held_back
from producer_tools.replay import RecordedBlocks

_EVERY_S = 1.0
_EVERY_RECORDS = 100_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay has come."""

    next_row: int
    n_sent: int = 0  # rows, by all runs together
    is_done: bool = False


class PositionedTransactions(Protocol):
    """`producer_tools.transactions.Transactions`."""

    is_open: bool

    def stored(self) -> tuple[int, str] | None: ...
    def begin(self) -> None: ...
    def commit(self, offset: int, metadata: str) -> None: ...
    def abort(self) -> None: ...


class Resumption:
    """What is known of a replay by its name, and what becomes of it; a `Ledger` of the sending."""

    def __init__(self, transactions: PositionedTransactions, name: str, plan: RecordingPlan) -> None:
        """Raises UsageError where the name belongs to another replay, ToolError where Kafka refuses."""
        self._digest = _digest(plan)
        self._transactions = transactions
        self.progress = self._read(transactions.stored(), name, plan)
        self._before = self.progress
        self._blocks: RecordedBlocks | None = None
        self._is_broken = False  # whether the open transaction can be committed is unknown, so nothing more is
        self._begun_s = 0.0
        self._n_begun = self.n_settled = 0

    def watch(self, blocks: RecordedBlocks) -> None:
        """These are what is sent."""
        self._blocks = blocks

    def open(self, n_sent: int) -> None:
        """Before records are handed over."""
        if not self._transactions.is_open:
            with held_back():
                self._transactions.begin()
                self._begun_s, self._n_begun = time.monotonic(), n_sent

    def settle(self, n_sent: int) -> None:
        """Now and then: so many have been handed over."""
        is_due = time.monotonic() - self._begun_s >= _EVERY_S or n_sent - self._n_begun >= _EVERY_RECORDS
        if self._transactions.is_open and is_due:
            self._commit(n_sent, is_done=False)

    def finish(self, n_sent: int, *, is_whole: bool) -> None:
        """These were the last ones; of all rows, if the sending is whole."""
        if self._is_broken:
            self.abandon()
            return
        self.open(n_sent)
        self._commit(n_sent, is_done=is_whole)

    def abandon(self) -> None:
        """What has not been settled does not count."""
        self._transactions.abort()

    def _commit(self, n_sent: int, *, is_done: bool) -> None:
        assert self._blocks is not None, "nothing is sent before `watch`"
        progress = Progress(
            next_row=self._blocks.next_row(n_sent) if n_sent else self._before.next_row,
            n_sent=self._before.n_sent + n_sent,
            is_done=is_done,
        )
        metadata = json.dumps({"of": self._digest, "n_sent": progress.n_sent, "is_done": is_done})
        with held_back():
            self._is_broken = True
            self._transactions.commit(progress.next_row, metadata)
            self.progress, self.n_settled, self._is_broken = progress, n_sent, False

    def _read(self, stored: tuple[int, str] | None, name: str, plan: RecordingPlan) -> Progress:
        if stored is None:
            return Progress(plan.start_row)
        next_row, metadata = stored
        try:
            found = json.loads(metadata)
            digest, n_sent, is_done = found["of"], int(found["n_sent"]), bool(found["is_done"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"--resume-as {name}: there is a consumer group of that name; choose another") from error
        if digest != self._digest:
            raise UsageError(
                f"--resume-as {name} began with another file or other options ({n_sent:,} rows sent): "
                "repeat the command as it was, or choose another name to send this"
            )
        return Progress(next_row, n_sent, is_done)


def _digest(plan: RecordingPlan) -> str:
    """Of all that shapes the records; not of where the file lies, nor of how long it is."""
    text = json.dumps(asdict(replace(plan, path=Path(plan.path.name))), sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
