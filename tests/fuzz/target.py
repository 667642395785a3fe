"""What is fuzzed: something that reads bytes, and a check that says whether it read these bytes rightly."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Final

from hypothesis import strategies as st

from consumer.errors import FreshrankError

SEPARATOR: Final = b"\x1e"
"""Between the inputs of one case: a control character, which stands in no JSON and no YAML."""


class Target(ABC):
    @abstractmethod
    def check(self, case: bytes) -> int:
        """How many inputs the case holds. Raises whatever is wrong with how they are read."""

    @abstractmethod
    def cases(self) -> st.SearchStrategy[bytes]:
        """Cases drawn by their structure."""

    @abstractmethod
    def seeds(self) -> Sequence[bytes]:
        """Cases to begin with."""

    @abstractmethod
    def changed(self, random: Random) -> bytes:
        """A case made by small changes of good ones: quickly, and of many inputs where a case has many."""

    def alone(self, case: bytes) -> Iterable[bytes]:
        """The case's inputs, a case each, where it has several."""
        return ()


def mangled(random: Random, text: bytes, pieces: Sequence[bytes], most: int = 3) -> bytes:
    """A few bytes of the text put in, cut out, doubled or replaced."""
    record = bytearray(text)
    for _ in range(random.randrange(most + 1)):
        at = random.randrange(len(record) + 1)
        kind = random.random()
        if kind < 0.5:
            record[at : at + random.randrange(3)] = random.choice(pieces)
        elif kind < 0.7:
            record[at : at + 1] = bytes([random.randrange(256)])
        elif kind < 0.85:
            del record[at : at + random.randrange(1, 12)]
        else:
            record[at:at] = record[at : at + random.randrange(1, 24)]
    return bytes(record)


def told(error: FreshrankError, most: int = 1 << 16) -> None:
    """What refuses an input has to say why, and not at any length."""
    assert 0 < len(str(error)) <= most, f"{type(error).__name__} says {len(str(error))} characters"


@contextmanager
def quiet() -> Iterator[None]:
    """Without what the log would tell of every case."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
