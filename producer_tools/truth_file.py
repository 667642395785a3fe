"""What is true of a synthetic stream, as NDJSON, so that a test can measure how much of it a consumer has found out.

Each line has a `kind`: `stream` (the whole plan), `planted` (records by fault and by type), `trend` (`ends` is null
where it stays), `bot`, `new_item`, and at several moments `shares` (item → its true share of all interactions).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from producer_tools.bots import Bots
from producer_tools.errors import ToolError
from producer_tools.event_columns import EVENT_TYPES, Fault
from producer_tools.event_text import rfc3339
from producer_tools.ndjson_file import opened
from producer_tools.synthetic import SyntheticStream
from producer_tools.trends import sudden_trends
from producer_tools.true_shares import TrueShare, trend_begins_ms


def write_truth(path: Path, stream: SyntheticStream, n_moments: int) -> None:
    """`shares` at so many moments, evenly spread over the records, the last one at their end. A name ending in `.gz` is
    written compressed. Raises ToolError if the file cannot be written."""
    try:
        with opened(path) as out:
            for fact in facts(stream, n_moments):
                out.write(json.dumps(fact, ensure_ascii=False).encode() + b"\n")
    except OSError as error:
        raise ToolError(f"{path} cannot be written: {error.strerror}") from error


def facts(stream: SyntheticStream, n_moments: int) -> Iterator[dict[str, Any]]:
    """The lines."""
    plan = stream.plan
    yield {"kind": "stream", "start": _text(plan.start_ms), "end": _text(plan.end_ms), "plan": asdict(plan)}
    yield _planted(stream)
    yield from _trends(stream)
    if plan.faults.bots > 0:
        bots = Bots(plan)
        for user, item in zip(bots.users.tolist(), bots.items.tolist(), strict=True):
            yield {"kind": "bot", "user": stream.user_id(user), "item": stream.item_id(item)}
    yield from _new_items(stream)
    yield from _shares(stream, n_moments)


def _planted(stream: SyntheticStream) -> dict[str, Any]:
    faults, types = np.zeros(len(Fault) * 2, np.int64), np.zeros(len(EVENT_TYPES), np.int64)
    for events in stream.events():
        faults += np.bincount(events.fault, minlength=len(faults))
        types += np.bincount(events.event_type, minlength=len(types))
    return {
        "kind": "planted",
        "faults": {fault.name.lower(): int(faults[fault]) for fault in Fault},
        "types": dict(zip(EVENT_TYPES, types.tolist(), strict=True)),
    }


def _trends(stream: SyntheticStream) -> Iterator[dict[str, Any]]:
    plan = stream.plan
    if plan.trend is not None:
        begins = _text(trend_begins_ms(plan))
        yield {"kind": "trend", "item": plan.trend.item, "begins": begins, "ends": None, "share": plan.trend.share}
    for trend in sudden_trends(plan, plan.start_ms, plan.end_ms):
        item, begins, ends = stream.item_id(trend.item), _text(trend.begins_ms), _text(trend.ends_ms)
        yield {"kind": "trend", "item": item, "begins": begins, "ends": ends, "share": trend.share}


def _new_items(stream: SyntheticStream) -> Iterator[dict[str, Any]]:
    plan = stream.plan
    if plan.new_items_per_hour == 0:
        return
    every_ms = 3_600_000 / plan.new_items_per_hour
    for k in range(int((plan.end_ms - plan.start_ms) / every_ms)):
        arrives_ms = plan.start_ms + round((k + 1) * every_ms)
        yield {"kind": "new_item", "item": stream.item_id(plan.n_items + k), "arrives": _text(arrives_ms)}


def _shares(stream: SyntheticStream, n_moments: int) -> Iterator[dict[str, Any]]:
    plan, true_share = stream.plan, TrueShare(stream)
    for k in range(1, n_moments + 1):
        record = plan.n_events * k // n_moments
        found = true_share.at(int(plan.clock().ms_at(np.array([record]))[0]))
        ids = map(stream.item_id, found.item.tolist())
        shares = {item: float(f"{share:.6g}") for item, share in zip(ids, found.share.tolist(), strict=True)}
        yield {"kind": "shares", "at": _text(found.at_ms), "record": record, "shares": shares}


def _text(time_ms: int) -> str:
    return rfc3339(np.array([time_ms], np.int64))[0]
