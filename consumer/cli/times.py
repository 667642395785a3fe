"""Times and offsets as they are given on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from consumer.errors import BadRequest

NOW: Final = "now"


def time_ms(option: str, text: str, now_s: float) -> int:
    """Milliseconds since 1970 of `now`, a date (its beginning in UTC) or an RFC 3339 time. Raises BadRequest."""
    if text == NOW:
        return int(now_s * 1000)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(
            f"{option} {text}: expected {NOW}, a date such as 2026-01-31, or a time such as 2026-01-31T10:15:00Z"
        ) from error
    if time.tzinfo is None:
        if len(text) > len("2026-01-31"):
            raise BadRequest(f"{option} {text}: say in which zone, for example {text}Z")
        time = time.replace(tzinfo=UTC)
    return int(time.timestamp() * 1000)


def offsets(option: str, text: str) -> Mapping[int, int]:
    """`"0:100,1:250"`: partition → offset. Raises BadRequest."""
    found: dict[int, int] = {}
    for part in filter(None, text.split(",")):
        partition, colon, offset = part.strip().partition(":")
        if not (colon and partition.isdecimal() and offset.isdecimal()):
            raise BadRequest(f"{option} takes PARTITION:OFFSET,…, got {part.strip()!r}")
        if int(partition) in found:
            raise BadRequest(f"{option} names partition {partition} twice")
        found[int(partition)] = int(offset)
    return found
