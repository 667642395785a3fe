"""How the C library hands out memory, where it is glibc; elsewhere nothing happens.

glibc gives each thread that allocates an arena of its own and returns little of it; a worker has a dozen threads.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

_M_TRIM_THRESHOLD: Final = -1  # of mallopt, see mallopt(3)
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_N_ARENAS: Final = 2
_LARGE_BYTES: Final = 4 << 20  # more than the arrays of a batch


def keep_small() -> None:
    """From now on threads share a few arenas, and large arrays leave the process as soon as they are freed.

    Left to itself, glibc moves ever larger arrays from pages of their own into its heap, where others hem them in: a
    tenth of the memory of a worker with a million users.
    """
    mallopt = _function("mallopt")
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _N_ARENAS)
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 4 * _LARGE_BYTES)


def give_back() -> None:
    """Return to the system what was freed. Takes milliseconds."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def _function(name: str) -> Any | None:
    return getattr(ctypes.CDLL(None), name, None)
