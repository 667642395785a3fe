"""Offers a synthetic stream open loop, from a process of its own, and says how well the pace was kept.

`python -m tests.bench.offering BOOTSTRAP_SERVERS TOPIC RECORDS_PER_S N_RECORDS N_USERS N_ITEMS`
"""

from __future__ import annotations

import json
import sys
import time

from producer_tools.plan import SyntheticPlan
from producer_tools.synthetic import SyntheticStream
from tests.bench.load import produce


def main() -> None:
    bootstrap_servers, topic = sys.argv[1:3]
    rate, n_records, n_users, n_items = map(int, sys.argv[3:])
    now_ms = int(time.time() * 1000)
    stream = SyntheticStream(SyntheticPlan(n_records, n_users, n_items, seed=7, start_ms=now_ms, events_per_s=rate))
    delivery = produce(bootstrap_servers, topic, stream.blocks(), rate)
    found = {
        "offered_per_s": delivery.n_delivered / delivery.seconds,
        "offer_late_p99_s": delivery.late_p99_s,
        "offer_late_max_s": delivery.late_max_s,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
