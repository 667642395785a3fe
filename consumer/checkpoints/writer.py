"""Runs the writing calls of a checkpoint store beside the loop, in order."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Protocol

from consumer.errors import Fenced

Task = Callable[[], None]


class Writer(Protocol):
    def is_full(self) -> bool:
        """Whether `submit` would have to wait."""
        ...

    def submit(self, task: Task) -> None: ...

    def failure(self) -> BaseException | None:
        """What the first failed task raised; the tasks after it were skipped. Asking clears it."""
        ...

    def wait(self) -> None:
        """Until everything submitted is done or skipped."""
        ...

    def close(self) -> None:
        """Finish what was submitted, then stop."""
        ...


class WriterThread:
    """One daemon thread and a bounded queue: what waits to be written is bounded by the queue's length."""

    def __init__(self, max_waiting: int = 3) -> None:
        self._tasks: queue.Queue[Task | None] = queue.Queue(max_waiting)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="checkpoint-writer", daemon=True)
        self._thread.start()

    def is_full(self) -> bool:
        return self._tasks.full()

    def submit(self, task: Task) -> None:
        self._tasks.put(task)

    def failure(self) -> BaseException | None:
        failure = self._failure
        if failure is not None and self._tasks.unfinished_tasks == 0:
            self._failure = None
            return failure
        return None

    def wait(self) -> None:
        self._tasks.join()

    def close(self) -> None:
        self._tasks.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                if self._failure is None:
                    task()
            except Exception as error:  # noqa: BLE001 - handed to the loop, which decides
                self._failure = error
            finally:
                self._tasks.task_done()
        self._tasks.task_done()


class InlineWriter:
    """Runs each task at once, on the caller's thread; for tests, and for the first checkpoint."""

    def __init__(self) -> None:
        self._failure: BaseException | None = None

    def is_full(self) -> bool:
        return False

    def submit(self, task: Task) -> None:
        if self._failure is not None:
            return
        try:
            task()
        except (OSError, Fenced) as error:
            self._failure = error

    def failure(self) -> BaseException | None:
        failure, self._failure = self._failure, None
        return failure

    def wait(self) -> None:
        return

    def close(self) -> None:
        return
