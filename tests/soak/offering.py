"""Sends a flood as fast as the broker takes it, from a process of its own.

`python -m tests.soak.offering BOOTSTRAP_SERVERS TOPIC N_EVENTS EVENTS_PER_S N_WANTED START_MS PAUSE_S`
"""

from __future__ import annotations

import json
import sys

from tests.bench.load import produce
from tests.soak.stream import Flood


def arguments(flood: Flood) -> list[str]:
    """What the process is given."""
    given = (flood.n_events, flood.events_per_s, flood.n_wanted, flood.start_ms, flood.pause_s)
    return [str(value) for value in given]


def main() -> None:
    bootstrap_servers, topic = sys.argv[1:3]
    n_events, events_per_s, n_wanted, start_ms = map(int, sys.argv[3:7])
    flood = Flood(n_events, events_per_s, n_wanted, start_ms, pause_s=float(sys.argv[7]))
    delivery = produce(bootstrap_servers, topic, flood.blocks())
    sys.stdout.write(json.dumps({"records_per_s": delivery.n_delivered / delivery.seconds}) + "\n")


if __name__ == "__main__":
    main()
