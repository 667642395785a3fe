"""The contract read by nobody's library but Python's: rows by json and hashlib, recommendations by the formulas."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from consumer.messages import InputRecord
from tests.fakes.kafka import FakeCluster
from tests.snapshots.worlds import MANIFESTS, RELATED, SCORES

Row = dict[str, Any]


def last_rows(cluster: FakeCluster, topic: str, before: Mapping[int, int] | None = None) -> dict[str, Row]:
    """The last row of each key, tombstones taken away; `before`: only offsets in front of these."""
    return {key: json.loads(value) for key, value in _last_values(cluster, topic, before).items()}


def checksum(cluster: FakeCluster, positions: Mapping[str, Mapping[int, int]]) -> str:
    """Of all rows in front of these positions."""
    total = 0
    for topic in (SCORES, RELATED):
        for key, value in _last_values(cluster, topic, positions[topic]).items():
            digest = hashlib.sha256(topic.encode() + b"\0" + key.encode() + b"\0" + value).digest()
            total += int.from_bytes(digest[:8], "big")
    return f"{total % 2**64:016x}"


def records_of(cluster: FakeCluster, topic: str, version: int) -> list[InputRecord]:
    """Upserts of one version."""
    rows = [record for record in cluster.committed(topic) if record.value is not None]
    return [record for record in rows if json.loads(record.value or b"")["version"] == version]


def time_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _last_values(cluster: FakeCluster, topic: str, before: Mapping[int, int] | None) -> dict[str, bytes]:
    values: dict[str, bytes] = {}
    for record in cluster.committed(topic):
        if before is not None and record.offset >= before.get(record.partition, 0):
            continue
        key = (record.key or b"").decode()
        if record.value is None:
            values.pop(key, None)
        else:
            values[key] = record.value
    return values


class PlainRecommender:
    """DESIGN.md's formulas over the rows of the last manifest, with its constants, totals and tables."""

    def __init__(self, cluster: FakeCluster) -> None:
        newest = [record for record in cluster.committed(MANIFESTS) if record.key == b"default"][-1]
        self.model = json.loads(newest.value or b"")["model"]
        self.scores = last_rows(cluster, SCORES)
        self.related = last_rows(cluster, RELATED)
        self.constants = self.model["constants"]["item_to_item"]
        self.now_s = time_s(self.model["totals"]["as_of"])

    def _fresh(self, item: str) -> float:
        return math.exp((time_s(self.related[item]["as_of"]) - self.now_s) / self.constants["time_constant_s"])

    def _count(self, item: str) -> float:
        return float(self.related[item]["mass"]) * self._fresh(item)

    def _entries(self, item: str) -> list[tuple[str, float]]:
        return [(j, w * self._fresh(item)) for j, w in self.related[item]["related"] if self._is_live(j)]

    def _is_live(self, item: str) -> bool:
        return item in self.related and item in self.scores

    def listed(self, history: Sequence[str]) -> list[str]:
        """Items outside the history, best first; `history` latest first."""
        k = self.constants
        first: dict[str, float] = defaultdict(float)
        latest: dict[str, float] = {}
        places = {item: b for b, item in reversed(list(enumerate(history))) if self._is_live(item)}
        for item, b in sorted(places.items(), key=lambda place: place[1])[: k["max_history"]]:
            c = self._count(item)
            idf = math.log((self.model["totals"]["item_to_item"] + 1) / (c + 1))
            a = math.exp(-k["step_decay"] * b) * max(idf, 0.0) ** k["idf_power"]
            a /= (c + k["count_prior"]) ** k["history_count_power"]
            for j, w in self._entries(item):
                first[j] += a * w
            latest = latest or dict(first) or {item: 0.0}
        outside = {j: s for j, s in first.items() if j not in places}
        total: dict[str, float] = defaultdict(float, outside)
        for j in sorted(outside, key=lambda j: -outside[j])[: k["hops"]]:
            for other, w in self._entries(j):
                if other not in places:
                    total[other] += k["hop_weight"] * outside[j] * w / (self._count(j) + k["count_prior"])
        values = {j: s / (self._count(j) + k["count_prior"]) ** k["candidate_count_power"] for j, s in total.items()}
        ranked = sorted((j for j in values if values[j] > 0), key=lambda j: -values[j])[: k["list_length"]]
        utility = {
            j: self._utility(
                j, values[j] / values[ranked[0]], r + 1, first[j] / total[j], latest.get(j, 0.0) / total[j]
            )
            for r, j in enumerate(ranked)
        }
        return sorted(ranked, key=lambda j: -utility[j])

    def _utility(self, item: str, ratio: float, rank: int, first_part: float, latest_part: float) -> float:
        """What orders the list."""
        weights = self.model["weights"]["fusion.logit"]
        fusion, prior = self.model["constants"]["fusion"], self.constants["count_prior"]
        of_list = (math.log(ratio + fusion["logit_floor"]) + fusion["logit_offset"], math.sqrt(ratio), 1 / rank)
        count = self._count(item) + prior
        expected = self.scores[item]["score"] * self.model["totals"]["item_to_item"] + prior
        of_item = {
            "rising": math.log(expected / count),
            "count": math.log(count),
            "second_hop": 1.0 - first_part,
            "latest": latest_part,
        }
        utility = sum(w * x for w, x in zip(weights["item_to_item"], of_list, strict=True))
        return float(utility + sum(weights["item"][name] * x for name, x in of_item.items()))

    def recommend(self, history: Sequence[str], n: int) -> list[str]:
        """Oldest item first."""
        latest_first: list[str] = []
        for item in reversed(history):
            if not latest_first or latest_first[-1] != item:
                latest_first.append(item)
        length = min(len(latest_first), self.model["constants"]["repeat"]["lengths"]) - 1
        n_habits = self.model["constants"]["repeat"]["habits"]
        chances = self.model["tables"]["repeat.chance"][length * n_habits + self._habit(latest_first)]
        places = {item: b for b, item in reversed(list(enumerate(latest_first[: len(chances)])))}
        repeated = {item: chances[b] for item, b in places.items() if self._is_live(item)}
        listed = self.listed(latest_first)
        constants = self.model["constants"]["fusion"]
        outside = max(1.0 - sum(repeated.values()), constants["least_outside"])
        by_rank = self.model["tables"]["fusion.chance"][length]
        bucket = [sum(end <= place for end in constants["bucket_ends"]) for place in range(len(listed))]
        ranked = [(outside * by_rank[bucket[place]], 1, item) for place, item in enumerate(listed)]
        ranked += [(chance, 0, item) for item, chance in repeated.items()]
        merged = [item for _, _, item in sorted(ranked, key=lambda entry: (-entry[0], -entry[1]))]
        popular = sorted(self.scores, key=lambda item: (-self.scores[item]["score"], item))
        return [*merged, *(item for item in popular if item not in merged)][:n]

    def _habit(self, latest_first: Sequence[str]) -> int:
        """0: no known item stands twice; 1: one does; 2: the latest does."""
        near = latest_first[: self.model["constants"]["repeat"]["places_back"]]
        known = [item for item in near if self._is_live(item)]
        if len(set(known)) == len(known):
            return 0
        return 2 if self._is_live(near[0]) and near[0] in near[1:] else 1
