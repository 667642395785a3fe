"""Amounts in words, as findings use them."""

from __future__ import annotations

from typing import Final

_UNITS_S: Final = (("d", 86_400), ("h", 3_600), ("min", 60))
_BYTES: Final = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def duration(seconds: float) -> str:
    """`7 d`, `6 h`, `90 s`, `4 ms`: in the greatest unit of which there are at least two, or a whole number."""
    for unit, size in _UNITS_S:
        if seconds >= 2 * size or (seconds >= size and seconds % size == 0):
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds >= 1 or seconds == 0 else f"{1000 * seconds:.3g} ms"


def size(n_bytes: float) -> str:
    for unit, one in _BYTES:
        if n_bytes >= one:
            return f"{n_bytes / one:.1f} {unit}"
    return f"{n_bytes:.0f} bytes"


def share(part: int, whole: int) -> str:
    """`12 %` of a whole that isn't nothing; `0.1 %` rather than nothing where there is something."""
    percent = 100 * part / whole
    return f"{percent:.0f} %" if percent >= 1 or part == 0 else f"{max(percent, 0.1):.1f} %"


def counted(n: int, what: str) -> str:
    """`1 broker`, `2 brokers`."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def listed(names: list[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
