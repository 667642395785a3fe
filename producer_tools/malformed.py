"""Ways to spoil a good event, one for each reason for which a consumer may have to refuse it."""

from __future__ import annotations

import json
from typing import Any

from producer_tools.event_columns import Fault

_LONG_ID_BYTES = 5_000  # beyond every limit that a worker can be given


def malformed(value: bytes, fault: Fault) -> bytes:
    """A good event's bytes → a malformed record's. `fault` must be one of MALFORMATIONS."""
    if fault is Fault.TRUNCATED:
        return value[: len(value) // 2]
    if fault is Fault.NOT_UTF8:
        return value.replace(b'"user_id":"', b'"user_id":"\xff\xfe')
    return _encoded(_spoilt(json.loads(value), fault))


def _spoilt(event: dict[str, Any], fault: Fault) -> dict[str, Any]:
    match fault:
        case Fault.MISSING_FIELD:
            del event["item_id"]
        case Fault.WRONG_TYPE:
            event["item_id"] = [event["item_id"]]
        case Fault.EMPTY_ID:
            event["item_id"] = ""
        case Fault.ID_TOO_LONG:
            event["user_id"] = event["user_id"].ljust(_LONG_ID_BYTES, "x")
        case Fault.NOT_FINITE:
            event["value"] = float("inf")
        case Fault.TIME_BEFORE_RANGE:
            event["event_time"] = "1971-01-01T00:00:00.000Z"
        case _:
            raise ValueError(f"{fault!r} is no way to be malformed")
    return event


def _encoded(event: dict[str, Any]) -> bytes:
    """1e999 is valid JSON for a number that no float holds; `Infinity`, which json would write, is no JSON at all."""
    text = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
    return text.replace(":Infinity", ":1e999").encode()
