"""Exit codes of every command."""

from __future__ import annotations

from typing import Final

FAULT: Final = 1
USAGE: Final = 2

EXPLAINED: Final = (
    "Exit codes: 0 done; 1 a fault, with a message; 2 wrong usage or settings; 130 interrupted. "
    "FRESHRANK_DEBUG=1 shows the traceback of a fault."
)
